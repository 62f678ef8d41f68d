"""The loss of a value of actions that is learned from its own value at later steps.

Sutton and Barto, chapters 6 and 12, http://incompleteideas.net/book/the-book-2nd.html
"""

from typing import Any, NamedTuple

import torch

from alf import summary
from alf._config import configurable
from alf._config.settled import Settled, settled
from alf.algorithms.td_error import TDErrorLoss, element_wise
from alf.data_structures import LossInfo, StepType
from alf.ops.returns import td_lambda_return
from alf.ops.value_losses import element_wise_squared_loss, explained_variance


class TDLossInfo(NamedTuple):
    """What is worth knowing about the loss, each `[T - 1, B]`.

    Attributes:
        td_error: how far the values are from their targets, on average over replicas.
        value: the values, on average over replicas.
    """

    td_error: Any = ()
    value: Any = ()


@configurable
@settled(
    normalize_target=Settled(
        False, "scale rewards with the data transformer RewardScaling or RewardNormalizer"
    )
)
class TDLoss:
    """Values against targets that look ahead as far as a sample reaches.

    The target of row `t` is the TD(lambda) return of the rows after it: with `td_lambda` 0 that of
    one step, with 1 the `n`-step return, where `n` rows follow. What the policy did at the rows in
    between is taken as it is, without a correction for having been done by an older policy.

    Args:
        gamma: discount of future rewards, in `[0, 1]`.
        td_error_loss_fn: `(target, value) -> loss`, element by element.
        td_lambda: in `[0, 1]`.
        debug_summaries: write the distribution of targets and values.
        name: prefix of summaries.
    """

    def __init__(
        self,
        gamma: float = 0.99,
        td_error_loss_fn: TDErrorLoss = element_wise_squared_loss,
        td_lambda: float = 0.95,
        debug_summaries: bool = False,
        name: str = "TDLoss",
    ):
        self._gamma = gamma
        self._td_error_loss_fn = element_wise(td_error_loss_fn)
        self._td_lambda = td_lambda
        self._debug_summaries = debug_summaries
        self._name = name

    @property
    def gamma(self) -> float:
        """Discount of future rewards."""
        return self._gamma

    def compute_td_target(self, info: Any, next_value: torch.Tensor) -> torch.Tensor:
        """The targets of all rows but the last.

        Args:
            info: has `step_type`, `discount` and `reward`, all `[T, B]`; `T` is at least 2.
            next_value: `[T - 1, B]`, values of the rows `1, ..., T - 1`.

        Returns:
            `[T - 1, B]`, without gradient. That of a `LAST` row, where no action counts, means
            nothing.
        """
        if next_value.requires_grad:
            next_value = next_value.detach()
        if self._td_lambda == 0 or next_value.shape[0] == 1:
            discount = info.discount[1:]
            return torch.addcmul(info.reward[1:], discount, next_value, value=self._gamma)
        discount = info.discount * self._gamma
        # The first row is in no target: its value cancels out.
        value = torch.cat([torch.zeros_like(next_value[:1]), next_value])
        return td_lambda_return(info.reward, value, info.step_type, discount, self._td_lambda)

    def __call__(self, info: Any, value: torch.Tensor, next_value: torch.Tensor) -> LossInfo:
        """The loss of a sample.

        Args:
            info: see `compute_td_target`.
            value: `[T - 1, B]` or `[T - 1, B, R]` for replicas, which have one target; with
                gradient. The values of what was done at the rows `0, ..., T - 2`.
            next_value: `[T - 1, B]`, values of the rows `1, ..., T - 1`.

        Returns:
            `loss` is `[T - 1, B]`, the sum over replicas: the last row has no successor. Where a
            summary is due, `extra` is a `TDLossInfo`.
        """
        if value.dim() == 3 and value.shape[2] == 1:
            value = value.squeeze(2)
        target = self.compute_td_target(info, next_value)
        replicated = target.unsqueeze(-1).expand_as(value) if value.dim() == 3 else target
        loss = self._td_error_loss_fn(replicated, value)
        if value.dim() == 3:
            loss = loss.sum(-1)
        extra: Any = ()
        if summary.should_record_summaries():
            extra = self._summarize(info.step_type, value.detach(), target)
        return LossInfo(loss=loss, extra=extra)

    def td_error(self, info: Any, value: torch.Tensor, next_value: torch.Tensor) -> torch.Tensor:
        """How far values are from their targets.

        Args:
            info: see `compute_td_target`.
            value: `[T - 1, B]` or `[T - 1, B, R]`.
            next_value: `[T - 1, B]`.

        Returns:
            `[T - 1, B]`, the mean of the absolute error over replicas, without gradient.
        """
        return _td_error(value.detach(), self.compute_td_target(info, next_value))

    def _summarize(
        self, step_type: torch.Tensor, value: torch.Tensor, target: torch.Tensor
    ) -> TDLossInfo:
        error = _td_error(value, target)
        if value.dim() == 3:
            value = value.mean(-1)
        counts = step_type[:-1] != StepType.LAST
        with summary.scope(self._name):
            summary.scalar("explained_variance", explained_variance(value, target, counts))
            if counts.any():  # a sample of nothing but ends of episodes has no values
                summary.scalar("value_min", value[counts].min())
                summary.scalar("value_max", value[counts].max())
                summary.scalar("td_error_max", error[counts].max())
            if self._debug_summaries:
                summary.histogram("targets", target)
                summary.histogram("values", value)
        return TDLossInfo(error, value)


def with_successor(loss: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The rows of a loss that have a successor, where it may be of all rows.

    Args:
        loss: what a conf's own loss made, `[T - 1, B]` or `[T, B]`.
        like: `[T - 1, B, ...]`.
    """
    rows = like.shape[0]
    return loss[:rows] if loss.shape[0] > rows else loss


def _td_error(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if value.dim() == 3:
        return (target.unsqueeze(-1) - value).abs().mean(-1)
    return (target - value).abs()
