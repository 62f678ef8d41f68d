"""The state of a MuJoCo simulation as plain data: everything in `MjData` of a fixed size.

What comes and goes with contacts and constraints is computed anew at each step, and is left out.
The physics does not depend on it; what an environment reads beside positions and speeds (forces,
where bodies are) is there as it was.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_mujoco(env: Any) -> bool:
    """Whether an environment is one of gymnasium's over MuJoCo."""
    return _of_mujoco(getattr(env, "data", None)) and _of_mujoco(getattr(env, "model", None))


def plain_attributes(env: Any) -> dict[str, Any]:
    """The attributes of an environment but the simulation itself and what draws it."""
    return {
        name: value
        for name, value in vars(env).items()
        if not _of_mujoco(value) and name != "mujoco_renderer"
    }


def read(env: Any) -> dict[str, Any]:
    """The simulation: its time, and copies of its arrays by name."""
    arrays = _arrays(env.data)
    # In a new simulation there are no contacts yet, and no arrays for them.
    lasting = [name for name, new in _arrays(type(env.data)(env.model)).items() if new.size]
    copies = {name: arrays[name].copy() for name in lasting}
    return {"time": float(env.data.time), "arrays": copies}


def write(env: Any, state: dict[str, Any]) -> None:
    """Put the simulation where `read` was called."""
    arrays = _arrays(env.data)
    for name, stored in state["arrays"].items():
        arrays[name][...] = stored
    env.data.time = state["time"]


def _arrays(data: Any) -> dict[str, NDArray[Any]]:
    """Views of the arrays of `MjData`, by name."""
    values = {name: getattr(data, name) for name in dir(data) if not name.startswith("_")}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    }


def _of_mujoco(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "mujoco"
