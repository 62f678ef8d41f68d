"""Panels of what a policy sees: named numbers in rows, and pictures."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from absl import logging

from alf.nest import map_structure_with_path
from alf.summary import render
from alf.summary.render.axes import GrowingRange
from alf.summary.render.image import Image
from alf.summary.render.pictures import is_channel_last

MOST_ROWS = 24
"""More numbers than this, of all leaves together, are shown as coloured cells instead."""

_MOST_PANELS = 4
_SMALLEST_PICTURE = 5
_UNBOUNDED = 1e6
"""Bounds from here on stand for none."""


@dataclass
class _Leaf:
    """One tensor of an observation.

    Attributes:
        name: its dotted path; `"observation"` where it is the whole.
        spec: its spec.
        low: lower bounds, flat; infinite where there are none.
        high: upper bounds, likewise.
        ranges: of each number without bounds, by its index; of the whole as `-1`.
    """

    name: str
    spec: Any
    low: np.ndarray
    high: np.ndarray
    ranges: dict[int, GrowingRange] = field(default_factory=dict[int, GrowingRange])

    @classmethod
    def of(cls, name: str, spec: Any) -> "_Leaf":
        shape = tuple(spec.shape)
        ends: list[np.ndarray] = []
        for bound, none in ((getattr(spec, "minimum", None), -np.inf), (_high(spec), np.inf)):
            flat = np.broadcast_to(np.asarray(none if bound is None else bound, np.float64), shape)
            ends.append(np.where(np.abs(flat) >= _UNBOUNDED, none, flat).reshape(-1))
        return cls(name, spec, ends[0], ends[1])

    @property
    def is_picture(self) -> bool:
        """Whether it is a grid of pixels, or several of them."""
        shape = tuple(self.spec.shape)
        if len(shape) == 3:
            shape = shape[:2] if is_channel_last(shape) else shape[1:]
        return len(shape) == 2 and min(shape) >= _SMALLEST_PICTURE

    def row_labels(self, alone: bool) -> list[str]:
        """A name for each number."""
        count = len(self.low)
        if alone:
            return [str(i) for i in range(count)]
        return [self.name] if count == 1 else [f"{self.name} {i}" for i in range(count)]

    def row_ends(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the track of each number: its bounds, or what has been seen so far."""
        low, high = self.low.copy(), self.high.copy()
        for i in np.flatnonzero(~(np.isfinite(low) & np.isfinite(high))).tolist():
            ranged = self.ranges.setdefault(i, GrowingRange(-1.0, 1.0, symmetric=True))
            low[i], high[i] = ranged.include(values[i])
        return low, high

    def shared_ends(self, values: np.ndarray) -> tuple[float, float]:
        """One range for all numbers."""
        if np.isfinite(self.low).all() and np.isfinite(self.high).all():
            return float(self.low.min()), float(self.high.max())
        return self.ranges.setdefault(-1, GrowingRange()).include(values)


def _high(spec: Any) -> Any:
    return getattr(spec, "maximum", None)


class ObservationPanels:
    """Draws observations of one spec, each time with the same panels.

    Args:
        observation_spec: nest of specs.
        size: side of a panel in pixels.
    """

    def __init__(self, observation_spec: Any, size: int):
        self._size: dict[str, Any] = {"img_width": size, "img_height": size}
        self._leaves: list[_Leaf] = []
        map_structure_with_path(self._note, observation_spec)
        rows = [leaf for leaf in self._leaves if not leaf.is_picture and len(leaf.low)]
        while sum(len(leaf.low) for leaf in rows) > MOST_ROWS:
            rows.remove(max(rows, key=lambda leaf: len(leaf.low)))
        self._rows = rows
        rest = [leaf for leaf in self._leaves if leaf not in rows and len(leaf.low)]
        self._others = rest[: _MOST_PANELS - bool(rows)]
        left_out = [leaf.name for leaf in rest[len(self._others) :]]
        if left_out:
            logging.warning("No panel shows these parts of the observation: %s.", left_out)

    @property
    def can_draw(self) -> bool:
        """Whether there is anything to see."""
        return bool(self._rows or self._others)

    def draw(self, observation: Any) -> dict[str, Image]:
        """The panels of one observation.

        Args:
            observation: nest of `[1, ...]`, like the spec.
        """
        values: dict[str, np.ndarray] = {}

        def note(path: str, leaf: Any) -> Any:
            values[path or "observation"] = _first(leaf)
            return leaf

        map_structure_with_path(note, observation)
        panels: dict[str, Image | None] = {}
        if self._rows:
            panels["observation"] = self._draw_rows(values)
        for leaf in self._others:
            name = "observation" if len(self._leaves) == 1 else f"observation/{leaf.name}"
            seen = values[leaf.name]
            draw = self._draw_picture if leaf.is_picture else self._draw_cells
            panels[name] = draw(name, leaf, seen)
        return {name: image for name, image in panels.items() if image is not None}

    def _note(self, path: str, spec: Any) -> Any:
        self._leaves.append(_Leaf.of(path or "observation", spec))
        return spec

    def _draw_rows(self, values: dict[str, np.ndarray]) -> Image | None:
        alone = len(self._rows) == 1 and self._rows[0].name == "observation"
        flat = [values[leaf.name].astype(np.float64).reshape(-1) for leaf in self._rows]
        ends = [leaf.row_ends(x) for leaf, x in zip(self._rows, flat, strict=True)]
        return render.render_meters(
            "observation",
            np.concatenate(flat),
            [label for leaf in self._rows for label in leaf.row_labels(alone)],
            np.concatenate([low for low, _ in ends]),
            np.concatenate([high for _, high in ends]),
            **self._size,
        )

    def _draw_picture(self, name: str, leaf: _Leaf, seen: np.ndarray) -> Image | None:
        if seen.dtype != np.uint8:
            low, high = leaf.shared_ends(seen)
            seen = (seen.astype(np.float64) - low) / (high - low)
        return render.render_image(name, seen, **self._size)

    def _draw_cells(self, name: str, leaf: _Leaf, seen: np.ndarray) -> Image | None:
        """Many numbers as cells, in rows of the last dimension or about square."""
        flat = seen.astype(np.float64).reshape(-1)
        low, high = leaf.shared_ends(flat)
        columns = int(np.ceil(np.sqrt(flat.size)))
        cells = np.full(columns * int(np.ceil(flat.size / columns)), np.nan)
        cells[: flat.size] = flat
        return render.render_heatmap(
            name,
            cells.reshape(-1, columns),
            col_ticks=(),
            row_ticks=range(0, len(cells) // columns, max(1, len(cells) // columns // 8)),
            row_labels=range(0, len(cells), columns * max(1, len(cells) // columns // 8)),
            annotate_format="",
            vmin=low,
            vmax=high,
            **self._size,
        )


def _first(leaf: Any) -> np.ndarray:
    """The first of a batch as an array."""
    array = leaf.detach().cpu().numpy() if isinstance(leaf, torch.Tensor) else np.asarray(leaf)
    return array[0]
