"""Transforms between an environment and an algorithm: of rewards, images, frames, statistics."""

from alf.transforms.base import DataTransformer, IdentityDataTransformer, StatelessTransformer
from alf.transforms.hindsight import HindsightExperienceTransformer, l2_dist_close_reward_fn
from alf.transforms.normalizer import Normalizer
from alf.transforms.observation import FrameStacker, ImageScaleTransformer, ObservationNormalizer
from alf.transforms.reward import (
    RewardClipping,
    RewardNormalizer,
    RewardScaling,
    RewardShifting,
    RewardTransformer,
)
from alf.transforms.sequential import (
    SequentialDataTransformer,
    UntransformedTimeStep,
    create_data_transformer,
)

__all__ = [
    "DataTransformer",
    "FrameStacker",
    "HindsightExperienceTransformer",
    "IdentityDataTransformer",
    "ImageScaleTransformer",
    "Normalizer",
    "ObservationNormalizer",
    "RewardClipping",
    "RewardNormalizer",
    "RewardScaling",
    "RewardShifting",
    "RewardTransformer",
    "SequentialDataTransformer",
    "StatelessTransformer",
    "UntransformedTimeStep",
    "create_data_transformer",
    "l2_dist_close_reward_fn",
]
