"""Which jobs of a search have ended, and how: a line for each in `<root_dir>/runs.jsonl`."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alf.search.executor import Outcome

JOURNAL_FILE = "runs.jsonl"


@dataclass
class Journal:
    """Which jobs of a search have ended, and how; survives a crash at any moment.

    Args:
        root_dir: the folder of the search.

    Attributes:
        ended: how each job ended last.
        losses: how often each was lost, and tried again.
    """

    root_dir: Path
    ended: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    losses: dict[str, int] = field(default_factory=dict[str, int])

    def load(self) -> None:
        """Read what earlier processes wrote; the last line about a job counts."""
        self.ended.clear()
        self.losses.clear()
        try:
            lines = (self.root_dir / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                data = json.loads(line)
                self._note(
                    data["run"],
                    Outcome(data["state"], data["exit_code"], data["error"], data["seconds"]),
                )
            except (ValueError, KeyError, TypeError):
                continue  # a killed search may leave half a line

    def add(self, name: str, outcome: Outcome) -> None:
        """Note how a job ended."""
        self._note(name, outcome)
        line = json.dumps({"run": name, "time": round(time.time(), 3), **asdict(outcome)})
        with (self.root_dir / JOURNAL_FILE).open("a", encoding="utf-8") as file:
            if file.tell() and not self._ends_with_newline():
                file.write("\n")
            file.write(line + "\n")

    def is_finished(self, name: str) -> bool:
        """Whether a job has trained to its end, and what it made is still there."""
        outcome = self.ended.get(name)
        result = self.root_dir / name / "train" / "result.json"
        return outcome is not None and outcome.state == "finished" and result.is_file()

    def _note(self, name: str, outcome: Outcome) -> None:
        self.ended[name] = outcome
        if outcome.state == "lost":
            self.losses[name] = self.losses.get(name, 0) + 1

    def _ends_with_newline(self) -> bool:
        with (self.root_dir / JOURNAL_FILE).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
