"""The site of docs/: its navigation names each page once, and it builds without a warning."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(entry)


def test_navigation_names_each_page_once(site: dict[str, Any]) -> None:
    """Each page is in the navigation, and each page in the navigation is there."""
    there = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]

    assert sorted(pages(site["nav"])) == sorted(there)


def test_a_page_fetches_nothing_and_a_warning_fails(site: dict[str, Any]) -> None:
    """Fonts come from the reader's machine, and the build is strict."""
    assert site["theme"]["font"] is False
    assert site["strict"] is True


def test_the_reference_names_modules_that_are_there() -> None:
    """Each `::: module` of the reference is a module of the package."""
    named = [
        line.removeprefix("::: ")
        for page in (DOCS / "api").glob("*.md")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("::: ")
    ]

    assert named
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="`make docs` installs what builds the site"
)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """The site builds, links out of docs/ lead to pages of it, and nothing comes from elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    front = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in front
    assert "fonts.googleapis" not in front
    algorithms = (tmp_path / "algorithms.html").read_text(encoding="utf-8")
    assert 'href="source/alf/algorithms/sac_algorithm.py.html"' in algorithms
