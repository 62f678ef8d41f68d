"""What the site needs beside mkdocs.yml: pages for the files that docs/ links to outside itself.

A page of docs/ may link to `../alf/algorithms/sac_algorithm.py`, which is right in a checkout and
leads nowhere in a site. So each such file becomes a page `source/...` of the site, and the link
leads there. `../README.md` is the site's first page.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
FRONT = "index.md"
_OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)(#[^)\s]*)?\)")
_FROM_ROOT = re.compile(r"\]\(docs/([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file that is linked to."""
    linked = {
        target
        for page in files.documentation_pages()
        if _is_top(page)
        for target, _ in _OUTSIDE.findall(page.content_string)
    }
    for target in sorted(linked - {"README.md"}):
        files.append(File.generated(config, _page_of(target), content=_content(target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files outside docs/ lead to their pages."""

    def inside(link: re.Match[str]) -> str:
        target = FRONT if link[1] == "README.md" else _page_of(link[1])
        return f"]({target}{link[2] or ''})"

    if _is_top(page.file):
        return _OUTSIDE.sub(inside, markdown)
    if page.file.src_uri.startswith("source/"):
        up = "../" * (len(PurePosixPath(page.file.src_uri).parts) - 1)
        return _FROM_ROOT.sub(rf"]({up}\1)", markdown)
    return markdown


def _is_top(file: File) -> bool:
    """Whether a page lies in docs/ itself, so that `../` leads out of it."""
    return "/" not in file.src_uri


def _page_of(target: str) -> str:
    return f"source/{target.removesuffix('.md')}.md"


def _content(target: str) -> str:
    text = (ROOT / target).read_text(encoding="utf-8")
    if target.endswith(".md"):
        return text
    name = PurePosixPath(target).name
    return f"# {name}\n\n`{target}`\n\n````python\n{text}````\n"
