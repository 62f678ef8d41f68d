"""SAC: values, policies and temperatures of continuous, discrete and mixed actions, by hand."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from alf import ops, summary
from alf._config import config
from alf.algorithms.action_parts import ActionParts
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.sac_algorithm import SacAlgorithm, SacInfo
from alf.algorithms.temperature import Temperature
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical, DiagNormal, SquashedNormal
from alf.errors import ConfigError
from alf.networks import (
    ActorDistributionNetwork,
    CriticNetwork,
    NormalProjectionNetwork,
    QNetwork,
)
from alf.networks.network import Network
from alf.optimizers import SGD, Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
STATE = TensorSpec((1,))
BOX = BoundedTensorSpec((1,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 5, 6)
MIXED = {"choice": CHOICE, "box": BOX}
LN2 = math.log(2)


class Normal(Network):
    """A policy with a mean and a standard deviation that do not depend on the state."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Normal")
        self.mean = nn.Parameter(torch.zeros(1))
        self.log_std = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        observation = inputs
        mean = self.mean.expand(observation.shape[0], 1)
        return DiagNormal(mean, self.log_std.exp().expand_as(mean)), state


class Line(Network):
    """The critic `slope * action + height * observation`."""

    def __init__(self, input_tensor_spec):
        super().__init__(input_tensor_spec, name="Line")
        self.slope = nn.Parameter(torch.zeros(1))
        self.height = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        observation, action = inputs
        return (self.slope * action + self.height * observation).squeeze(-1), state


class Choices(Network):
    """Values of two choices, each `slope * action + height`, without or with a continuous part."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Choices")
        self.slope = nn.Parameter(torch.zeros(2))
        self.height = nn.Parameter(torch.zeros(2))

    def forward(self, inputs, state=()):
        if isinstance(inputs, tuple):
            return inputs[1] * self.slope + self.height, state
        return self.height.expand(inputs.shape[0], 2), state


def make(action_spec: Any = BOX, **arguments: Any) -> Any:
    arguments = {
        "actor_network_cls": Normal,
        "critic_network_cls": Line,
        "q_network_cls": Choices,
        "critic_loss_ctor": partial(OneStepTDLoss, gamma=0.9),
        "num_critic_replicas": 1,
        **arguments,
    }
    return SacAlgorithm(STATE, action_spec, **arguments)


def set_values(critics, *values):
    """Give the parameters of each replica, in order, these values."""
    for parameter, value in zip(critics.parameters(), values, strict=True):
        parameter.data.copy_(torch.tensor(value))


def batch(observation, reward, step_type=None, discount=None):
    """A sample `[T, 1]`."""
    length = len(observation)
    return TimeStep(
        step_type=torch.tensor(step_type or [MID] * length).view(length, 1),
        reward=torch.tensor(reward, dtype=torch.float32).view(length, 1),
        discount=torch.tensor(discount or [1.0] * length).view(length, 1),
        observation=torch.tensor(observation, dtype=torch.float32).view(length, 1, 1),
    )


def moved(action=0.0):
    return SacInfo(action=torch.full((2, 1, 1), action))


def chosen(choice):
    return SacInfo(action=torch.full((2, 1), choice))


def draws(action_spec: Any = BOX, size: int = 4000, **arguments: Any):
    """A sample of `size` equal transitions, for expectations over the policy's noise."""
    algorithm = make(action_spec, **arguments)
    inputs = TimeStep(
        step_type=torch.full((2, size), MID),
        reward=torch.ones(2, size),
        discount=torch.ones(2, size),
        observation=torch.ones(2, size, 1),
    )
    return algorithm, inputs


def test_soft_target_of_a_continuous_action():
    """1 + 0.9 * (Q' - alpha log pi): with Q' = 10 and alpha = 2, a unit normal has entropy 1.419.

    Its mean over the noise is 1 + 0.9 * (10 + 2 * 1.4189) = 12.554.
    """
    algorithm, inputs = draws(initial_log_alpha=LN2)
    set_values(algorithm._target_critics, [0.0], [10.0])

    _, info = algorithm.batch_loss(inputs, SacInfo(action=torch.zeros(2, 4000, 1)))
    target = algorithm._critic_loss.compute_td_target(info, info.next_value)

    assert 12.554 == pytest.approx(target.mean().item(), abs=0.1)


