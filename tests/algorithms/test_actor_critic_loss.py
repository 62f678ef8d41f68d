"""The actor-critic loss, against numbers computed by hand."""

import math

import pytest
import torch

from alf import summary
from alf.algorithms.actor_critic_algorithm import ActorCriticInfo
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.data_structures import StepType
from alf.distributions import Categorical

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
LN2 = math.log(2)


def make_info(reward, value, step_type, discount=None, logits=None):
    """An unroll `[T, 1]` of a fair coin, action 0 each time."""
    length = len(reward)
    column = lambda numbers: torch.tensor(numbers, dtype=torch.float32).view(length, 1)  # noqa: E731
    logits = torch.zeros(length, 1, 2) if logits is None else logits
    return ActorCriticInfo(
        step_type=torch.tensor(step_type).view(length, 1),
        discount=column(discount or [1.0] * length),
        reward=column(reward),
        action=torch.zeros(length, 1, dtype=torch.int64),
        action_distribution=Categorical(logits),
        value=column(value),
    )


def test_gae_terms_of_a_running_episode():
    """Advantages, returns and both losses of three steps.

    delta_0 = 1 + 0.9 * 1.0 - 0.5 = 1.4      A_0 = 1.4 + 0.9 * 0.8 * 2.35 = 3.092
    delta_1 = 2 + 0.9 * 1.5 - 1.0 = 2.35     A_1 = 2.35
    """
    loss = ActorCriticLoss(gamma=0.9, use_gae=True, td_lambda=0.8, td_loss_weight=0.5)

    got = loss(make_info([0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID]))

    torch.testing.assert_close(got.extra.pg_loss[:, 0], torch.tensor([3.092, 2.35]) * LN2)
    torch.testing.assert_close(got.extra.td_loss[:, 0], torch.tensor([3.092**2, 2.35**2]))
    torch.testing.assert_close(got.loss, got.extra.pg_loss + 0.5 * got.extra.td_loss)
    assert () == got.extra.neg_entropy


def test_returns_without_gae():
    """The discounted return bootstraps from the last value.

    R_1 = 2 + 0.9 * 1.5 = 3.35     R_0 = 1 + 0.9 * 3.35 = 4.015
    """
    loss = ActorCriticLoss(gamma=0.9)

    got = loss(make_info([0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID]))

    torch.testing.assert_close(got.extra.td_loss[:, 0], torch.tensor([3.515**2, 2.35**2]))
    torch.testing.assert_close(got.extra.pg_loss[:, 0], torch.tensor([3.515, 2.35]) * LN2)


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 1.0 + 0.9 * 7.0)])
def test_time_limit_bootstraps_and_real_end_does_not(discount, target):
    """A LAST row ends the return at 0, or at its value where only time ran out."""
    info = make_info([0, 1, 5], [0, 7, 3], [MID, LAST, FIRST], discount=[1, discount, 1])

    for use_gae in (False, True):
        got = ActorCriticLoss(gamma=0.9, use_gae=use_gae)(info)

        torch.testing.assert_close(got.extra.td_loss[:, 0], torch.tensor([target**2, 0]))


def test_action_at_the_end_of_an_episode_has_no_loss():
    """The environment ignores that action, so its row is zero in every term with a target."""
    info = make_info([0, 1, 5, 1], [1, 7, 3, 2], [MID, LAST, FIRST, MID])

    got = ActorCriticLoss(use_gae=True, normalize_advantages=True)(info)

    assert 0.0 == got.loss[1].item()
    assert 0.0 != got.loss[2].item()


def test_advantages_are_clipped():
    """An outlier counts only up to the clip."""
    info = make_info([0, 100, 0], [0, 0, 0], [FIRST, MID, MID])

    got = ActorCriticLoss(use_gae=True, td_lambda=0.0, advantage_clip=2.0)(info)

    torch.testing.assert_close(got.extra.pg_loss[0, 0].item(), 2.0 * LN2)


def test_entropy_is_rewarded():
    """A fair coin has entropy ln 2, which lowers the loss."""
    info = make_info([0, 0, 0], [0, 0, 0], [FIRST, MID, MID])

    got = ActorCriticLoss(entropy_regularization=0.1)(info)

    torch.testing.assert_close(got.loss, torch.full((2, 1), -0.1 * LN2))
    torch.testing.assert_close(got.extra.neg_entropy, torch.full((2, 1), -LN2))


def test_no_gradient_reaches_value_through_the_advantage():
    """The policy's term moves the policy alone."""
    info = make_info([0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])
    value = info.value.requires_grad_()
    logits = torch.zeros(3, 1, 2, requires_grad=True)

    got = ActorCriticLoss(use_gae=True)(
        info._replace(value=value, action_distribution=Categorical(logits))
    )
    policy_to_value, policy_to_logits = torch.autograd.grad(
        got.extra.pg_loss.sum(), [value, logits], allow_unused=True
    )

    assert policy_to_value is None
    assert policy_to_logits.abs().sum() > 0


def test_td_error_loss_fn_is_used():
    """Another loss function takes the place of the squared one."""
    info = make_info([0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])

    got = ActorCriticLoss(gamma=0.9, td_error_loss_fn=lambda x, y: (x - y).abs())(info)

    torch.testing.assert_close(got.extra.td_loss[:, 0], torch.tensor([3.515, 2.35]))


def test_summaries_name_the_explained_variance():
    """What is summarised comes under the loss's name, and only while recording."""
    info = make_info([0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])

    with summary.collect_scalars() as scalars:
        ActorCriticLoss(name="AC")(info)

    assert {"AC/explained_variance"} == set(scalars)
