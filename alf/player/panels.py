"""Finding the panels: every `Image` that a policy left anywhere in its info."""

from collections.abc import Iterator, Mapping
from typing import Any

from alf.summary.render.image import Image

UNNAMED = "panel"


def find_panels(info: Any) -> dict[str, Image]:
    """Every `Image` in a nest, in the order in which the nest was written.

    Dicts, lists, tuples and named tuples are walked; anything else (tensors, distributions,
    `None`, objects of a user's) is a leaf, and only a leaf that is an `Image` counts.

    Args:
        info: `AlgStep.info`, any nest.

    Returns:
        Name -> image. An image without a name is called by its place in the nest, e.g.
        `"actor/image"`. A second image of the same name is called `"name (2)"`, a third
        `"name (3)"`. An image that stands in two places is found once.
    """
    panels: dict[str, Image] = {}
    seen: set[int] = set()
    for path, image in _images(info, ()):
        if id(image) in seen:
            continue
        seen.add(id(image))
        name = image.name or "/".join(path) or UNNAMED
        panels[_free(name, panels)] = image
    return panels


def _images(nest: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Image]]:
    if isinstance(nest, Image):
        yield path, nest
    elif isinstance(nest, Mapping):
        for key, value in nest.items():
            yield from _images(value, (*path, str(key)))
    elif isinstance(nest, tuple) and hasattr(nest, "_fields"):
        for key, value in zip(nest._fields, nest, strict=True):  # type: ignore[attr-defined]
            yield from _images(value, (*path, key))
    elif isinstance(nest, list | tuple):
        for i, value in enumerate(nest):
            yield from _images(value, (*path, str(i)))


def _free(name: str, taken: Mapping[str, Image]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
