import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from alf.environments import suite_gym
from alf.environments.creation import create_environment
from alf.environments.in_process_environment import InProcessEnvironment, take_lanes
from alf.environments.process_environment import ProcessEnvironment
from alf.errors import ConfigError, EnvError
from alf.nest import flatten

ROOT = Path(__file__).resolve().parents[2]


def play(env, steps=25, seed=None):
    """The leaves of all time steps under a fixed sequence of actions."""
    actions = torch.Generator().manual_seed(3)
    trace = [env.reset(seed)]
    for _ in range(steps):
        trace.append(env.step(torch.rand(env.batch_size, 2, generator=actions)))
    return [leaf for time_step in trace for leaf in flatten(time_step)]


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pids, seconds):
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [pid for pid in pids if is_alive(pid)]


class TestSameResults:
    @pytest.mark.parametrize("num_workers", [1, 2, 5])
    def test_as_in_process(self, tiny, num_workers):
        """The time steps depend on the seed alone, whatever the kind and number of workers."""
        ctors = [partial(suite_gym.wrap_env, tiny.Noise()) for _ in range(5)]
        expected = play(InProcessEnvironment([take_lanes(ctor())[0] for ctor in ctors], seed=7))

        with ProcessEnvironment(ctors, seed=7, num_workers=num_workers) as env:
            assert num_workers == env.num_workers
            got = play(env)
            again = play(env, seed=7)
            other = play(env, seed=8)

        assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(expected, other, strict=True))

    def test_each_environment_has_its_seed(self, tiny):
        """Environment i with seed s is environment 0 with seed s + i."""
        ctors = [partial(suite_gym.wrap_env, tiny.Noise()) for _ in range(3)]
        with ProcessEnvironment(ctors, seed=7, num_workers=2) as env:
            rows = env.reset().observation

        for i in range(3):
            single = suite_gym.wrap_env(tiny.Noise()).reset(seed=7 + i).observation
            assert torch.equal(single[0], rows[i])

    def test_spawned(self):
        """Fresh interpreters give the same time steps."""
        ctors = [partial(suite_gym.load, "Pendulum-v1", i) for i in range(2)]
        observations = []
        for method in ("spawn", "fork"):
            with ProcessEnvironment(ctors, seed=1, num_workers=1, start_method=method) as env:
                env.reset()
                observations.append(env.step(torch.ones(2, 1)).observation)

        assert torch.equal(*observations)

    def test_resumes_exactly(self, tiny, tmp_path):
        """A state that went through a file brings back the very same steps."""
        ctors = [partial(suite_gym.wrap_env, tiny.Noise()) for _ in range(3)]
        with ProcessEnvironment(ctors, seed=7, num_workers=2) as env:
            play(env)
            torch.save(env.state_dict(), tmp_path / "state.pt")
            expected = [env.step(torch.ones(3, 2)) for _ in range(9)]
        with ProcessEnvironment(ctors, num_workers=3) as env:
            env.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
            got = [env.step(torch.ones(3, 2)) for _ in range(9)]

        for a, b in zip(flatten(expected), flatten(got), strict=True):
            assert torch.equal(a, b)


class TestFailures:
    def test_killed_worker(self, tiny):
        """A dead worker is an error that names the environment and its last action."""
        ctors = [partial(suite_gym.wrap_env, tiny.Noise()) for _ in range(4)]
        with ProcessEnvironment(ctors, num_workers=2) as env:
            env.reset()
            env.step(torch.full((4, 2), 0.25))
            os.kill(env._processes[1].pid, signal.SIGKILL)

            with pytest.raises(EnvError, match=r"Noise.*killed by SIGKILL in step\(\[0.5, 0.5\]"):
                env.step(torch.full((4, 2), 0.5))

    def test_crash_within_a_step(self, tiny):
        """The environment that was stepped when its process died is named."""

        class Crashes(tiny.Countdown):
            def step(self, action):
                if action == 2:
                    os._exit(9)
                return super().step(action)

        ctors = [partial(suite_gym.wrap_env, Crashes()) for _ in range(4)]
        with ProcessEnvironment(ctors, num_workers=2) as env:
            env.reset()

            with pytest.raises(EnvError, match=r"environment 3 of 4 .*exit code 9 in step\(2\)"):
                env.step(torch.tensor([0, 0, 0, 2]))

    def test_exception(self, tiny):
        """It arrives with its traceback; the other environments go on."""
        ctors = [
            partial(suite_gym.wrap_env, tiny.Countdown(length=9, break_at=b)) for b in (None, 2)
        ]
        with ProcessEnvironment(ctors, num_workers=2) as env:
            env.reset()
            env.step(torch.tensor([0, 1]))
            with pytest.raises(EnvError, match=r"environment 1 of 2 .*step\(2\).*gearbox") as info:
                env.step(torch.tensor([0, 2]))
            after = env.reset()

        assert "conftest.py" in str(info.value)
        assert after.is_first().all()

    def test_failure_while_made(self, tiny):
        """A constructor that fails in a worker ends all workers."""

        def make(i):
            if i == 1:
                raise OSError("no licence")
            return suite_gym.wrap_env(tiny.Countdown())

        with pytest.raises(EnvError, match=r"environment 1 of 2 .*no licence"):
            ProcessEnvironment([partial(make, i) for i in range(2)], num_workers=2)

    def test_arguments(self, tiny):
        """Wrong arguments are named."""
        ctors = [partial(suite_gym.wrap_env, tiny.Countdown())]
        with pytest.raises(ConfigError, match="num_workers must be at least 1"):
            ProcessEnvironment(ctors, num_workers=0)
        with pytest.raises(ConfigError, match="start_method must be"):
            ProcessEnvironment(ctors, start_method="thread")


