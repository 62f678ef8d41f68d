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
_CONFIG = _ALF / "_config"


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
        callers = [frame for frame in link.stack[:first] if not _passes_on(frame)][-1:]
        left_out += first - len(callers)
        link.stack = StackSummary.from_list([*callers, *link.stack[first:]])
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    text = "".join(whole.format())
    if left_out:
        text += f"({left_out} frames above these are left out; --debug shows them.)\n"
    return text


def out_of_memory(error: BaseException) -> str | None:
    """What to do where there was not enough memory; `None` for any other failure.

    Args:
        error: any exception; torch raises one of its own, or a `RuntimeError`.
    """
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    if not of_torch and not isinstance(error, MemoryError):
        return None
    reason = " ".join(str(error).split()).partition(". Error code")[0]
    return (
        f"there is not enough memory: {reason[-300:] or 'Python could get no more'}. Lower what is "
        "kept or computed at once: TrainerConfig.unroll_length, mini_batch_size, "
        "replay_buffer_length, create_environment.num_parallel_environments, or layer sizes."
    )


def last_places(error: BaseException, count: int) -> list[str]:
    """Where an error arose: the innermost frames of code that is installed by no package.

    Args:
        error: any exception.
        count: how many frames, at most.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_library(f.filename)]
    return [f"{f.filename}:{f.lineno}, in {f.name}: {f.line}" for f in frames[-count:]]


def _is_users(frame: FrameSummary) -> bool:
    path = Path(frame.filename)
    ours = path.is_relative_to(_ALF) and not path.is_relative_to(_EXAMPLES)
    return not ours and not is_library(frame.filename)


def _passes_on(frame: FrameSummary) -> bool:
    """Whether it is of what stands between a caller and what it calls."""
    return Path(frame.filename).is_relative_to(_CONFIG)


def is_library(filename: str) -> bool:
    """Whether a file is of Python or of an installed package, or code that lies in no file."""
    names = ("stdlib", "purelib", "platlib", "scripts")
    folders = {sysconfig.get_path(name) for name in names}
    return filename.startswith("<") or any(filename.startswith(folder) for folder in folders)
