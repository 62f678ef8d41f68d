"""What a tensor looks like: shape, dtype and bounds, without the batch dimension."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

Bound = float | int | Sequence[Any] | npt.NDArray[Any]
"""A bound of a spec: one number for all elements, or an array that broadcasts to its shape."""


def torch_dtype_to_str(dtype: torch.dtype) -> str:
    """`torch.float32` -> `"float32"`."""
    return str(dtype).removeprefix("torch.")


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """The NumPy dtype of the same kind; bfloat16, which NumPy lacks, becomes float32."""
    return np.dtype("float32" if dtype == torch.bfloat16 else torch_dtype_to_str(dtype))


class TensorSpec:
    """Shape and dtype of a tensor.

    Args:
        shape: without the batch dimension; `()` is a scalar.
        dtype: a torch dtype.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype = torch.float32):
        self._shape = torch.Size(shape)
        self._dtype = dtype

    @classmethod
    def from_spec(cls, spec: "TensorSpec") -> "TensorSpec":
        """The spec without its bounds."""
        return TensorSpec(spec.shape, spec.dtype)

    @classmethod
    def from_tensor(cls, tensor: torch.Tensor, from_dim: int = 0) -> "TensorSpec":
        """The spec of one element of a batch.

        Args:
            tensor: any tensor.
            from_dim: the number of leading batch dimensions to leave out.
        """
        return TensorSpec(tensor.shape[from_dim:], tensor.dtype)

    @classmethod
    def from_array(cls, array: npt.NDArray[Any], from_dim: int = 0) -> "TensorSpec":
        """The spec of one element of a NumPy batch."""
        return cls.from_tensor(torch.as_tensor(array), from_dim)

    @property
    def shape(self) -> torch.Size:
        """Without the batch dimension."""
        return self._shape

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype."""
        return self._dtype

    @property
    def dtype_str(self) -> str:
        """The dtype's name, e.g. `"float32"`."""
        return torch_dtype_to_str(self._dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    @property
    def numel(self) -> int:
        """The number of elements."""
        return self._shape.numel()

    @property
    def is_discrete(self) -> bool:
        """Whether the dtype is an integer or bool."""
        return not self.is_continuous

    @property
    def is_continuous(self) -> bool:
        """Whether the dtype is a floating point one."""
        return self._dtype.is_floating_point

    def is_bounded(self) -> bool:
        """Whether there are bounds."""
        return False

    def replace(self, shape: Sequence[int] | None = None, dtype: torch.dtype | None = None) -> Self:
        """A copy with another shape or dtype."""
        return type(self)(
            self._shape if shape is None else shape, self._dtype if dtype is None else dtype
        )

    def constant(self, value: float, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """A tensor `[*outer_dims, *shape]` of one value."""
        return torch.full((*outer_dims, *self._shape), value, dtype=self._dtype)

    def zeros(self, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """A tensor `[*outer_dims, *shape]` of zeros."""
        return torch.zeros((*outer_dims, *self._shape), dtype=self._dtype)

    def ones(self, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """A tensor `[*outer_dims, *shape]` of ones."""
        return self.constant(1, outer_dims)

    def randn(self, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """A tensor `[*outer_dims, *shape]` of standard normal values."""
        return torch.randn((*outer_dims, *self._shape)).to(self._dtype)

    def rand(self, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """A tensor `[*outer_dims, *shape]` of uniform values in `[0, 1)`."""
        return torch.rand((*outer_dims, *self._shape)).to(self._dtype)

    def numpy_constant(self, value: float, outer_dims: Sequence[int] = ()) -> npt.NDArray[Any]:
        """An array `[*outer_dims, *shape]` of one value."""
        return np.full((*outer_dims, *self._shape), value, dtype=numpy_dtype(self._dtype))

    def numpy_zeros(self, outer_dims: Sequence[int] = ()) -> npt.NDArray[Any]:
        """An array `[*outer_dims, *shape]` of zeros."""
        return self.numpy_constant(0, outer_dims)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TensorSpec)
            and type(other) is type(self)
            and self._shape == other._shape
            and self._dtype == other._dtype
        )

    def __hash__(self) -> int:
        return hash((self._shape, self._dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={tuple(self._shape)}, dtype={self._dtype})"


class BoundedTensorSpec(TensorSpec):
    """A tensor whose elements lie between two bounds, both included.

    Args:
        shape: without the batch dimension.
        dtype: a torch dtype.
        minimum: the lower bound, broadcast to `shape`.
        maximum: the upper bound, broadcast to `shape`.

    Raises:
        ValueError: if a bound does not broadcast to the shape, or a minimum exceeds its maximum.
    """

    def __init__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        minimum: Bound = 0,
        maximum: Bound = 1,
    ):
        super().__init__(shape, dtype)
        self._minimum = self._bound("minimum", minimum)
        self._maximum = self._bound("maximum", maximum)
        if np.any(self._minimum > self._maximum):
            raise ValueError(f"a minimum exceeds its maximum: {minimum} > {maximum}")

    def _bound(self, name: str, value: Bound) -> npt.NDArray[Any]:
        array = np.asarray(value, dtype=numpy_dtype(self._dtype))
        try:
            array = np.broadcast_to(array, tuple(self._shape)).copy()
        except ValueError:
            raise ValueError(
                f"{name} of shape {array.shape} does not fit a spec of shape {tuple(self._shape)}"
            ) from None
        array.setflags(write=False)
        return array

    @classmethod
    def from_spec(cls, spec: TensorSpec) -> "BoundedTensorSpec":
        """A copy of a bounded spec.

        Raises:
            ValueError: if `spec` has no bounds.
        """
        if not isinstance(spec, BoundedTensorSpec):
            raise ValueError(f"{spec} has no bounds")
        return BoundedTensorSpec(spec.shape, spec.dtype, spec.minimum, spec.maximum)

    @property
    def minimum(self) -> npt.NDArray[Any]:
        """The lower bounds, of the spec's shape, read-only."""
        return self._minimum

    @property
    def maximum(self) -> npt.NDArray[Any]:
        """The upper bounds, of the spec's shape, read-only."""
        return self._maximum

    def is_bounded(self) -> bool:
        """Whether there are bounds: yes."""
        return True

    def replace(
        self,
        shape: Sequence[int] | None = None,
        dtype: torch.dtype | None = None,
        minimum: Bound | None = None,
        maximum: Bound | None = None,
    ) -> "BoundedTensorSpec":
        """A copy with some parts changed."""
        return BoundedTensorSpec(
            self._shape if shape is None else shape,
            self._dtype if dtype is None else dtype,
            self._minimum if minimum is None else minimum,
            self._maximum if maximum is None else maximum,
        )

    def sample(self, outer_dims: Sequence[int] = ()) -> torch.Tensor:
        """Uniform values `[*outer_dims, *shape]` within the bounds (both included if discrete).

        Raises:
            ValueError: if a bound is not finite.
        """
        low, high = self._finite_bounds()
        uniform = torch.rand((*outer_dims, *self._shape), dtype=torch.float64)
        return self._spread(uniform, torch.as_tensor(low), torch.as_tensor(high))

    def numpy_sample(
        self, outer_dims: Sequence[int] = (), rng: np.random.Generator | None = None
    ) -> npt.NDArray[Any]:
        """Like `sample`, in NumPy; `rng` defaults to a fresh unseeded generator."""
        low, high = self._finite_bounds()
        rng = rng or np.random.default_rng()
        uniform = torch.as_tensor(rng.random((*outer_dims, *self._shape)))
        sample = self._spread(uniform, torch.as_tensor(low), torch.as_tensor(high))
        return sample.to(torch.float32 if self._dtype == torch.bfloat16 else self._dtype).numpy()

    def _finite_bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        low, high = self._minimum.astype(np.float64), self._maximum.astype(np.float64)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(f"cannot sample uniformly from the unbounded {self}")
        return low, high

    def _spread(self, uniform: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        if self.is_continuous:
            return (low + (high - low) * uniform).to(self._dtype)
        return (low + torch.floor(uniform * (high - low + 1))).to(self._dtype)

    def __eq__(self, other: object) -> bool:
        return (
            super().__eq__(other)
            and isinstance(other, BoundedTensorSpec)
            and np.array_equal(self._minimum, other._minimum)
            and np.array_equal(self._maximum, other._maximum)
        )

    def __hash__(self) -> int:
        return hash((super().__hash__(), self._minimum.tobytes(), self._maximum.tobytes()))

    def __repr__(self) -> str:
        low, high = (_short(bound) for bound in (self._minimum, self._maximum))
        return (
            f"BoundedTensorSpec(shape={tuple(self._shape)}, dtype={self._dtype}, "
            f"minimum={low}, maximum={high})"
        )


def _short(bound: npt.NDArray[Any]) -> str:
    """One number where all elements agree."""
    if bound.size and np.all(bound == bound.flat[0]):
        return str(bound.flat[0].item())
    return str(bound.tolist())
