"""The console script `alf`: `alf train`, `alf play`, `alf grid_search`, `alf snapshot`, ...

Each subcommand is the module of the same name in `alf.bin`, and is imported only when asked for.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence

from alf import process

COMMANDS = {
    "train": "Train an agent, or go on training one; store its code.",
    "play": "Show and measure a trained agent, with its own code or today's.",
    "grid_search": "Train with every combination of some parameters.",
    "compare": "Play two versions with the same seeds; say where they part.",
    "config": "List what can be configured; show and compare what jobs set.",
    "snapshot": "List, compare, verify, restore and export the code of a job.",
}

ALIASES = {"grid-search": "grid_search"}


def main(argv: Sequence[str]) -> int:
    """Runs a subcommand.

    Args:
        argv: the subcommand and its arguments, without the program's name.

    Returns:
        The exit code: the subcommand's, or 2 if there is no such subcommand.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        return _version()
    name = ALIASES.get(argv[0], argv[0])
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        hint = f" Did you mean `alf {close[0]}`?" if close else ""
        sys.stderr.write(f"alf: there is no command {name!r}.{hint}\n\n{_overview()}")
        return 2
    return importlib.import_module(f"alf.bin.{name}").main(list(argv[1:]))


def run() -> None:
    """Entry point of the console script."""
    process.run(main)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: alf COMMAND [flags]",
            "",
            *lines,
            "",
            "`alf COMMAND --help` lists the flags of a command.",
            "",
        ]
    )


def _version() -> int:
    from importlib.metadata import PackageNotFoundError, version

    try:
        text = version("alf")
    except PackageNotFoundError:  # run from a checkout or from a job's snapshot
        text = "(not installed: running from a source folder)"
    sys.stdout.write(f"alf {text}\n")
    return 0


if __name__ == "__main__":
    run()
