"""What confs may say of every algorithm, and what is true here; see `alf._config.settled`."""

from alf._config.settled import Settled

ENV = Settled(None, "the trainer steps the environment; an algorithm is built from specs alone")
CHECKPOINT = Settled(None, "play and resume load the checkpoints of their root dir")
REWARD_WEIGHTS = Settled(None, "rewards are scalars here; combine them in an environment wrapper")
