"""SAC with quantile critics: truncated targets, the mean that the actor follows, by hand."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from alf._config import config
from alf.algorithms.agent import Agent
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.quantile_td_loss import QuantileTDLoss
from alf.algorithms.sac_algorithm import SacInfo
from alf.data_structures import StepType, TimeStep
from alf.distributions import DiagNormal
from alf.errors import ConfigError
from alf.networks import CriticNetwork
from alf.networks.network import Network
from alf.optimizers import Adam
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

STATE = TensorSpec((1,))
BOX = BoundedTensorSpec((1,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


class Normal(Network):
    """A policy with a mean and a standard deviation that do not depend on the state."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Normal")
        self.mean = nn.Parameter(torch.zeros(1))
        self.log_std = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        mean = self.mean.expand(inputs.shape[0], 1)
        return DiagNormal(mean, self.log_std.exp().expand_as(mean)), state


class Lines(Network):
    """Quantiles `slope_i * action + height_i`."""

    def __init__(self, input_tensor_spec, output_tensor_spec):
        super().__init__(input_tensor_spec, name="Lines")
        self.slope = nn.Parameter(torch.zeros(output_tensor_spec.shape))
        self.height = nn.Parameter(torch.zeros(output_tensor_spec.shape))

    def forward(self, inputs, state=()):
        return self.slope * inputs[1] + self.height, state


def make(**arguments: Any) -> Any:
    arguments = {
        "actor_network_cls": Normal,
        "critic_network_cls": Lines,
        "critic_loss_ctor": partial(QuantileTDLoss, gamma=0.9),
        "num_quantiles": 3,
        "dropped_quantiles": 1,
        **arguments,
    }
    return QuantileSacAlgorithm(STATE, BOX, **arguments)


def set_values(critics, *values):
    """Give the parameters of each replica, in order, these values."""
    for parameter, value in zip(critics.parameters(), values, strict=True):
        parameter.data.copy_(torch.tensor(value))


def sample(size=1):
    """`size` equal transitions."""
    inputs = TimeStep(
        step_type=torch.full((2, size), StepType.MID),
        reward=torch.ones(2, size),
        discount=torch.ones(2, size),
        observation=torch.ones(2, size, 1),
    )
    return inputs, SacInfo(action=torch.zeros(2, size, 1))


def test_targets_are_all_quantiles_but_the_highest():
    """Of 1, 2, 9 and 0, 5, 6, one left out for each: 0, 1, 2, 5; all of them without truncation."""
    heights = ([0.0] * 3, [1.0, 2.0, 9.0], [0.0] * 3, [0.0, 5.0, 6.0])
    truncated = make(use_entropy_reward=False)
    full = make(use_entropy_reward=False, dropped_quantiles=0)
    for algorithm in (truncated, full):
        set_values(algorithm._target_critics, *heights)

    assert [0, 1, 2, 5] == truncated.batch_loss(*sample())[1].next_value.flatten().tolist()
    assert [0, 1, 2, 5, 6, 9] == full.batch_loss(*sample())[1].next_value.flatten().tolist()


def test_entropy_is_part_of_each_target():
    """-alpha log pi on top, 2 * 1.4189 on average for a unit normal and alpha 2."""
    algorithm = make(initial_log_alpha=math.log(2))
    torch.manual_seed(0)
    _, info = algorithm.batch_loss(*sample(4000))

    assert (1, 4000, 4) == info.next_value.shape
    assert 2.838 == pytest.approx(info.next_value.mean().item(), abs=0.1)
    spread = info.next_value - info.next_value.mean(-1, keepdim=True)
    assert 0 == pytest.approx(spread.abs().max().item(), abs=1e-6)


def test_the_loss_is_that_of_quantile_regression():
    """Targets 1 + 0.9 z for z = 0, 0, 0, 0, and quantiles 1, 1, 4 and 1, 1, 1.

    The last of the first critic, at 5/6, is too high by 3: (1 - 5/6) (3 - 1/2) / 3.
    """
    algorithm = make(use_entropy_reward=False)
    set_values(algorithm._critics, [0.0] * 3, [1.0, 1.0, 4.0], [0.0] * 3, [1.0] * 3)

    loss, info = algorithm.batch_loss(*sample())

    assert (1, 1, 2, 3) == info.value.shape
    assert 2.5 / 18 == pytest.approx(loss.extra.critic[0].item())


