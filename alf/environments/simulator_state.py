"""The state of a gymnasium environment as plain data, where it can be read and put back.

Works for environments whose state is ordinary Python and NumPy data (classic control, grids): all
attributes of every wrapper layer, with their random number generators; and for MuJoCo, whose
simulation is read too. An environment that holds anything else (another C++ simulator, a window)
has no state here, unless it writes `get_state() -> dict` and `set_state(dict)` itself.
"""

import inspect
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from alf.environments import mujoco_state
from alf.errors import EnvError

_NOT_STATE = {"env", "spec", "_spec", "metadata", "_metadata", "render_mode", "_cached_spec"}
_METHODS = {"get_state", "set_state"}  # an environment that has them is asked for its state


class _NotDataError(Exception):
    """An attribute that cannot be stored."""


def capture(env: Any) -> dict[str, Any] | None:
    """The state of an environment and its wrappers: tensors, numbers and strings.

    Args:
        env: a gymnasium `Env` or `VectorEnv`.

    Returns:
        `None` if some attribute is no plain data, so that a resume could not be exact.
    """
    if hasattr(env.unwrapped, "get_state") and hasattr(env.unwrapped, "set_state"):
        layers = [_own_layer(layer) for layer in _layers(env)[:-1]]
        try:
            own = _encode(env.unwrapped.get_state())
            return {"layers": [_encode(layer) for layer in layers], "own": own}
        except _NotDataError:
            return None
    try:
        state: dict[str, Any] = {"layers": [_encode(_own_layer(layer)) for layer in _layers(env)]}
        if mujoco_state.is_mujoco(env.unwrapped):
            state["mujoco"] = _encode(mujoco_state.read(env.unwrapped))
        return state
    except _NotDataError:
        return None


def restore(env: Any, state: dict[str, Any]) -> None:
    """Put an environment into a captured state.

    Raises:
        EnvError: if the environment has other layers than the one that was captured, or the state
            names what is no state of a layer.
    """
    layers = _layers(env)
    if "own" in state:
        env.unwrapped.set_state(_decode(state["own"]))
        layers = layers[:-1]
    if len(layers) != len(state["layers"]):
        raise EnvError(
            f"{env} has {len(layers)} layers and the stored state {len(state['layers'])}: it was "
            "made with other wrappers"
        )
    for layer, stored in zip(layers, state["layers"], strict=True):
        values: dict[str, Any] = _decode(stored)
        _check_names(layer, values)
        for name, value in values.items():
            setattr(layer, name, value)
    if "mujoco" in state:
        mujoco_state.write(env.unwrapped, _decode(state["mujoco"]))


def _check_names(layer: Any, values: dict[str, Any]) -> None:
    """Only data takes the place of data: a state never replaces a method, a space or a layer."""
    own = _own_layer(layer)
    for name in values:
        there = inspect.getattr_static(layer, name, None)
        is_data = there is None or isinstance(there, (bool, int, float, str, list, tuple, dict))
        is_new = is_data and name not in _NOT_STATE | _METHODS and not name.startswith("__")
        if name not in own and not is_new:
            raise EnvError(
                f"a stored environment state would replace '{name}' of {layer}, which is no state: "
                "it was written otherwise"
            )


def _layers(env: Any) -> list[Any]:
    layers = [env]
    while isinstance(layers[-1], (gymnasium.Wrapper, gymnasium.vector.VectorWrapper)):
        layers.append(layers[-1].env)
    return layers


def _own_layer(layer: Any) -> dict[str, Any]:
    is_mujoco = mujoco_state.is_mujoco(layer) and not isinstance(layer, gymnasium.Wrapper)
    attributes = mujoco_state.plain_attributes(layer) if is_mujoco else vars(layer)
    return {
        name: value
        for name, value in attributes.items()
        if name not in _NOT_STATE and not isinstance(value, spaces.Space)
    }


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):  # first, as np.float64 is a float too
        return {"scalar": value.item(), "dtype": value.dtype.str}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return _encode_array(value)
    if isinstance(value, np.random.Generator):
        return {"generator": _encode(value.bit_generator.state)}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item) for key, item in value.items()}}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_encode(item) for item in value]}
    raise _NotDataError


def _encode_array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """As bytes: torch has no tensors of some of NumPy's dtypes."""
    flat = np.frombuffer(array.tobytes(), np.uint8).copy()
    return {
        "array": torch.from_numpy(flat),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
    }


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    for kind, decode in _DECODERS.items():
        if kind in value:
            return decode(value)
    raise EnvError(f"a stored environment state holds {sorted(value)}: it was written otherwise")


def _decode_array(value: dict[str, Any]) -> np.ndarray[Any, Any]:
    flat = np.frombuffer(value["array"].numpy().tobytes(), np.dtype(value["dtype"]))
    return flat.reshape(value["shape"]).copy()


def _generator(state: dict[str, Any]) -> np.random.Generator:
    kinds = {kind.__name__: kind for kind in (np.random.PCG64, np.random.PCG64DXSM)}
    kinds |= {kind.__name__: kind for kind in (np.random.Philox, np.random.SFC64)}
    bits: Any = kinds.get(state["bit_generator"], np.random.MT19937)()
    bits.state = state
    return np.random.Generator(bits)


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "scalar": lambda value: np.dtype(value["dtype"]).type(value["scalar"]),
    "array": _decode_array,
    "generator": lambda value: _generator(_decode(value["generator"])),
    "dict": lambda value: {key: _decode(item) for key, item in value["dict"].items()},
    "list": lambda value: [_decode(item) for item in value["list"]],
    "tuple": lambda value: tuple(_decode(item) for item in value["tuple"]),
}
