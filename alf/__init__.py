"""Reinforcement learning in PyTorch where every checkpoint keeps the code that made it.

A conf imports this package, and `python -m alf.bin.play` imports it before anything else. So it is
cheap: the functions that a conf starts with are here at once, everything else is imported when its
name is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from alf._config import (
    config,
    config1,
    configurable,
    define_config,
    get_config_value,
    get_inoperative_configs,
    get_operative_configs,
    import_config,
    load_config,
    pre_config,
    reset_configs,
)
from alf._config import moved as _moved

if TYPE_CHECKING:
    from alf import (
        algorithms,
        data_structures,
        device,
        distributions,
        environments,
        metrics,
        nest,
        networks,
        ops,
        optimizers,
        player,
        replay,
        schedulers,
        summary,
        tensor_specs,
        testing,
        trainers,
        transforms,
    )
    from alf.tensor_specs import BoundedTensorSpec, TensorSpec

__version__ = "0.1.0"

__all__ = [
    "BoundedTensorSpec",
    "TensorSpec",
    "algorithms",
    "config",
    "config1",
    "configurable",
    "data_structures",
    "define_config",
    "device",
    "distributions",
    "environments",
    "get_config_value",
    "get_inoperative_configs",
    "get_operative_configs",
    "import_config",
    "load_config",
    "metrics",
    "nest",
    "networks",
    "ops",
    "optimizers",
    "player",
    "pre_config",
    "replay",
    "reset_configs",
    "schedulers",
    "summary",
    "tensor_specs",
    "testing",
    "trainers",
    "transforms",
]

_LAZY_OBJECTS = {
    "BoundedTensorSpec": "alf.tensor_specs",
    "TensorSpec": "alf.tensor_specs",
}
_LAZY_MODULES = frozenset(
    {
        "algorithms",
        "data_structures",
        "device",
        "distributions",
        "environments",
        "metrics",
        "nest",
        "networks",
        "ops",
        "optimizers",
        "player",
        "replay",
        "schedulers",
        "summary",
        "tensor_specs",
        "testing",
        "trainers",
        "transforms",
    }
)


def __getattr__(name: str) -> Any:
    """Import a lazy part of the package when its name is first used (PEP 562)."""
    if name in _LAZY_MODULES:
        return importlib.import_module(f"alf.{name}")
    if name in _LAZY_OBJECTS:
        value = getattr(importlib.import_module(_LAZY_OBJECTS[name]), name)
        globals()[name] = value  # the next use is a plain look-up
        return value
    if f"alf.{name}" in _moved.HOMES:
        return importlib.import_module(f"alf.{name}")
    raise AttributeError(f"module 'alf' has no attribute '{name}'")


_moved.install()


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