def test_the_actor_follows_the_mean_of_all():
    """Slopes 1, 2, 3 and 0, 6, 6: alpha log pi - 3 a, whose gradient in the mean is -3."""
    algorithm = make()
    set_values(algorithm._critics, [1.0, 2.0, 3.0], [0.0] * 3, [0.0, 6.0, 6.0], [0.0] * 3)
    torch.manual_seed(0)

    _, info = algorithm.batch_loss(*sample(4000))
    info.actor_loss.mean().backward()

    assert -3 == pytest.approx(algorithm._actor_network.mean.grad.item(), rel=1e-4)
    assert -1.4189 == pytest.approx(info.actor_loss.mean().item(), abs=0.2)
    assert all(p.grad is None for p in algorithm._critics.parameters())


def test_panels_show_the_truncated_mean():
    """Of 1, 2, 9 and 0, 5, 6: (0 + 1 + 2 + 5) / 4, while panels are drawn and not otherwise."""
    algorithm = make()
    set_values(algorithm._critics, [0.0] * 3, [1.0, 2.0, 9.0], [0.0] * 3, [0.0, 5.0, 6.0])
    inputs = TimeStep(observation=torch.ones(2, 1))
    with render.rendering():
        drawn = algorithm.predict_step(inputs, ())

    assert [2.0, 2.0] == drawn.info.value.tolist()
    assert () == algorithm.predict_step(inputs, ()).info.value


def test_priority_is_the_error_of_the_means():
    """|1 + 0.9 * 10 - 3| = 7."""
    algorithm = make(calculate_priority=True, use_entropy_reward=False)
    set_values(algorithm._target_critics, [0.0] * 3, [10.0] * 3, [0.0] * 3, [10.0] * 3)
    set_values(algorithm._critics, [0.0] * 3, [2.0, 3.0, 4.0], [0.0] * 3, [3.0] * 3)

    loss, _ = algorithm.batch_loss(*sample())

    torch.testing.assert_close(loss.priority, torch.tensor([7.0]))


def test_fused_critics_give_quantiles():
    """Replicas of a `CriticNetwork` with a vector of outputs are fused, each with its own."""
    critic = partial(CriticNetwork, joint_fc_layer_params=(8,))
    algorithm = make(critic_network_cls=critic, num_quantiles=5)
    pair = (torch.randn(4, 1), torch.randn(4, 1))
    quantiles, _ = algorithm._critics(pair)

    assert (4, 2, 5) == quantiles.shape
    assert not torch.equal(quantiles[:, 0], quantiles[:, 1])
    loss, _ = algorithm.batch_loss(*sample(4))
    loss.loss[0].mean().backward()
    assert all(p.grad is not None for p in algorithm._critics.parameters())


def test_configured_by_name_and_by_that_of_sac():
    """What is configured of `SacAlgorithm` holds, in an agent too."""
    config("SacAlgorithm", num_critic_replicas=3, actor_optimizer=Adam(lr=1e-3))
    config("QuantileSacAlgorithm", num_quantiles=7, critic_optimizer=Adam(lr=2e-3))
    agent: Any = Agent(STATE, BOX, rl_algorithm_cls=QuantileSacAlgorithm)
    pair = (torch.zeros(4, 1), torch.zeros(4, 1))

    assert (4, 3, 7) == agent.rl_algorithm._critics(pair)[0].shape
    assert {"actor": 1e-3, "critic": 2e-3} == {n: s.lr for n, (s, _) in agent.optimizers().items()}


@pytest.mark.parametrize("dropped", [3, -1])
def test_something_must_be_left(dropped):
    """Not all quantiles can be dropped."""
    with pytest.raises(ConfigError, match=f"dropped_quantiles is {dropped}.*from 0 to 2"):
        make(dropped_quantiles=dropped)


def test_discrete_actions_are_refused():
    """The lesson names the algorithm that has them."""
    with pytest.raises(ConfigError, match="use SacAlgorithm"):
        QuantileSacAlgorithm(STATE, {"a": BOX, "b": CHOICE})
