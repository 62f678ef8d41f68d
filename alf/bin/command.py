"""What every command shares: flags of its own, log lines, and exit codes.

A command module defines its flags on a `FlagValues` of its own (never on `absl.flags.FLAGS`, so
that two commands live in one process) and a function that does the work:

    FLAGS = flags.FlagValues()
    flags.DEFINE_string("root_dir", None, "The job's folder.", flag_values=FLAGS)

    def main(argv: Sequence[str]) -> int:
        return command.main(_train, FLAGS, __doc__, argv)

    if __name__ == "__main__":
        process.run(main)

What is imported for the work alone, torch first of all, is imported inside `process.importing()`.
Exit codes: 0 done, 1 the work failed or a check does not hold, 2 the command was used wrongly,
130 interrupted (128 + SIGINT), 143 terminated.
"""

import argparse
import contextlib
import difflib
import os
import shutil
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from absl import flags, logging

from alf.errors import AlfError, TrainingError, UsageError
from alf.failures import out_of_memory, users_part

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
# What absl appends to the help of each repeatable flag; ours says "(repeatable)".
_MULTI_SUFFIX = "; repeat this option to specify a list of values"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived inside `terminable()`; handled as Ctrl-C is, with its own exit code."""


def main(
    function: Callable[[flags.FlagValues], int],
    flag_values: flags.FlagValues,
    doc: str | None,
    argv: Sequence[str],
    *,
    program: str = "",
) -> int:
    """Parses the flags, sets up log lines, runs a command, and turns errors into exit codes.

    An `AlfError` is printed to stderr without a traceback. What code of the user's raised is
    printed from that code on. Every other exception is a defect and keeps its traceback; Python
    then exits with 1. A flag `--debug` shows all of it in each case.

    Args:
        function: does the work, given the parsed flags; returns the exit code.
        flag_values: the command's own flags.
        doc: the text that `--help` shows above the flags.
        argv: the arguments, without the program's name.
        program: how the user calls it, e.g. `"alf play"`.
    """
    try:
        return _run(function, flag_values, doc, argv, program)
    except AlfError as error:
        if _debug(flag_values):
            traceback.print_exc()
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        code = _told(error, _debug(flag_values))
        if code is None:
            raise
        return code


def _told(error: Exception, debug: bool) -> int | None:
    """Tell of an error that nobody raised on purpose; `None` for what may be a defect of ours."""
    lesson = out_of_memory(error)
    if lesson is not None:
        if debug:
            traceback.print_exception(error)
        print(f"TrainingError: {lesson}", file=sys.stderr)
        return TrainingError.exit_code
    told = None if debug else users_part(error)
    if told is not None:
        print(told, end="", file=sys.stderr)
    return None if told is None else 1


def _run(
    function: Callable[[flags.FlagValues], int],
    flag_values: flags.FlagValues,
    doc: str | None,
    argv: Sequence[str],
    program: str,
) -> int:
    if asks_for_help(argv):
        print(help_text(flag_values, doc, program))
        return 0
    parse_flags(argv, flag_values, program=program)
    start_logging()
    return function(flag_values)


def _debug(flag_values: flags.FlagValues) -> bool:
    return "debug" in flag_values and bool(flag_values["debug"].value)


def print_line(line: str) -> None:
    """Print a line at once, also into a pipe: beside what is logged it stands in its order."""
    print(line, flush=True)


def run_verb(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """What `main` is to a command with flags, to one with commands of its own.

    Args:
        parser: made of `add_verb`s.
        argv: the arguments, without the program's name.
    """
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has told the user what is wrong, or shown the help
        return int(stop.code or 0)
    try:
        code = arguments.work(arguments)
        sys.stdout.flush()
        return code
    except AlfError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()


def add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    work: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Adds a command of a command, which takes --json.

    Args:
        verbs: from `ArgumentParser.add_subparsers`.
        name: of the command.
        work: does it, given the arguments; its docstring is the help. Returns the exit code.
    """
    doc = (work.__doc__ or "").strip()
    made = verbs.add_parser(name, help=doc, description=doc, allow_abbrev=False)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.set_defaults(work=work)
    return made


