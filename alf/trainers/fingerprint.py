"""Fingerprints: what a policy answered when it was saved, and whether it still answers so.

A fingerprint is taken at every checkpoint. It holds recorded inputs with the answers that
`predict_step` gave to all of them in one batch, and the trace of one short seeded episode. The
answers are checked in milliseconds whenever the checkpoint is loaded to be played; the trace, which
proves the environment too, when it is verified.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

import torch
from absl import logging

from alf.data_structures import AlgStep, TimeStep
from alf.distributions import to_params
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.nest import flatten, map_structure_with_path, pack_sequence_as
from alf.summary import render
from alf.trainers.policy import Policy
from alf.trainers.random_states import get_random_states, seed_everything, set_random_states
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.verdict import ABSENT, Verdict, compare_tensors

MAX_INPUTS = 64
MAX_BYTES = 1_000_000
"""At most so many bytes of inputs and answers, so that pictures do not swell each checkpoint."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Trace:
    """One short episode of the greedy policy, from a seed.

    Attributes:
        seed: of the environment, and of everything random.
        observations: a digest of each time step, the first one included.
        actions: by name, `[T, ...]`; the last time step has none if the episode ended there.
        repeats: whether the seed gave the same trace in a new environment and in a used one. If
            not, it has a source of randomness that seeds do not reach, and later differences prove
            nothing.
    """

    seed: int
    observations: list[str]
    actions: Tensors
    repeats: bool = True


