"""One iteration of on-policy training: unroll the policy, then update it once on what was seen."""

from collections.abc import Callable
from typing import Any

import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm, reset_state
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import compute_entropy, map_params
from alf.errors import ConfigError, TrainingError
from alf.nest import flatten, map_structure, map_structure_with_path, pack_sequence_as
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.unroll import UnrollBuffer


class OnPolicyLearner:
    """Collects unrolls and trains on each of them once.

    An unroll is `T = unroll_length` steps of each of `B` environments plus the step that follows,
    which bootstraps: it is the last row of this unroll and the first of the next.

    Args:
        algorithm: decides; its parameters are what is trained.
        observe: `(action or None) -> TimeStep`; steps the environments, `None` for the time step
            they stand at now. Gives what the policy is to see.
        batch_size: `B`.
        config: lengths and what to summarise.

    Raises:
        ConfigError: the algorithm has no optimizer.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        config: TrainerConfig,
    ):
        if algorithm.optimizer is None:
            raise ConfigError(
                f"{type(algorithm).__name__} has no optimizer: give it one in the conf, for "
                f"example partial({type(algorithm).__name__}, "
                f"optimizer=alf.optimizers.Adam(lr=1e-3))"
            )
        self._algorithm = algorithm
        self._observe = observe
        self._config = config
        self._with_grad = config.unroll_with_grad or not algorithm.has_batched_train_step
        self._initial_state = algorithm.initial_state(batch_size)
        self._has_memory = self._initial_state != ()
        self._steps = UnrollBuffer(config.unroll_length + 1)
        self._infos = UnrollBuffer(config.unroll_length + 1)
        self.optimizer = algorithm.optimizer.build(list(algorithm.parameters()))
        self.time_step: TimeStep | None = None
        self.state = self._initial_state

    def train_iter(self) -> None:
        """Unroll and update once."""
        if self.time_step is None:
            self.time_step = self._observe(None)
        info = self._unroll_with_grad() if self._with_grad else self._unroll_and_replay()
        inputs = self._steps.read()
        self._update(inputs, info)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and the policy's memory where it has one."""
        return {"optimizer": self.optimizer.state_dict(), "memory": flatten(self.state)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.state = pack_sequence_as(self._initial_state, state["memory"])

    def _unroll_and_replay(self) -> Any:
        """Collect without gradients, then compute the whole unroll in one forward pass."""
        first_state = self.state
        with torch.no_grad():
            for t in range(self._config.unroll_length):
                self._infos.write(t, self._rollout_step(t).info)
        self._write_step(self._config.unroll_length)
        # The bootstrap step has not acted; a copy keeps its row computable, its loss is masked.
        self._infos.repeat_row(self._config.unroll_length - 1, self._config.unroll_length)
        inputs, rollout_info = self._steps.read(), self._infos.read()
        if self._has_memory:
            return self._train_over_time(inputs, first_state, rollout_info)
        return self._train_at_once(inputs, rollout_info)

    def _train_at_once(self, inputs: TimeStep, rollout_info: Any) -> Any:
        """`train_step` on all `T * B` steps as one batch; gives `[T, B, ...]`."""
        rows, columns = inputs.step_type.shape
        flat_inputs = map_structure(lambda x: x.flatten(0, 1), inputs)
        flat_info = map_params(lambda x: x.flatten(0, 1), rollout_info)
        info = self._algorithm.train_step(flat_inputs, (), flat_info).info
        return map_params(lambda x: x.unflatten(0, (rows, columns)), info)

    def _train_over_time(self, inputs: TimeStep, state: Any, rollout_info: Any) -> Any:
        """`train_step` row by row, handing the state on; gives `[T, B, ...]`."""
        infos = []
        for t in range(inputs.step_type.shape[0]):
            row = map_structure(lambda x, t=t: x[t], inputs)
            row_info = map_params(lambda x, t=t: x[t], rollout_info)
            state = reset_state(state, self._initial_state, row.is_first())
            step = self._algorithm.train_step(row, state, row_info)
            state = step.state
            infos.append(step.info)
        return map_params(lambda *xs: torch.stack(xs), *infos)

    def _unroll_with_grad(self) -> Any:
        """Collect with gradients; the bootstrap row's action is thrown away."""
        length = self._config.unroll_length
        self.state = map_structure(lambda x: x.detach(), self.state)
        infos = [self._rollout_step(t).info for t in range(length)]
        self._write_step(length)
        assert self.time_step is not None
        state = self._reset_state(self.time_step)
        infos.append(self._algorithm.rollout_step(self.time_step, state).info)
        return map_params(lambda *xs: torch.stack(xs), *infos)

    def _rollout_step(self, t: int) -> AlgStep:
        """Act once and step the environments; row `t` holds what the policy saw."""
        assert self.time_step is not None
        self._write_step(t)
        alg_step = self._algorithm.rollout_step(self.time_step, self._reset_state(self.time_step))
        self.state = alg_step.state
        self.time_step = self._observe(alg_step.output)
        return alg_step

    def _write_step(self, t: int) -> None:
        assert self.time_step is not None
        self._steps.write(t, self.time_step._replace(untransformed=()))

    def _reset_state(self, time_step: TimeStep) -> Any:
        if not self._has_memory:
            return self.state
        return reset_state(self.state, self._initial_state, time_step.is_first())

    def _update(self, inputs: TimeStep, info: Any) -> None:
        algorithm = self._algorithm
        loss_info = algorithm.calc_loss(info)
        loss = total_loss(loss_info, inputs.step_type)
        if not torch.isfinite(loss):
            raise TrainingError(_describe_broken_loss(loss_info))
        algorithm.before_update(inputs, info)
        self.optimizer.zero_grad()
        loss.backward()
        grad_norm = self.optimizer.step()
        with torch.no_grad():
            algorithm.after_update(inputs, info)
            algorithm.after_train_iter(inputs, info)
            if summary.should_record_summaries():
                self._summarize(loss, loss_info, grad_norm, info, inputs)

    def _summarize(
        self, loss: torch.Tensor, loss_info: LossInfo, grad_norm: Any, info: Any, inputs: TimeStep
    ) -> None:
        valid = valid_steps(inputs.step_type)
        with summary.scope("train"):
            summary.scalar("loss", loss)
            map_structure_with_path(
                lambda path, term: summary.scalar(path, _mean(term, valid)), loss_info.extra
            )
            if grad_norm is not None:
                summary.scalar("grad_norm", grad_norm)
            summary.scalar("learning_rate", self.optimizer.lr)
            distribution = getattr(info, "action_distribution", ())
            if distribution != ():
                summary.scalar("entropy", _mean(compute_entropy(distribution), valid))
                if self._config.summarize_action_distributions:
                    map_structure_with_path(
                        lambda path, x: summary.histogram(f"action/{path}", x), info.action
                    )
            if self._config.summarize_grads_and_vars:
                self._summarize_parameters()

    def _summarize_parameters(self) -> None:
        for name, parameter in self._algorithm.named_parameters():
            summary.histogram(f"parameters/{name}", parameter)
            if parameter.grad is not None:
                summary.histogram(f"gradients/{name}", parameter.grad)


def valid_steps(step_type: torch.Tensor) -> torch.Tensor:
    """Bool `[T, B]`: the steps whose action counts.

    The action at the end of an episode is ignored by the environment, and the last row only
    bootstraps.
    """
    valid = step_type != StepType.LAST
    valid[-1] = False
    return valid


def total_loss(loss_info: LossInfo, step_type: torch.Tensor) -> torch.Tensor:
    """The number that is minimised: the mean loss over valid steps, plus the scalar loss.

    Raises:
        TrainingError: the algorithm returned neither.
    """
    total = None
    if not isinstance(loss_info.loss, tuple):
        total = _mean(loss_info.loss, valid_steps(step_type))
    if not isinstance(loss_info.scalar_loss, tuple):
        total = loss_info.scalar_loss if total is None else total + loss_info.scalar_loss
    if total is None:
        raise TrainingError("calc_loss() returned a LossInfo without loss and without scalar_loss")
    return total


def _mean(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Mean over valid steps of `[T, B]`; of everything for another shape."""
    if values.shape != valid.shape:
        return values.float().mean()
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def _describe_broken_loss(loss_info: LossInfo) -> str:
    broken: list[str] = []

    def note(path: str, term: torch.Tensor) -> None:
        if not torch.isfinite(term).all():
            count = int((~torch.isfinite(term)).sum())
            broken.append(f"{path} ({count} of {term.numel()} values)")

    map_structure_with_path(note, loss_info)
    return (
        f"the loss is not finite any more at iteration {summary.get_global_counter()}; "
        f"not finite: {', '.join(broken) or 'only their sum'}. The parameters were left as they "
        f"were before this update. Lower the learning rate, clip gradients "
        f"(gradient_clipping= of the optimizer), or look for an overflow in rewards."
    )
