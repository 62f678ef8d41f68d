"""Checks of the contract of environments; see `alf.environments.alf_environment`."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from alf.data_structures import StepType, TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import EnvError
from alf.nest import map_structure
from alf.testing.conformity import broken, cloned, first_difference, require_fit, sample

MakeEnv = Callable[[], AlfEnvironment]
MakeAction = Callable[[TimeStep], Any]
_NAMES = {StepType.FIRST: "FIRST", StepType.MID: "MID", StepType.LAST: "LAST"}


@dataclass(frozen=True)
class EnvironmentReport:
    """What was seen while an environment was checked.

    Attributes:
        steps: time steps of the whole batch.
        terminated: episodes that ended by themselves (discount 0).
        truncated: episodes that a time limit stopped (discount 1).
        gives_state: whether `state_dict` gave a state, so that a job can be resumed exactly.
    """

    steps: int
    terminated: int
    truncated: int
    gives_state: bool


def check_environment(
    make_env: MakeEnv,
    *,
    num_steps: int = 200,
    seed: int = 0,
    make_action: MakeAction | None = None,
    forgets: bool = True,
) -> EnvironmentReport:
    """Checks that an environment keeps what the contract promises.

    Time steps are what the specs say; episodes go FIRST, MID..., LAST, and after LAST a FIRST
    follows; a discount of 0 stands at ends alone; `prev_action` is the action that was given; a
    returned time step is never written into again; the same seed gives the same episodes, in a new
    environment and in a used one; a state that was stored leads on to the same steps; closing
    twice is allowed, and using a closed environment is told.

    Args:
        make_env: makes a new environment; it is called several times. One that is not an
            `AlfEnvironment` yet, such as of gymnasium, comes from `create_environment`.
        num_steps: how many steps to take; enough to reach ends of episodes, or nothing is known
            of these (see the report).
        seed: of the episodes, and of the actions.
        make_action: gives the action, nest of `[B, ...]`, for a time step; `None` draws actions
            that the spec allows.
        forgets: whether a used environment is expected to repeat the episodes of a seed. Some
            simulators, such as Box2D's, keep traces of what was played before.

    Returns:
        What was seen.

    Raises:
        ContractError: a promise is broken.
    """
    random = torch.random.get_rng_state()
    try:
        first = _Walk(make_env, make_action, seed)
        report = first.run(num_steps)
        _check_determinism(first, make_env, seed, forgets)
        gives_state = _check_state(first, make_env, seed)
        first.env.close()
        _check_closing(first.env)
    finally:
        torch.random.set_rng_state(random)
    return EnvironmentReport(num_steps, *report, gives_state)


class _Walk:
    """Steps an environment, and checks each step against the one before."""

    def __init__(self, make_env: MakeEnv, make_action: MakeAction | None, seed: int):
        torch.manual_seed(seed)
        self.env = make_env()
        self.seed = seed
        self._make_action = make_action or self._random_action
        self.actions: list[Any] = []
        self.steps: list[TimeStep] = []
        if not isinstance(self.env, AlfEnvironment):
            broken(
                "make_env()",
                "an AlfEnvironment",
                type(self.env).__name__,
                "Make it with alf.environments.creation.create_environment, or derive it.",
            )

    def _random_action(self, time_step: TimeStep) -> Any:
        return sample(self.env.action_spec(), (self.env.batch_size,))

    def run(self, num_steps: int) -> tuple[int, int]:
        """Checks `num_steps` steps; how many episodes terminated and were truncated."""
        time_step = self.env.reset(seed=self.seed)
        self._check_fit(time_step, "reset()")
        self._check_first(time_step, torch.ones_like(time_step.step_type, dtype=torch.bool), 0)
        self.steps.append(cloned(time_step))
        ends = [0, 0]
        for number in range(1, num_steps + 1):
            before, kept = time_step, self.steps[-1]
            action = self._make_action(time_step)
            self.actions.append(cloned(action))
            time_step = self.env.step(action)
            self._check_own(before, kept, number)
            self._check_fit(time_step, f"step {number}")
            self._check_order(kept, time_step, number)
            self._check_discounts(time_step, number)
            self._check_prev_action(time_step, number)
            self.steps.append(cloned(time_step))
            last = time_step.is_last()
            ends[0] += int((last & (time_step.discount == 0)).sum())
            ends[1] += int((last & (time_step.discount != 0)).sum())
        return ends[0], ends[1]

    def _check_fit(self, time_step: TimeStep, where: str) -> None:
        spec = self.env.time_step_spec()._replace(untransformed=())
        size = self.env.batch_size
        require_fit(time_step._replace(untransformed=()), spec, size, f"{where}: the time step")
        wanted = torch.arange(size, dtype=torch.int32)
        if not torch.equal(time_step.env_id, wanted):
            broken(
                f"{where}: env_id",
                str(wanted.tolist()),
                str(time_step.env_id.tolist()),
                "Number the environments of the batch from 0.",
            )

    def _check_first(self, time_step: TimeStep, rows: torch.Tensor, number: int) -> None:
        where = "reset()" if number == 0 else f"step {number}, after LAST"
        names = [_NAMES.get(int(kind), str(int(kind))) for kind in time_step.step_type[rows]]
        if any(name != "FIRST" for name in names):
            broken(
                where,
                "FIRST steps",
                ", ".join(names),
                "Begin a new episode there, ignoring the action.",
            )
        for name, value, wanted in (
            ("reward", time_step.reward, 0.0),
            ("discount", time_step.discount, 1.0),
        ):
            if (value[rows] != wanted).any():
                got = str(value[rows].tolist())
                advice = "Nothing was done in this episode yet: rewards and ends belong to LAST."
                broken(f"{where}: {name} of FIRST", f"{wanted:g}", got, advice)

    def _check_order(self, before: TimeStep, time_step: TimeStep, number: int) -> None:
        ended = before.is_last()
        if ended.any():
            self._check_first(time_step, ended, number)
        begun = time_step.is_first() & ~ended
        if begun.any():
            row = int(begun.nonzero()[0])
            broken(
                f"step {number}, environment {row}",
                "MID or LAST, as the step before was no LAST",
                "FIRST",
                "End an episode with a LAST step, whose observation is its last one.",
            )
        unknown = (time_step.step_type < StepType.FIRST) | (time_step.step_type > StepType.LAST)
        if unknown.any():
            got = str(time_step.step_type.tolist())
            broken(f"step {number}: step_type", "0, 1 or 2", got, "Use alf's StepType.")

    def _check_discounts(self, time_step: TimeStep, number: int) -> None:
        discount = time_step.discount
        if ((discount < 0) | (discount > 1)).any():
            broken(f"step {number}: discount", "values in [0, 1]", str(discount.tolist()), "")
        wrong = (discount == 0) & ~time_step.is_last()
        if wrong.any():
            broken(
                f"step {number}, environment {int(wrong.nonzero()[0])}",
                "a discount above 0, since the episode goes on",
                "discount 0",
                "A discount of 0 says that nothing comes after: make the step LAST.",
            )
        half = time_step.is_last() & (discount != 0) & (discount != 1)
        if half.any():
            broken(
                f"step {number}: discount of LAST",
                "0 where the task ended, or 1 where a time limit stopped it",
                str(discount[half].tolist()),
                "A factor of the environment's own belongs to the steps before the end.",
            )

    def _check_prev_action(self, time_step: TimeStep, number: int) -> None:
        is_first = time_step.is_first()
        given = _masked(self.actions[-1], ~is_first)
        seen = _masked(time_step.prev_action, torch.ones_like(is_first))
        difference = first_difference(seen, given)
        if difference is not None:
            broken(
                f"step {number}: prev_action",
                "the action that was given, and zeros at FIRST",
                f"something else: {difference}",
                "Give back the action as it came, unclipped and unscaled.",
            )

    def _check_own(self, before: TimeStep, kept: TimeStep, number: int) -> None:
        difference = first_difference(before, kept)
        if difference is not None:
            broken(
                f"step {number}",
                f"the time step of step {number - 1} to stay as it was given",
                f"changes in it: {difference}",
                "Return copies of the arrays that the next step writes into.",
            )


def _masked(nest: Any, rows: torch.Tensor) -> Any:
    def mask(x: torch.Tensor) -> torch.Tensor:
        shape = (-1, *[1] * (x.dim() - 1))
        return torch.where(rows.reshape(shape), x, torch.zeros_like(x))

    return map_structure(mask, nest)


def _check_determinism(walk: _Walk, make_env: MakeEnv, seed: int, forgets: bool) -> None:
    """The same seed and actions give the same steps, in a new environment and in a used one."""
    new = make_env()
    try:
        used = [(walk.env, "the same environment again")] if forgets else []
        for env, which in [(new, "a new environment"), *used]:
            time_step = env.reset(seed=seed)
            for number, kept in enumerate(walk.steps):
                difference = first_difference(time_step, kept)
                if difference is not None:
                    broken(
                        f"step {number} of {which} with seed {seed}",
                        "what the first run of this seed gave",
                        f"something else: {difference}",
                        "Draw every random number from a generator that reset(seed) seeds, and "
                        "let nothing of an episode stay behind.",
                    )
                if number < len(walk.actions):
                    time_step = env.step(walk.actions[number])
    finally:
        new.close()


def _check_state(walk: _Walk, make_env: MakeEnv, seed: int) -> bool:
    """A stored state, loaded into a new environment, leads on to the same steps."""
    middle = len(walk.actions) // 2
    source = make_env()
    try:
        source.reset(seed=seed)
        for action in walk.actions[:middle]:
            source.step(action)
        state = source.state_dict()
        if state is None:
            return False
        state = _copied(state)
    finally:
        source.close()
    other = make_env()
    try:
        other.reset(seed=seed + 1)
        other.load_state_dict(state)
        time_step = other.current_time_step()
        for number in range(middle, len(walk.steps)):
            difference = first_difference(time_step, walk.steps[number])
            if difference is not None:
                broken(
                    f"step {number - middle} after load_state_dict()",
                    "what the environment gave that the state was taken of",
                    f"something else: {difference}",
                    "Store everything that later steps depend on, random generators too; or "
                    "return None from state_dict().",
                )
            if number < len(walk.actions):
                time_step = other.step(walk.actions[number])
    finally:
        other.close()
    return True


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint stores and loads it: tensors, numbers and text, nothing shared."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _check_closing(env: AlfEnvironment) -> None:
    env.close()  # the second time
    try:
        env.reset()
    except EnvError:
        return
    broken("reset() after close()", "an EnvError", "a time step", "Call _check_open() first.")
