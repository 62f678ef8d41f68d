"""DQN with hindsight on 16 bits to be flipped: goals are reached in 45 000 steps."""

from functools import partial

import alf
from alf.algorithms.data_transformer import HindsightExperienceTransformer
from alf.environments.bit_flipping import bits_discount, bits_reward
from alf.examples import dqn_bit_flipping_conf  # noqa: F401 - what it configures is what is wanted

# What the environment would have given, had what was reached been what was wanted.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(
        HindsightExperienceTransformer,
        her_proportion=0.8,
        reward_fn=bits_reward,
        discount_fn=bits_discount,
    ),
)
