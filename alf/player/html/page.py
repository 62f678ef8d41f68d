"""The page around the data: how it begins and ends, and how data stand in it.

A recording is one file. Its data are lines of their own between the page's head and the player's
script, each a `<script>` element of a type that no browser runs:

    run       JSON: what the header shows of this run; the episodes below belong to it
    video     base64: the film of an episode, an MP4 with one frame a step
    numbers   base64: float32, little endian, row after row, a row a step
    episode   JSON: what was played, and what the two lines above it hold
    pairs     JSON: where two runs differ, in a file that compares them

A content security policy allows the page nothing but its own script and style: whatever a name
from outside may hold, nothing is run and nothing is fetched.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import IO, Any

FORMAT = 1
"""Of the data lines; a player of another number would misread them."""

DATA_BEGINS = b"<!-- data -->\n"
DATA_ENDS = b"<!-- end of data -->\n"

_CHUNK = 3 * (1 << 18)  # a multiple of three: base64 of pieces is then base64 of the whole
_HERE = "alf.player.html"
_PLAYER = ("text", "data", "film", "charts", "episodes", "help", "player", "start")


def begin(file: IO[bytes], title: str) -> None:
    """Writes everything above the data.

    Args:
        file: the page, at its start.
        title: what the browser shows for it; any text.
    """
    texts = {
        "title": html.escape(title),
        "policy": html.escape(content_security_policy(), quote=True),
        "chart_style": _read("vendor/uPlot.min.css"),
        "style": _read("player.css"),
        "licence": _read("vendor/LICENSE.uPlot").strip(),
    }
    file.write(_filled(_template()[0], texts) + DATA_BEGINS)


def end(file: IO[bytes]) -> None:
    """Writes everything below the data."""
    chart_script, script = _scripts()
    texts = {"chart_script": chart_script, "script": script}
    file.write(DATA_ENDS + _filled(_template()[1], texts))


def put_json(file: IO[bytes], kind: str, data: Mapping[str, Any]) -> None:
    """Writes a line of plain data; NaN and infinity are not allowed in it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    # Inside a script element, only "<" can end it.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    file.write(_opening("json", kind) + text.encode() + _CLOSING)


def put_bytes(file: IO[bytes], kind: str, source: IO[bytes]) -> None:
    """Writes a line of bytes, piece by piece, from where `source` stands to its end."""
    file.write(_opening("octet-stream", kind))
    while piece := source.read(_CHUNK):
        file.write(base64.b64encode(piece))
    file.write(_CLOSING)


def content_security_policy() -> str:
    """Allows the page its own scripts and styles, films from its own memory, and nothing else."""
    scripts = " ".join(_digest(text) for text in _scripts())
    styles = " ".join(_digest(_read(name)) for name in ("vendor/uPlot.min.css", "player.css"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; media-src blob:; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def line_kind(line: bytes) -> tuple[str, bytes] | None:
    """The kind and the content of a data line; `None` if it is none.

    Args:
        line: with its line end.
    """
    for media in ("json", "octet-stream"):
        start = _opening(media, "")[: -len(b'">')]
        if line.startswith(start) and line.endswith(_CLOSING):
            kind, found, content = line[len(start) : -len(_CLOSING)].partition(b'">')
            if found and b"<" not in content:
                return kind.decode("ascii", "replace"), content
    return None


_CLOSING = b"</script>\n"


def _opening(media: str, kind: str) -> bytes:
    return f'<script type="application/{media}" data-kind="{kind}">'.encode()


def _scripts() -> tuple[str, str]:
    """The charts' library, and the player: its files one after the other, as one script."""
    return _read("vendor/uPlot.iife.min.js"), "\n".join(_read(f"js/{name}.js") for name in _PLAYER)


def _template() -> tuple[str, str]:
    """What stands above and below the data."""
    above, _, below = _read("page.html").partition(DATA_BEGINS.decode())
    return above, below


def _filled(template: str, texts: Mapping[str, str]) -> bytes:
    """The template with each `{{name}}` replaced, once: what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found[1]], template).encode()


def _read(name: str) -> str:
    return resources.files(_HERE).joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
