"""The loss of PPO, against numbers computed by hand."""

import math

import pytest
import torch

from alf import summary
from alf._config import config
from alf.algorithms.ppo_algorithm import PPOInfo
from alf.algorithms.ppo_loss import PPOLoss
from alf.distributions import Categorical
from alf.errors import ConfigError

LN2 = math.log(2)


def make_info(ratio, advantage, value=None, returns=None, rollout_value=(), logits=None):
    """Steps `[1, N]` of a coin, action 0 each time; `ratio` is to the policy that acted."""
    row = lambda numbers: torch.tensor([numbers], dtype=torch.float32)  # noqa: E731
    size = len(ratio)
    distribution = Categorical(torch.zeros(1, size, 2) if logits is None else logits)
    action = torch.zeros(1, size, dtype=torch.int64)
    return PPOInfo(
        action=action,
        rollout_log_prob=distribution.log_prob(action).detach() - row(ratio).log(),
        rollout_value=row(rollout_value) if rollout_value else (),
        advantages=row(advantage),
        returns=row(returns or [0.0] * size),
        action_distribution=distribution,
        value=row(value or [0.0] * size),
    )


def plain(**settings):
    """A loss without normalisation."""
    return PPOLoss(**{"normalize_advantages": False, **settings})


def test_surrogate_is_clipped_where_that_is_worse():
    """-min(ratio A, clip(ratio, 0.8, 1.2) A) on both sides of the clip, for both signs.

    ratio 1.5, A  2: -min( 3.0,  2.4) = -2.4      ratio 0.5, A  2: -min( 1.0,  1.6) = -1.0
    ratio 1.5, A -2: -min(-3.0, -2.4) =  3.0      ratio 0.5, A -2: -min(-1.0, -1.6) =  1.6
    """
    got = plain()(make_info([1.5, 1.5, 0.5, 0.5, 1.0], [2, -2, 2, -2, 2]))

    torch.testing.assert_close(got.extra.pg_loss, torch.tensor([[-2.4, 3.0, -1.0, 1.6, -2.0]]))
    torch.testing.assert_close(got.loss, got.extra.pg_loss)


def test_nothing_is_gained_beyond_the_clip():
    """Where a good action is already likely enough, or a bad one unlikely enough, none pulls."""
    logits = torch.zeros(1, 4, 2, requires_grad=True)

    loss = plain()(make_info([1.5, 1.5, 0.5, 0.5], [2, -2, 2, -2], logits=logits)).loss
    (gradient,) = torch.autograd.grad(loss.sum(), logits)

    assert [False, True, True, False] == (gradient[0, :, 0] != 0).tolist()


def test_clipping_is_as_wide_as_told():
    """With 0.1, a ratio of 1.5 counts as 1.1."""
    got = plain(importance_ratio_clipping=0.1)(make_info([1.5], [2]))

    torch.testing.assert_close(got.loss, torch.tensor([[-2.2]]))


def test_advantages_are_normalised_over_the_minibatch_and_then_clipped():
    """1, 2, 3 and 10 have mean 4 and standard deviation sqrt(12.5)."""
    advantages, deviation = [1.0, 2.0, 3.0, 10.0], math.sqrt(12.5)
    info = make_info([1.0] * 4, advantages)

    got = PPOLoss()(info)
    clipped = PPOLoss(advantage_clip=1.0)(info)

    wanted = -(torch.tensor([advantages]) - 4) / deviation
    torch.testing.assert_close(got.extra.pg_loss, wanted)
    torch.testing.assert_close(clipped.extra.pg_loss, wanted.clamp(-1, 1))
    assert -1.0 == clipped.extra.pg_loss[0, 3].item()


def test_log_probabilities_can_be_clipped_first():
    """A difference of ln 1000 counts as 0.5."""
    info = make_info([1000.0], [-1.0])

    got = plain(log_prob_clipping=0.5)(info)

    torch.testing.assert_close(got.loss, torch.tensor([[math.exp(0.5)]]))


