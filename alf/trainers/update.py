"""One update: from a loss to moved parameters, with its summaries."""

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import LossInfo, StepType, TimeStep
from alf.distributions import compute_entropy, to_params
from alf.errors import ConfigError, ContractError, TrainingError
from alf.nest import map_structure_with_path
from alf.trainers.compiled import CompiledLoss, Computed, LossOf
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.trainer_config import TrainerConfig

_run_backward: Any = torch.autograd.Variable._execution_engine.run_backward
_ZERO = torch.zeros((), device="cpu")  # for values on any device: it has no dimensions


class Updater:
    """Moves an algorithm's parameters down the gradient of its loss.

    Args:
        algorithm: names its optimizers.
        config: what to summarise, and where to leave a batch whose loss broke.

    Raises:
        ConfigError: the algorithm has no optimizer.

    Attributes:
        ranks: the processes over which gradients are averaged.
    """

    def __init__(self, algorithm: Algorithm, config: TrainerConfig):
        named = algorithm.optimizers()
        if not named:
            name = type(algorithm).__name__
            raise ConfigError(
                f"{name} has no optimizer: give it one in the conf, for example "
                f"partial({name}, optimizer=alf.optimizers.Adam(lr=1e-3))"
            )
        self._algorithm = algorithm
        self._config = config
        self._optimizers = {name: spec.build(params) for name, (spec, params) in named.items()}
        self._params = [p for optimizer in self._optimizers.values() for p in optimizer.params]
        optimizers = list(self._optimizers.values())
        self._compiled = CompiledLoss(algorithm, optimizers) if config.compile else None
        self.ranks = Ranks()

    def compute(self, loss_of: LossOf, *batch: Any) -> Computed:
        """The loss of a batch, by a compiled program if that is wanted.

        Where a summary is due, what it tells is computed by the loss, so that runs as it is
        written.

        Args:
            loss_of: the same function at each call.
            batch: nests of tensors that it is called with.

        Raises:
            ConfigError: it cannot be compiled.
        """
        if self._compiled is None or summary.should_record_summaries():
            return loss_of(*batch)
        self._compiled.makes_steps = self.ranks.count == 1  # else gradients are averaged first
        return self._compiled(loss_of, *batch)

    def apply(self, computed: Computed, inputs: TimeStep) -> None:
        """Make one step with every optimizer.

        Args:
            computed: the loss of a batch.
            inputs: the time steps of the batch, for the algorithm's hooks.

        Raises:
            TrainingError: the loss is not finite; the parameters are as they were.
        """
        if not math.isfinite(computed.loss.item()):
            raise TrainingError(self._describe_broken(computed, inputs))
        self._algorithm.before_update(inputs, computed.info)
        norms = self._step(computed)
        with torch.no_grad():
            self._algorithm.after_update(inputs, computed.info)
            if summary.should_record_summaries():
                self._summarize(computed, norms)

    def _step(self, computed: Computed) -> dict[str, torch.Tensor | None]:
        """Move the parameters; gives the norms of the gradients as far as they are known."""
        if computed.gradients:
            for parameter, gradient in zip(self._params, computed.gradients, strict=True):
                parameter.grad = gradient
        else:
            for optimizer in self._optimizers.values():
                optimizer.zero_grad()
            _backward(computed.loss)
        if self.ranks.count > 1:
            self.ranks.average_gradients(self._params, _num_steps(computed))
        norms: dict[str, torch.Tensor | None] = {}
        steps = computed.steps or (None,) * len(self._optimizers)
        for (name, optimizer), step in zip(self._optimizers.items(), steps, strict=True):
            if step is None:
                norms[name] = optimizer.step()
            else:
                optimizer.take(step)
        return norms

    def state_dict(self) -> dict[str, Any]:
        """The states of the optimizers, by name."""
        return {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state[name])

    def _summarize(self, computed: Computed, norms: dict[str, torch.Tensor | None]) -> None:
        loss, loss_info, valid, info, _, _ = computed
        with summary.scope("train"):
            summary.scalar("loss", loss)
            map_structure_with_path(
                lambda path, term: summary.scalar(path, mean(term, valid)), loss_info.extra
            )
            for name, optimizer in self._optimizers.items():
                prefix = f"{name}/" if name else ""
                summary.scalar(f"{prefix}learning_rate", optimizer.lr)
                norm = norms[name]
                if norm is None:  # nothing was clipped, so it was not needed
                    norm = _gradient_norm(optimizer.params)
                summary.scalar(f"{prefix}grad_norm", norm)
            distribution = getattr(info, "action_distribution", ())
            if distribution != ():
                summary.scalar("entropy", mean(compute_entropy(distribution), valid))
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

    def _describe_broken(self, computed: Computed, inputs: TimeStep) -> str:
        broken: list[str] = []

        def note(path: str, term: torch.Tensor) -> None:
            if not torch.isfinite(term).all():
                count = int((~torch.isfinite(term)).sum())
                broken.append(f"{path} ({count} of {term.numel()} values)")

        map_structure_with_path(note, computed.loss_info)
        of_rank = f"-rank-{self.ranks.rank}" if self.ranks.rank else ""
        path = Path(self._config.root_dir) / "train" / f"broken_batch{of_rank}.pt"
        batch = {"inputs": inputs, "info": computed.info, "loss": computed.loss_info}
        _save_batch(path, batch)
        return (
            f"the loss is not finite any more at iteration {summary.get_global_counter()}; "
            f"not finite: {', '.join(broken) or 'only their sum'}. The parameters are as they were "
            f"before this update, and the batch is in '{path}' (torch.load gives a dict of "
            f"tensors). Lower the learning rate, clip gradients (gradient_clipping= of the "
            f"optimizer), or look for an overflow in rewards."
        )


