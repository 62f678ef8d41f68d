"""The loss of proximal policy optimization (PPO).

- Schulman et al., "Proximal Policy Optimization Algorithms", https://arxiv.org/abs/1707.06347
- Andrychowicz et al., "What Matters In On-Policy Reinforcement Learning? A Large-Scale Empirical
  Study", https://arxiv.org/abs/2006.05990, on the choices that the paper leaves open
"""

from typing import Any

import torch

from alf import summary
from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.algorithms.actor_critic_loss import ActorCriticLossInfo
from alf.algorithms.td_error import TDErrorLoss, element_wise
from alf.data_structures import LossInfo
from alf.distributions import compute_entropy, compute_log_probability
from alf.errors import ConfigError
from alf.ops.normalization import normalize_advantages as normalize
from alf.ops.policy_losses import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate_loss,
    importance_ratio,
)
from alf.ops.value_losses import element_wise_squared_loss


@configurable
@settled(
    compute_advantages_internally=Settled(
        False, "leave it out: advantages are estimated once an unroll, by PPOAlgorithm"
    ),
    check_numerics=no_matter(False),  # what is not finite always stops training, and is named
)
class PPOLoss:
    """Clipped surrogate of the policy, value loss and entropy bonus, step by step.

    Args:
        gamma: discount of future rewards, in `[0, 1]`.
        td_error_loss_fn: `(target [...], value [...]) -> [...]`.
        td_lambda: the lambda of GAE, in `[0, 1]`.
        normalize_advantages: bring the advantages of each minibatch to mean 0 and standard
            deviation 1.
        advantage_clip: clip advantages, after normalisation, to
            `[-advantage_clip, advantage_clip]`; `None` does not.
        entropy_regularization: weight of the entropy bonus; `None` for none.
        td_loss_weight: weight of the value loss.
        importance_ratio_clipping: importance ratios count up to this far from 1, above 0.
        log_prob_clipping: clip the difference of log probabilities to plus or minus it before it
            becomes an importance ratio; 0 does not.
        debug_summaries: write the distribution of returns, advantages and importance ratios.
        name: prefix of summaries.
        value_clipping: count the value's move away from that of the rollout up to this far, in
            units of the return: the loss is the greater one of the value and the clipped value.
            `None` does not.
        max_kl: leave out the rest of an unroll's epochs once the KL divergence of the policy from
            that of the rollout, in nats, is above it in a minibatch; `None` never does.

    Raises:
        ConfigError: a setting is out of its range.
    """

    def __init__(
        self,
        gamma: float = 0.99,
        td_error_loss_fn: TDErrorLoss = element_wise_squared_loss,
        td_lambda: float = 0.95,
        normalize_advantages: bool = True,
        advantage_clip: float | None = None,
        entropy_regularization: float | None = None,
        td_loss_weight: float = 1.0,
        importance_ratio_clipping: float = 0.2,
        log_prob_clipping: float = 0.0,
        debug_summaries: bool = False,
        name: str = "PPOLoss",
        *,
        value_clipping: float | None = None,
        max_kl: float | None = None,
    ):
        _check_positive("importance_ratio_clipping", importance_ratio_clipping)
        _check_positive("value_clipping", value_clipping)
        _check_positive("advantage_clip", advantage_clip)
        _check_positive("max_kl", max_kl)
        self._gamma = gamma
        self._td_error_loss_fn = element_wise(td_error_loss_fn)
        self._td_lambda = td_lambda
        self._normalize_advantages = normalize_advantages
        self._advantage_clip = advantage_clip
        self._entropy_regularization = entropy_regularization
        self._td_loss_weight = td_loss_weight
        self._importance_ratio_clipping = importance_ratio_clipping
        self._log_prob_clipping = log_prob_clipping
        self._value_clipping = value_clipping
        self._max_kl = max_kl
        self._debug_summaries = debug_summaries
        self._name = name

    @property
    def gamma(self) -> float:
        """Discount of future rewards."""
        return self._gamma

    @property
    def td_lambda(self) -> float:
        """The lambda of GAE."""
        return self._td_lambda

    @property
    def clips_values(self) -> bool:
        """Whether `rollout_value` is needed."""
        return self._value_clipping is not None

    def __call__(self, info: Any) -> LossInfo:
        """The loss of a minibatch, all of whose steps count.

        Args:
            info: a `PPOInfo`: `rollout_log_prob`, `advantages`, `returns` and `value`, all of one
                shape `[...]`, `rollout_value` likewise if `clips_values`, and the nests `action`
                and `action_distribution` with that batch shape.

        Returns:
            `loss` has that shape; `extra` holds its terms.
        """
        advantages = info.advantages
        if self._normalize_advantages:
            advantages = normalize(advantages)
        if self._advantage_clip is not None:
            advantages = advantages.clamp(-self._advantage_clip, self._advantage_clip)

        log_prob = compute_log_probability(info.action_distribution, info.action)
        ratio = importance_ratio(log_prob, info.rollout_log_prob, self._log_prob_clipping)
        pg_loss = clipped_surrogate_loss(ratio, advantages, self._importance_ratio_clipping)
        td_loss = self._td_loss(info)
        loss = torch.add(pg_loss, td_loss, alpha=self._td_loss_weight)

        neg_entropy: Any = ()
        if self._entropy_regularization is not None:
            neg_entropy = -compute_entropy(info.action_distribution)
            loss = torch.add(loss, neg_entropy, alpha=self._entropy_regularization)
        if summary.should_record_summaries():
            self._summarize(info, log_prob, ratio, advantages)
        return LossInfo(loss=loss, extra=ActorCriticLossInfo(td_loss, pg_loss, neg_entropy))

    @torch.no_grad()
    def is_too_far(self, info: Any) -> bool:
        """Whether the policy of a minibatch has left that of the rollout by more than `max_kl`.

        Args:
            info: what the loss was given.
        """
        if self._max_kl is None:
            return False
        log_prob = compute_log_probability(info.action_distribution, info.action)
        return bool(approximate_kl(log_prob, info.rollout_log_prob).mean() > self._max_kl)

    def _td_loss(self, info: Any) -> torch.Tensor:
        loss = self._td_error_loss_fn(info.returns, info.value)
        if self._value_clipping is None:
            return loss
        move = (info.value - info.rollout_value).clamp(-self._value_clipping, self._value_clipping)
        clipped = self._td_error_loss_fn(info.returns, info.rollout_value + move)
        return torch.maximum(loss, clipped)

    def _summarize(
        self, info: Any, log_prob: torch.Tensor, ratio: torch.Tensor, advantages: torch.Tensor
    ) -> None:
        with summary.scope(self._name):
            kl = approximate_kl(log_prob, info.rollout_log_prob)
            summary.scalar("approximate_kl", kl.mean())
            fraction = clip_fraction(ratio, self._importance_ratio_clipping)
            summary.scalar("clip_fraction", fraction)
            if self._debug_summaries:
                summary.histogram("returns", info.returns)
                summary.histogram("advantages", advantages)
                summary.histogram("importance_ratios", ratio)


def _check_positive(name: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise ConfigError(f"PPOLoss.{name} is {value!r}: give a number above 0")