def test_value_loss_has_its_weight_and_its_function():
    """(3 - 1)^2 = 4 by default, |3 - 1| = 2 by choice, half of it in the sum."""
    info = make_info([1.0], [0.0], value=[1.0], returns=[3.0])

    squared = plain(td_loss_weight=0.5)(info)
    absolute = plain(td_loss_weight=0.5, td_error_loss_fn=lambda x, y: (x - y).abs())(info)

    assert (4.0, 2.0) == (squared.extra.td_loss.item(), squared.loss.item())
    assert (2.0, 1.0) == (absolute.extra.td_loss.item(), absolute.loss.item())


def test_value_clipping_takes_the_worse_of_two():
    """The value went from 1 to 2, of which 0.5 counts: 1.5.

    towards 3: max((3 - 2)^2, (3 - 1.5)^2) = 2.25      towards 0: max(2^2, 1.5^2) = 4
    """
    info = make_info(
        [1.0, 1.0], [0.0, 0.0], value=[2.0, 2.0], returns=[3.0, 0.0], rollout_value=[1.0, 1.0]
    )

    got = plain(value_clipping=0.5)(info)

    torch.testing.assert_close(got.extra.td_loss, torch.tensor([[2.25, 4.0]]))


def test_entropy_is_rewarded():
    """A fair coin has entropy ln 2, which lowers the loss; without a weight it is left out."""
    info = make_info([1.0, 1.0], [0.0, 0.0])

    got = plain(entropy_regularization=0.1)(info)

    torch.testing.assert_close(got.loss, torch.full((1, 2), -0.1 * LN2))
    torch.testing.assert_close(got.extra.neg_entropy, torch.full((1, 2), -LN2))
    assert () == plain()(info).extra.neg_entropy


def test_gradients_stay_in_their_network():
    """The policy's term moves the policy alone, the value's term the value alone."""
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    value = torch.ones(1, 2, requires_grad=True)
    info = make_info([1.0, 1.0], [1.0, -1.0], logits=logits)._replace(value=value)

    extra = plain()(info).extra
    policy = torch.autograd.grad(extra.pg_loss.sum(), [logits, value], allow_unused=True)
    values = torch.autograd.grad(extra.td_loss.sum(), [logits, value], allow_unused=True)

    assert policy[1] is None
    assert values[0] is None
    assert policy[0].abs().sum() > 0
    torch.testing.assert_close(values[1], torch.full((1, 2), 2.0))


@pytest.mark.parametrize(("max_kl", "wanted"), [(None, False), (0.04, True), (0.05, False)])
def test_policy_is_too_far_beyond_max_kl(max_kl, wanted):
    """Ratios 1.5 and 1 estimate a KL divergence of (1.5 - 1 - ln 1.5 + 0) / 2 = 0.0473 nats."""
    info = make_info([1.5, 1.0], [1.0, 1.0])

    assert wanted is plain(max_kl=max_kl).is_too_far(info)


def test_summaries_tell_how_far_the_policy_went():
    """One of two ratios is beyond the clip; the estimated divergence is 0.0473 nats."""
    info = make_info([1.5, 1.0], [1.0, 1.0])

    with summary.collect_scalars() as scalars:
        plain(name="PPO")(info)

    assert {"PPO/clip_fraction": 0.5, "PPO/approximate_kl": pytest.approx(0.0473, abs=1e-4)} == {
        name: float(value) for name, value in scalars.items()
    }


@pytest.mark.parametrize(
    "setting", ["importance_ratio_clipping", "value_clipping", "advantage_clip", "max_kl"]
)
def test_a_limit_of_nothing_is_refused(setting):
    """A limit of 0 would leave nothing to learn from; the error names the parameter."""
    with pytest.raises(ConfigError, match=rf"PPOLoss\.{setting} is 0: give a number above 0"):
        PPOLoss(**{setting: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "lesson"),
    [
        ("compute_advantages_internally", "estimated once an unroll"),
    ],
)
def test_settings_without_a_use_say_so(setting, lesson):
    """A conf that sets one of them is told why it need not."""
    with pytest.raises(ConfigError, match=lesson):
        config("PPOLoss", **{setting: True})