def total_loss(loss_info: LossInfo, valid: torch.Tensor | None) -> torch.Tensor:
    """The number that is minimised: the mean loss over what is valid, plus the scalar loss.

    Raises:
        ContractError: see `check_loss`.
        TrainingError: the algorithm returned neither.
    """
    check_loss(loss_info)
    total = None
    if not isinstance(loss_info.loss, tuple):
        total = mean(loss_info.loss, valid)
    if not isinstance(loss_info.scalar_loss, tuple):
        total = loss_info.scalar_loss if total is None else total + loss_info.scalar_loss
    if total is None:
        raise TrainingError("calc_loss() returned a LossInfo without loss and without scalar_loss")
    return total


def check_loss(loss_info: LossInfo) -> None:
    """Refuse what is no loss.

    Raises:
        ContractError: the algorithm, or a loss of the user's, returned something else.
    """
    if not isinstance(cast(object, loss_info), LossInfo):
        raise ContractError(
            f"calc_loss() returned a {type(loss_info).__name__}, and must return a LossInfo; what "
            "is configured as a loss must, too: return LossInfo(loss=...), of shape [T, B]"
        )
    if not all(isinstance(term, torch.Tensor | tuple) for term in loss_info[:2]):
        raise ContractError(
            f"calc_loss() returned a LossInfo whose loss is a {type(loss_info.loss).__name__} and "
            f"whose scalar_loss is a {type(loss_info.scalar_loss).__name__}: give a tensor, or ()"
        )


def valid_steps(step_type: torch.Tensor) -> torch.Tensor:
    """Bool `[T - 1, B]`: the steps of `[T, B]` whose action counts.

    The action at the end of an episode is ignored by the environment, and the last row only
    bootstraps.
    """
    return step_type[:-1] != StepType.LAST


def mean(values: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """Mean over what is valid.

    Args:
        values: like `valid`, or with one row more, which does not count. Of other shapes everything
            counts.
        valid: bool `[T - 1, B]`; `None` counts all.
    """
    if valid is None:
        return values.float().mean()
    if values.shape != valid.shape:
        rows = valid.shape[0]
        if values.shape != (rows + 1, *valid.shape[1:]):
            return values.float().mean()
        values = values[:rows]
    # What counts is known without waiting, but not to a program that is being compiled.
    if type(valid) is torch.Tensor and valid.is_cpu:
        count = int(np.count_nonzero(valid.numpy()))
        counted = values if count == values.numel() else torch.where(valid, values, _ZERO)
        return counted.sum() / max(count, 1)
    return torch.where(valid, values, _ZERO).sum() / valid.count_nonzero().clamp(min=1)


def _backward(loss: torch.Tensor) -> None:
    """`loss.backward()` of a scalar, without its looking for subclasses, compilers and shapes."""
    _run_backward(
        (loss,),
        (torch.ones_like(loss),),
        False,
        False,
        (),
        allow_unreachable=True,
        accumulate_grad=True,
    )


def _num_steps(computed: Computed) -> Any:
    """Of how many steps the loss is the mean, a number or a scalar tensor."""
    loss = computed.loss_info.loss
    if isinstance(loss, tuple):
        return 1
    valid = computed.valid
    return loss.numel() if valid is None or valid.dim() != loss.dim() else valid.sum()


def _gradient_norm(parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    """The norm of all gradients together; 0 where there is none."""
    norms = [p.grad.norm() for p in parameters if p.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros(())


def _save_batch(path: Path, batch: dict[str, Any]) -> None:
    """Tensors by their path, so that reading them needs no code of ours."""
    tensors: dict[str, torch.Tensor] = {}
    map_structure_with_path(
        lambda name, x: tensors.update({name: x.detach().cpu().clone()}), to_params(batch)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)
