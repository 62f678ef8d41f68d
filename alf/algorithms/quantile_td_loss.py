"""The loss of a distribution of returns against its own at later steps.

Dabney et al., "Distributional Reinforcement Learning with Quantile Regression",
https://arxiv.org/abs/1710.10044
"""

from typing import Any, NamedTuple

import torch

from alf import summary
from alf._config import configurable
from alf.algorithms.td_loss import TDLoss
from alf.data_structures import LossInfo
from alf.errors import ConfigError
from alf.ops.quantiles import quantile_huber_loss


class _Rewards(NamedTuple):
    """What `TDLoss.compute_td_target` reads of a sample, `[T, B]`."""

    step_type: torch.Tensor
    discount: torch.Tensor
    reward: torch.Tensor


@configurable
class QuantileTDLoss(TDLoss):
    """Quantiles of the return against samples of the return that looks ahead.

    Args:
        gamma: discount of future rewards, in `[0, 1]`.
        td_lambda: in `[0, 1]`, see `TDLoss`; 0 looks one step ahead.
        huber_threshold: where the loss goes from a square to a line, positive.
        debug_summaries: write the distribution of targets and values.
        name: prefix of summaries.

    Raises:
        ConfigError: the threshold is out of its range.
    """

    def __init__(
        self,
        gamma: float = 0.99,
        td_lambda: float = 0.0,
        huber_threshold: float = 1.0,
        debug_summaries: bool = False,
        name: str = "QuantileTDLoss",
    ):
        if not huber_threshold > 0:
            raise ConfigError(
                f"QuantileTDLoss.huber_threshold is {huber_threshold}: give a positive number"
            )
        super().__init__(
            gamma=gamma, td_lambda=td_lambda, debug_summaries=debug_summaries, name=name
        )
        self._threshold = huber_threshold

    def compute_td_target(self, info: Any, next_value: torch.Tensor) -> torch.Tensor:
        """The targets of all rows but the last, one for each value of the next row.

        Args:
            info: see `TDLoss.compute_td_target`.
            next_value: equally likely values of the rows `1, ..., T - 1`, `[T - 1, B, M]`.

        Returns:
            `[T - 1, B, M]`, without gradient.
        """
        count = next_value.shape[-1]

        def each(x: torch.Tensor) -> torch.Tensor:
            return x.unsqueeze(-1).expand(*x.shape, count).flatten(1)

        rewards = _Rewards(each(info.step_type), each(info.discount), each(info.reward))
        return super().compute_td_target(rewards, next_value.flatten(1)).unflatten(1, (-1, count))

    def __call__(self, info: Any, value: torch.Tensor, next_value: torch.Tensor) -> LossInfo:
        """The loss of a sample.

        Args:
            info: see `compute_td_target`.
            value: quantiles of what was done at the rows `0, ..., T - 2`, `[T - 1, B, R, N]` for
                `R` replicas, which have one target; with gradient.
            next_value: see `compute_td_target`.

        Returns:
            See `TDLoss`; values and targets are told by their means.
        """
        target = self.compute_td_target(info, next_value)
        replicated = target.unsqueeze(2).expand(*value.shape[:3], target.shape[-1])
        loss = quantile_huber_loss(value, replicated, self._threshold).sum(-1)
        extra: Any = ()
        if summary.should_record_summaries():
            extra = self._summarize(info.step_type, value.detach().mean(-1), target.mean(-1))
        return LossInfo(loss=loss, extra=extra)

    def td_error(self, info: Any, value: torch.Tensor, next_value: torch.Tensor) -> torch.Tensor:
        """How far the means are apart, see `TDLoss.td_error`.

        Args:
            info: see `compute_td_target`.
            value: `[T - 1, B, R, N]`.
            next_value: `[T - 1, B, M]`.
        """
        target = self.compute_td_target(info, next_value).mean(-1, keepdim=True)
        return (target - value.detach().mean(-1)).abs().mean(-1)
