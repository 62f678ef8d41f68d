"""Checks of the contract of algorithms; see `alf.algorithms.algorithm`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from alf.algorithms.algorithm import Algorithm, reset_state
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import map_params, to_params
from alf.nest import flatten, map_structure
from alf.tensor_specs import TensorSpec
from alf.testing.conformity import broken, cloned, first_difference, require_fit, sample

MakeAlgorithm = Callable[[], Algorithm]


@dataclass(frozen=True)
class AlgorithmReport:
    """What was seen while an algorithm was checked.

    Attributes:
        has_memory: whether it has a state between steps.
        is_greedy: whether `predict_step` answers the same without the same random numbers. Only
            then its rows were compared with rows alone.
        trained: number of parameters that the loss reached with a gradient; 0 where it has no
            optimizer, so that no loss was computed.
    """

    has_memory: bool
    is_greedy: bool
    trained: int


def check_algorithm(
    make_algorithm: MakeAlgorithm,
    *,
    batch_size: int = 3,
    num_steps: int = 6,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> AlgorithmReport:
    """Checks that an algorithm keeps what the contract promises.

    Actions and states are what the specs say; `predict_step` answers the same to the same inputs,
    state and random numbers, and to a row of a batch what it answers to that row alone; neither it
    nor `rollout_step` writes into what it is given, moves a parameter or leaves a gradient; what
    `rollout_step` gives as info is tensors `[B, ...]` of the same shapes at each step; the loss is
    finite, one number a step, and reaches parameters that an optimizer moves; `state_dict` holds
    all that answers depend on.

    (Resetting the state where an episode begins is the caller's part of the contract; this caller
    does it.)

    Args:
        make_algorithm: makes a new algorithm, with parameters from torch's generator; it is called
            several times.
        batch_size: `B`, at least 2.
        num_steps: how many steps to act; there are episode ends among them. A policy with a
            memory that is trained on sequences needs one more than its sequences are long.
        seed: of the parameters and of the inputs.
        tolerance: by how much a row of a batch may differ from that row alone, as sums of
            floating point numbers do.

    Returns:
        What was seen.

    Raises:
        ContractError: a promise is broken.
    """
    random = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        algorithm = make_algorithm()
        if not isinstance(algorithm, Algorithm):
            got = type(algorithm).__name__
            broken("make_algorithm()", "an Algorithm", got, "Derive it from alf's Algorithm.")
        inputs = [_time_step(algorithm, batch_size, t) for t in range(num_steps)]
        _check_initial_state(algorithm, batch_size)
        greedy = _check_predict(algorithm, inputs, seed, tolerance)
        infos = _check_rollout(algorithm, inputs, seed)
        trained = _check_training(algorithm, inputs, infos)
        _check_state_dict(algorithm, make_algorithm, inputs, seed)
    finally:
        torch.random.set_rng_state(random)
    return AlgorithmReport(algorithm.initial_state(1) != (), greedy, trained)


def _time_step(algorithm: Algorithm, batch_size: int, number: int) -> TimeStep:
    """A time step as an environment may give it: environment `i` ends at step `2 + i`."""
    ends = torch.arange(batch_size) + 2
    kind = torch.full((batch_size,), StepType.MID, dtype=torch.int32)
    kind[(ends == number - 1) | (number == 0)] = StepType.FIRST
    kind[ends == number] = StepType.LAST
    is_first = kind == StepType.FIRST
    really = (kind == StepType.LAST) & (torch.arange(batch_size) % 2 == 0)
    reward = sample(algorithm._reward_spec, (batch_size,))
    reward[is_first] = 0
    action = sample(algorithm.action_spec, (batch_size,))
    return TimeStep(
        step_type=kind,
        reward=reward,
        discount=torch.where(really, 0.0, 1.0),
        observation=sample(algorithm.observation_spec, (batch_size,)),
        prev_action=map_structure(lambda x: x.masked_fill(_rows(is_first, x), 0), action),
        env_id=torch.arange(batch_size, dtype=torch.int32),
    )


def _rows(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return rows.reshape(-1, *[1] * (like.dim() - 1))


def _check_initial_state(algorithm: Algorithm, batch_size: int) -> None:
    require_fit(
        algorithm.initial_state(batch_size), algorithm.state_spec, batch_size, "initial_state()"
    )


def _check_step(algorithm: Algorithm, step: Any, batch_size: int, where: str, spec: Any) -> None:
    if not isinstance(step, AlgStep):
        broken(where, "an AlgStep", type(step).__name__, "Return AlgStep(output, state, info).")
    # Samples of a normal distribution leave bounds, and environments clip them: only where there
    # is a choice of numbers must it be one of them.
    loose = map_structure(
        lambda x: TensorSpec.from_spec(x) if x.is_continuous else x, algorithm.action_spec
    )
    require_fit(step.output, loose, batch_size, f"{where}: output")
    require_fit(step.state, spec, batch_size, f"{where}: state")


def _check_predict(
    algorithm: Algorithm, inputs: list[TimeStep], seed: int, tolerance: float
) -> bool:
    """Checks `predict_step`; whether it is greedy."""
    algorithm.eval()
    size = len(inputs[0].step_type)
    start = algorithm.convert_train_state_to_predict_state(algorithm.initial_state(size))
    spec = algorithm.convert_train_state_to_predict_state(algorithm.state_spec)
    state, greedy = start, True
    for number, time_step in enumerate(inputs):
        where = f"predict_step() at step {number}"
        state = reset_state(state, start, time_step.is_first()) if start != () else start
        step = _acted(algorithm, "predict_step", time_step, state, seed + number, where)
        _check_step(algorithm, step, size, where, spec)
        again = _acted(algorithm, "predict_step", time_step, state, seed + number, where)
        difference = first_difference(_told(again), _told(step))
        if difference is not None:
            broken(
                where,
                "the same answer to the same inputs, state and random numbers",
                f"another one: {difference}",
                "Keep memory in the state, and draw from torch's generator alone.",
            )
        other = _acted(algorithm, "predict_step", time_step, state, seed + number + 1000, where)
        greedy &= first_difference(_told(other), _told(step)) is None
        if greedy:
            _check_rows(algorithm, time_step, state, step, tolerance, where)
        state = step.state
    algorithm.train()
    return greedy


def _told(step: AlgStep) -> Any:
    return to_params((step.output, step.state))


def _acted(
    algorithm: Algorithm, method: str, time_step: TimeStep, state: Any, seed: int, where: str
) -> AlgStep:
    """Calls a step function; it may change neither what it is given nor any parameter."""
    given, parameters = cloned((time_step, state)), cloned(dict(algorithm.named_parameters()))
    torch.manual_seed(seed)
    with torch.no_grad():
        step: AlgStep = getattr(algorithm, method)(time_step, state)
    difference = first_difference((time_step, state), given)
    if difference is not None:
        broken(
            where, "inputs and state to stay as they were", difference, "Write into copies of them."
        )
    difference = first_difference(cloned(dict(algorithm.named_parameters())), parameters)
    if difference is not None:
        broken(where, "parameters to stay as they were", difference, "Train in calc_loss alone.")
    left = [name for name, p in algorithm.named_parameters() if p.grad is not None]
    if left:
        broken(where, "no gradient", f"one of {left[0]}", "Call backward() nowhere: alf does.")
    return step


def _check_rows(
    algorithm: Algorithm,
    time_step: TimeStep,
    state: Any,
    step: AlgStep,
    tolerance: float,
    where: str,
) -> None:
    """Row `i` of a batch gets the answer that it gets alone."""
    for row in range(len(time_step.step_type)):
        alone = map_structure(lambda x, i=row: x[i : i + 1], (time_step, state))
        with torch.no_grad():
            answer = algorithm.predict_step(*alone)
        wanted = map_structure(lambda x, i=row: x[i : i + 1], _told(step))
        difference = first_difference(_told(answer), wanted, tolerance)
        if difference is not None:
            broken(
                f"{where}, row {row}",
                "the answer that this row gets alone",
                f"another one in a batch: {difference}",
                "Let no row depend on the others: no mean, sort or norm over the batch.",
            )


def _check_rollout(algorithm: Algorithm, inputs: list[TimeStep], seed: int) -> list[Any]:
    """Checks `rollout_step`; the info of each step."""
    size = len(inputs[0].step_type)
    start = algorithm.initial_state(size)
    state, infos = start, []
    for number, time_step in enumerate(inputs):
        where = f"rollout_step() at step {number}"
        state = reset_state(state, start, time_step.is_first()) if start != () else start
        step = _acted(algorithm, "rollout_step", time_step, state, seed + number, where)
        _check_step(algorithm, step, size, where, algorithm.state_spec)
        shapes = [_shape(leaf, size, where) for leaf in flatten(to_params(step.info))]
        if infos:
            before = [_shape(leaf, size, where) for leaf in flatten(to_params(infos[0]))]
            if shapes != before:
                broken(
                    f"{where}: info",
                    f"tensors as at step 0, {before}",
                    str(shapes),
                    "Infos of all steps are stored in one buffer: give every step all fields.",
                )
        infos.append(step.info)
        state = step.state
    return infos


def _shape(leaf: Any, batch_size: int, where: str) -> tuple[str, list[int]]:
    if not isinstance(leaf, torch.Tensor) or list(leaf.shape[:1]) != [batch_size]:
        got = list(leaf.shape) if isinstance(leaf, torch.Tensor) else type(leaf).__name__
        broken(
            f"{where}: info",
            f"tensors [{batch_size}, ...]",
            str(got),
            "It is stored beside the time step: give one row an environment, or leave it out.",
        )
    return str(leaf.dtype), list(leaf.shape)


def _check_training(algorithm: Algorithm, inputs: list[TimeStep], infos: list[Any]) -> int:
    """Checks the loss of the steps; how many parameters it reaches."""
    named = algorithm.optimizers()
    if not named:
        return 0
    stacked = map_structure(lambda *xs: torch.stack(xs), *inputs)
    info = map_params(lambda *xs: torch.stack(xs), *infos)
    loss, steps = _loss(algorithm, inputs, stacked, info)
    if not isinstance(loss, LossInfo):
        broken("the loss", "a LossInfo", type(loss).__name__, "Return LossInfo(loss=..., ...).")
    rows, size = steps.shape
    shapes = [[rows - 1, size], [rows, size], [size]]
    terms = [x for x in (loss.loss, loss.scalar_loss) if isinstance(x, torch.Tensor)]
    if isinstance(loss.loss, torch.Tensor) and list(loss.loss.shape) not in shapes:
        broken(
            "the loss of [T, B] steps",
            f"a tensor {shapes[0]} or {shapes[1]}",
            str(list(loss.loss.shape)),
            "Leave the mean to the trainer, which knows what counts; a loss without these "
            "dimensions is a scalar_loss.",
        )
    total = torch.stack([x.mean() for x in terms]).sum() if terms else torch.zeros(())
    if not torch.isfinite(total):
        broken("the loss", "a finite number", str(total.item()), "Look at logarithms and ratios.")
    moved = [p for _, parameters in named.values() for p in parameters]
    if len({id(p) for p in moved}) != len(moved):
        broken("optimizers()", "each parameter once", "one twice", "Give it to one optimizer.")
    if not total.requires_grad:
        broken("the loss", "a gradient", "none", "Compute it from parameters, without detach().")
    total.backward()
    reached = sum(p.grad is not None and bool(p.grad.ne(0).any()) for p in moved)
    algorithm.zero_grad(set_to_none=True)
    if not reached:
        advice = "Check that the optimizers hold the parameters that the loss comes from."
        broken("the loss", "a gradient in a parameter that an optimizer moves", "none", advice)
    return reached


def _loss(
    algorithm: Algorithm, inputs: list[TimeStep], stacked: TimeStep, info: Any
) -> tuple[LossInfo, torch.Tensor]:
    """As the learners compute it; also the step types that it is of."""
    if not algorithm.on_policy:
        with torch.no_grad():
            stacked, info = algorithm.preprocess_experience(stacked, info)
        return algorithm.batch_loss(stacked, info)[0], stacked.step_type
    start = algorithm.initial_state(len(inputs[0].step_type))
    if start == () and algorithm.has_batched_train_step:
        return algorithm.calc_loss(algorithm.train_at_once(stacked, info)), stacked.step_type
    state, steps = start, []
    for number, time_step in enumerate(inputs):
        state = reset_state(state, start, time_step.is_first()) if start != () else start
        if algorithm.has_batched_train_step:
            row = map_params(lambda x, t=number: x[t], info)
            step = algorithm.train_step(time_step, state, row)
        else:
            step = algorithm.rollout_step(time_step, state)
        state = step.state
        steps.append(step.info)
    return algorithm.calc_loss(map_params(lambda *xs: torch.stack(xs), *steps)), stacked.step_type


def _check_state_dict(
    algorithm: Algorithm, make_algorithm: MakeAlgorithm, inputs: list[TimeStep], seed: int
) -> None:
    """Another algorithm with this one's `state_dict` gives the same answers."""
    torch.manual_seed(seed + 1)
    other = make_algorithm()
    other.load_state_dict(algorithm.state_dict())
    algorithm.eval()
    other.eval()
    start = algorithm.initial_state(len(inputs[0].step_type))
    state = algorithm.convert_train_state_to_predict_state(start)
    for number, time_step in enumerate(inputs):
        answers = []
        for one in (algorithm, other):
            torch.manual_seed(seed)
            with torch.no_grad():
                answers.append(_told(one.predict_step(time_step, state)))
        difference = first_difference(answers[1], answers[0])
        if difference is not None:
            broken(
                f"predict_step() at step {number}, after load_state_dict()",
                "the answers of the algorithm that state_dict() was taken of",
                f"others: {difference}",
                "Register what answers depend on as a parameter or a buffer: only these are saved.",
            )
