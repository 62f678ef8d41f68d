"""PPO on Pong, 600 000 steps. Needs `pip install -e '.[atari]'`."""

import alf
from alf.examples import ppo_atari_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="ALE/Pong-v5")
alf.config("TrainerConfig", num_iterations=586)
