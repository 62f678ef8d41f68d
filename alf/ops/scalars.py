"""Numbers that a compiled program computes once.

The compiler puts what is computed of one number into the loop over the elements that use it, and
there it stays: a power or a root for every few elements costs more than the loop itself.
"""

import functools
import importlib
from typing import Any

import torch


def once(x: torch.Tensor) -> torch.Tensor:
    """A copy, computed where it stands and not again in each loop that uses it.

    Args:
        x: a scalar; no gradient goes through.
    """
    return torch.ops.alf.once(x)


@functools.cache
def show_scalars_to_compiler() -> None:
    """Tell the compiler what `once` means; before the first program is compiled."""
    lowering: Any = importlib.import_module("torch._inductor.lowering")  # loaded when it is needed

    def lowered(x: Any) -> Any:
        copy = lowering.clone(x)
        copy.realize()
        return copy

    lowering.register_lowering(torch.ops.alf.once.default, type_promotion_kind=None)(lowered)


_LIBRARY: Any = torch.library.Library("alf", "FRAGMENT")
_LIBRARY.define("once(Tensor x) -> Tensor")
_LIBRARY.impl("once", torch.clone, "CompositeExplicitAutograd")
