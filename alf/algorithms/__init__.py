"""Algorithms: one paper, one file."""

from typing import TYPE_CHECKING

from alf._config import moved

if not TYPE_CHECKING:
    # Confs name `alf.algorithms.agent.Agent` and the like without importing the module.
    __getattr__ = moved.attributes(__name__, submodules=True)