@dataclass(frozen=True)
class Fingerprint:
    """What a policy answered when it was saved.

    Attributes:
        inputs: time steps as the environment gave them, by name, `[N, ...]`; `N` is at most 64.
        states: the policy's state before each, by name, `[N, ...]`.
        answers: `AlgStep.output` and the tensors of `AlgStep.info`, by name, `[N, ...]`.
        trace: of one short episode.
        device: where the answers were computed.
    """

    inputs: Tensors
    states: Tensors
    answers: Tensors
    trace: Trace
    device: str

    def as_dict(self) -> dict[str, Any]:
        """Nested dicts and lists of tensors, numbers and strings."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(**{**data, "trace": Trace(**data["trace"])})


class Fingerprinter:
    """Takes fingerprints of a policy that is being trained, which does not notice.

    The episode runs in an environment of its own, made at the first fingerprint, and all random
    numbers are put back afterwards.

    Args:
        config: `fingerprint_steps` says how long the episode may be; 0 takes no fingerprints.
        seed: of the episode.
    """

    def __init__(self, config: TrainerConfig, seed: int):
        self._steps = config.fingerprint_steps
        self._seed = seed
        self._env: AlfEnvironment | None = None
        self._repeats = True

    def take(self, policy: Policy) -> Fingerprint | None:
        """The policy's fingerprint now; `None` if none are wanted or the environment fails."""
        if not self._steps:
            return None
        with undisturbed(policy):
            try:
                return self._take(policy)
            except Exception as error:  # noqa: BLE001 - an environment may fail in any way, and
                # a job that can be trained must not lose its checkpoint over it.
                logging.warning(
                    "No fingerprint: an episode in one environment for evaluation fails "
                    "(%s: %s). Play cannot prove that it runs this checkpoint as it was.",
                    type(error).__name__,
                    error,
                )
                self._steps = 0
                return None

    def _take(self, policy: Policy) -> Fingerprint:
        earlier: list[Run] = []
        if self._env is None:
            with make_environment() as env:
                earlier.append(run_episode(policy, env, self._seed, self._steps))
            self._env = make_environment()
            earlier.append(run_episode(policy, self._env, self._seed, self._steps))
        run = run_episode(policy, self._env, self._seed, self._steps)
        # In a new environment and in a used one: both are what will be compared with.
        self._repeats &= all(other.observations == run.observations for other in earlier)
        chosen = _spread(len(run.inputs), _affordable(run))
        inputs, states = _stacked(run.inputs, chosen), _stacked(run.states, chosen)
        answers = _answers(policy, *_batch(policy, self._env, inputs, states))
        trace = Trace(self._seed, run.observations, _stacked(run.actions), self._repeats)
        return Fingerprint(inputs, states, answers, trace, str(policy.device))

    def close(self) -> None:
        """Close the environment."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def make_environment() -> AlfEnvironment:
    """One environment as play makes it; what it draws while it is made is always the same."""
    seed_everything(0)
    return create_environment(for_evaluation=True, num_parallel_environments=1, nonparallel=True)


@dataclass
class Run:
    """An episode as it was played for a fingerprint; lists have one entry a time step."""

    observations: list[str] = field(default_factory=list[str])
    inputs: list[Tensors] = field(default_factory=list[Tensors])
    states: list[Tensors] = field(default_factory=list[Tensors])
    actions: list[Tensors] = field(default_factory=list[Tensors])


def run_episode(policy: Policy, env: AlfEnvironment, seed: int, max_steps: int) -> Run:
    """Play at most `max_steps` time steps of the episode that a seed gives."""
    seed_everything(seed)
    run = Run()
    time_step, state = env.reset(seed=seed), policy.initial_state(1)
    while True:
        inputs = named_tensors(time_step._replace(untransformed=()))
        run.observations.append(_digest(inputs))
        run.inputs.append(inputs)
        run.states.append(named_tensors(state))
        if bool(time_step.is_last()[0]) or len(run.inputs) >= max_steps:
            return run
        alg_step = policy.predict_step(time_step, state)
        run.actions.append(named_tensors(alg_step.output, "output"))
        time_step, state = env.step(alg_step.output), alg_step.state


def check_answers(policy: Policy, env: AlfEnvironment, fingerprint: Fingerprint | None) -> Verdict:
    """Whether a policy answers the recorded inputs as it did when it was saved.

    Args:
        policy: with the checkpoint's parameters.
        env: of the same task; only its specs are used.
        fingerprint: of the checkpoint; `None` if it has none.
    """
    if fingerprint is None:
        return ABSENT
    count = len(next(iter(fingerprint.inputs.values())))
    with undisturbed(policy):
        try:
            batch = _batch(policy, env, fingerprint.inputs, fingerprint.states)
        except KeyError as error:
            return Verdict("differs", f"the policy takes '{error.args[0]}', which was not recorded")
        try:
            answers = _answers(policy, *batch)
        except Exception as error:  # noqa: BLE001 - somebody's code of today may fail in any way on
            # a batch, such as at a line for debugging, and yet play well one step at a time.
            failure = f"{type(error).__name__}: {error}"
            return Verdict("differs", f"the policy fails on {count} recorded inputs: {failure}")
    verdict = compare_tensors(fingerprint.answers, answers, fingerprint.device, str(policy.device))
    if verdict.word == "exact":
        return Verdict("exact", f"{count} recorded inputs answered as then, bit for bit")
    return Verdict(verdict.word, f"answer {verdict.told}")


def check_trace(policy: Policy, env: AlfEnvironment, fingerprint: Fingerprint) -> Verdict:
    """Whether an episode of the same seed goes as it went when the checkpoint was saved.

    Args:
        policy: with the checkpoint's parameters.
        env: one environment of the same task, made for evaluation.
        fingerprint: of the checkpoint.
    """
    trace = fingerprint.trace
    with undisturbed(policy):
        run = run_episode(policy, env, trace.seed, len(trace.observations))
    actions = _stacked(run.actions)
    close: Verdict | None = None
    for step, (then, now) in enumerate(zip(trace.observations, run.observations, strict=False)):
        if then != now:
            return _other_trace(trace, f"what the environment shows differs at step {step}")
        if step < len(run.actions):
            for name, recorded in trace.actions.items():
                verdict = compare_tensors(
                    {name: recorded[step]}, {k: v[step] for k, v in actions.items()}
                )
                if verdict.word not in ("exact", "close"):
                    return _other_trace(trace, f"another action at step {step}: {verdict.told}")
                if verdict.word == "close" and close is None:
                    close = Verdict("close", f"at step {step} first, {verdict.told}")
    if len(run.observations) != len(trace.observations):
        told = f"it has {len(run.observations)} time steps, and had {len(trace.observations)}"
        return _other_trace(trace, told)
    told = f"{len(trace.observations)} time steps of seed {trace.seed} repeat"
    return close or Verdict("exact", told)


def _other_trace(trace: Trace, told: str) -> Verdict:
    if trace.repeats:
        return Verdict("differs", told)
    return Verdict("absent", "the environment did not repeat itself when the trace was taken")


def named_tensors(nest: Any, prefix: str = "") -> Tensors:
    """The tensors of a nest by their dotted paths, on the CPU; whatever else it holds is left out.

    Distributions give their parameters.
    """
    found: Tensors = {}

    def note(path: str, leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            found[".".join(part for part in (prefix, path) if part)] = leaf.detach().cpu().clone()
        return leaf

    map_structure_with_path(note, to_params(nest))
    return found


@contextmanager
def undisturbed(policy: Policy) -> Iterator[None]:
    """Let the policy be asked without any trace: random numbers and modes are put back."""
    training, states = [m for m in policy.modules() if m.training], get_random_states()
    policy.eval()
    try:
        with render.rendering(False):
            yield
    finally:
        # Not `policy.train()`: an algorithm may keep a part of itself in another mode.
        for module in training:
            module.training = True
        set_random_states(states)


def _batch(
    policy: Policy, env: AlfEnvironment, inputs: Tensors, states: Tensors
) -> tuple[TimeStep, Any]:
    """Recorded tensors in the structures that the policy takes.

    Raises:
        KeyError: naming a tensor that the policy takes and that was not recorded.
    """
    count = len(next(iter(inputs.values())))
    spec = env.time_step_spec()._replace(untransformed=())
    time_step = pack_sequence_as(spec, [inputs[name] for name in _names(spec)])
    example = policy.initial_state(count)
    leaves = zip(_names(example), flatten(example), strict=True)
    state = pack_sequence_as(example, [states[name].to(x.device) for name, x in leaves])
    return time_step, state


def _answers(policy: Policy, time_step: TimeStep, state: Any) -> Tensors:
    seed_everything(0)
    alg_step: AlgStep = policy.predict_step(time_step, state)
    return named_tensors(alg_step.output, "output") | named_tensors(alg_step.info, "info")


def _names(nest: Any) -> list[str]:
    names: list[str] = []
    map_structure_with_path(lambda path, leaf: names.append(path) or leaf, nest)
    return names


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _affordable(run: Run) -> int:
    """How many inputs to keep: as many as fit the bytes, but at least one."""
    row = sum(x.nbytes for x in (*run.inputs[0].values(), *run.states[0].values()))
    return max(1, min(MAX_INPUTS, MAX_BYTES // (2 * row)))


def _spread(length: int, count: int) -> list[int]:
    """At most `count` different indices, evenly over `range(length)`."""
    count = min(length, count)
    return [round(k * (length - 1) / max(1, count - 1)) for k in range(count)]


def _stacked(rows: list[Tensors], chosen: list[int] | None = None) -> Tensors:
    """Rows `[1, ...]` of each name one below the other, `[N, ...]`."""
    picked = rows if chosen is None else [rows[index] for index in chosen]
    return {name: torch.cat([row[name] for row in picked]) for name in (picked or [{}])[0]}
