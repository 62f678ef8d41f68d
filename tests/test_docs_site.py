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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does; a warning fails it."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("`make docs` installs what builds the site")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


@pytest.mark.slow
def test_links_out_of_docs_lead_to_pages_of_the_site(built: Path) -> None:
    """A file of the package that a page links to is a page, and nothing comes from elsewhere."""
    front = (built / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in front
    assert "fonts.googleapis" not in front
    algorithms = (built / "algorithms.html").read_text(encoding="utf-8")
    assert 'href="source/alf/algorithms/sac_algorithm.py.html"' in algorithms


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["index.html", "api/networks.html"])
def test_the_search_finds_in_pages_opened_from_a_folder(
    built: Path, browser: Any, page: str, width: int
) -> None:
    """On a desk and on a phone, without a server and without the network."""
    fetched: list[str] = []
    tab = browser.new_page()
    tab.set_viewport_size({"width": width, "height": 800})
    tab.on("request", lambda request: fetched.append(request.url))
    tab.goto((built / page).as_uri())
    if width < 600:
        tab.locator(".md-header__button[for=__search]").click()
    box = tab.locator("input.md-search__input")
    box.click()
    box.press_sequentially("SnapshotError")
    result = tab.locator(".md-search-result__item a").first
    result.wait_for(timeout=20_000)
    result.click()
    tab.wait_for_url("**/*.html*")
    tab.close()

    assert [url for url in fetched if not url.startswith(("file:", "data:", "about:"))] == []
