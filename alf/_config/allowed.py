"""What an expression of an override may name: what computes or builds, and nothing else.

Overrides come from files too: a search that somebody sent, a recorded job. So this is a list of
what is let through. Whatever reads, writes, loads or imports is not on it, nor is a way to the
modules that do.
"""

import ast
import enum
import importlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from alf._config import moved

MODULES = {"alf": "alf", "torch": "torch", "math": "math", "functools": "functools", "np": "numpy"}
"""Name in an expression -> module."""

_FUNCTOOLS = frozenset({"partial", "reduce"})
_NUMPY = frozenset(
    {
        *("allclose", "amax", "amin", "arange", "argmax", "argmin", "argsort", "array", "asarray"),
        *("atleast_1d", "atleast_2d", "average", "broadcast_to", "clip", "concatenate", "cross"),
        *("cumprod", "cumsum", "diag", "diff", "dot", "dtype", "einsum", "empty", "expand_dims"),
        *("eye", "finfo", "flip", "full", "full_like", "geomspace", "hstack", "identity", "iinfo"),
        *("inner", "interp", "linspace", "logspace", "max", "mean", "median", "meshgrid", "min"),
        *("moveaxis", "nan_to_num", "newaxis", "ones", "ones_like", "outer", "pad", "percentile"),
        *("prod", "quantile", "ravel", "repeat", "reshape", "roll", "round", "sort", "split"),
        *("squeeze", "stack", "std", "sum", "swapaxes", "take", "tile", "transpose", "tri", "tril"),
        *("triu", "unique", "var", "vstack", "where", "zeros", "zeros_like"),
    }
)
_TORCH = frozenset({"Generator", "Size", "Tensor", "device", "dtype", "finfo", "iinfo"})
_TORCH_MODULES = (
    *("torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.modules", "torch.optim"),
    *("torch.optim.lr_scheduler", "torch.distributions", "torch.distributions.constraints"),
    *("torch.distributions.transforms", "torch.fft", "torch.linalg", "torch.special"),
)
_ALF_PARTS = (
    *("algorithms", "data_structures", "distributions", "environments", "metrics", "nest"),
    *("networks", "ops", "optimizers", "schedulers", "tensor_specs", "transforms"),
)
_ALF_MODULES = tuple(f"alf.{part}" for part in _ALF_PARTS)
_NOT_OF_VALUES = frozenset(
    {
        *("const_data_ptr", "ctypes", "data_ptr", "dump", "dumps", "format", "format_map"),
        *("grad_fn", "module_load", "register_hook", "register_post_accumulate_grad_hook"),
        *("set_", "share_memory_", "storage", "storage_type", "tofile", "untyped_storage"),
    }
)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
_REFUSED = object()
_PLAIN = (bool, int, float, complex, str, tuple, type(None), enum.Enum)


def refused(tree: ast.AST) -> str | None:
    """What an expression names that it may not; `None` if all of it is fine.

    Nothing of the expression is run, only modules that it names are imported.

    Raises:
        AttributeError: a module has no such name.
        ImportError: a module that is named is not installed, or a name is left out on purpose.
    """
    inner: set[ast.AST] = set()  # parts of a longer chain, which were looked at with it
    unused = set(_unused(tree.body)) if isinstance(tree, ast.Expression) else set[ast.AST]()
    for node in ast.walk(tree):  # from the outside
        if _stores(node):
            return ast.unparse(node)
        if isinstance(node, ast.Name | ast.Attribute) and node not in inner:
            names, start = _chain(node, inner)
            if isinstance(start, ast.Name) and start.id in MODULES:
                value = _value_of_chain(start.id, names)
                if value is _REFUSED or (_makes_environments(value) and node not in unused):
                    return ".".join([start.id, *names])
            elif bad := next((name for name in names if not _is_of_values(name)), None):
                return f".{bad}"
    return None


def _stores(node: ast.AST) -> bool:
    """Whether it changes what is not its own: an item, an attribute, the meaning of a module."""
    if isinstance(node, ast.arg):
        return node.arg in MODULES
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return isinstance(node, ast.Attribute | ast.Subscript) or (
            isinstance(node, ast.Name) and node.id in MODULES
        )
    return False


