import os
import signal
import threading
import time
from collections import deque

import pytest

from alf.search.executor import FOLDER, PARENT, PYTHON, Executor, Task
from alf.search.local_workers import LocalWorkers, last_error

QUICK = [PYTHON, "-S", "-E", "-c"]


class Notes:
    """Remembers what it is told, and how many ran at once."""

    def __init__(self, on_tick=lambda running: None):
        self.events = []
        self.outcomes = {}
        self.most = 0
        self.on_tick = on_tick

    def started(self, name, attempt):
        self.events.append(f"+{name}" if attempt == 1 else f"+{name} again")

    def ended(self, name, outcome):
        self.events.append(f"-{name}" if outcome.state != "lost" else f"lost {name}")
        self.outcomes[name] = outcome

    def tick(self, running):
        self.most = max(self.most, len(running))
        self.on_tick(running)


class Queue(deque):
    """Gives one task after the other."""

    def next(self):
        return self.popleft() if self else None


def task(folder, name, code):
    return Task(name, [*QUICK, code], folder, folder / f"{name}.log")


def run(tasks, slots=({}, {}), on_tick=lambda running: None):
    notes = Notes(on_tick)
    stopped = Executor(Queue(tasks), LocalWorkers(dict(os.environ), slots), notes).run()
    return stopped, notes


def test_all_run_and_failures_are_told(tmp_path):
    """Every task runs once, never more than there are slots, and a failure stops no other."""
    tasks = [task(tmp_path, str(k), "print('hello')") for k in range(4)]
    tasks.insert(1, task(tmp_path, "bad", "raise ValueError('on purpose')"))

    stopped, notes = run(tasks)

    assert stopped is None
    assert {"0", "1", "2", "3", "bad"} == set(notes.outcomes)
    assert notes.most <= 2
    assert "finished" == notes.outcomes["0"].state
    assert ("failed", 1, "ValueError: on purpose") == (
        notes.outcomes["bad"].state,
        notes.outcomes["bad"].exit_code,
        notes.outcomes["bad"].error,
    )
    assert "hello\n" == (tmp_path / "0.log").read_text()


def test_killed_ones_are_tried_again(tmp_path):
    """What SIGKILL ended is started again, three times in all; an error is not tried again."""
    marker = tmp_path / "marker"
    once = (
        f"import os, pathlib; p = pathlib.Path({str(marker)!r})\n"
        "if not p.exists(): p.touch(); os.kill(os.getpid(), 9)"
    )
    always = "import os; os.kill(os.getpid(), 9)"

    _, notes = run([task(tmp_path, "once", once), task(tmp_path, "always", always)], slots=[{}])

    events = notes.events
    assert ["+once", "lost once", "+once again", "-once"] == [e for e in events if "once" in e]
    assert "finished" == notes.outcomes["once"].state
    assert ["+always", "+always again", "+always again"] == [e for e in events if "+a" in e]
    assert ("failed", 137, "ended by SIGKILL (tried 3 times)") == (
        notes.outcomes["always"].state,
        notes.outcomes["always"].exit_code,
        notes.outcomes["always"].error,
    )


def test_a_command_knows_its_worker(tmp_path):
    """Interpreter, parent and folder are filled in by whoever starts the process."""
    made = Task("x", [PYTHON, "-c", PARENT, FOLDER, "{other}"], tmp_path, tmp_path / "x.log")

    assert ["py", "-c", "7", "/there", "{other}"] == made.command_for("py", 7, "/there")


def test_slots_give_their_environment(tmp_path):
    """Tasks that run at once are in different slots, and a slot is used again."""
    code = "import os, time; print(os.environ['SLOT']); time.sleep(0.3)"
    tasks = [task(tmp_path, str(k), code) for k in range(4)]

    run(tasks, slots=({"SLOT": "a"}, {"SLOT": "b"}))

    seen = [(tmp_path / f"{k}.log").read_text().strip() for k in range(4)]
    assert {"a", "b"} == set(seen[:2])
    assert ["a", "a", "b", "b"] == sorted(seen)


def test_a_program_that_is_not_there(tmp_path):
    """A process that cannot be started is a failure like any other."""
    missing = Task("x", ["/no/such/program"], tmp_path, tmp_path / "x.log")

    _, notes = run([missing, task(tmp_path, "y", "pass")])

    assert "failed" == notes.outcomes["x"].state
    assert "No such file" in notes.outcomes["x"].error
    assert "finished" == notes.outcomes["y"].state


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on(tmp_path, number):
    """A signal reaches each running process once, which may end in order; no new one starts."""
    code = (
        "import signal, sys, time\n"
        "seen = []\n"
        "for n in (2, 15): signal.signal(n, lambda n, f: seen.append(n))\n"
        "print('ready', flush=True)\n"
        "while not seen: time.sleep(0.02)\n"
        "time.sleep({pause}); print(seen, flush=True); sys.exit(128 + seen[0])"
    )
    # The first ends well before the second, and leaves a slot that must stay empty.
    tasks = [task(tmp_path, str(k), code.format(pause=0.2 + 0.6 * k)) for k in range(3)]
    sent = []

    def interrupt(running):
        logs = [tmp_path / f"{k}.log" for k in range(2)]
        if not sent and all(log.exists() and "ready" in log.read_text() for log in logs):
            sent.append(number)
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    stopped, notes = run(tasks, on_tick=interrupt)

    assert number == stopped
    assert {"0", "1"} == set(notes.outcomes)
    assert {("stopped", 128 + number)} == {(o.state, o.exit_code) for o in notes.outcomes.values()}
    assert f"ready\n[{int(number)}]\n" == (tmp_path / "0.log").read_text()
    assert before == signal.getsignal(number)


def test_nothing_is_left_after_an_error(tmp_path):
    """When telling what happens fails, the processes end with it."""

    def fail(running):
        raise RuntimeError("the terminal is gone")

    marker = tmp_path / "late"
    code = f"import time; time.sleep(2); open({str(marker)!r}, 'w')"
    began = time.monotonic()

    with pytest.raises(RuntimeError, match="terminal"):
        run([task(tmp_path, "0", code)], on_tick=fail)

    assert time.monotonic() - began < 2
    assert not marker.exists()


def test_on_another_thread(tmp_path):
    """Away from the main thread signals are somebody else's, and tasks still run."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run([task(tmp_path, "0", "pass")])[1].outcomes["0"].state)
    )
    thread.start()
    thread.join()

    assert ["finished"] == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it wrote nothing"),
        ("some\nlast words\n\n", "last words"),
        ("Traceback\n  File x\nKeyError: 'a'\n\nthen\nOSError: [1] b\nbye\n", "OSError: [1] b"),
        ("ConfigError: no such name\n    at line 3\n", "ConfigError: no such name"),
        ("torch.OutOfMemoryError: CUDA\n", "torch.OutOfMemoryError: CUDA"),
    ],
)
def test_last_error(tmp_path, text, expected):
    """The line that names the error, else the last line."""
    log = tmp_path / "x.log"
    log.write_text(text)

    assert expected == last_error(log)


def test_last_error_of_this_attempt_only(tmp_path):
    """What an earlier attempt left in the log is not this one's error."""
    log = tmp_path / "x.log"
    log.write_text("ValueError: old\n")
    start = log.stat().st_size
    with log.open("a") as file:
        file.write("quiet end\n")

    assert "quiet end" == last_error(log, start)
