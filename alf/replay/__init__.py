"""Replay: a ring buffer of time steps for each environment, sampled uniformly or by priority.

Also recorded episodes: `Episode`, files of them, and time steps made of them.

L.-J. Lin, "Self-Improving Reactive Agents Based on Reinforcement Learning, Planning and
Teaching", Machine Learning 8, 1992, https://doi.org/10.1007/BF00992699.
"""

from alf.replay.offline_files import Episode, write_episodes
from alf.replay.offline_sources import Source, load_recorded
from alf.replay.prioritized import PrioritizedReplayBuffer
from alf.replay.replay_buffer import ReplayBuffer
from alf.replay.sampled_batch import SampledBatch

__all__ = [
    "Episode",
    "PrioritizedReplayBuffer",
    "ReplayBuffer",
    "SampledBatch",
    "Source",
    "load_recorded",
    "write_episodes",
]
