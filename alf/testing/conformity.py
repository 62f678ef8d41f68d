"""Whether tensors are what specs say, and whether two nests hold the same numbers."""

from typing import Any, NoReturn

import torch

from alf.distributions import to_params
from alf.errors import ContractError
from alf.nest import assert_same_structure, flatten, map_structure, map_structure_with_path
from alf.tensor_specs import BoundedTensorSpec, TensorSpec


def broken(where: str, expected: str, got: str, advice: str) -> NoReturn:
    """Tells of a broken promise.

    Raises:
        ContractError: always.
    """
    raise ContractError(f"{where}: expected {expected}, got {got}. {advice}")


def require_fit(value: Any, spec: Any, batch_size: int, where: str) -> None:
    """Raises if a nest is not what a nest of specs says, with one batch dimension in front.

    Args:
        value: nest of tensors `[batch_size, ...]`.
        spec: nest of specs.
        batch_size: the first dimension.
        where: what `value` is, for the message.
    """
    try:
        assert_same_structure(value, spec)
    except (AssertionError, TypeError, ValueError) as error:
        broken(
            where,
            f"the structure of its spec, {spec}",
            f"{_structure(value)} ({error})",
            "Return what the spec says, or change the spec.",
        )
    map_structure_with_path(
        lambda path, s, x: _require_leaf(x, s, batch_size, f"{where}{'.' if path else ''}{path}"),
        spec,
        value,
    )


def _require_leaf(value: Any, spec: TensorSpec, batch_size: int, where: str) -> None:
    wanted = f"a tensor {spec.dtype} {[batch_size, *spec.shape]}"
    if not isinstance(value, torch.Tensor):
        broken(where, wanted, type(value).__name__, "Every leaf is a torch tensor.")
    if value.dtype != spec.dtype or list(value.shape) != [batch_size, *spec.shape]:
        got = f"{value.dtype} {list(value.shape)}"
        broken(where, wanted, got, "Convert it, or give the spec this shape and dtype.")
    if value.is_floating_point() and torch.isnan(value).any():
        broken(where, "numbers", "NaN", "Find the operation that has no result.")
    if isinstance(spec, BoundedTensorSpec):
        low, high = (torch.tensor(b) for b in (spec.minimum, spec.maximum))
        if (value < low).any() or (value > high).any():
            broken(
                where,
                f"values in [{low.min().item():g}, {high.max().item():g}]",
                f"values from {value.min().item():g} to {value.max().item():g}",
                "Clip or rescale them, or give the spec the true bounds.",
            )


def first_difference(one: Any, other: Any, tolerance: float = 0.0) -> str | None:
    """Where two nests differ first, in words; `None` if they hold the same.

    Args:
        one: nest of tensors; distributions count as their parameters.
        other: another one.
        tolerance: by how much floating point numbers may differ, absolutely and relatively.
    """
    one, other = to_params(one), to_params(other)
    try:
        assert_same_structure(one, other)
    except (AssertionError, TypeError, ValueError) as error:
        return f"their structures differ ({error})"
    found: list[str] = []

    def compare(path: str, a: Any, b: Any) -> Any:
        if not _same(a, b, tolerance):
            found.append(f"{path or 'the tensor'} is {_short(a)} and {_short(b)}")
        return a

    map_structure_with_path(compare, one, other)
    return found[0] if found else None


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
        return bool(a == b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if tolerance and a.is_floating_point():
        return torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    return torch.equal(a, b) or bool(((a == b) | (torch.isnan(a) & torch.isnan(b))).all())


def cloned(nest: Any) -> Any:
    """A copy of the numbers of now."""
    return map_structure(lambda x: x.detach().clone(), to_params(nest))


def sample(spec: Any, outer_dims: tuple[int, ...]) -> Any:
    """Values that a nest of specs allows, `[*outer_dims, ...]`, from torch's generator."""
    return map_structure(lambda leaf: _sample_leaf(leaf, outer_dims), spec)


def _sample_leaf(spec: TensorSpec, outer_dims: tuple[int, ...]) -> torch.Tensor:
    if isinstance(spec, BoundedTensorSpec):
        try:
            return spec.sample(outer_dims)
        except ValueError:  # without end to one side
            low, high = (torch.tensor(b).float() for b in (spec.minimum, spec.maximum))
            return spec.randn(outer_dims).clamp(low, high)
    if spec.is_discrete:
        return torch.randint(0, 2, (*outer_dims, *spec.shape)).to(spec.dtype)
    return spec.randn(outer_dims)


def _structure(nest: Any) -> str:
    names = (
        f"{type(x).__name__} {list(x.shape) if isinstance(x, torch.Tensor) else ''}".strip()
        for x in flatten(nest)
    )
    return f"{type(nest).__name__} of {', '.join(names) or 'nothing'}"


def _short(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, torch.Tensor) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
