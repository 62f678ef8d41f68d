"""What all charts share: whether to draw, the scoped name, the data, and unknown options."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.arrays import to_numpy
from alf.summary.context import CONTEXT


def is_rendering_enabled() -> bool:
    """Whether `render_*` functions draw; otherwise they return `None`."""
    return CONTEXT.rendering


def scoped(name: str) -> str:
    """`name` behind the present scope."""
    return CONTEXT.scopes[-1] + name


def numbers(name: str, data: Any, dims: tuple[int, ...]) -> NDArray[np.float64]:
    """`data` as float64 with a number of dimensions out of `dims`.

    Raises:
        RenderError: if `data` has another number of dimensions, or is no number.
    """
    try:
        values = to_numpy(data).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise RenderError(f"Panel '{name}': cannot read the data as numbers: {error}") from error
    if values.ndim not in dims:
        wanted = " or ".join(str(d) for d in dims)
        raise RenderError(
            f"Panel '{name}': the data have {wanted} dimensions, but their shape is "
            f"{list(values.shape)}. Take one element of the batch, or flatten the rest."
        )
    return values


def refuse(name: str, kind: str, options: dict[str, Any]) -> None:
    """Complain about options that a chart does not have.

    Raises:
        RenderError: if there are any.
    """
    if options:
        given = ", ".join(sorted(options))
        raise RenderError(
            f"Panel '{name}': {kind} has no option {given}. Panels are drawn in one theme "
            "(alf.summary.render.theme); to style a plot yourself, draw a matplotlib figure and "
            "use Image.from_pyplot_fig."
        )


def formatted(value: float, number_format: str) -> str:
    """`value` by a `%` format, or shorter where that becomes too long to read."""
    text = number_format % value
    if len(text) > 8:
        return f"{value:.3g}"
    rounds_to_zero = text.startswith("-") and not set(text) & set("123456789infa")
    return text[1:] if rounds_to_zero else text
