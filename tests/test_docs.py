"""The pages of README.md and docs/: their commands and code run, their links lead somewhere.

A fenced block names its language: `bash` and `python` are run, `json` is read, `text` is output or
a listing. A comment right above a block changes that:

    <!-- not run: why -->     the block is left out, and stands in `NOT_RUN` below
    <!-- file: name -->       the block is saved under that name, beside what the page runs

The blocks of a page run in a folder of their own, top to bottom: commands in one shell, Python in
one interpreter. They run as they are printed but for `SUBSTITUTIONS`, which keep `/tmp` clean and
training short.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
TAGS = ("bash", "python", "json", "text")

# (page, reason): every block that is not run.
NOT_RUN = {
    ("README.md", "they install the package and run this very test"),
    ("docs/quickstart.md", "it installs the package"),
    ("docs/environments.md", "Atari need not be installed"),
    ("docs/environments.md", "EnvPool need not be installed"),
    ("docs/rendering.md", "it takes half a minute"),
    ("docs/benchmarks.md", "each takes minutes, and needs the peers"),
}
# Pages that tell of jobs which the reader has trained before, and their names: copies of one job.
GIVEN_JOBS = {
    "docs/checkpoints.md": ("job",),
    "docs/compare.md": ("job",),
    "docs/exact_env.md": ("job",),
    "docs/html_player.md": ("job",),
    "docs/play.md": ("job",),
    "docs/security.md": ("job",),
    "docs/snapshot.md": ("job",),
    "docs/train.md": ("job",),
}
GIVEN_JOB = (
    "alf train --root_dir /tmp/given --conf alf/examples/tutorial/ac_render_conf.py "
    "--conf_param=TrainerConfig.num_checkpoints=10\n"
)
# A new job trains ten iterations, and a hundredth of every number of iterations that is written:
# `ckpt-1000` of a job with a thousand iterations is `ckpt-10`. Of ten episodes one is played.
SHORT = "--conf_param=TrainerConfig.num_iterations=10"
NEW_JOB = re.compile(r"(?:alf\.bin\.|\balf )(?:train|grid_search)\b.* --conf \S+")
ITERATIONS = re.compile(r"(?<=num_iterations=)\d+|(?<=checkpoint_step )\d+|(?<=ckpt-)\d+")
EPISODES = re.compile(r"(?<=--num_episodes )\d{2,}")
MOST_LETTERS = 100
LINK = re.compile(r"\]\(([^)#\s]*)#?([^)\s]*)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: path of the page in the checkout.
        line: where its text begins, counted from 1.
        tag: its language, or `""`.
        text: what it holds.
        note: what the comment right above says, or `""`.
    """

    page: str
    line: int
    tag: str
    text: str
    note: str

    def noted(self, word: str) -> str:
        """The rest of a note that begins with a word, or `""`."""
        return self.note.removeprefix(f"{word}: ") if self.note.startswith(f"{word}: ") else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> Iterator[Block]:
    lines = read(page).splitlines()
    begin: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if begin is None:
            begin = number
            continue
        above = re.fullmatch(r"<!-- (.+) -->", lines[begin - 1])
        text = "\n".join(lines[begin + 1 : number]) + "\n"
        yield Block(page, begin + 2, lines[begin][3:].strip(), text, above[1] if above else "")
        begin = None
    assert begin is None, f"{page}:{begin}: the block is not closed"


def shortened(command: str) -> str:
    """A command with a hundredth of its iterations; a new job gets ten if none are written.

    It plays a tenth of its episodes.
    """
    is_new = NEW_JOB.search(command) and "num_iterations=" not in command
    command = ITERATIONS.sub(lambda number: str(max(1, int(number[0]) // 100)), command)
    command = EPISODES.sub(lambda number: str(int(number[0]) // 10), command)
    return NEW_JOB.sub(rf"\g<0> {SHORT}", command) if is_new else command


def first_values_only(search: str) -> str:
    """A search with one job: the first value of each parameter, trained once."""
    spec = json.loads(search)
    spec["parameters"] = {
        name: f"list({values})[:1]" if isinstance(values, str) else values[:1]
        for name, values in spec["parameters"].items()
    }
    return json.dumps({**spec, "repeats": 1})


def runnable(text: str, folder: Path) -> str:
    """What is run in the place of a block's text."""
    text = text.replace("\\\n", " ").replace("/tmp/", f"{folder}/")
    text = re.sub(r"(?<=[ \"'])(?=alf/examples/)", f"{ROOT}/", text)
    return "".join(shortened(line) for line in text.splitlines(keepends=True))


def environment() -> dict[str, str]:
    """The variables of a user without a display, in a virtual environment, with one thread."""
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1", "SDL_VIDEODRIVER": "dummy"}


def run(arguments: list[str], folder: Path) -> None:
    """Run a program that may not fail; its failure shows all that it said."""
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, f"exit code {done.returncode}: {arguments[-1]}\n{told}"


def run_commands(text: str, folder: Path) -> None:
    run(["bash", "-euo", "pipefail", "-c", runnable(text, folder)], folder)


def anchors(page: str) -> set[str]:
    """What a link may name in a page: its headings, in small letters and with hyphens."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in HEADING.findall(read(page))
    }


def save_file(block: Block, folder: Path) -> None:
    is_search = block.tag == "json" and "parameters" in json.loads(block.text)
    text = first_values_only(block.text) if is_search else block.text
    (folder / block.noted("file")).write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def trained_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    run_commands(GIVEN_JOB, folder)
    return folder / "given"


@pytest.fixture
def folder(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with what a page takes as given: trained jobs, and the files that it shows."""
    for name in GIVEN_JOBS.get(page, ()):
        trained: Path = request.getfixturevalue("trained_job")
        shutil.copytree(trained, tmp_path / name)
    for block in blocks(page):
        if block.noted("file"):
            save_file(block, tmp_path)
    return tmp_path


def to_run(page: str, tag: str) -> list[Block]:
    """The blocks of a page in a language, but for those that are not run as they stand."""
    return [block for block in blocks(page) if block.tag == tag and not block.note]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page, "bash")])
def test_commands_of_a_page_run(page: str, folder: Path) -> None:
    """Every command of a page succeeds, in the order of the page."""
    for block in to_run(page, "bash"):
        run_commands(block.text, folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page, "python")])
