"""A comparison from its first line to its last: two plays in processes of their own."""

import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alf.errors import CheckpointError, TrainingError, UsageError
from alf.player.comparison import Columns, EpisodePair, compare_plays, read_columns
from alf.player.html.join import Side, write_comparison
from alf.player.results import mean_and_ci95
from alf.player.side_by_side import pictures, write_side_by_side
from alf.player.sinks import open_sinks
from alf.trainers.checkpoint_folder import CheckpointFolder

_SIDE = re.compile(r"(?:(newest|ckpt-(\d+)))?(?:@(snapshot|current))?")


@dataclass(frozen=True)
class SideOfComparison:
    """A checkpoint and the code that plays it.

    Attributes:
        root_dir: the job's folder.
        step: number of the checkpoint.
        code: `"snapshot"` or `"current"`.
    """

    root_dir: Path
    step: int
    code: str

    def __str__(self) -> str:
        whose = "its own code" if self.code == "snapshot" else "today's code"
        return f"ckpt-{self.step}, {whose}"


@dataclass(frozen=True)
class Comparison:
    """What came out of a comparison.

    Attributes:
        a: facts of the first side: `root_dir, checkpoint_step, code, fingerprint, mean_return`.
        b: and of the second.
        episodes: pair by pair.
    """

    a: dict[str, Any]
    b: dict[str, Any]
    episodes: tuple[EpisodePair, ...]

    @property
    def is_same(self) -> bool:
        """Whether no episode shows a difference."""
        return all(pair.is_same for pair in self.episodes)

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return {"same": self.is_same, **asdict(self)}