def test_a_target_without_entropy():
    """`use_entropy_reward=False` leaves the value alone: exactly 1 + 0.9 * 10."""
    algorithm = make(use_entropy_reward=False)
    set_values(algorithm._target_critics, [0.0], [10.0])

    _, info = algorithm.batch_loss(batch([1, 1], [0, 1]), moved())

    assert 10.0 == info.next_value.item()


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 10.0)])
def test_a_time_limit_bootstraps(discount, target):
    """A real end counts no value after it, a time limit does; value 3 of the action 0.5."""
    algorithm = make(use_entropy_reward=False)
    set_values(algorithm._target_critics, [0.0], [10.0])
    set_values(algorithm._critics, [2.0], [2.0])
    inputs = batch([1, 1], [0, 1], [MID, LAST], [1.0, discount])

    loss, info = algorithm.batch_loss(inputs, moved(0.5))

    assert 3.0 == info.value.item()
    assert (target - 3) ** 2 == pytest.approx(loss.extra.critic[0].item())
    assert (1, 1) == loss.loss.shape


def test_a_loss_of_the_conf_may_be_of_all_rows():
    """Its last row, which has no successor, is left out."""

    class AllRows(OneStepTDLoss):
        def __call__(self, info, value, next_value):
            loss_info = super().__call__(info, value, next_value)
            return loss_info._replace(loss=torch.cat([loss_info.loss, torch.full((1, 1), 99.0)]))

    arguments = {"use_entropy_reward": False}
    plain, _ = make(**arguments).batch_loss(batch([1, 1], [0, 1]), moved(0.5))
    longer = make(critic_loss_ctor=AllRows, **arguments)
    got, _ = longer.batch_loss(batch([1, 1], [0, 1]), moved(0.5))

    assert (1, 1) == got.loss.shape == got.extra.critic.shape
    torch.testing.assert_close(got.extra.critic, plain.extra.critic)


def test_the_lower_of_two_critics_is_believed():
    """Targets and actor look at the lower value, each sample for itself."""
    algorithm = make(num_critic_replicas=2, use_entropy_reward=False)
    set_values(algorithm._target_critics, [0.0], [10.0], [0.0], [-5.0])
    # At observation 1 and action a these are a + 1 and 3 a + 1: the second is lower for a < 0.
    set_values(algorithm._critics, [1.0], [1.0], [3.0], [1.0])
    actor: Any = algorithm._actor_network

    for mean, slope in ((-50.0, 3.0), (50.0, 1.0)):
        actor.mean.data.fill_(mean)
        algorithm.zero_grad()
        _, info = algorithm.batch_loss(batch([1, 1], [0, 1]), moved())
        info.actor_loss.sum().backward()

        assert -5.0 == info.next_value.item()
        assert -slope == pytest.approx(actor.mean.grad.item())


def test_actor_loss_is_that_of_the_paper():
    """alpha log pi - Q, and the gradient through the action alone: none for the critic.

    For a unit normal and the critic 3 a: the loss's mean is -2 * 1.4189 - 0 = -2.838, its gradient
    in the mean is -3; in log std it is -alpha (entropy grows by 1) minus E[3 noise] = 0.
    """
    algorithm, inputs = draws(initial_log_alpha=LN2)
    set_values(algorithm._critics, [3.0], [0.0])

    _, info = algorithm.batch_loss(inputs, SacInfo(action=torch.zeros(2, 4000, 1)))
    info.actor_loss.mean().backward()

    actor: Any = algorithm._actor_network
    assert -2.838 == pytest.approx(info.actor_loss.mean().item(), abs=0.2)
    assert -3.0 == pytest.approx(actor.mean.grad.item(), abs=1e-4)
    assert -2.0 == pytest.approx(actor.log_std.grad.item(), abs=0.2)
    assert [None] * 2 == [p.grad for p in algorithm._critics.parameters()]


def test_each_optimizer_gets_the_gradients_of_its_own_loss():
    """The critic's loss moves critics, the actor's the actor, the temperature's the temperature."""
    algorithm = make()
    set_values(algorithm._critics, [3.0], [1.0])
    loss, _ = algorithm.batch_loss(batch([1, 1], [0, 1]), moved(0.5))
    parts = {
        "critic": list(algorithm._critics.parameters()),
        "actor": list(algorithm._actor_network.parameters()),
        "alpha": list(algorithm._temperature.parameters()),
    }
    every = [p for group in parts.values() for p in group]

    for name, own in parts.items():
        term = getattr(loss.extra, name).sum()
        grads = torch.autograd.grad(term, every, retain_graph=True, allow_unused=True)
        reached = {id(p) for p, grad in zip(every, grads, strict=True) if grad is not None}
        assert {id(p) for p in own} == reached


