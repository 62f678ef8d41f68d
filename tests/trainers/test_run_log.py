"""What a job leaves to read."""

import json
import resource
import signal

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from alf import summary
from alf.errors import TrainingError
from alf.trainers.run_log import RunLog


def lines(root_dir):
    text = (root_dir / "train" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_nothing_is_written_before_the_first_summary(tmp_path):
    """A job that fails while it is built leaves no file."""
    log = RunLog(tmp_path, 1)
    log.close()

    assert [] == list(tmp_path.iterdir())


def test_recorded_iteration_is_one_line(tmp_path):
    """Facts first, then the scalars of the iteration; others leave nothing."""
    log = RunLog(tmp_path, 1)
    for number in (1, 2, 3):
        facts = {}
        with log.iteration(number, record=number != 2, facts=facts):
            summary.scalar("loss", 0.5 * number)
            facts["env_steps"] = 10 * number
    log.close()

    assert [
        {"iteration": 1, "env_steps": 10, "loss": 0.5},
        {"iteration": 3, "env_steps": 30, "loss": 1.5},
    ] == lines(tmp_path)


def test_numbers_that_json_lacks_become_null(tmp_path):
    """A NaN leaves the file readable for every reader of JSON."""
    log = RunLog(tmp_path, 1)
    with log.iteration(1, record=True, facts={}):
        summary.scalar("loss", float("nan"))
    log.write_result({"average_return": float("inf")})
    log.close()

    assert [{"iteration": 1, "loss": None}] == lines(tmp_path)
    assert {"average_return": None} == json.loads((tmp_path / "train/result.json").read_text())


def test_rewind_forgets_what_is_about_to_be_repeated(tmp_path):
    """Later iterations, and half a line that a kill left, go; earlier ones stay."""
    path = tmp_path / "train" / "metrics.jsonl"
    path.parent.mkdir()
    path.write_text('{"iteration": 1}\n{"iteration": 2}\n{"iteration": 3}\n{"itera')

    RunLog(tmp_path, 1).rewind(2)

    assert [{"iteration": 1}, {"iteration": 2}] == lines(tmp_path)


def test_lines_that_nest_without_end_go(tmp_path):
    """Whatever else stands in the file does not keep a job from going on."""
    (tmp_path / "train").mkdir()
    deep = "[" * 100_000
    (tmp_path / "train" / "metrics.jsonl").write_text(f'{{"iteration": 1}}\n{deep}\n')
    RunLog(tmp_path, 1).rewind(1)

    assert lines(tmp_path) == [{"iteration": 1}]


def test_a_job_that_begins_anew_has_one_line_an_iteration(tmp_path):
    """One that was killed before its first checkpoint repeats its steps, and evaluations too."""
    for folder in ("train", "eval"):
        (tmp_path / folder).mkdir()
        left = '{"iteration": 1, "old": 1}\n{"iteration": 2, "old": 1}\n'
        (tmp_path / folder / "metrics.jsonl").write_text(left)
        (tmp_path / folder / ".metrics.jsonl.partial-1").write_text("half")

    log = RunLog(tmp_path, 1)
    for number in (1, 2):
        with log.iteration(number, record=number == 2, facts={}):
            pass
    log.close()

    assert [{"iteration": 2}] == lines(tmp_path)
    assert "" == (tmp_path / "eval" / "metrics.jsonl").read_text()
    assert [] == list(tmp_path.glob("*/.*"))


def test_tensorboard_draws_repeated_steps_once(tmp_path):
    """The points of a killed job from where the next one begins are replaced by its own."""
    for name, numbers in (("killed", range(1, 7)), ("resumed", range(4, 9))):
        log = RunLog(tmp_path, 1)
        log.rewind(numbers[0] - 1)
        for number in numbers:
            with log.iteration(number, record=True, facts={}):
                summary.scalar(name, number)
                summary.scalar("loss", number)
        log.close()

    seen = EventAccumulator(str(tmp_path / "train")).Reload()
    assert [*range(1, 9)] == [event.step for event in seen.Scalars("loss")]
    assert [1, 2, 3] == [event.step for event in seen.Scalars("killed")]


def test_full_disk_says_what_to_do(tmp_path):
    """A line that cannot be written ends training with a lesson."""
    log = RunLog(tmp_path, 1)
    with log.iteration(1, record=True, facts={}):
        pass
    path = tmp_path / "train" / "metrics.jsonl"
    path.write_text("x" * 10_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with (
            pytest.raises(TrainingError, match="Free some space"),
            log.iteration(2, record=True, facts={}),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
        log.close()
