"""PPO on Pong, 600 000 steps; needs `pip install -e '.[atari]'`."""

import alf
from alf.examples import ppo_breakout_conf  # noqa: F401 - the settings of all games

alf.config("create_environment", env_name="ALE/Pong-v5")
