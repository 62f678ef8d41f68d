"""Data transformers under the module path that confs import; they live in `alf.transforms`."""

from alf.transforms import (
    FrameStacker,
    HindsightExperienceTransformer,
    ImageScaleTransformer,
    ObservationNormalizer,
    RewardClipping,
    RewardNormalizer,
    RewardScaling,
    RewardShifting,
    SequentialDataTransformer,
    UntransformedTimeStep,
    l2_dist_close_reward_fn,
)

__all__ = [
    "FrameStacker",
    "HindsightExperienceTransformer",
    "ImageScaleTransformer",
    "ObservationNormalizer",
    "RewardClipping",
    "RewardNormalizer",
    "RewardScaling",
    "RewardShifting",
    "SequentialDataTransformer",
    "UntransformedTimeStep",
    "l2_dist_close_reward_fn",
]