def test_dqda_clipping():
    """A slope of 3 counts as one of 0.5."""
    algorithm = make(dqda_clipping=0.5, initial_log_alpha=-100.0)
    set_values(algorithm._critics, [3.0], [0.0])

    _, info = algorithm.batch_loss(batch([1, 1], [0, 1]), moved())
    info.actor_loss.sum().backward()

    assert -0.5 == pytest.approx(algorithm._actor_network.mean.grad.item(), abs=1e-6)


def test_soft_target_of_a_discrete_action():
    """The policy is softmax(Q / alpha) of the trained critics, valued by the target critics.

    With Q = (2 ln 3, 0) and alpha = 2 it is (3/4, 1/4), of entropy 0.5623; with Q' = (8, 4) the
    soft value is 7 + 2 * 0.5623 = 8.1247.
    """
    algorithm = make(CHOICE, initial_log_alpha=LN2)
    set_values(algorithm._critics, [0.0, 0.0], [2 * math.log(3), 0.0])
    set_values(algorithm._target_critics, [0.0, 0.0], [8.0, 4.0])

    _, info = algorithm.batch_loss(batch([1, 1], [0, 1]), chosen(6))

    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert 7 + 2 * entropy == pytest.approx(info.next_value.item(), abs=1e-5)
    assert -entropy == pytest.approx(info.log_pi.item(), abs=1e-5)
    assert 0.0 == info.value.item()
    assert () == info.actor_loss
    assert algorithm._actor_network is None


def test_soft_target_of_a_mixed_action():
    """The continuous part is drawn, then the choice is valued given it, with both entropies.

    Slopes are 0, so the choice is as in the discrete test: 7 + 2 * 0.5623 for the choice, and
    2 * 1.4189 for the unit normal, 10.962 in the mean over its noise.
    """
    algorithm, inputs = draws(MIXED, initial_log_alpha=LN2)
    set_values(algorithm._critics, [0.0, 0.0], [2 * math.log(3), 0.0])
    set_values(algorithm._target_critics, [0.0, 0.0], [8.0, 4.0])
    done = {"choice": torch.full((2, 4000), 6), "box": torch.zeros(2, 4000, 1)}

    _, info = algorithm.batch_loss(inputs, SacInfo(action=done))

    assert 10.962 == pytest.approx(info.next_value.mean().item(), abs=0.1)
    assert (1, 4000, 2) == info.log_pi.shape
    torch.testing.assert_close(
        info.log_pi.mean((0, 1)), torch.tensor([-0.5623, -1.4189]), atol=0.1, rtol=0
    )


def test_actor_of_a_mixed_action_climbs_the_expected_value():
    """With slopes (4, 8) and the choices (3/4, 1/4) at height: gradient 3/4 * 4 + 1/4 * 8 = 5.

    The heights keep the choice at (3/4, 1/4) at the action 0, where the policy is pinned.
    """
    algorithm = make(MIXED, initial_log_alpha=LN2)
    set_values(algorithm._critics, [4.0, 8.0], [2 * math.log(3), 0.0])
    algorithm._actor_network.log_std.data.fill_(-8.0)
    done = {"choice": torch.full((2, 1), 6), "box": torch.full((2, 1, 1), 0.5)}

    _, info = algorithm.batch_loss(batch([1, 1], [0, 1]), SacInfo(action=done))
    info.actor_loss.sum().backward()

    assert 4.0 == pytest.approx(info.value.item())
    assert -5.0 == pytest.approx(algorithm._actor_network.mean.grad.item(), abs=0.05)


def test_temperature_loss():
    """-log alpha (log pi + target): at log pi = -3 and target 1 that is 2 log alpha."""
    temperature = Temperature(None, BOX, target_entropy=1.0, initial_log_alpha=0.5)

    loss = temperature.loss(torch.tensor([[-3.0]]))
    loss.sum().backward()

    torch.testing.assert_close(loss, torch.tensor([1.0]))
    # Entropy 3 is above its target of 1: a step down the gradient cools.
    torch.testing.assert_close(temperature.log_alpha.grad, torch.tensor([2.0]))


