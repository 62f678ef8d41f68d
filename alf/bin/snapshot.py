"""Looks at the snapshots of a job, compares, checks, restores and exports them.

    alf snapshot list    --root_dir R              every snapshot, oldest first
    alf snapshot show    --root_dir R [ID]         what one holds
    alf snapshot diff    --root_dir R [A [B]]      what differs
    alf snapshot verify  --root_dir R              is all as it was written?
    alf snapshot restore --root_dir R ID           put it back to R/alf
    alf snapshot export  --root_dir R ID --to DIR  write it into a new folder
    alf snapshot export  --root_dir R --store      let a run stand alone

An ID is a snapshot's id or its first digits, `ckpt-N` for the one that made that checkpoint, or
`newest`, which is meant where it is left out; `diff` also takes `current`, the code that Python
would import now. `--store` is for runs of a search. Each command takes --json. Exit codes: 0 done,
1 something is wrong or cannot be done, 2 used wrongly.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alf import process
from alf.bin import command
from alf.errors import UsageError
from alf.snapshot.comparison import CURRENT, Change, Side, compare, current_side, stored_side
from alf.snapshot.conf_text import conf_is_edited
from alf.snapshot.lock import hold_root_dir, hold_store
from alf.snapshot.proving import Proof, prove_checkpoints
from alf.snapshot.sharing import export_store, stand_alone
from alf.snapshot.store import Entry, Store, changes
from alf.snapshot.taking import describe_left_out
from alf.snapshot.verify import Report, verify
from alf.snapshot.working_copy import export_files, write_working_copy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_SHOWN_CHANGES = 3
_PROOF_STYLES = {"exact": "green", "close": "yellow", "differs": "red"}


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.run_verb(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alf snapshot",
        description=command.fitted(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, work: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = command.add_verb(verbs, name, work)
        made.add_argument("--root_dir", required=True, metavar="R", help="the job's folder")
        return made

    verb("list", _list)
    verb("show", _show).add_argument("id", nargs="?", metavar="ID")
    diff = verb("diff", _diff)
    diff.add_argument("a", nargs="?", metavar="A")
    diff.add_argument("b", nargs="?", metavar="B", default=CURRENT)
    checked = verb("verify", _verify)
    checked.add_argument("--checkpoint_step", type=int, metavar="N", help="only this checkpoint")
    checked.add_argument(
        "--retrain",
        action="store_true",
        help="train the checkpoint (the newest without --checkpoint_step) again from the one "
        "before, with its own code, and compare all bits",
    )
    verb("restore", _restore).add_argument("id", metavar="ID")
    export = verb("export", _export)
    export.add_argument("id", nargs="?", metavar="ID", help="the newest if left out")
    export.add_argument("--to", metavar="DIR", help="an empty or new folder")
    export.add_argument(
        "--store",
        action="store_true",
        help="write the whole store there, with all that a run of a search borrows; without --to, "
        "copy what is borrowed into the job's own store, so that its folder can be moved",
    )
    return parser


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=1))


def _list(arguments: argparse.Namespace) -> int:
    """Show every snapshot, oldest first, with its checkpoints and what changed in it."""
    with Store(arguments.root_dir) as store:
        checkpoints = store.checkpoints()
        rows: list[dict[str, Any]] = []
        before = None
        for entry in store.entries():
            files = store.files(entry.tree)
            rows.append(
                {
                    "id": entry.id,
                    "time": entry.time,
                    "checkpoints": checkpoints.get(entry.commit, []),
                    "changed": list(changes(before, files)) if before is not None else [],
                }
            )
            before = files
    if arguments.json:
        _print_json(rows)
    else:
        _print_rows(rows)
    return 0


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("id", "time", "checkpoints", "changed"):
        table.add_column(name, no_wrap=name in ("id", "time"))
    for number, row in enumerate(rows):
        changed: list[str] = row["changed"]
        told = ", ".join(changed[:_SHOWN_CHANGES])
        if len(changed) > _SHOWN_CHANGES:
            told += f" and {len(changed) - _SHOWN_CHANGES} more"
        told = told or ("nothing" if number else "(the first)")
        steps = ", ".join(f"ckpt-{n}" for n in row["checkpoints"])
        cells = (row["id"], row["time"], steps, told)
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    console = _console()
    console.soft_wrap = False
    console.print(table)


def _show(arguments: argparse.Namespace) -> int:
    """Show what a snapshot holds, what was left out, and its surroundings."""
    with Store(arguments.root_dir) as store:
        entry = store.resolve(arguments.id)
        manifest = store.manifest(entry)
        start = dict(entry.start)
        data = {
            "id": entry.id,
            "time": entry.time,
            "seconds": start.pop("seconds", None),
            "bytes": start.pop("bytes", None),
            "files": start.pop("files", None),
            "packages": [asdict(package) for package in manifest.packages],
            "left_out": [asdict(item) for item in manifest.left_out],
            "warnings": start.pop("warnings", []),
            "surroundings": {**manifest.surroundings, **start},
            "checkpoints": store.checkpoints().get(entry.commit, []),
        }
        if arguments.json:
            _print_json(data)
        else:
            _print_snapshot(data, describe_left_out(manifest.left_out))
    return 0


def _print_snapshot(data: dict[str, Any], left_out: str) -> None:
    around: dict[str, Any] = data["surroundings"]
    lines = [
        f"snapshot {data['id']}, taken {data['time']} in {data['seconds']} s",
        f"  holds        {data['files']} files, {(data['bytes'] or 0) / 1e6:.1f} MB",
    ]
    lines += [
        f"               {p['name']}: {_count(p['files'], 'file')} from {p['root']}"
        for p in data["packages"]
    ]
    steps = ", ".join(f"ckpt-{n}" for n in data["checkpoints"])
    lines += [
        f"  left out     {left_out or 'nothing but caches'}",
        f"  checkpoints  {steps or 'none'}",
        f"  command      {' '.join(around.get('command') or [])}",
        f"  seed         {around.get('seed')}",
        f"  python       {around['python']['version']} on {around['platform']['system']}"
        f" {around['platform']['machine']}",
        f"  packages     {len(around['distributions'])} installed"
        + "".join(
            f", {name} {around['distributions'][name]}"
            for name in ("torch", "gymnasium", "numpy")
            if name in around["distributions"]
        ),
    ]
    lines += [f"  git          {root}: {_git_line(s)}" for root, s in around["sources"].items()]
    lines += [f"  warning      {warning}" for warning in data["warnings"]]
    console = _console()
    for line in lines:
        console.print(_printable(line))
    console.print("All of it, every package version included: --json")


def _git_line(state: dict[str, Any]) -> str:
    if "error" in state:
        return str(state["error"])
    changed = _count(len(state.get("changed", ())), "file")
    dirty = f", {changed} changed" if state.get("dirty") else ", clean"
    return f"{(state.get('commit') or 'no commit')[:12]} on {state.get('branch')}{dirty}"


def _diff(arguments: argparse.Namespace) -> int:
    """Show what differs between two snapshots, or a snapshot and the code of now."""
    with Store(arguments.root_dir) as store:
        other = arguments.b if arguments.a in (None, CURRENT) else arguments.a
        reference = store.resolve(None if other == CURRENT else other)

        def side(name: str | None) -> Side:
            if name == CURRENT:
                return current_side(store, reference)
            return stored_side(store, store.resolve(name))

        before, after = side(arguments.a), side(arguments.b)
        found = compare(before, after)
    if arguments.json:
        changed = [asdict(change) for change in found]
        _print_json({"a": before.label, "b": after.label, "changed": changed})
    else:
        _print_changes(before.label, after.label, found)
    return 0


def _print_changes(before: str, after: str, found: list[Change]) -> None:
    from rich.text import Text

    styles = {"+": "green", "-": "red", "@": "cyan"}
    console = _console()
    for change in found:
        console.print(Text(_printable(f"{change.change} {change.path}"), style="bold"))
        for line in change.diff.splitlines():
            console.print(Text(_printable(line), style=styles.get(line[:1], "")))
    count = f"{len(found)} files differ" if len(found) != 1 else "1 file differs"
    console.print(
        f"{count} between {before} and {after}." if found else f"{before} equals {after}."
    )


def _verify(arguments: argparse.Namespace) -> int:
    """Prove that all is as it was written, and that the code of each checkpoint answers as then."""
    report = verify(arguments.root_dir, arguments.checkpoint_step)
    whole = [n for n in report.checkpoints if not _is_damaged(n, report)]
    proofs: list[Proof] = []
    if not _is_store_damaged(report):
        proofs = prove_checkpoints(arguments.root_dir, whole)
        if arguments.retrain and whole:
            proofs += prove_checkpoints(arguments.root_dir, whole[-1:], retrain=True)
    ok = not report.findings and all(proof.holds for proof in proofs)
    if arguments.json:
        _print_json({"ok": ok, **asdict(report), "proofs": [asdict(proof) for proof in proofs]})
    else:
        _print_report(arguments.root_dir, report, proofs)
    return 0 if ok else 1


def _is_damaged(checkpoint: int, report: Report) -> bool:
    folder = f"/ckpt-{checkpoint}/"
    return any(f.where == "checkpoint" and folder in f.path for f in report.findings)


def _is_store_damaged(report: Report) -> bool:
    return any(finding.where == "store" for finding in report.findings)


def _print_report(root_dir: str, report: Report, proofs: list[Proof]) -> None:
    from rich.text import Text

    console = _console()
    for finding in report.findings:
        told = f"{finding.where}: {finding.path}: {finding.problem}"
        console.print(Text(_printable(told), style="red"))
    if report.unproved:
        names = ", ".join(f"ckpt-{number}" for number in report.unproved)
        console.print(f"Without digests, so not checked: {names}.")
    for line in _proof_lines(proofs):
        console.print(line)
    if _is_store_damaged(report):
        console.print("The store is damaged, so the code in it was not run.")
    if any(not proof.holds for proof in proofs) and conf_is_edited(root_dir):
        console.print("alf_config.py was edited after training, and the proofs ran it as it is.")
    wrong = len(report.findings) + sum(not proof.holds for proof in proofs)
    console.print(
        f"Read: {_count(report.snapshots, 'snapshot')} ({_count(report.objects, 'object')}) and"
        f" {_count(len(report.checkpoints), 'checkpoint')}; wrong: {wrong or 'nothing'}."
    )


def _proof_lines(proofs: list[Proof]) -> Iterator["Text"]:
    """A line for each proof, in columns as narrow as they can be: what is told is long."""
    from rich.text import Text

    rows = [(f"ckpt-{proof.checkpoint}", proof.kind, proof.word) for proof in proofs]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for proof, cells in zip(proofs, rows, strict=True):
        name, kind, word = (c.ljust(width) for c, width in zip(cells, widths, strict=True))
        line = Text(f"{name}  {kind}  ")
        line.append(f"{word}  ", style=_PROOF_STYLES.get(proof.word, ""))
        yield line.append(_printable(proof.told))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _restore(arguments: argparse.Namespace) -> int:
    """Put a snapshot's code back into the root dir; edited files stay in the store."""
    with Store(arguments.root_dir) as store, hold_root_dir(arguments.root_dir):
        entry = store.resolve(arguments.id)
        with hold_store(store.path):
            replaced = write_working_copy(store, entry)
        return _done(arguments, store, entry, replaced)


