"""What a snapshot costs, beside copying the same tree and packing it with tar and gzip.

    python -m benchmarks.snapshot [--rounds 5]     alf, gymnasium, rich, dulwich: 660 files, 9 MB
    python -m benchmarks.snapshot --files 20000    a project of 20,000 files and 1 GB

Each round measures in turn: copy + tar.gz of the tree, the first snapshot of a root dir, one of the
unchanged tree, one after an edit. Times are those of `take`, with the copy that it writes. The last
line is JSON: medians, and ratios to copy + tar.gz of the same round.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import ModuleType

import dulwich
import gymnasium
import rich

import alf.snapshot
from alf.snapshot import Limits, share, take

_CACHES = shutil.ignore_patterns("__pycache__", "*.pyc")
_SETTLED_SECONDS = 2.2  # younger files are read again, since a time stamp proves nothing of them


def main() -> None:
    """Build a tree, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=0, help="a made-up project of so many files")
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="and so large")
    parser.add_argument("--runs", type=int, default=100, help="of a grid search")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alf_snapshot_") as folder:
        tree = Path(folder) / "tree"
        if arguments.files:
            make_project(tree / "project", arguments.files, arguments.bytes)
            arguments.rounds = 1
        else:
            for package in (gymnasium, rich, dulwich):
                source = Path(str(package.__file__)).parent
                shutil.copytree(source, tree / "project" / source.name, ignore=_CACHES)
            (tree / "project" / "__init__.py").touch()
        time.sleep(_SETTLED_SECONDS)
        rounds = [measure(Path(folder), tree, number) for number in range(arguments.rounds)]
        found = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
        found |= {
            f"{name}_ratio": statistics.median(r[f"{name}_s"] / r["reference_s"] for r in rounds)
            for name in ("first", "unchanged", "edited")
        }
        found["first_bytes_ratio"] = found["first_bytes"] / found["reference_bytes"]
        if not arguments.files:
            found |= measure_search(Path(folder), tree, arguments.runs)
    for name, value in found.items():
        print(f"{name:24} {value:14,.3f}" if value % 1 else f"{name:24} {value:14,.0f}")
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


def measure(folder: Path, tree: Path, number: int) -> dict[str, float]:
    """One round; times in seconds."""
    found = reference(folder, tree)
    root_dir = folder / f"job{number}"
    found["first_s"] = timed_take(root_dir, tree)
    found["first_bytes"] = size_of(root_dir / "snapshots.git")
    found["files"] = sum(path.is_file() for path in root_dir.rglob("*"))
    found["unchanged_s"] = timed_take(root_dir, tree)
    found["unchanged_more_bytes"] = size_of(root_dir / "snapshots.git") - found["first_bytes"]
    edited = sorted((tree / "project").rglob("*.py"))[number]
    edited.write_text(edited.read_text() + f"# edit {number}\n")
    found["edited_s"] = timed_take(root_dir, tree)
    shutil.rmtree(root_dir)
    time.sleep(_SETTLED_SECONDS)
    return found


def reference(folder: Path, tree: Path) -> dict[str, float]:
    """Copies and packs what a snapshot takes: with rsync and tar where they are there."""
    sources = [tree / "project", Path(alf.snapshot.__file__).parents[1]]
    copy, packed = folder / "copy", folder / "copy.tar.gz"
    start = time.perf_counter()
    if shutil.which("rsync"):
        command = ["rsync", "-a", "--exclude=__pycache__", *map(str, sources), f"{copy}/"]
        subprocess.run(command, check=True)
    else:
        for source in sources:
            shutil.copytree(source, copy / source.name, ignore=_CACHES)
    if shutil.which("tar"):
        subprocess.run(["tar", "-czf", str(packed), "-C", str(copy), "."], check=True)
    else:
        with tarfile.open(packed, "w:gz", compresslevel=6) as archive:
            archive.add(copy, ".")
    found = {
        "reference_s": time.perf_counter() - start,
        "reference_bytes": packed.stat().st_size,
        "is_rsync": float(shutil.which("rsync") is not None),
        "is_tar": float(shutil.which("tar") is not None),
    }
    shutil.rmtree(copy)
    packed.unlink()
    return found


def timed_take(root_dir: Path, tree: Path) -> float:
    """Seconds of one snapshot of the tree and of alf."""
    module = ModuleType("project")
    module.__file__ = str(tree / "project" / "__init__.py")
    start = time.perf_counter()
    take(
        root_dir,
        modules={"project": module},
        import_path=[str(tree)],
        limits=Limits(total_bytes=2_000_000_000),
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return time.perf_counter() - start


def measure_search(folder: Path, tree: Path, runs: int) -> dict[str, float]:
    """Bytes of all that a search stores of its code, beside those of one job alone."""
    conf = (
        "import alf\n\npre_config = {'ActorCriticLoss.gamma': 0.98}\n"
        + Path(alf.snapshot.__file__)
        .parents[1]
        .joinpath("examples", "tutorial", "minimal_example_conf.py")
        .read_text()
    )
    search = folder / "search"
    timed_take(search, tree)
    one = size_of(search)
    for number in range(runs):
        run = search / f"run{number}"
        run.mkdir()
        (run / "alf_config.py").write_text(conf.replace("0.98", f"0.98{number}"))
        share(run, search)
        take(
            run,
            modules=_modules_of(search),
            import_path=[str(search)],
            conf_text_path=run / "alf_config.py",
        )
        (run / "alf_config.py").unlink()
    return {
        "one_job_bytes": one,
        "search_bytes": size_of(search),
        "search_ratio": size_of(search) / one,
        "run_bytes": size_of(search / "run0"),
    }


def _modules_of(search: Path) -> dict[str, ModuleType]:
    """What a run imports: the frozen code of its search."""
    found: dict[str, ModuleType] = {}
    for name in ("alf", "project"):
        found[name] = ModuleType(name)
        found[name].__file__ = str(search / name / "__init__.py")
    return found


def make_project(folder: Path, files: int, size: int) -> None:
    """A package in folders of 100 files: half of them code, half data that cannot be packed."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    source = Path(random.__file__).read_bytes()
    for number in range(files - 1):
        place = folder / f"part{number // 100}"
        place.mkdir(exist_ok=True)
        each = 2 * size // files
        if number % 2:
            (place / f"data{number}.bin").write_bytes(os.urandom(each - 5000))
        else:
            (place / f"code{number}.py").write_bytes(b"# %d\n" % number + source[:5000])


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
