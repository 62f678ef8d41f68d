"""DQN on Pong, 1 000 000 steps; needs `pip install -e '.[atari]'`."""

import alf
from alf.examples import dqn_breakout_conf  # noqa: F401 - the settings of all games

alf.config("create_environment", env_name="ALE/Pong-v5")