def _done(arguments: argparse.Namespace, store: Store, entry: Entry, replaced: list[str]) -> int:
    if arguments.json:
        _print_json({"id": entry.id, "root_dir": str(store.root_dir), "replaced_edits": replaced})
        return 0
    console = _console()
    for path in replaced:
        console.print(_printable(f"{path} had been edited; its text is kept below refs/edits/."))
    names = ", ".join(package.name for package in store.manifest(entry).packages)
    console.print(_printable(f"Snapshot {entry.id} is back in {store.root_dir}: {names}."))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    """Write all files of a snapshot into an empty folder; with --store, the whole store."""
    if arguments.store:
        return _export_store(arguments)
    if arguments.to is None:
        raise UsageError("export needs --to DIR, an empty or new folder for the files")
    with Store(arguments.root_dir) as store:
        entry = store.resolve(arguments.id)
        count = export_files(store, entry, Path(arguments.to))
    if arguments.json:
        _print_json({"id": entry.id, "to": arguments.to, "files": count})
    else:
        _console().print(_printable(f"Snapshot {entry.id}: {count} files in {arguments.to}."))
    return 0


def _export_store(arguments: argparse.Namespace) -> int:
    if arguments.id is not None:
        raise UsageError(f"export --store takes all snapshots: leave out {arguments.id}")
    if arguments.to is None:
        count = stand_alone(arguments.root_dir)
        told = f"{_count(count, 'object')} copied; {arguments.root_dir} stands alone."
    else:
        count = export_store(arguments.root_dir, arguments.to)
        told = f"{_count(count, 'object')} in {Path(arguments.to) / 'snapshots.git'}."
    if arguments.json:
        _print_json({"to": arguments.to or arguments.root_dir, "objects": count})
    else:
        _console().print(_printable(told))
    return 0


def _printable(text: str) -> str:
    """File names may hold bytes that are no text, and a diff may hold control characters."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


if __name__ == "__main__":
    process.run(main)
