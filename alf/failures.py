"""Whose code failed: the part of a traceback that somebody can do something about.

A wrapper, a reward or an algorithm of the user's is called from deep inside of `alf`. What tells
them something begins where their own code does.
"""

import sysconfig
import traceback
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

_ALF = Path(__file__).resolve().parent
_EXAMPLES = _ALF / "examples"


def users_part(error: BaseException) -> str | None:
    """The traceback from the user's own code on, below the line of ours that called it.

    Args:
        error: any exception; those that it was raised from are told likewise.

    Returns:
        `None` if none of the user's code took part, so that all of it may matter.
    """
    whole = TracebackException.from_exception(error)
    if not any(map(_is_users, whole.stack)):
        return None
    left_out, link = 0, whole
    while link is not None:
        first = next((i for i, frame in enumerate(link.stack) if _is_users(frame)), 0)
        above = max(first - 1, 0)
        left_out += above
        link.stack = StackSummary.from_list(link.stack[above:])
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    text = "".join(whole.format())
    if left_out:
        text += f"({left_out} frames above these are left out; --debug shows them.)\n"
    return text


def last_places(error: BaseException, count: int) -> list[str]:
    """Where an error arose: the innermost frames of code that is installed by no package.

    Args:
        error: any exception.
        count: how many frames, at most.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_library(f.filename)]
    return [f"{f.filename}:{f.lineno}, in {f.name}: {f.line}" for f in frames[-count:]]


def _is_users(frame: FrameSummary) -> bool:
    path = Path(frame.filename)
    ours = path.is_relative_to(_ALF) and not path.is_relative_to(_EXAMPLES)
    return not ours and not _is_library(frame.filename)


def _is_library(filename: str) -> bool:
    names = ("stdlib", "purelib", "platlib", "scripts")
    folders = {sysconfig.get_path(name) for name in names}
    return filename.startswith("<") or any(filename.startswith(folder) for folder in folders)
