"""Environments in worker processes over shared memory: for environments that are dear to step."""

from typing import Any
from alf.environments.alf_environment import AlfEnvironment


def ProcessEnvironment(env_ctors: Any, **kwargs: Any) -> AlfEnvironment:
    raise NotImplementedError