def test_default_target_entropies():
    """-1 for each dimension of [-1, 1], ln 2 more where a box is twice as wide, and for choices.

    The entropy of (0.9, 0.1): 0.3251. Of 0.9 and 4 others: 0.3251 + 0.1 ln 4.
    """
    wide = (BoundedTensorSpec((2,), torch.float32, -2, 2), BOX, TensorSpec((3,)))
    five = BoundedTensorSpec((), torch.int64, 0, 4)
    one = BoundedTensorSpec((), torch.int64, 3, 3)

    both = Temperature(CHOICE, wide).targets

    torch.testing.assert_close(both, torch.tensor([0.32508, 2 * LN2 - 6]), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        Temperature(five, None).targets, torch.tensor([0.32508 + 0.1 * math.log(4)])
    )
    assert [0.0] == Temperature(one, None).targets.tolist()


def test_target_entropy_as_given():
    """A number, a pair for two parts, or a function of each part's spec."""
    assert [-2.0] == Temperature(None, BOX, -2.0).targets.tolist()
    assert [0.5, -2.0] == Temperature(CHOICE, BOX, (0.5, -2.0)).targets.tolist()
    by_spec = Temperature(CHOICE, BOX, lambda spec: 0.25 if spec.is_discrete else -3)
    assert [0.25, -3.0] == by_spec.targets.tolist()
    with pytest.raises(ConfigError, match="give 2 number"):
        Temperature(CHOICE, BOX, 0.5)
    wrong: list[Any] = [lambda spec: spec, ["x"], [torch.ones(3)]]
    for given in wrong:
        with pytest.raises(ConfigError, match="give a number, or a function of a spec that gives"):
            Temperature(None, BOX, given)


def test_temperature_has_an_upper_bound():
    """`max_log_alpha` holds after each update."""
    algorithm = make(initial_log_alpha=3.0, max_log_alpha=1.0)
    algorithm.after_update((), ())

    assert [1.0] == algorithm._temperature.log_alpha.tolist()


def test_target_critics_follow():
    """A share of the way at each update."""
    algorithm = make(target_update_tau=0.25)
    set_values(algorithm._critics, [4.0], [8.0])
    set_values(algorithm._target_critics, [0.0], [0.0])

    algorithm.after_update((), ())

    assert [1.0, 2.0] == [p.item() for p in algorithm._target_critics.parameters()]


def test_actions_of_each_kind():
    """Rollouts sample, play takes the mode; a discrete choice counts from the spec's minimum."""
    inputs = TimeStep(observation=torch.ones(4000, 1))
    algorithm = make(MIXED)
    set_values(algorithm._critics, [0.0, 0.0], [math.log(3), 0.0])
    algorithm._actor_network.mean.data.fill_(0.5)

    sampled = algorithm.rollout_step(inputs, ()).output
    best = algorithm.predict_step(inputs, ())

    assert 0.25 == pytest.approx((sampled["choice"] == 6).float().mean().item(), abs=0.03)
    assert 1.0 == pytest.approx(sampled["box"].std().item(), abs=0.05)
    assert [5] == best.output["choice"].unique().tolist()
    assert [0.5] == best.output["box"].unique().tolist()
    distribution = best.info.action_distribution
    assert isinstance(distribution["choice"], Categorical)
    assert isinstance(distribution["box"], DiagNormal)

    discrete = make(CHOICE)
    set_values(discrete._critics, [0.0, 0.0], [0.0, 5.0])
    assert [6] == discrete.predict_step(inputs, ()).output.unique().tolist()
    assert [5, 6] == discrete.rollout_step(inputs, ()).output.unique().tolist()


def test_play_samples_as_often_as_told():
    """`TrainerConfig.epsilon_greedy` holds unless the algorithm is told otherwise."""
    settings = SimpleNamespace(epsilon_greedy=1.0, priority_replay=True)
    inputs = TimeStep(observation=torch.ones(100, 1))

    assert make(config=settings).predict_step(inputs, ()).output.std() > 0.5
    assert 0 == make(config=settings, epsilon_greedy=0.0).predict_step(inputs, ()).output.std()
    loss, _ = make(config=settings).batch_loss(batch([1, 1], [0, 1]), moved())
    assert (1,) == loss.priority.shape