@dataclass(frozen=True)
class CompareJob:
    """Plays two sides with the same seeds, and compares.

    Attributes:
        a: the first side.
        b: the second.
        num_episodes: how many episodes each plays.
        random_seed: of the first.
        record_files: films or pages of both beside each other.
        alg_render: whether the render functions draw.
        report: gets the lines that tell the user how it goes.
    """

    a: SideOfComparison
    b: SideOfComparison
    num_episodes: int
    random_seed: int
    record_files: Sequence[str]
    alg_render: bool
    report: Callable[[str], None]

    def run(self) -> Comparison:
        """Play, compare, record.

        Raises:
            AlfError: a side cannot be played, or a film cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="alf_compare_") as place:
            folders = (Path(place) / "a", Path(place) / "b")
            reports = self._play(folders)
            columns = tuple(read_columns(folder / "numbers.npz") for folder in folders)
            pairs = compare_plays(*columns)
            facts = [_facts(s, r) for s, r in zip((self.a, self.b), reports, strict=True)]
            outcome = Comparison(facts[0], facts[1], tuple(pairs))
            self._tell(outcome)
            if self.record_files:
                self._record(folders, columns, outcome, reports[0]["fps"])
        return outcome

    def _play(self, folders: tuple[Path, Path]) -> list[dict[str, Any]]:
        """Play both sides at once; returns their reports."""
        sides = (self.a, self.b)
        plays: list[subprocess.Popen[str]] = []
        try:
            for side, folder in zip(sides, folders, strict=True):
                plays.append(self._start(side, folder))
            for side, play in zip(sides, plays, strict=True):
                _wait(side, play)
        finally:
            for play in plays:
                play.terminate()
                play.wait()
        return [json.loads((folder / "report.json").read_text()) for folder in folders]

    def _record(
        self,
        folders: tuple[Path, Path],
        columns: tuple[Columns, ...],
        outcome: Comparison,
        fps: float,
    ) -> None:
        pages = [name for name in self.record_files if Path(name).suffix.lower() == ".html"]
        films = [name for name in self.record_files if name not in pages]
        frames = (folders[0] / "frames", folders[1] / "frames")
        for name in pages:
            sides = tuple(
                Side(_header(side, facts), pictures(folder, slice(0, len(of["step"]))), of)
                for side, facts, folder, of in zip(
                    (self.a, self.b), (outcome.a, outcome.b), frames, columns, strict=True
                )
            )
            path = Path(name).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._recorded(write_comparison(path, (sides[0], sides[1]), fps))
        if films:
            labels = (f"a: {self.a}", f"b: {self.b}")
            with open_sinks(films, fps=fps, report=self._recorded) as sinks:
                both = (columns[0], columns[1])
                write_side_by_side(sinks, labels, frames, both, list(outcome.episodes))

    def _start(self, side: SideOfComparison, folder: Path) -> "subprocess.Popen[str]":
        folder.mkdir()
        command = [sys.executable, "-m", "alf.bin.play", "--norender"]
        command += ["--root_dir", str(side.root_dir), f"--checkpoint_step={side.step}"]
        command += [f"--num_episodes={self.num_episodes}", f"--random_seed={self.random_seed}"]
        command += ["--record_file", str(folder / "numbers.npz")]
        command += ["--report_file", str(folder / "report.json")]
        if side.code == "snapshot":
            command.append("--use_alf_snapshot")
        if self.record_files:
            command += ["--record_file", str(folder / "frames")]
        if self.alg_render:
            command.append("--alg_render")
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _tell(self, outcome: Comparison) -> None:
        for name, side, facts in (("a", self.a, outcome.a), ("b", self.b, outcome.b)):
            where = "" if self.a.root_dir == self.b.root_dir else f" of {side.root_dir}"
            self.report(f"{name:<10}{side}{where}, fingerprint {facts['fingerprint']}")
        for pair in outcome.episodes:
            self.report(f"{f'seed {pair.seed}':<10}{_told(pair)}")
        differing = sum(not pair.is_same for pair in outcome.episodes)
        count = len(outcome.episodes)
        if outcome.is_same:
            plural = "episode" if count == 1 else "episodes"
            self.report(f"done      no difference in {count} {plural}")
            return
        returns = " and ".join(
            f"{facts['mean_return']:.2f} ({name})"
            for name, facts in (("a", outcome.a), ("b", outcome.b))
        )
        self.report(f"done      {differing} of {count} episodes differ; average return {returns}")

    def _recorded(self, line: str) -> None:
        self.report(f"recorded  {line}")


def parse_side(root_dir: Path, text: str, flag: str) -> SideOfComparison:
    """What a user wrote for a side, e.g. `ckpt-40@current`.

    Raises:
        UsageError: it is no side.
        CheckpointError: there is no such checkpoint.
    """
    match = _SIDE.fullmatch(text if text not in ("snapshot", "current") else f"@{text}")
    if match is None or not text:
        raise UsageError(
            f"{flag} {text}: give CHECKPOINT@CODE, e.g. ckpt-40@current, newest@snapshot or current"
        )
    there = CheckpointFolder(root_dir).iterations()
    step = int(match[2]) if match[2] else (there[-1] if there else 0)
    if step not in there:
        listed = ", ".join(f"ckpt-{n}" for n in there) or "none"
        raise CheckpointError(
            f"{flag}: there is no ckpt-{step} in '{root_dir}'; there are: {listed}"
        )
    return SideOfComparison(root_dir, step, match[3] or "snapshot")


def _wait(side: SideOfComparison, play: "subprocess.Popen[str]") -> None:
    output, _ = play.communicate()
    if play.returncode:
        shown = "\n".join(f"  {line}" for line in output.strip().splitlines()[-8:])
        raise TrainingError(
            f"{side} of '{side.root_dir}' cannot be played "
            f"(exit code {play.returncode}):\n{shown}\n"
            f"Try it alone: {shlex.join(map(str, play.args))}"  # type: ignore[arg-type]
        )


def _facts(side: SideOfComparison, report: dict[str, Any]) -> dict[str, Any]:
    returns = [episode["return"] for episode in report["episodes"]]
    return {
        "root_dir": str(side.root_dir),
        "checkpoint_step": side.step,
        "code": side.code,
        "fingerprint": report.get("fingerprint", "absent"),
        "mean_return": mean_and_ci95(returns)[0],
    }


def _header(side: SideOfComparison, facts: dict[str, Any]) -> dict[str, str]:
    return {
        "job": side.root_dir.name,
        "checkpoint": f"ckpt-{side.step}",
        "code": "its own" if side.code == "snapshot" else "today's",
        "fingerprint": facts["fingerprint"],
    }


def _told(pair: EpisodePair) -> str:
    returns = f"a {pair.a.ret:.2f} ({pair.a.length} steps), b {pair.b.ret:.2f} ({pair.b.length})"
    if pair.is_same:
        return f"{returns}: the same"
    if pair.seen is not None and (pair.parted is None or pair.seen <= pair.parted - 1):
        return f"{returns}: what they see differs from step {pair.seen}"
    assert pair.parted is not None
    a, b = pair.actions or ([], [])
    did = f": {_numbers(a)} and {_numbers(b)}" if a and b else ""
    return f"{returns}: actions part at step {pair.parted}{did}"


def _numbers(values: list[float]) -> str:
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    return shown if len(values) <= 4 else f"{shown}, …"
