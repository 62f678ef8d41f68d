"""DDPG: targets, the actor's gradient and the noise of the rollout, by hand."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from alf import summary
from alf._config import config
from alf.algorithms.agent import Agent
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm, DdpgInfo
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.networks import ActorNetwork, CriticNetwork
from alf.networks.network import Network
from alf.optimizers import Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.rollout import Rollout

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
STATE = TensorSpec((1,))
BOX = BoundedTensorSpec((1,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


class Same(Network):
    """An actor that does the same whatever it sees."""

    def __init__(self, input_tensor_spec, action_spec, state_spec=()):
        super().__init__(input_tensor_spec, state_spec, name="Same")
        self.action = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        return self.action.expand(inputs.shape[0], 1), state


class Line(Network):
    """The critic `slope * action + height * observation`."""

    def __init__(self, input_tensor_spec):
        super().__init__(input_tensor_spec, name="Line")
        self.slope = nn.Parameter(torch.zeros(1))
        self.height = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, state=()):
        observation, action = inputs
        return (self.slope * action + self.height * observation).squeeze(-1), state


def make(action_spec: Any = BOX, **arguments: Any) -> Any:
    arguments = {
        "actor_network_ctor": Same,
        "critic_network_ctor": Line,
        "critic_loss_ctor": partial(OneStepTDLoss, gamma=0.9),
        **arguments,
    }
    return DdpgAlgorithm(STATE, action_spec, **arguments)


def set_values(critics, *values):
    """Give the parameters of each replica, in order, these values."""
    for parameter, value in zip(critics.parameters(), values, strict=True):
        parameter.data.copy_(torch.tensor(value))


def batch(step_type=None, discount=None):
    """A sample `[2, 1]` with observation 1 and reward 1."""
    return TimeStep(
        step_type=torch.tensor(step_type or [MID, MID]).view(2, 1),
        reward=torch.ones(2, 1),
        discount=torch.tensor(discount or [1.0, 1.0]).view(2, 1),
        observation=torch.ones(2, 1, 1),
    )


def moved(action=0.0):
    return DdpgInfo(action=torch.full((2, 1, 1), action))


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 10.9)])
def test_the_target_is_told_by_the_copies(discount, target):
    """1 + 0.9 d Q'(s', mu'(s')): Q' is 2 a + 10 and mu' is 0.5, so 1 + 0.9 * 11 unless it ends."""
    algorithm = make()
    set_values(algorithm._target_critics, [2.0], [10.0])
    set_values(algorithm._critics, [2.0], [2.0])
    algorithm._target_actor.action.data.fill_(0.5)

    inputs = batch([MID, LAST], [1.0, discount])
    loss, info = algorithm.batch_loss(inputs, moved(0.25))

    assert 11.0 == info.next_value.item()
    assert 2.5 == info.value.item()
    assert (target - 2.5) ** 2 == pytest.approx(loss.extra.critic[0].item(), rel=1e-5)
    assert (1, 1) == loss.loss.shape


def test_the_lower_of_two_critics_is_believed():
    """By targets and actor: at a < 0 the second critic 3 a + 1 is the lower one, else a + 1."""
    algorithm = make(num_critic_replicas=2)
    set_values(algorithm._target_critics, [0.0], [10.0], [0.0], [-5.0])
    set_values(algorithm._critics, [1.0], [1.0], [3.0], [1.0])

    for action, slope in ((-0.5, 3.0), (0.5, 1.0)):
        algorithm._actor_network.action.data.fill_(action)
        algorithm.zero_grad()
        _, info = algorithm.batch_loss(batch(), moved())
        info.actor_loss.sum().backward()

        assert -5.0 == info.next_value.item()
        assert -(slope * action + 1) == pytest.approx(info.actor_loss.item())
        assert -slope == algorithm._actor_network.action.grad.item()
        assert all(p.grad is None for p in algorithm._critics.parameters())


@pytest.mark.parametrize(
    ("arguments", "gradient", "loss"),
    [
        ({"dqda_clipping": 2.0}, -2.0, -1.5),
        # -3 a + 0.5 a^2 at a = 0.5
        ({"action_l2": 0.5}, -3.0 + 0.5, -1.5 + 0.125),
    ],
)
def test_what_holds_the_actor_back(arguments, gradient, loss):
    """A clipped gradient of the values, and a price of large actions, for the critic 3 a."""
    algorithm = make(**arguments)
    set_values(algorithm._critics, [3.0], [0.0])
    algorithm._actor_network.action.data.fill_(0.5)

    _, info = algorithm.batch_loss(batch(), moved())
    info.actor_loss.sum().backward()

    assert gradient == pytest.approx(algorithm._actor_network.action.grad.item())
    assert loss == pytest.approx(info.actor_loss.item())


def test_the_copies_follow():
    """Actor and critics by a quarter of the way, at each second update."""
    algorithm = make(target_update_tau=0.25, target_update_period=2)
    set_values(algorithm._critics, [4.0], [8.0])
    algorithm._actor_network.action.data.fill_(1.0)
    set_values(algorithm._target_critics, [0.0], [0.0])
    algorithm._target_actor.action.data.fill_(0.0)

    algorithm.after_update((), ())
    assert 0.0 == algorithm._target_actor.action.item()
    algorithm.after_update((), ())

    assert 0.25 == algorithm._target_actor.action.item()
    assert [1.0, 2.0] == [p.item() for p in algorithm._target_critics.parameters()]


def roll(algorithm, steps, size=4000):
    """The actions of a rollout that begins where episodes begin, `[steps, size]`."""
    torch.manual_seed(0)
    state = algorithm.initial_state(size)
    actions = []
    for _ in range(steps):
        step = algorithm.rollout_step(TimeStep(observation=torch.ones(size, 1)), state)
        state = step.state
        assert step.info.action is step.output
        actions.append(step.output.squeeze(-1))
    return torch.stack(actions)


def test_the_noise_of_a_rollout_drifts_around_the_action():
    """With ou_damping 0.5, neighbours correlate by 0.5 in the long run; the actor says 0.1."""
    algorithm = make(ou_stddev=0.1, ou_damping=0.5)
    algorithm._actor_network.action.data.fill_(0.1)
    actions = roll(algorithm, 12)

    assert 0.1 == pytest.approx(actions[0].std().item(), rel=0.05)
    assert 0.1 / math.sqrt(0.75) == pytest.approx(actions[-1].std().item(), rel=0.05)
    assert 0.1 == pytest.approx(actions.mean().item(), abs=0.01)
    assert 0.5 == pytest.approx(torch.corrcoef(actions[-2:])[0, 1].item(), abs=0.05)


def test_noise_begins_at_0_where_an_episode_begins():
    """In a rollout of two environments, the one at its first step forgets its noise alone."""
    algorithm = make(ou_stddev=0.0, ou_damping=0.25)
    seen = [
        TimeStep(step_type=torch.tensor(step_types), observation=torch.ones(2, 1))
        for step_types in ([MID, MID], [MID, MID], [LAST, MID], [FIRST, MID], [MID, MID])
    ]
    rollout = Rollout(algorithm, lambda _: seen.pop(0), batch_size=2, length=1)
    rollout.state = torch.full((2, 1), 0.64)

    actions = [rollout.act()[1].output.squeeze(-1) for _ in range(4)]

    expected = [[0.48, 0.48], [0.36, 0.36], [0.27, 0.27], [0.0, 0.2025]]
    torch.testing.assert_close(torch.stack(actions), torch.tensor(expected))


def test_actions_stay_within_their_bounds():
    """However loud the noise."""
    actions = roll(make(ou_stddev=5.0), 3)

    assert (-1.0, 1.0) == (actions.min().item(), actions.max().item())


def test_random_actions_of_a_rollout():
    """With probability 0.5 uniform in [-1, 1], of variance 1 / 3; else what the actor says."""
    actions = roll(make(ou_stddev=0.0, rollout_random_action=0.5), 1)[0]
    uniform = actions[actions != 0]

    assert 0.5 == pytest.approx(len(uniform) / 4000, abs=0.03)
    assert 1 / 3 == pytest.approx(uniform.var().item(), rel=0.05)


def test_play_does_as_the_actor_says():
    """Without noise and memory, unless `epsilon_greedy` asks for it, at the call or in training."""
    inputs = TimeStep(observation=torch.ones(4000, 1))
    settings = SimpleNamespace(epsilon_greedy=0.25, priority_replay=False)
    silent, noisy = make(config=settings, epsilon_greedy=0.0), make(config=settings)
    state = noisy.convert_train_state_to_predict_state(noisy.initial_state(4000))
    torch.manual_seed(0)
    step = noisy.predict_step(inputs, state)

    assert () == state == step.state
    assert 0 == silent.predict_step(inputs, ()).output.abs().max()
    loud = step.output[step.output != 0]
    assert 0.25 == pytest.approx(len(loud) / 4000, abs=0.03)
    assert 0.2 / math.sqrt(0.15 * 1.85) == pytest.approx(loud.std().item(), rel=0.08)
    assert 0 == step.info.greedy_action.abs().max()
    assert step.info.action is step.output


def test_priority_is_the_error():
    """|1 + 0.9 * 10 - 3| = 7; without being asked there is none."""
    algorithm = make(calculate_priority=True)
    set_values(algorithm._target_critics, [0.0], [10.0])
    set_values(algorithm._critics, [0.0], [3.0])

    loss, _ = algorithm.batch_loss(batch(), moved())

    torch.testing.assert_close(loss.priority, torch.tensor([7.0]))
    assert () == make().batch_loss(batch(), moved())[0].priority


def test_longer_sequences_and_nested_actions():
    """Real networks on three rows; each value belongs to its own row, as does the loss."""
    spec = {"place": TensorSpec((2,)), "image": TensorSpec((1, 4, 4), torch.uint8)}
    boxes = (BOX, BoundedTensorSpec((2,), torch.float32, -2, 2))
    algorithm: Any = DdpgAlgorithm(
        spec,
        boxes,
        actor_network_ctor=partial(ActorNetwork, fc_layer_params=(8,)),
        critic_network_ctor=partial(CriticNetwork, joint_fc_layer_params=(8,)),
        num_critic_replicas=2,
        action_l2=0.1,
    )
    inputs = TimeStep(
        step_type=torch.full((3, 2), MID),
        reward=torch.ones(3, 2),
        discount=torch.ones(3, 2),
        observation={
            "place": torch.randn(3, 2, 2),
            "image": torch.randint(0, 255, (3, 2, 1, 4, 4), dtype=torch.uint8),
        },
    )
    action = (torch.rand(3, 2, 1), torch.rand(3, 2, 2))

    loss, info = algorithm.batch_loss(inputs, DdpgInfo(action=action))

    assert ((2, 2), (2, 2, 2)) == (loss.loss.shape, info.value.shape)
    second = {key: x[1] for key, x in inputs.observation.items()}
    values, _ = algorithm._critics((second, (action[0][1], action[1][1])))
    torch.testing.assert_close(info.value[1], values)
    greedy, _ = algorithm._actor_network(second)
    worth = algorithm._critics((second, greedy))[0].min(-1).values
    price = 0.1 * sum(x.square().sum(-1) for x in greedy)
    torch.testing.assert_close(info.actor_loss[1], price - worth)
    step = algorithm.rollout_step(TimeStep(observation=second), algorithm.initial_state(2))
    assert [(2, 1), (2, 2)] == [x.shape for x in step.output]


def test_terms_are_summarised_where_a_summary_is_due(tmp_path):
    """The losses of critics and actor, and the errors of the critics."""
    writer = summary.create_summary_writer(str(tmp_path))
    with summary.push_summary_writer(writer):
        summary.enable_summary()
        with summary.record_if(True):
            loss, _ = make().batch_loss(batch(), moved())
    writer.close()

    assert (1, 1) == loss.extra.actor.shape == loss.extra.td.td_error.shape
    assert () == make().batch_loss(batch(), moved())[0].extra.td


def test_optimizers_by_name():
    """Each part has its own, as far as given."""
    given = {"actor_optimizer": Adam(lr=1e-3), "critic_optimizer": Adam(lr=2e-3)}
    named = make(**given).optimizers()

    assert {"actor": 1, "critic": 2} == {n: len(p) for n, (_, p) in named.items()}
    assert list(given.values()) == [spec for spec, _ in named.values()]
    assert ["critic"] == list(make(critic_optimizer=Adam()).optimizers())


@pytest.mark.parametrize(
    ("arguments", "lesson"),
    [
        ({"action_spec": CHOICE}, "use DqnAlgorithm"),
        ({"action_spec": TensorSpec((1,))}, "DdpgAlgorithm needs finite bounds"),
        (
            {"actor_network_ctor": partial(Same, state_spec=TensorSpec((2,)))},
            "Same has a memory.*DdpgAlgorithm learns from single steps",
        ),
        ({"ou_damping": 2.0}, "ou_damping is 2.0"),
        ({"target_update_tau": 0.0}, "target_update_tau is 0"),
        ({"num_critic_replicas": 0}, "0 replicas"),
    ],
)
def test_what_is_refused(arguments, lesson):
    """With a lesson that names what was given."""
    with pytest.raises(ConfigError, match=lesson):
        make(**arguments)


def test_configured_by_name():
    """The parameters that confs set, inside an agent too."""
    config("DdpgAlgorithm", num_critic_replicas=3, ou_stddev=0.5)
    config("CriticNetwork", joint_fc_layer_params=(8,))
    agent: Any = Agent(STATE, BOX, rl_algorithm_cls=DdpgAlgorithm)

    assert (4, 3) == agent.rl_algorithm._critics((torch.zeros(4, 1), torch.zeros(4, 1)))[0].shape
    assert agent.state_is_for_acting
    assert not agent.on_policy
    assert (4, 1) == agent.initial_state(4).shape