def test_priority_is_the_error():
    """|1 + 0.9 * 10 - 3| = 7; without being asked there is none."""
    algorithm = make(calculate_priority=True, use_entropy_reward=False)
    set_values(algorithm._target_critics, [0.0], [10.0])
    set_values(algorithm._critics, [0.0], [3.0])

    loss, _ = algorithm.batch_loss(batch([1, 1], [0, 1]), moved())

    torch.testing.assert_close(loss.priority, torch.tensor([7.0]))
    assert () == make().batch_loss(batch([1, 1], [0, 1]), moved())[0].priority


def test_longer_sequences_and_nested_observations():
    """Real networks on three rows; each value belongs to its own row."""
    spec = {"place": TensorSpec((2,)), "image": TensorSpec((1, 4, 4), torch.uint8)}
    boxes = (BOX, BoundedTensorSpec((2,), torch.float32, -2, 2))
    projection = partial(
        NormalProjectionNetwork,
        scale_distribution=True,
        state_dependent_std=True,
        std_transform=ops.clipped_exp,
    )
    algorithm: Any = SacAlgorithm(
        spec,
        boxes,
        actor_network_cls=partial(
            ActorDistributionNetwork,
            fc_layer_params=(8,),
            continuous_projection_net_ctor=projection,
        ),
        critic_network_cls=partial(CriticNetwork, joint_fc_layer_params=(8,)),
    )
    inputs = batch([0, 0, 0], [0, 1, 1])._replace(
        observation={
            "place": torch.randn(3, 1, 2),
            "image": torch.randint(0, 255, (3, 1, 1, 4, 4), dtype=torch.uint8),
        }
    )
    action = (torch.rand(3, 1, 1), torch.rand(3, 1, 2))

    loss, info = algorithm.batch_loss(inputs, SacInfo(action=action))

    assert ((2, 1), (2, 1, 2)) == (loss.loss.shape, info.value.shape)
    second = {key: x[1] for key, x in inputs.observation.items()}
    values, _ = algorithm._critics((second, (action[0][1], action[1][1])))
    torch.testing.assert_close(info.value[1], values)
    policy = algorithm.predict_step(TimeStep(observation=second), ()).info.action_distribution
    assert all(isinstance(part, SquashedNormal) for part in policy)


def test_terms_are_summarised_where_a_summary_is_due(tmp_path):
    """Entropy and temperature of each part, beside the errors of the critics."""
    writer = summary.create_summary_writer(str(tmp_path))
    with summary.push_summary_writer(writer):
        summary.enable_summary()
        with summary.record_if(True):
            loss, _ = make(CHOICE).batch_loss(batch([1, 1], [0, 1]), chosen(5))
    writer.close()

    assert ["discrete"] == list(loss.extra.entropy)
    assert LN2 == pytest.approx(loss.extra.entropy["discrete"][0].item())
    assert 1.0 == loss.extra.temperature["discrete"].item()
    assert (1, 1) == loss.extra.td.td_error.shape
    assert () == make(CHOICE).batch_loss(batch([1, 1], [0, 1]), chosen(5))[0].extra.entropy


def test_optimizers_by_name():
    """Each part has its own, as far as given; a discrete action has no actor to move."""
    given = {
        "actor_optimizer": Adam(lr=1e-3),
        "critic_optimizer": Adam(lr=2e-3),
        "alpha_optimizer": SGD(lr=3e-3),
    }
    named = make(**given).optimizers()

    assert {"actor": 2, "critic": 2, "alpha": 1} == {n: len(p) for n, (_, p) in named.items()}
    assert list(given.values()) == [spec for spec, _ in named.values()]
    assert ["critic", "alpha"] == list(make(CHOICE, **given).optimizers())
    assert ["critic"] == list(make(critic_optimizer=Adam()).optimizers())


def test_action_parts():
    """Taken apart and joined again, in every arrangement."""
    nested = {"a": BOX, "b": CHOICE, "c": (BOX, TensorSpec((3,)))}
    parts = ActionParts(nested)
    action = {"a": 1, "b": 2, "c": (3, 4)}

    assert (CHOICE, (BOX, BOX, TensorSpec((3,)))) == (parts.discrete_spec, parts.continuous_spec)
    assert (2, (1, 3, 4)) == parts.split(action)
    assert action == parts.join(*parts.split(action))
    assert (None, action) == ActionParts({"a": BOX, "b": BOX, "c": (BOX, BOX)}).split(action)
    assert ((7,), (7, None)) == (
        ActionParts((CHOICE,)).join(7, None),
        ActionParts((CHOICE,)).split((7,)),
    )
    with pytest.raises(ConfigError, match="at most one discrete"):
        ActionParts((CHOICE, CHOICE, BOX))
    with pytest.raises(ConfigError, match="at least one"):
        ActionParts(())


