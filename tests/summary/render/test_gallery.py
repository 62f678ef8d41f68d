"""The pictures of the page on panels are what the functions draw today."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from alf import summary
from alf.summary import render

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_gallery", DOCS / "render_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def difference(one: np.ndarray, path: Path) -> float:
    """Mean difference of a picture from a file, in [0, 255]."""
    other = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def test_every_function_has_its_picture(gallery):
    """Each `render_*` function stands on the page with a picture of what it draws now."""
    with summary.isolated(), render.rendering():
        drawn = gallery.draw_all()
    functions = {name for name in render.__all__ if name.startswith("render_")}
    page = (DOCS / "rendering.md").read_text()

    assert functions <= set(drawn)
    for name in functions:
        assert difference(drawn[name], gallery.IMAGES / "render" / f"{name}.png") < 2, name
        assert f"images/render/{name}.png" in page, name


def test_every_kind_stands_beside_matplotlibs(gallery):
    """The sheet of comparisons holds what is drawn now."""
    with summary.isolated(), render.rendering():
        sheet = gallery.side_by_side(gallery.draw_all())

    assert difference(sheet, gallery.IMAGES / "panels_and_matplotlib.png") < 4
