"""Parameters that lie in one tensor, so that a step is a few operations whatever their number."""

from collections.abc import Sequence
from typing import Any

import torch

# One call for a list of tensors; torch's own optimizers are built on it.
_foreach_copy_ = torch._foreach_copy_  # pyright: ignore


class FlatParameters:
    """Moves parameters into one tensor, of which each is a part from then on.

    A parameter stays the object that it was, with its shape and strides. What optimizers compute
    for each number alone they compute for the whole tensor at once.

    Args:
        params: of one dtype and device, dense, each given once; see `are_alike`.

    Attributes:
        whole: all of them, one after the other, `[n]`.
    """

    def __init__(self, params: Sequence[torch.nn.Parameter]):
        self._params = list(params)
        first = self._params[0]
        size = sum(param.numel() for param in self._params)
        self.whole = torch.nn.Parameter(
            torch.empty(size, dtype=first.dtype, device=first.device), requires_grad=False
        )
        self._gradient = torch.zeros_like(self.whole)
        self.whole.grad = self._gradient
        self._gradient_parts = self.parts(self._gradient)
        with torch.no_grad():
            for param, part in zip(self._params, self.parts(self.whole), strict=True):
                part.copy_(param)
                param.data = part
        self._addresses = [param.data_ptr() for param in self._params]

    @property
    def gradient(self) -> torch.Tensor:
        """All gradients, `[n]`, as `gather_gradients` found them."""
        return self._gradient

    @property
    def gradient_parts(self) -> list[torch.Tensor]:
        """Of each parameter its part of `gradient`."""
        return self._gradient_parts

    def parts(self, whole: torch.Tensor) -> list[torch.Tensor]:
        """Views of a tensor `[n]`, laid out as the parameters are."""
        found: list[torch.Tensor] = []
        start = 0
        for param in self._params:
            found.append(whole.as_strided(param.shape, param.stride(), start))
            start += param.numel()
        return found

    def joined(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """One tensor `[n]` of a tensor for each parameter, in the order of its memory."""
        flat: list[torch.Tensor] = []
        for param, part in zip(self._params, parts, strict=True):
            order = sorted(range(param.dim()), key=lambda i: -param.stride(i))
            flat.append(part.permute(order).reshape(-1))
        return torch.cat(flat)

    def is_intact(self) -> bool:
        """Whether nobody gave a parameter other memory."""
        return [param.data_ptr() for param in self._params] == self._addresses

    def gather_gradients(self) -> bool:
        """Bring `gradient` up to date; returns whether every parameter has one."""
        gradients: list[Any] = [param.grad for param in self._params]
        for gradient in gradients:
            if gradient is None:
                return False
        _foreach_copy_(self._gradient_parts, gradients)
        return True


def are_alike(params: Sequence[torch.nn.Parameter]) -> bool:
    """Whether parameters can lie in one tensor."""
    first = params[0]
    return (
        first.is_floating_point()
        and len({id(param) for param in params}) == len(params)
        and all(
            param.dtype == first.dtype
            and param.device == first.device
            and param.layout == torch.strided
            and _is_dense(param)
            for param in params
        )
    )


def _is_dense(x: torch.Tensor) -> bool:
    """Whether its elements fill a stretch of memory, in any order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return x.numel() > 0
