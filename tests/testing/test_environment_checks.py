"""`check_environment` passes what keeps the contract, and catches each way of breaking it."""

from functools import partial

import pytest
import torch

from alf.data_structures import StepType, TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.errors import ContractError
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.testing import check_environment


class Walk(AlfEnvironment):
    """A random walk of two; it terminates after 4 steps, or is cut after 6."""

    def __init__(self):
        super().__init__(2, TensorSpec((1,)), BoundedTensorSpec((), torch.int64, 0, 1))
        self.random = torch.Generator()

    def _reset(self, seed):
        self.random.manual_seed(0 if seed is None else seed)
        self.place = torch.zeros(2, 1)
        self.age = torch.zeros(2, dtype=torch.int32)
        self.kind = torch.zeros(2, dtype=torch.int32)
        return self._time_step(torch.zeros(2, dtype=torch.int64))

    def _step(self, action):
        first = self.kind == StepType.LAST
        self.place = self.place + torch.randn(2, 1, generator=self.random)
        self.place[first] = 0.0
        self.age = torch.where(first, 0, self.age + 1).int()
        ends = self.age >= torch.tensor([4, 6])
        self.kind = torch.where(first, 0, torch.where(ends, 2, 1)).int()
        return self._time_step(torch.where(first, 0, action))

    def _time_step(self, action):
        ended = (self.kind == StepType.LAST) & torch.tensor([True, False])
        return TimeStep(
            step_type=self.kind,
            reward=self.place[:, 0] * (self.kind != 0),
            discount=torch.where(ended, 0.0, 1.0),
            observation=self.place,
            prev_action=action,
            env_id=torch.arange(2, dtype=torch.int32),
        )

    def state_dict(self):
        return {"place": self.place, "age": self.age, "kind": self.kind} | {
            "random": self.random.get_state(),
            "time_step": tuple(self.current_time_step()),
        }

    def load_state_dict(self, state):
        self.place, self.age, self.kind = state["place"], state["age"], state["kind"]
        self.random.set_state(state["random"])
        self._current = TimeStep(*state["time_step"])


def test_what_keeps_the_contract_passes():
    """The report says what ends were seen."""
    report = check_environment(Walk, num_steps=30)

    assert (report.steps, report.terminated, report.truncated) == (30, 6, 4)
    assert report.gives_state


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
def test_environments_that_are_shipped_pass(name):
    """Vectorised or not, what `create_environment` makes keeps the contract."""
    for single in (True, False):
        count = 1 if single else 3
        make = partial(
            create_environment, env_name=name, num_parallel_environments=count, nonparallel=single
        )
        assert check_environment(make, num_steps=40).gives_state


def changed(**fields):
    """An environment whose time steps have fields replaced by functions of them, if any row."""

    class Changed(Walk):
        def _time_step(self, action):
            step = super()._time_step(action)
            return step._replace(**{name: f(step) for name, f in fields.items()})

    return Changed


class Aliased(Walk):
    """Writes each step into the one before."""

    def _step(self, action):
        place = self.place
        step = super()._step(action)
        self.place = place.copy_(self.place)
        return step._replace(observation=place)


class Unseeded(Walk):
    def _reset(self, seed):
        step = super()._reset(seed)
        self.random.seed()
        return step


class Remembers(Walk):
    resets = 0

    def _reset(self, seed):
        self.resets += 1
        return super()._reset(seed)

    def _time_step(self, action):
        step = super()._time_step(action)
        return step._replace(observation=step.observation + self.resets)


class Forgets(Walk):
    def state_dict(self):
        return super().state_dict() | {"random": torch.Generator().get_state()}


class NeverBegins(Walk):
    def _step(self, action):
        self.kind = torch.ones_like(self.kind)
        return super()._step(action)

    def _time_step(self, action):
        step = super()._time_step(action)
        last = (self.age == 4) & (self.kind != 0)
        return step._replace(step_type=torch.where(last, 2, step.step_type).int())


class BeginsTwice(Walk):
    def _time_step(self, action):
        step = super()._time_step(action)
        return step._replace(
            step_type=torch.where(self.age == 2, 0, step.step_type).int(),
            reward=torch.zeros(2),
            prev_action=torch.where(self.age == 2, 0, action),
        )


class Undead(Walk):
    def close(self):
        pass


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (changed(reward=lambda s: s.reward.double()), "reward: expected a tensor torch.float32"),
        (changed(observation=lambda s: s.observation[:, 0]), r"observation: .*\[2, 1\]"),
        (changed(observation=lambda s: {"x": s.observation}), "structure of its spec"),
        (changed(observation=lambda s: s.observation / 0), "expected numbers, got NaN"),
        (changed(env_id=lambda s: s.env_id + 1), "env_id: expected"),
        (changed(discount=lambda s: s.discount * 2 - 1), r"discount: expected values in \[0, 1\]"),
        (changed(discount=lambda s: (s.step_type != 1).float()), "the episode goes on"),
        (
            changed(discount=lambda s: s.discount * (1 - 0.5 * s.is_last())),
            "a time limit stopped it",
        ),
        (changed(reward=lambda s: s.reward + 1), "reward of FIRST: expected 0"),
        (changed(prev_action=lambda s: 1 - s.prev_action), "prev_action: expected the action"),
        (changed(step_type=lambda s: s.step_type + 2), "expected FIRST steps"),
        (NeverBegins, "after LAST: expected FIRST"),
        (BeginsTwice, "MID or LAST"),
        (Aliased, "to stay as it was given"),
        (Unseeded, "a new environment with seed 0"),
        (Remembers, "the same environment again with seed 0"),
        (Forgets, r"after load_state_dict\(\)"),
        (Undead, r"reset\(\) after close\(\): expected an EnvError"),
        (object, "expected an AlfEnvironment"),
    ],
)
def test_each_broken_promise_is_told(make, told):
    """The message names the promise, what came, and what to do."""
    with pytest.raises(ContractError, match=told):
        check_environment(make, num_steps=20)


def test_a_simulator_that_keeps_traces_can_be_let_off():
    """`forgets=False` asks for new environments alone to repeat themselves."""
    assert check_environment(Remembers, num_steps=20, forgets=False).steps == 20


def test_random_numbers_are_put_back():
    """A check leaves no trace in torch's generator."""
    before = torch.random.get_rng_state()
    check_environment(Walk, num_steps=5)

    assert torch.equal(before, torch.random.get_rng_state())