def test_configured_by_name():
    """The parameters that confs set, and what became of those that are gone."""
    config("SacAlgorithm", num_critic_replicas=3, initial_log_alpha=-1.0)
    config("QNetwork", fc_layer_params=(8,))
    with pytest.raises(ConfigError, match="set target_entropy"):
        config("SacAlgorithm", reproduce_locomotion=True)

    algorithm: Any = SacAlgorithm(STATE, CHOICE, q_network_cls=QNetwork)
    assert [-1.0] == algorithm._temperature.log_alpha.tolist()
    assert (4, 3, 2) == algorithm._critics(torch.zeros(4, 1))[0].shape
    assert not algorithm.on_policy


def test_clipped_exp():
    """e^x within the bounds of the exponent, and no gradient beyond them."""
    x = torch.tensor([-30.0, 0.0, 1.0, 5.0], requires_grad=True)
    y = ops.clipped_exp(x)
    y.sum().backward()

    torch.testing.assert_close(y, torch.tensor([math.exp(-20), 1.0, math.e, math.exp(2)]))
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 1.0, math.e, 0.0]))


def train(algorithm, inputs, info, steps, lr):
    """Updates on one sample."""
    optimizers = [Adam(lr=lr).build(params) for _, params in algorithm.optimizers().values()]
    for _ in range(steps):
        loss, done = algorithm.batch_loss(inputs, info)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.loss[0].mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        algorithm.after_update(inputs, done)


def test_learns_a_continuous_action_that_pays():
    """Reward -(a - 0.5)^2 for one step: the mode finds 0.5, as wide as the target entropy says."""
    spec: Any = {"actor_optimizer": Adam(), "critic_optimizer": Adam(), "alpha_optimizer": Adam()}
    projection = partial(
        NormalProjectionNetwork,
        scale_distribution=True,
        state_dependent_std=True,
        std_transform=ops.clipped_exp,
    )
    actor = partial(
        ActorDistributionNetwork, fc_layer_params=(16,), continuous_projection_net_ctor=projection
    )
    critic = partial(CriticNetwork, joint_fc_layer_params=(32, 32))
    algorithm = make(actor_network_cls=actor, critic_network_cls=critic, **spec)
    action = torch.linspace(-1, 1, 64).view(1, 64, 1).expand(2, 64, 1)
    inputs = TimeStep(
        step_type=torch.tensor([FIRST, LAST]).view(2, 1).expand(2, 64),
        reward=-(action[..., 0] - 0.5).square() * 10,
        discount=torch.tensor([1.0, 0.0]).view(2, 1).expand(2, 64),
        observation=torch.ones(2, 64, 1),
    )
    train(algorithm, inputs, SacInfo(action=action), 500, 1e-2)

    mode = algorithm.predict_step(TimeStep(observation=torch.ones(1, 1)), ()).output
    assert 0.5 == pytest.approx(mode.item(), abs=0.15)
    _, info = algorithm.batch_loss(inputs, SacInfo(action=action))
    assert 1.0 == pytest.approx(info.log_pi.mean().item(), abs=0.4)


def test_learns_a_choice_that_pays():
    """A bandit whose choice 6 pays: it is taken, as surely as the target entropy says."""
    spec: Any = {"critic_optimizer": Adam(), "alpha_optimizer": Adam()}
    algorithm = make(CHOICE, target_entropy=0.2, **spec)
    inputs = TimeStep(
        step_type=torch.tensor([[FIRST] * 2, [LAST] * 2]),
        reward=torch.tensor([[0.0, 0.0], [0.0, 1.0]]),
        discount=torch.tensor([[1.0] * 2, [0.0] * 2]),
        observation=torch.ones(2, 2, 1),
    )
    action = torch.tensor([[5, 6], [5, 5]])
    train(algorithm, inputs, SacInfo(action=action), 400, 2e-2)

    greedy = algorithm.predict_step(TimeStep(observation=torch.ones(1, 1)), ())
    assert 6 == greedy.output.item()
    assert 0.2 == pytest.approx(greedy.info.action_distribution.entropy().item(), abs=0.05)
