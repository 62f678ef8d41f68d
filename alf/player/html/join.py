"""Two recorded runs in one page: both play in step, and where they part is marked."""

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from alf.errors import RenderError
from alf.player.html import page
from alf.player.html.writer import HtmlWriter

VISIBLY = 0.01
"""By how much of a column's range two runs must differ to be apart for the eye."""

_COMPARED = ("action/", "reward", "observation/")

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Side:
    """A run that was recorded as frames and numbers.

    Attributes:
        header: what the page says of it, by name.
        frames: uint8 `[H, W, 3]`, RGB, one for each row of the columns.
        columns: as `alf.player.numbers` writes them, `[rows]` or `[rows, n]`.
    """

    header: Mapping[str, str]
    frames: Iterable[np.ndarray]
    columns: Columns


@dataclass(frozen=True)
class Difference:
    """Where two episodes part.

    Attributes:
        step: the first step that differs.
        column: in which column, e.g. `"action/action[0]"`; `"length"` if one has ended by then.
        a: what the first run has there.
        b: and the second.
    """

    step: int
    column: str
    a: float
    b: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is no finite number is `None`."""
        a, b = (x if np.isfinite(x) else None for x in (self.a, self.b))
        return {"step": self.step, "column": self.column, "a": a, "b": b}


def write_comparison(path: Path, sides: tuple[Side, Side], fps: float) -> str:
    """Writes the page of two runs from what was recorded of them.

    Args:
        path: the target, `.html`; an existing file is replaced.
        sides: two plays of the same seeds.
        fps: frames per second at speed 1.

    Returns:
        One line for the user.

    Raises:
        RenderError: a file cannot be written, or a run has no step.
    """
    parts = [path.with_name(f".{path.stem}.run-{i}-{os.getpid()}.html") for i in range(2)]
    try:
        for part, side in zip(parts, sides, strict=True):
            writer = HtmlWriter(part, fps, side.header)
            try:
                for i, frame in enumerate(side.frames):
                    writer.add(frame, {n: np.atleast_1d(c[i]) for n, c in side.columns.items()})
            finally:
                writer.close()
        return join_pages(path, (parts[0], parts[1]))
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def join_pages(path: Path, pages: tuple[Path, Path]) -> str:
    """Puts two recorded pages into one that plays their episodes of the same seeds in step.

    Args:
        path: the target; an existing file is replaced, when the new one is whole.
        pages: of one run each.

    Returns:
        One line for the user.

    Raises:
        RenderError: a page is missing, or is no recording of one run; or the target cannot be
            written.
    """
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        with partial.open("wb") as file:
            page.begin(file, path.stem)
            first, second = (_copy(source, file) for source in pages)
            pairs = pair_up(first, second)
            page.put_json(file, "pairs", {"pairs": pairs})
            page.end(file)
        partial.replace(path)
    except OSError as error:
        raise RenderError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    count = "1 episode" if len(pairs) == 1 else f"{len(pairs)} episodes"
    size = path.stat().st_size / 1e6
    return f"{path}: two runs, {count}, {size:.1f} MB; open it in a browser"


def pair_up(
    first: Sequence["RecordedEpisode"], second: Sequence["RecordedEpisode"]
) -> list[dict[str, Any]]:
    """Which episodes are shown together, and where they part, as plain data.

    Those of one seed belong together; without seeds, those of one number. An episode that only
    one run has is shown alone.
    """
    waiting = {key: i for i, key in reversed(list(enumerate(_keys(second))))}
    pairs: list[tuple[int | None, int | None]] = [
        (i, waiting.pop(key, None)) for i, key in enumerate(_keys(first))
    ]
    pairs += [(None, i) for i in sorted(waiting.values())]
    told: list[dict[str, Any]] = []
    for a, b in pairs:
        both: dict[str, Any] = {"differs": None, "parts": None}
        if a is not None and b is not None:
            for name, margin in (("differs", 0.0), ("parts", VISIBLY)):
                found = first_difference(first[a].numbers, second[b].numbers, margin)
                both[name] = None if found is None else found.as_dict()
        told.append({"episodes": [a, b]} | both)
    return told


def first_difference(a: Columns, b: Columns, margin: float = 0.0) -> Difference | None:
    """The first step at which two episodes did, got or saw something else.

    Args:
        a: columns `[rows, n]` of the first.
        b: of the second.
        margin: how much of a column's range in both episodes does not count.

    Returns:
        `None` if they are the same from the first step to the last. Of columns that differ at one
        step, the first in the order actions, rewards, observations is named.
    """
    rows = min(len(next(iter(a.values()))), len(next(iter(b.values()))))
    found: Difference | None = None
    for name in _shared(a, b):
        # The action of the last row is not taken any more.
        taken = rows - 1 if name.startswith("action/") else rows
        x, y = a[name][:taken].astype(np.float64), b[name][:taken].astype(np.float64)
        until = taken if found is None else min(taken, found.step)
        place = _first_apart(x[:until], y[:until], margin * _range(a[name], b[name]))
        if place is not None:
            step, d = place
            label = f"{name}[{d}]" if x.shape[1] > 1 else name
            found = Difference(step, label, float(x[step, d]), float(y[step, d]))
    lengths = [len(next(iter(side.values()))) - 1 for side in (a, b)]
    if found is None and lengths[0] != lengths[1]:
        return Difference(min(lengths), "length", *map(float, lengths))
    return found


@dataclass(frozen=True)
class RecordedEpisode:
    """What a page holds of an episode, without its film.

    Attributes:
        facts: the line `episode` of the page.
        numbers: column -> float32 `[rows, n]`.
    """

    facts: Mapping[str, Any]
    numbers: Columns


def read_episodes(source: Path) -> list[RecordedEpisode]:
    """The episodes of a recorded page of one run.

    Raises:
        RenderError: it is no such page.
    """
    return _copy(source, None)


def _copy(source: Path, file: IO[bytes] | None) -> list[RecordedEpisode]:
    """Reads a page's run, line by line, and copies its data lines if there is a `file`."""
    episodes: list[RecordedEpisode] = []
    numbers, runs = b"", 0
    try:
        for line, kind, content in _data_lines(source):
            if kind == "run":
                runs += json.loads(content)["format"] == page.FORMAT
            elif kind == "numbers":
                numbers = base64.b64decode(content, validate=True)
            elif kind == "episode":
                facts = json.loads(content)
                episodes.append(RecordedEpisode(facts, _columns(facts, numbers)))
            if file is not None:
                file.write(line)
    except OSError as error:
        raise RenderError(f"{source} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise RenderError(f"{source} is damaged: {error}. Record it again.") from error
    if runs != 1 or not episodes:
        raise RenderError(
            f"{source} is no recording of one run by this version: give a file that "
            "`play --record_file x.html` wrote."
        )
    return episodes


def _data_lines(source: Path) -> Iterator[tuple[bytes, str, bytes]]:
    with source.open("rb") as file:
        inside = False
        for line in file:
            if line == page.DATA_ENDS:
                return
            if inside:
                found = page.line_kind(line)
                if found is None:
                    raise ValueError("there is something else among its data")
                yield line, *found
            inside = inside or line == page.DATA_BEGINS


def _columns(facts: Mapping[str, Any], packed: bytes) -> dict[str, np.ndarray]:
    widths: list[tuple[str, int]] = [(name, int(width)) for name, width in facts["columns"]]
    rows = int(facts["length"]) + 1
    total = sum(width for _, width in widths)
    table = np.frombuffer(packed, "<f4")[: rows * total].reshape(rows, total)
    columns, place = {}, 0
    for name, width in widths:
        columns[name] = table[:, place : place + width]
        place += width
    return columns


def _keys(episodes: Sequence[RecordedEpisode]) -> list[tuple[str, int, int]]:
    """What tells which episodes belong together; the same seed again is another episode."""
    seen: dict[tuple[str, int], int] = {}
    keys: list[tuple[str, int, int]] = []
    for number, episode in enumerate(episodes):
        seed = episode.facts["seed"]
        kind, which = ("number", number) if seed is None else ("seed", int(seed))
        key = (kind, which)
        keys.append((kind, which, seen.get(key, 0)))
        seen[key] = seen.get(key, 0) + 1
    return keys


def _shared(a: Columns, b: Columns) -> list[str]:
    """The columns that both have and that tell what happened, actions first."""
    both = [name for name in a if name in b and a[name].shape[1] == b[name].shape[1]]
    rank = {prefix: i for i, prefix in enumerate(_COMPARED)}
    found = [(rank[p], name) for name in both for p in _COMPARED if name.startswith(p)]
    return [name for _, name in sorted(found)]


def _range(a: np.ndarray, b: np.ndarray) -> float:
    values = np.concatenate([a.reshape(-1), b.reshape(-1)])
    values = values[np.isfinite(values)]
    return float(np.ptp(values)) if len(values) else 0.0


def _first_apart(x: np.ndarray, y: np.ndarray, margin: float) -> tuple[int, int] | None:
    """The first row, and the number in it, that are apart by more than `margin`."""
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):
        apart = ~same & ~(np.abs(x - y) <= margin)
    places = np.argwhere(apart)
    return None if not len(places) else (int(places[0][0]), int(places[0][1]))
