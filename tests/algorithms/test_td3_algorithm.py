"""TD3: its three repairs of DDPG, by hand."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from alf import summary
from alf._config import config
from alf.algorithms.ddpg_algorithm import DdpgInfo
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.networks.network import Network
from alf.optimizers import SGD, Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

STATE = TensorSpec((1,))
BOX = BoundedTensorSpec((1,), torch.float32, -1, 1)


class Same(Network):
    """An actor that does the same whatever it sees."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Same")
        self.action = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        return self.action.expand(inputs.shape[0], 1), state


class Line(Network):
    """The critic `slope * action + height`."""

    def __init__(self, input_tensor_spec):
        super().__init__(input_tensor_spec, name="Line")
        self.slope = nn.Parameter(torch.zeros(1))
        self.height = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        return (self.slope * inputs[1] + self.height).squeeze(-1), state


def make(**arguments: Any) -> Any:
    return Td3Algorithm(
        STATE,
        BOX,
        actor_network_ctor=Same,
        critic_network_ctor=Line,
        critic_loss_ctor=partial(OneStepTDLoss, gamma=0.9),
        **arguments,
    )


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
    return inputs, DdpgInfo(action=torch.zeros(2, size, 1))


def next_actions(target, size=20_000, **arguments):
    """The actions whose values are targets: both copies of the critics tell the action itself."""
    algorithm = make(**arguments)
    set_values(algorithm._target_critics, [1.0], [0.0], [1.0], [0.0])
    algorithm._target_actor.action.data.fill_(target)
    torch.manual_seed(0)
    _, info = algorithm.batch_loss(*sample(size))
    return info.next_value[0]


def test_the_target_is_the_lower_of_two_values():
    """The copies of the critics tell 10 and -5: the target of both is 1 + 0.9 * -5 = -3.5."""
    algorithm = make()
    set_values(algorithm._target_critics, [0.0], [10.0], [0.0], [-5.0])

    loss, info = algorithm.batch_loss(*sample())

    assert -5.0 == info.next_value.item()
    assert (1, 1, 2) == info.value.shape
    assert 2 * 3.5**2 == pytest.approx(loss.extra.critic[0].item())


def test_noise_of_the_target_is_clipped():
    """N(0, 0.2) clipped to 0.1: a mean of 0 around the action, 0.617 of it at the two ends."""
    noise = next_actions(0.25, target_noise_clip=0.1) - 0.25

    torch.testing.assert_close(noise.abs().max(), torch.tensor(0.1))
    at_ends = (noise.abs() > 0.0999).float().mean().item()
    assert 0.617 == pytest.approx(at_ends, abs=0.015)  # 2 (1 - Phi(0.1 / 0.2))
    assert 0 == pytest.approx(noise.mean().item(), abs=0.003)


def test_noise_within_the_clip_is_normal():
    """With room for it, its standard deviation is the one given; without noise it is 0."""
    noise = next_actions(0.0, target_noise_stddev=0.05, target_noise_clip=0.5)

    assert 0.05 == pytest.approx(noise.std().item(), rel=0.02)
    assert 0 == next_actions(0.25, size=9, target_noise_stddev=0.0).std().item()


def test_the_smoothed_action_stays_within_its_bounds():
    """Around 0.95, noise of up to 0.5 does not lead beyond 1."""
    actions = next_actions(0.95)

    assert 1.0 == actions.max().item()
    assert 0.45 == pytest.approx(actions.min().item(), abs=0.01)


def test_actor_and_copies_move_at_each_second_update():
    """The critics at each. The first critic is a, so that SGD with rate 0.1 moves the actor up."""
    algorithm = make(
        target_update_tau=0.5, actor_optimizer=SGD(lr=0.1), critic_optimizer=SGD(lr=1e-9)
    )
    set_values(algorithm._critics, [1.0], [0.0], [-1.0], [7.0])
    set_values(algorithm._target_critics, [0.0], [0.0], [0.0], [0.0])
    optimizers = [spec.build(params) for spec, params in algorithm.optimizers().values()]

    seen = []
    for _ in range(5):
        inputs, rollout_info = sample()
        loss, info = algorithm.batch_loss(inputs, rollout_info)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.loss[0].mean().backward()
        for optimizer in optimizers:
            optimizer.step()
        algorithm.after_update(inputs, info)
        actor, copy = algorithm._actor_network.action, algorithm._target_actor.action
        slope = next(iter(algorithm._target_critics.parameters()))
        seen.append([round(x.item(), 4) for x in (actor, copy, slope)])

    assert [
        [0.0, 0.0, 0.0],
        [0.1, 0.05, 0.5],
        [0.1, 0.05, 0.5],
        [0.2, 0.125, 0.75],
        [0.2, 0.125, 0.75],
    ] == seen


