"""Optimizers: descriptions for confs, and `build`, which makes them run over parameters."""

from alf.optimizers.built import BuiltOptimizer
from alf.optimizers.specs import SGD, Adam, AdamW, Optimizer, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "BuiltOptimizer", "Optimizer", "RMSprop"]
