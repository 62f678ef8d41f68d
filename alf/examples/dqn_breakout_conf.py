"""DQN on Breakout, 1 000 000 steps. Needs `pip install -e '.[atari]'`."""

import alf
from alf.examples import dqn_atari_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="ALE/Breakout-v5")
alf.config("TrainerConfig", num_iterations=123_750)