def test_python_of_a_page_runs(page: str, folder: Path) -> None:
    """The Python of a page, saved as one file, runs without an error."""
    # Blank lines in the place of prose, so that a traceback names the line of the page.
    lines: list[str] = []
    for block in to_run(page, "python"):
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    script = folder / "page.py"
    script.write_text(runnable("\n".join(lines) + "\n", folder), encoding="utf-8")
    run([sys.executable, str(script)], folder)


def test_every_block_says_what_it_is() -> None:
    """A block has one of four tags, so that none is left out by mistake."""
    assert [str(b) for page in PAGES for b in blocks(page) if b.tag not in TAGS] == []


def test_blocks_fit_into_the_page() -> None:
    """No line is longer than the site shows on a desk without scrolling."""
    every = [block for page in PAGES for block in blocks(page)]

    assert [str(b) for b in every if max(map(len, b.text.splitlines())) > MOST_LETTERS] == []


def test_json_can_be_read() -> None:
    """What is shown as JSON is JSON."""
    found = [block for page in PAGES for block in blocks(page) if block.tag == "json"]

    assert found
    for block in found:
        json.loads(block.text)


def test_blocks_that_are_not_run_are_listed() -> None:
    """Each block that is not run has a reason, and is known here."""
    every = [block for page in PAGES for block in blocks(page)]

    assert NOT_RUN == {(b.page, b.noted("not run")) for b in every if b.noted("not run")}
    assert [
        str(b) for b in every if b.note and not b.noted("not run") and not b.noted("file")
    ] == []


def test_links_lead_somewhere() -> None:
    """Each link to something in the checkout finds the file, and the heading in it."""
    broken: list[str] = []
    for page in [*PAGES, "CONTRIBUTING.md"]:
        for target, anchor in LINK.findall(read(page)):
            if "://" in target:
                continue
            found = (ROOT / page).parent.joinpath(target) if target else ROOT / page
            if not found.exists() or (
                anchor and anchor not in anchors(os.path.relpath(found, ROOT))
            ):
                broken.append(f"{page}: {target}#{anchor}")

    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    """Who starts at README.md and follows links comes to every page."""
    reached, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page not in PAGES:
            continue
        reached.add(page)
        targets = (ROOT.joinpath(page).parent / target for target, _ in LINK.findall(read(page)))
        ahead += [os.path.relpath(target, ROOT) for target in targets]

    assert reached == set(PAGES)


def test_substitutions_keep_the_rest_of_a_command() -> None:
    """New jobs are shortened once, numbers of iterations are divided, all else stays."""
    folder = Path("/elsewhere")
    new = "alf train --root_dir /tmp/job --conf my_conf.py --conf_param A.b=3\n"
    longer = "python -m alf.bin.train --root_dir /tmp/job --conf_param=T.num_iterations=1500\n"
    shown = "alf snapshot show --root_dir /tmp/job ckpt-1000  # packages\n"

    assert runnable("alf play --num_episodes 9\nalf play --num_episodes 20\n", folder) == (
        "alf play --num_episodes 9\nalf play --num_episodes 2\n"
    )
    assert runnable(new, folder) == (
        f"alf train --root_dir /elsewhere/job --conf my_conf.py {SHORT} --conf_param A.b=3\n"
    )
    assert runnable(longer, folder).endswith(
        "--root_dir /elsewhere/job --conf_param=T.num_iterations=15\n"
    )
    assert (
        runnable(shown, folder)
        == "alf snapshot show --root_dir /elsewhere/job ckpt-10  # packages\n"
    )


@pytest.mark.parametrize("commands", ["false\ntrue\n", "false | cat\n", "echo $NOBODY_SET_THIS\n"])
def test_a_failing_command_fails_its_page(commands: str, tmp_path: Path) -> None:
    """A command that fails anywhere in a block, or in a pipe, is not passed over."""
    with pytest.raises(AssertionError, match="exit code"):
        run_commands(commands, tmp_path)
