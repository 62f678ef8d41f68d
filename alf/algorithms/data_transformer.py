"""Data transformers under the module path that confs import; they live in `alf.transforms`."""

from alf.transforms import (
    FrameStacker,
    ImageScaleTransformer,
    ObservationNormalizer,
    RewardClipping,
    RewardNormalizer,
    RewardScaling,
    RewardShifting,
    SequentialDataTransformer,
    UntransformedTimeStep,
)

__all__ = [
    "FrameStacker",
    "ImageScaleTransformer",
    "ObservationNormalizer",
    "RewardClipping",
    "RewardNormalizer",
    "RewardScaling",
    "RewardShifting",
    "SequentialDataTransformer",
    "UntransformedTimeStep",
]