def _reader_gone() -> int:
    """The exit code where the reader of our output has gone, as in `alf play ... | head`."""
    # Python would complain once more while flushing at exit, hence the swap.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13


def asks_for_help(argv: Sequence[str]) -> bool:
    """Whether the arguments ask for the help page."""
    flags_only = list(argv)[: list(argv).index("--")] if "--" in argv else argv
    return any(arg in ("--help", "-help", "-h", "--helpfull", "-?") for arg in flags_only)


def parse_flags(
    argv: Sequence[str], flag_values: flags.FlagValues, *, program: str = ""
) -> flags.FlagValues:
    """Parses arguments into a command's own flags; values of an earlier parse are forgotten.

    Args:
        argv: the arguments, without the program's name.
        flag_values: the flags to fill.
        program: how the user calls the command, for messages.

    Raises:
        UsageError: an unknown flag (with the closest ones), a value that the flag cannot take,
            or an argument that is no flag.
    """
    for name in flag_values:
        flag_values[name].unparse()
    help_hint = f" `{program} --help` lists the flags." if program else ""
    try:
        rest = flag_values([program or "alf", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(flag_values), n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join('--' + name for name in close)}?" if close else ""
        raise UsageError(f"There is no flag --{error.flagname}.{hint}{help_hint}") from None
    except (flags.Error, ValueError) as error:
        raise UsageError(f"{error}.{help_hint}") from None
    if rest:
        raise UsageError(
            f"Only flags are taken, but {rest[0]!r} was given without one. A value stands behind "
            f"its flag, as in --root_dir /tmp/job; one with spaces needs quotes.{help_hint}"
        )
    return flag_values


def required(flag_values: flags.FlagValues, name: str, example: str) -> str:
    """The value of a flag that must be given.

    Args:
        flag_values: the parsed flags.
        name: name of the flag, without dashes.
        example: a value as a user would write it.

    Raises:
        UsageError: the flag is missing or empty.
    """
    value = flag_values[name].value
    if not value:
        raise UsageError(f"--{name} is needed, for example: --{name} {example}")
    return value


def help_text(flag_values: flags.FlagValues, doc: str | None, program: str = "") -> str:
    """The help page: what the command does, then each flag with its default."""
    width = _width()
    lines = [fitted(textwrap.dedent(doc or "").strip()), "", "Flags:"]
    for name in flag_values:
        flag = flag_values[name]
        if flag.help is None:
            continue
        lines.append(f"  {_usage(flag)}")
        text = " ".join(flag.help.split()).removesuffix(_MULTI_SUFFIX) + _default(flag)
        lines += textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    if program:
        lines = [f"Usage: {program} [flags]", "", *lines]
    return "\n".join(lines)


def fitted(text: str) -> str:
    """A docstring for this terminal: paragraphs are wrapped, what is indented stays as it is."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        part if "\n " in f"\n{part}" else textwrap.fill(part, _width(), break_on_hyphens=False)
        for part in paragraphs
    )


def _width() -> int:
    return max(40, min(shutil.get_terminal_size().columns, 100))


def _usage(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"--{flag.name} / --no{flag.name}"
    many = " (repeatable)" if isinstance(flag, flags.MultiFlag) else ""
    return f"--{flag.name} {flag.name.split('_')[-1].upper()}{many}"


def _default(flag: flags.Flag) -> str:
    if flag.default in (None, [], "", False):
        return ""
    return f" (default: {flag.default})"


def start_logging() -> None:
    """Sends absl's log lines, info and above, to stderr."""
    # Code of the user's may read flags that it defined on absl's global object; without this
    # mark each read is an error, and absl warns before its first log line.
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("info")


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM raises `Terminated`, so that open files are closed as on Ctrl-C."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    try:
        earlier = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals are somebody else's there
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
