"""Environments: always a batch, stepped together, time steps of CPU tensors.

`alf.environments.creation.create_environment` makes what a job needs; `suite_gym.load` makes one.
"""

from typing import TYPE_CHECKING

from alf._config import moved

if not TYPE_CHECKING:
    # Confs name `alf.environments.suite_gym.load` and the like without importing the module.
    __getattr__ = moved.attributes(__name__, submodules=True)
