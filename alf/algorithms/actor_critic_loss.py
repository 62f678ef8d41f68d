"""The advantage actor-critic loss, with GAE or discounted returns.

- Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", https://arxiv.org/abs/1602.01783
- Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
  https://arxiv.org/abs/1506.02438
"""

from typing import Any, NamedTuple

import torch

from alf import summary
from alf._config import configurable
from alf.algorithms.td_error import TDErrorLoss, element_wise
from alf.data_structures import LossInfo, StepType
from alf.distributions import compute_entropy, compute_log_probability
from alf.ops.normalization import normalize_advantages as normalize
from alf.ops.policy_losses import policy_gradient_loss
from alf.ops.returns import discounted_return, generalized_advantage_estimation
from alf.ops.value_losses import element_wise_squared_loss, explained_variance


class ActorCriticLossInfo(NamedTuple):
    """The terms of the loss, each `[T - 1, B]`.

    Attributes:
        td_loss: of the values against their targets.
        pg_loss: of the policy gradient.
        neg_entropy: the entropy with a minus, `()` where it has no weight.
    """

    td_loss: Any = ()
    pg_loss: Any = ()
    neg_entropy: Any = ()


@configurable
class ActorCriticLoss:
    """Policy gradient with a learned value as baseline.

    Args:
        gamma: discount of future rewards, in `[0, 1]`.
        td_error_loss_fn: `(target [T, B], value [T, B]) -> [T, B]`.
        use_gae: estimate advantages by GAE(`td_lambda`); else return minus value.
        td_lambda: the lambda of GAE, in `[0, 1]`.
        use_td_lambda_return: with `use_gae`, train the value towards advantage + value, the
            TD(lambda) return; else towards the discounted return.
        normalize_advantages: bring the advantages of a batch to mean 0 and standard deviation 1.
        advantage_clip: clip advantages to `[-advantage_clip, advantage_clip]`; `None` does not.
        entropy_regularization: weight of the entropy bonus; `None` for none.
        td_loss_weight: weight of the value loss.
        debug_summaries: write the distribution of returns and advantages.
        name: prefix of summaries.
    """

    def __init__(
        self,
        gamma: float = 0.99,
        td_error_loss_fn: TDErrorLoss = element_wise_squared_loss,
        use_gae: bool = False,
        td_lambda: float = 0.95,
        use_td_lambda_return: bool = True,
        normalize_advantages: bool = False,
        advantage_clip: float | None = None,
        entropy_regularization: float | None = None,
        td_loss_weight: float = 1.0,
        debug_summaries: bool = False,
        name: str = "ActorCriticLoss",
    ):
        self._gamma = gamma
        self._td_error_loss_fn = element_wise(td_error_loss_fn)
        self._use_gae = use_gae
        self._td_lambda = td_lambda
        self._use_td_lambda_return = use_td_lambda_return
        self._normalize_advantages = normalize_advantages
        self._advantage_clip = advantage_clip
        self._entropy_regularization = entropy_regularization
        self._td_loss_weight = td_loss_weight
        self._debug_summaries = debug_summaries
        self._name = name

    @property
    def gamma(self) -> float:
        """Discount of future rewards."""
        return self._gamma

    def __call__(self, info: Any) -> LossInfo:
        """The loss of an unroll.

        Args:
            info: has `step_type`, `discount`, `reward`, `value`, all `[T, B]`, and the nests
                `action` and `action_distribution`. The last row bootstraps.

        Returns:
            `loss` is `[T - 1, B]`: the last row has no loss of its own. `extra` holds its terms.
            Those of policy and value are 0 at a `LAST` step, which has no successor.
        """
        returns, advantages = self._returns_and_advantages(info)
        valid = info.step_type[:-1] != StepType.LAST
        if self._normalize_advantages:
            advantages = normalize(advantages, valid)
        if self._advantage_clip is not None:
            advantages = advantages.clamp(-self._advantage_clip, self._advantage_clip)

        log_prob = compute_log_probability(info.action_distribution, info.action)
        pg_loss = policy_gradient_loss(log_prob[:-1], advantages)
        td_loss = self._td_error_loss_fn(returns, info.value[:-1])
        pg_loss, td_loss = pg_loss * valid, td_loss * valid
        loss = pg_loss + self._td_loss_weight * td_loss

        neg_entropy: Any = ()
        if self._entropy_regularization is not None:
            neg_entropy = -compute_entropy(info.action_distribution)[:-1]
            loss = loss + self._entropy_regularization * neg_entropy
        if summary.should_record_summaries():
            self._summarize(info, returns, advantages, valid)
        return LossInfo(loss=loss, extra=ActorCriticLossInfo(td_loss, pg_loss, neg_entropy))

    def _returns_and_advantages(self, info: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Both `[T - 1, B]`, without gradients."""
        value = info.value.detach()
        sequence = (info.reward, value, info.step_type, info.discount * self._gamma)
        if not self._use_gae:
            returns = discounted_return(*sequence)
            return returns, returns - value[:-1]
        advantages = generalized_advantage_estimation(*sequence, self._td_lambda)
        if self._use_td_lambda_return:
            return advantages + value[:-1], advantages
        return discounted_return(*sequence), advantages

    def _summarize(
        self, info: Any, returns: torch.Tensor, advantages: torch.Tensor, valid: torch.Tensor
    ) -> None:
        with summary.scope(self._name):
            value = info.value[:-1].detach()
            summary.scalar("explained_variance", explained_variance(value, returns, valid))
            if self._debug_summaries:
                summary.histogram("returns", returns)
                summary.histogram("advantages", advantages)
                summary.histogram("values", value)
