"""Running the source of a conf, such that whatever goes wrong points at the user's own line."""

import traceback
from types import CodeType, ModuleType

from alf._config.origin import Origin
from alf.errors import AlfError, ConfigError


def compiled(path: str, source: bytes) -> CodeType:
    """The code of a conf.

    Args:
        path: its file, for messages.
        source: its bytes.

    Raises:
        ConfigError: it is not Python.
    """
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ConfigError(_syntax_lesson(path, error)) from error
    except ValueError as error:  # null bytes
        raise ConfigError(f"{path}: this is not Python source: {error}.") from error
    except (RecursionError, MemoryError, OverflowError) as error:
        raise ConfigError(
            f"{path}: Python cannot compile this: {_told(error)}. Split its longest or most deeply "
            "nested expression."
        ) from error


def execute(code: CodeType, module: ModuleType) -> None:
    """Execute a conf in its module.

    Raises:
        ConfigError: it raised something, or wanted to end the program.
        AlfError: what `alf` raised on purpose inside it.
    """
    try:
        exec(code, module.__dict__)
    except AlfError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(_lesson(code.co_filename, error)) from error


def _syntax_lesson(path: str, error: SyntaxError) -> str:
    where = Origin(path, error.lineno or 0)
    if not error.text:  # the encoding is wrong, so that there is no line to show
        return f"{where}: {error.msg}. Save the file as UTF-8."
    line = error.text.rstrip("\r\n")
    caret = " " * max((error.offset or 1) - 1, 0) + "^"
    return f"{where}: {error.msg}\n    {line}\n    {caret}"


def _lesson(conf: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == conf]
    text = f"{Origin(conf, (own[-1].lineno or 0) if own else 0)}: {_told(error)}"
    if own and own[-1].line:
        text += f"\n    {own[-1].line}"
    return text + _elsewhere(conf, error, frames) + _advice(error)


def _elsewhere(conf: str, error: BaseException, frames: traceback.StackSummary) -> str:
    """Where the error arose, if that is another file than the conf."""
    if isinstance(error, SyntaxError):  # of a module that the conf imports; its text tells where
        return ""
    files = [frame for frame in frames if not frame.filename.startswith("<frozen ")]
    if not files or files[-1].filename == conf:
        return ""
    return f"\n  raised at {files[-1].filename}:{files[-1].lineno}: {files[-1].line}"


def _advice(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            "\nA conf says what the job does and lets the command go on: leave the call out, or "
            "raise an error that says what is wrong."
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"\nInstall '{error.name.partition('.')[0]}', or put it beside the conf or into a "
            "folder on PYTHONPATH."
        )
    return ""


def _told(error: BaseException) -> str:
    """Class and message; also of an exception whose own `__str__` fails."""
    lines = traceback.format_exception_only(error)
    if isinstance(error, SyntaxError):  # the file and the line stand before the message
        lines = [f"{type(error).__name__}: {error}"]
    return "".join(lines).strip()