def test_adam_rests_while_the_actor_does():
    """In an update that leaves the actor alone, not even momentum moves it."""
    algorithm = make(actor_update_period=3, actor_optimizer=Adam(lr=0.1))
    set_values(algorithm._critics, [1.0], [0.0], [1.0], [0.0])
    (spec, params) = algorithm.optimizers()["actor"]
    optimizer = spec.build(params)

    seen = []
    for _ in range(7):
        inputs, rollout_info = sample()
        loss, info = algorithm.batch_loss(inputs, rollout_info)
        optimizer.zero_grad()
        loss.loss[0].mean().backward()
        optimizer.step()
        algorithm.after_update(inputs, info)
        seen.append(round(algorithm._actor_network.action.item(), 4))

    assert [0.0, 0.0, 0.1, 0.1, 0.1, 0.2, 0.2] == seen


def test_the_delay_goes_on_after_a_resume():
    """A loaded copy counts on from where the other stood."""
    one, other = make(), make()
    one.after_update((), ())
    other.load_state_dict(one.state_dict())

    assert (True, True) == (one._moves_actor(), other._moves_actor())
    other.after_update((), ())
    assert not other._moves_actor()


def test_the_actor_follows_the_first_critic():
    """Also where the other one is lower."""
    algorithm = make(actor_update_period=1)
    set_values(algorithm._critics, [2.0], [5.0], [-1.0], [-5.0])

    _, info = algorithm.batch_loss(*sample())
    info.actor_loss.sum().backward()

    assert -5.0 == info.actor_loss.item()
    assert -2.0 == algorithm._actor_network.action.grad.item()


def test_a_summary_has_the_actors_loss_at_any_update(tmp_path):
    """Told in an update that leaves the actor alone, and no part of its loss there."""
    algorithm = make()
    set_values(algorithm._critics, [0.0], [5.0], [0.0], [5.0])
    writer = summary.create_summary_writer(str(tmp_path))
    with summary.push_summary_writer(writer):
        summary.enable_summary()
        with summary.record_if(True):
            told, _ = algorithm.batch_loss(*sample())
    writer.close()
    silent, _ = algorithm.batch_loss(*sample())

    assert -5.0 == told.extra.actor[0].item()
    assert () == silent.extra.actor
    assert torch.equal(told.loss, silent.loss)
    assert torch.equal(told.loss, told.extra.critic)


def test_the_noise_of_a_rollout_is_gaussian():
    """Each step for itself, so that there is no memory."""
    algorithm = make(ou_stddev=0.1)
    torch.manual_seed(0)
    step = algorithm.rollout_step(TimeStep(observation=torch.ones(4000, 1)), ())

    assert () == algorithm.state_spec == step.state
    assert 0.1 == pytest.approx(step.output.std().item(), rel=0.05)


def test_what_is_configured_of_ddpg_holds():
    """But for what the paper changes."""
    config("DdpgAlgorithm", num_critic_replicas=1, action_l2=0.5, target_update_period=7)
    algorithm: Any = Td3Algorithm(STATE, BOX)

    assert 0.5 == algorithm._action_l2
    assert (4, 2) == algorithm._critics((torch.zeros(4, 1), torch.zeros(4, 1)))[0].shape
    assert 2 == algorithm._target_updater._period


def test_noise_below_0_is_refused():
    """With the number that was given."""
    with pytest.raises(ConfigError, match=r"target_noise_clip -0\.5"):
        make(target_noise_clip=-0.5)