def _chain(node: ast.expr, inner: set[ast.AST]) -> tuple[list[str], ast.expr]:
    """`a.b.c` as the names after the first, and the first; its parts are added to `inner`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
        inner.add(node)
    return names, node


def _value_of_chain(root: str, names: list[str]) -> Any:
    """What a name means that begins at a module; `_REFUSED` if it may not be used.

    `None` for what is an attribute of something else than a module.
    """
    value: Any = importlib.import_module(MODULES[root])
    for depth, name in enumerate(names):
        if name.startswith("_"):
            return _REFUSED
        owner = value
        if not isinstance(owner, ModuleType):
            fine = _is_of_class(owner, name) and all(map(_is_of_values, names[depth + 1 :]))
            return None if fine else _REFUSED
        value = getattr(owner, name)
        if not _RULES[root](owner, name, value):
            return _REFUSED
    return _REFUSED if isinstance(value, ModuleType) else value


def _makes_environments(value: Any) -> bool:
    """Whether it is a function that is given the name of an environment, which can be of code."""
    module = str(getattr(value, "__module__", ""))
    return (
        isinstance(value, FunctionType)
        and module.startswith("alf.environments")
        and module != "alf.environments.bit_flipping"
    )


def _unused(node: ast.expr) -> Iterator[ast.AST]:
    """The parts of an expression that nothing in it can call: values that a parameter gets."""
    yield node
    if isinstance(node, ast.List | ast.Tuple):
        for item in node.elts:
            yield from _unused(item)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("partial", "functools.partial"):
        yield from node.args[:1]


def _is_of_math(owner: ModuleType, name: str, value: Any) -> bool:
    del owner, name
    return isinstance(value, float | BuiltinFunctionType)


def _is_of_functools(owner: ModuleType, name: str, value: Any) -> bool:
    del owner, value
    return name in _FUNCTOOLS


def _is_of_numpy(owner: ModuleType, name: str, value: Any) -> bool:
    np: Any = importlib.import_module("numpy")
    is_type = isinstance(value, type) and issubclass(value, np.generic)
    return owner is np and (is_type or name in _NUMPY or isinstance(value, float | np.ufunc))


def _is_of_torch(owner: ModuleType, name: str, value: Any) -> bool:
    torch: Any = importlib.import_module("torch")
    if isinstance(value, ModuleType):
        return _is_torch_module(value.__name__) and value.__name__ == f"{owner.__name__}.{name}"
    if isinstance(value, BuiltinFunctionType) and _is_on_tensors(torch, value):
        return True
    if owner is not torch:
        return _is_below(_TORCH_MODULES, value)
    data = (float, torch.dtype, torch.layout, torch.memory_format)
    return name in _TORCH or name in torch.functional.__all__ or isinstance(value, data)


def _is_torch_module(name: str) -> bool:
    return name in _TORCH_MODULES or name.startswith("torch.nn.modules.")


def _is_on_tensors(torch: Any, function: BuiltinFunctionType) -> bool:
    """Whether a function in C is one on tensors; the same one can have several modules."""
    name, module = function.__name__, str(function.__module__)
    if name in ("from_file", "frombuffer"):
        return False
    of_torch = hasattr(torch._C._VariableFunctions, name) and getattr(torch, name, None) is function
    return (
        of_torch
        or _is_within(module, ("torch._C._nn", "torch._C._linalg"))
        or (_is_within(module, ("torch._C._fft", "torch._C._special")))
    )


def _is_of_alf(owner: ModuleType, name: str, value: Any) -> bool:
    del owner, name
    if isinstance(value, ModuleType):
        return _is_within(value.__name__, (*_ALF_MODULES, *moved.HOMES))
    if isinstance(value, _PLAIN):
        return True
    if not _is_below(_ALF_MODULES, value):
        return False
    # Environments are the one part that reaches the system: what confs may set may be named there.
    module = str(getattr(value, "__module__", ""))
    if not module.startswith("alf.environments") or module == "alf.environments.bit_flipping":
        return True  # bit flipping has reward functions, which hindsight takes
    is_setting = isinstance(value, type) or hasattr(value, "__wrapped__")
    return is_setting and module != "alf.environments.environment_worker"


_RULES: dict[str, Callable[[ModuleType, str, Any], bool]] = {
    "alf": _is_of_alf,
    "functools": _is_of_functools,
    "math": _is_of_math,
    "np": _is_of_numpy,
    "torch": _is_of_torch,
}


def _is_below(modules: tuple[str, ...], value: Any) -> bool:
    """Whether a class, a function or the class of an object was written in one of the modules."""
    written = value if isinstance(value, (type, *_FUNCTIONS)) else type(value)
    return _is_within(str(getattr(written, "__module__", "")), modules)


def _is_within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _is_of_class(owner: Any, name: str) -> bool:
    """Whether an attribute of what a module holds may be used, such as a constructor of a class."""
    if isinstance(owner, type) and _is_below(_ALF_MODULES, owner):
        value = getattr(owner, name)
        return name not in _NOT_OF_VALUES and isinstance(value, (*_FUNCTIONS, *_PLAIN))
    return _is_of_values(name)


def _is_of_values(name: str) -> bool:
    """Whether any value may be asked for it: numbers, texts, containers, arrays and time steps."""
    if name.startswith("_") or name in _NOT_OF_VALUES:
        return False
    return name in _of_builtins() or name in _of_arrays()


@lru_cache
def _of_builtins() -> frozenset[str]:
    kinds = (bool, int, float, complex, str, bytes, tuple, list, dict, frozenset, set, range, slice)
    return frozenset(name for kind in kinds for name in dir(kind))


@lru_cache
def _of_arrays() -> frozenset[str]:
    """Asked for only where a name is of no builtin, since it imports."""
    np: Any = importlib.import_module("numpy")
    torch: Any = importlib.import_module("torch")
    data: Any = importlib.import_module("alf.data_structures")
    specs: Any = importlib.import_module("alf.tensor_specs")
    kinds = (torch.Tensor, torch.dtype, torch.device, np.ndarray, np.generic, np.dtype, np.ufunc)
    kinds += (data.TimeStep, data.AlgStep, data.LossInfo, specs.TensorSpec, specs.BoundedTensorSpec)
    return frozenset(name for kind in kinds for name in dir(kind))
