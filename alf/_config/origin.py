"""Who set or used a value: the place in the user's own files that an error message can point to."""

import inspect
from dataclasses import dataclass
from types import FrameType

_OURS = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a file, or a source of values that is not a file.

    Args:
        where: a path, or a label such as `--conf_param`.
        line: the line, counted from 1; 0 for a label.
    """

    where: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.where}:{self.line}" if self.line else self.where


COMMAND_LINE = Origin("--conf_param")


def calling_frame() -> FrameType | None:
    """The nearest frame outside this package, `None` where Python does not tell."""
    frame = inspect.currentframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name != _OURS and not name.startswith(_OURS + "."):
            return frame
        frame = frame.f_back
    return None


def caller() -> Origin:
    """The place outside this package that is being executed."""
    frame = calling_frame()
    if frame is None:
        return Origin("<unknown>")
    return Origin(frame.f_code.co_filename, frame.f_lineno)


def modules_being_executed() -> list[str]:
    """Names of the modules whose top level is running now, innermost first, without `__main__`."""
    found: list[str] = []
    frame = calling_frame()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if frame.f_code.co_name == "<module>" and name not in ("", "__main__"):
            found.append(name)
        frame = frame.f_back
    return found
