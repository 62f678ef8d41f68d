"""Module paths that confs import and that this package does not have: where their names live.

`from alf.utils.math_ops import clipped_exp` works although there is no folder `utils`: a finder,
asked by Python after all others, gives a module without code that looks its names up in their
homes. Where a name is left out, importing it says what to use instead.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

_PROCESSES = "alf.environments.process_environment"

HOMES: dict[str, tuple[str, ...]] = {
    "alf.algorithms.config": ("alf.trainers.trainer_config",),
    "alf.config_util": ("alf._config",),
    "alf.environments.alf_wrappers": ("alf.environments.wrappers",),
    "alf.environments.fast_parallel_environment": (_PROCESSES,),
    "alf.environments.parallel_environment": (_PROCESSES,),
    "alf.environments.utils": ("alf.environments.creation",),
    "alf.layers": ("alf.networks.layers", "alf.networks.preprocessors"),
    "alf.metrics.metrics": ("alf.metrics",),
    "alf.nest.utils": ("alf.networks.preprocessors", "alf.nest"),
    "alf.networks.preprocessor_networks": ("alf.networks.preprocessors",),
    "alf.utils": (),
    "alf.utils.dist_utils": ("alf.distributions", "alf.networks.projection_networks"),
    "alf.utils.losses": ("alf.ops",),
    "alf.utils.math_ops": ("alf.ops", "alf.networks.layers"),
    "alf.utils.schedulers": ("alf.schedulers",),
    "alf.utils.summary_utils": ("alf.summary",),
    "alf.utils.value_ops": ("alf.ops",),
}
"""Old module -> modules that have its names, first wins."""

RENAMED: dict[str, str] = {
    "FastParallelEnvironment": "ProcessEnvironment",
    "ParallelAlfEnvironment": "ProcessEnvironment",
}
"""Old name -> new name, where a class has another one in its home."""

LEFT_OUT: dict[str, str] = {
    "ActorRNNNetwork": "use ActorDistributionRNNNetwork with ActorCriticAlgorithm",
    "OnehotCategoricalProjectionNetwork": "use CategoricalProjectionNetwork, whose actions are "
    "integers",
    "ReplayBuffer": "set TrainerConfig.replay_buffer_length, priority_replay and priority_replay_*",
    "TruncatedNormal": "use Beta for distributions within bounds",
    "TruncatedProjectionNetwork": "use BetaProjectionNetwork, or NormalProjectionNetwork with "
    "scale_distribution=True, for actions that stay within their bounds",
    "UnitNormalActorDistributionNetwork": "use ActorDistributionNetwork",
}
"""Class -> what to use instead of it."""


class MovedModules:
    """Finds the modules of `HOMES`; also the loader of each."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for a module that moved; `None` for any other."""
        del path, target
        if fullname not in HOMES:
            return None
        return importlib.machinery.ModuleSpec(
            fullname,
            self,  # pyright: ignore[reportArgumentType] - has all that a loader needs
            is_package=is_package(fullname),
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A module that looks its names up."""
        return _MovedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


class _MovedModule(ModuleType):
    """A module whose names live in others."""

    def __getattr__(self, name: str) -> Any:
        child = f"{self.__name__}.{name}"
        if child in HOMES:
            return importlib.import_module(child)
        for home in HOMES[self.__name__]:
            module = importlib.import_module(home)
            for candidate in (name, RENAMED.get(name, name)):
                if not name.startswith("__") and hasattr(module, candidate):
                    return getattr(module, candidate)
        raise missing(self.__name__, name)


def attributes(
    module: str, elsewhere: Mapping[str, str] | None = None, submodules: bool = False
) -> Callable[[str], Any]:
    """A `__getattr__` for a module: names that live elsewhere, and lessons for what is left out.

    Args:
        module: its name.
        elsewhere: name -> the module that it lives in.
        submodules: whether a name can be a module below this one, which is then imported.
    """
    homes = dict(elsewhere or {})

    def get(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(homes[name]), name)
        child = f"{module}.{name}"
        if submodules and name[:1] != "_" and importlib.util.find_spec(child) is not None:
            return importlib.import_module(child)
        raise missing(module, name)

    return get


def is_package(module: str) -> bool:
    """Whether other moved modules are below this one."""
    return any(name.startswith(f"{module}.") for name in HOMES)


def missing(module: str, name: str) -> AttributeError | ImportError:
    """What a module raises that has no `name`.

    `from module import name` drops the message of an `AttributeError`, so that what is left out on
    purpose is an `ImportError`, which gets through.
    """
    if name in LEFT_OUT:
        return ImportError(f"there is no {name} in {module}: {LEFT_OUT[name]}", name=module)
    return AttributeError(f"module '{module}' has no attribute '{name}'", name=name)


def install() -> None:
    """Ask this finder after all others; does nothing the second time."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())  # pyright: ignore[reportArgumentType]
