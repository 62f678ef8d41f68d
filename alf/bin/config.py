"""Looks at what can be configured, and at what jobs were configured to do.

    alf config list [WORD] [--conf C]  all parameters, or those with WORD
    alf config show R                  what a job set, and where
    alf config show R --used           every value that it used, defaults too
    alf config diff A B                what two of them set otherwise

R, A and B are root dirs, `alf_config.py` files or confs. Confs are executed, with today's code, as
training would do; nothing is trained. --used makes the environments and the model, too. Each
command takes --json. Exit codes: 0 done, 1 `diff` found differences, 2 used wrongly.
"""

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alf import process
from alf._config import (
    isolated,
    load_config,
    loaded_confs,
    parse_overrides,
    pre_config,
    validate_pre_configs,
)
from alf._config.catalogue import (
    DEFAULT,
    Configurable,
    Described,
    Set,
    catalogue,
    import_everything,
    operative,
    settings,
    short_name,
)
from alf._config.origin import Origin
from alf._config.parameters import MISSING
from alf._config.values import alike, described
from alf.bin import command
from alf.errors import UsageError

_RECORDED = "alf_config.py"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.run_verb(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alf config",
        description=command.fitted(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    listed = command.add_verb(verbs, "list", _list)
    listed.add_argument("word", nargs="?", default="", metavar="WORD", help="part of the names")
    listed.add_argument("--conf", metavar="C", help="list what this conf defines and imports too")
    shown = command.add_verb(verbs, "show", _show)
    shown.add_argument("job", metavar="R", help="a root dir or a conf")
    shown.add_argument(
        "--conf_param", action="append", default=[], metavar="NAME=VALUE", help="as train takes it"
    )
    shown.add_argument(
        "--used",
        action="store_true",
        help="make the environments and the model, and show each value that they took",
    )
    differing = command.add_verb(verbs, "diff", _diff)
    differing.add_argument("a", metavar="A", help="a root dir or a conf")
    differing.add_argument("b", metavar="B", help="a root dir or a conf")
    return parser


# What can be set ----------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    """Show what can be configured: types, defaults and what each parameter is."""
    with isolated() as store:
        with process.importing():
            import_everything()
        if arguments.conf:
            load_config(arguments.conf)
        found = catalogue(store, arguments.word)
        confs = {conf.module.__name__: Path(conf.path).name for conf in loaded_confs()}
    if not found:
        raise UsageError(
            f"Nothing that can be configured has '{arguments.word}' in its name. `alf config list` "
            f"shows everything; with --conf C also what a conf of yours defines."
        )
    if arguments.json:
        print(json.dumps([_entry_json(entry) for entry in found], indent=1))
        return 0
    width = min(shutil.get_terminal_size().columns, 120)
    print("\n\n".join(_entry_text(entry, width, confs) for entry in found))
    return 0


def _title(name: str, confs: Mapping[str, str]) -> str:
    """The name; of what a conf defines as it is set, since the module of a conf has a made-up name.

    Args:
        name: `module.Class`.
        confs: the file of each conf, by its module.
    """
    module, _, own = name.partition(".")
    return f"{own}  ({confs[module]})" if module in confs else name


def _entry_text(entry: Configurable, width: int, confs: Mapping[str, str]) -> str:
    lines = [_title(entry.name, confs), *textwrap.wrap(entry.doc, width - 2, initial_indent="  ")]
    for parameter in entry.parameters:
        name = parameter.name.rpartition(".")[2]
        kind = f": {parameter.annotation}" if parameter.annotation else ""
        default = "" if parameter.default is MISSING else f" = {described(parameter.default)}"
        lines += textwrap.wrap(
            f"{name}{kind}{default}", width, initial_indent="  ", subsequent_indent=" " * 6
        )
        lines += textwrap.wrap(
            parameter.doc, width, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


def _entry_json(entry: Configurable) -> dict[str, object]:
    return {
        "name": entry.name,
        "doc": entry.doc,
        "parameters": [_parameter_json(parameter) for parameter in entry.parameters],
    }


def _parameter_json(parameter: Described) -> dict[str, object]:
    default = None if parameter.default is MISSING else described(parameter.default)
    return {
        "name": parameter.name,
        "type": parameter.annotation,
        "default": default,
        "doc": parameter.doc,
    }


# What is set --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """The settings of a job, by short name."""

    settings: dict[str, Set]


def _read(place: str, conf_params: Sequence[str] = (), *, used: bool = False) -> _Job:
    """Execute a conf as training would.

    Args:
        place: a root dir or a conf.
        conf_params: overrides.
        used: make the environments and the model, and give what they used instead of what is set.

    Raises:
        UsageError: there is no conf.
        AlfError: the conf or an override is wrong.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        path = path / _RECORDED
        if not path.is_file():
            raise UsageError(
                f"'{place}' is no root dir: it has no '{_RECORDED}'. Give the root dir of a job "
                f"that was trained, or a conf."
            )
    with isolated() as store:
        pre_config(parse_overrides(conf_params))
        with process.importing():
            load_config(path)
        if used:
            _make_all(path)
        validate_pre_configs()
        found = operative(store) if used else settings(store)
        return _Job({short_name(store, one.name): one for one in found})


def _make_all(conf: Path) -> None:
    """Make what training makes, so that it takes its values, and drop it again."""
    import torch

    from alf.environments.creation import create_environment
    from alf.trainers.policy import Policy
    from alf.trainers.trainer_config import TrainerConfig

    torch.set_num_threads(1)
    config = TrainerConfig(root_dir=str(conf.absolute().parent), conf_file=str(conf))
    with create_environment(seed=0) as env:
        Policy(config, env)


def _show(arguments: argparse.Namespace) -> int:
    """Show every value that a job sets, and who set it."""
    job = _read(arguments.job, arguments.conf_param, used=arguments.used)
    if arguments.json:
        rows = [
            {
                "name": name,
                "full_name": one.name,
                "value": described(one.value),
                "origin": str(one.origin),
                "override": one.is_override,
                "instead_of": _instead_of(one),
            }
            for name, one in job.settings.items()
        ]
        print(json.dumps(rows, indent=1))
        return 0
    for name, one in job.settings.items():
        default = one.origin is DEFAULT
        print(_fitted(f"{name} = {described(one.value)}{'  (default)' if default else ''}"))
        if not default:
            print(_fitted(f"    {_place(one.origin)}{_kind(one)}"))
    if not job.settings:
        print("Nothing is set: every parameter has its default.")
    return 0


def _kind(one: Set) -> str:
    """Whether it is an override, and of what."""
    if not one.is_override:
        return ""
    weaker = one.instead_of
    if weaker is None:
        return "  (override)"
    return f"  (override of {described(weaker.value)}, set at {_place(weaker.origin)})"


def _instead_of(one: Set) -> dict[str, str] | None:
    weaker = one.instead_of
    if weaker is None:
        return None
    return {"value": described(weaker.value), "origin": str(weaker.origin)}


def _diff(arguments: argparse.Namespace) -> int:
    """Show what two jobs set otherwise; exit code 1 if anything."""
    a, b = _read(arguments.a).settings, _read(arguments.b).settings
    names = [
        name
        for name in sorted(a.keys() | b.keys())
        if name not in a or name not in b or not alike(a[name].value, b[name].value)
    ]
    if arguments.json:
        rows = [{"name": name, "a": _side(a.get(name)), "b": _side(b.get(name))} for name in names]
        print(json.dumps(rows, indent=1))
    elif not names:
        print("Both set the same.")
    else:
        print(f"--- {arguments.a}\n+++ {arguments.b}")
        for name in names:
            for sign, one in (("-", a.get(name)), ("+", b.get(name))):
                if one is not None:
                    print(_fitted(f"{sign} {name} = {described(one.value)}"))
                    print(_fitted(f"    {_place(one.origin)}"))
    return 1 if names else 0


def _side(one: Set | None) -> dict[str, str] | None:
    return None if one is None else {"value": described(one.value), "origin": str(one.origin)}


def _fitted(line: str) -> str:
    """A line, on a terminal broken between words where it is longer; elsewhere as it is."""
    if not sys.stdout.isatty():
        return line
    width = min(shutil.get_terminal_size().columns, 120)
    wrapped = textwrap.wrap(
        line, width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapped)


def _place(origin: Origin) -> str:
    """File and line, from here if that is shorter."""
    text = str(origin)
    if not Path(origin.where).is_absolute():  # a flag
        return text
    return min(text, os.path.relpath(text), key=len)


if __name__ == "__main__":
    process.run(main)