class TestNothingStays:
    def test_after_close(self, tiny):
        """No process and no shared memory is left."""
        before = sorted(Path("/dev/shm").iterdir())
        env = ProcessEnvironment([partial(suite_gym.wrap_env, tiny.Noise())] * 3, num_workers=3)
        pids = [process.pid for process in env._processes]
        env.reset()
        env.close()

        assert [] == wait_until_gone(pids, 1)
        assert before == sorted(Path("/dev/shm").iterdir())

    def test_forgotten(self, tiny):
        """An environment that is not closed ends its workers when it is collected."""
        env = ProcessEnvironment([partial(suite_gym.wrap_env, tiny.Noise())] * 2, num_workers=2)
        pids = [process.pid for process in env._processes]
        del env

        assert [] == wait_until_gone(pids, 1)

    def test_a_signal_to_all_is_the_parents(self, tiny):
        """Ctrl-C and `timeout` reach the workers too, which go on until the parent is done."""
        env = ProcessEnvironment([partial(suite_gym.wrap_env, tiny.Noise())] * 2, num_workers=2)
        env.reset()
        pids = [process.pid for process in env._processes]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)

        assert not env.step(torch.zeros(2, dtype=torch.int64)).is_first().any()
        env.close()
        assert [] == wait_until_gone(pids, 1)

    @pytest.mark.parametrize("step_seconds", [0, 100])
    def test_killed_parent(self, step_seconds):
        """Workers end when their parent is killed, also amid a step that never ends."""
        code = f"""
            import threading, time, gymnasium, torch
            from functools import partial
            from alf.environments import suite_gym
            from alf.environments.process_environment import ProcessEnvironment

            class Slow(gymnasium.Env):
                observation_space = action_space = gymnasium.spaces.Discrete(2)
                calls = 0
                def reset(self, seed=None, options=None):
                    return 0, {{}}
                def step(self, action):
                    Slow.calls += 1
                    time.sleep({step_seconds} if Slow.calls > 2 else 0)
                    return 0, 0.0, False, False, {{}}

            env = ProcessEnvironment([lambda: suite_gym.wrap_env(Slow())] * 2, num_workers=2)
            env.reset()
            print(*[p.pid for p in env._processes], flush=True)
            while True:
                env.step(torch.zeros(2, dtype=torch.int64))
        """
        parent = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        with parent.stdout:
            pids = [int(pid) for pid in parent.stdout.readline().split()]
            assert 2 == len(pids)
            parent.kill()
            parent.wait()

            assert [] == wait_until_gone(pids, 4)


def test_parent_with_busy_torch_threads(tiny):
    """Workers that use torch work beside a parent whose thread pool has run."""

    class UsesTorch(tiny.Noise):
        def step(self, action):
            self.product = torch.ones(300, 300) @ torch.ones(300, 300)
            return super().step(action)

    torch.set_num_threads(2)
    weight = torch.rand(400, 400, requires_grad=True)
    (weight @ weight).sum().backward()
    torch.set_num_threads(1)

    with ProcessEnvironment([partial(suite_gym.wrap_env, UsesTorch())] * 2, seed=0) as env:
        assert 51 > len(play(env)) / 10


def test_render(tiny):
    """Environment 0 draws in its worker; without a render mode the lesson comes back."""
    modes = ["rgb_array", None]
    ctors = [partial(suite_gym.wrap_env, tiny.Countdown(render_mode=mode)) for mode in modes]
    with ProcessEnvironment(ctors, num_workers=2) as env:
        env.reset()
        env.step(torch.tensor([0, 0]))
        assert (4, 5, 3) == env.render().shape
    with ProcessEnvironment(ctors[1:]) as env:
        env.reset()
        with pytest.raises(EnvError, match="render_mode='rgb_array'"):
            env.render()


def test_chosen_for_dear_environments(tiny):
    """create_environment puts slow environments into workers, and only those."""

    def load(name, seconds):
        return tiny.Noise(seconds)

    kinds = []
    for seconds in (0.0, 0.002):
        with create_environment(
            "Noise", partial(load, seconds=seconds), num_parallel_environments=2, seed=0
        ) as env:
            kinds.append(type(env))
            assert 2 == env.reset().observation.shape[0]

    assert [InProcessEnvironment, ProcessEnvironment] == kinds
