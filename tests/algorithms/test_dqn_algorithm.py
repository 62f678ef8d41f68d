"""DQN: which value is trained towards which target, and what it does."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from alf import schedulers
from alf._config import config
from alf.algorithms.dqn_algorithm import DqnAlgorithm, DqnInfo
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.td_loss import TDLoss
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.networks import QNetwork
from alf.networks.network import Network
from alf.optimizers import SGD
from alf.schedulers import LinearScheduler
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
STATE = BoundedTensorSpec((), torch.int64, 0, 3)
CHOICE = BoundedTensorSpec((), torch.int64, 5, 7)


class Table(Network):
    """Values of the observations 0..3, one row each, which a test can set."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Table")
        self.rows = nn.Parameter(torch.zeros(4, 3))

    def forward(self, inputs, state=()):
        return self.rows[inputs], state


def make(**arguments) -> Any:
    arguments = {
        "q_network_cls": Table,
        "critic_loss_ctor": partial(OneStepTDLoss, gamma=0.9),
        **arguments,
    }
    return DqnAlgorithm(STATE, CHOICE, **arguments)


def tables(network):
    """The parameters of each replica."""
    return [p.data for p in network.parameters()]


def batch(observation, reward, step_type=None, discount=None):
    """A sample `[T, 1]`."""
    length = len(observation)
    return TimeStep(
        step_type=torch.tensor(step_type or [MID] * length).view(length, 1),
        reward=torch.tensor(reward, dtype=torch.float32).view(length, 1),
        discount=torch.tensor(discount or [1.0] * length).view(length, 1),
        observation=torch.tensor(observation).view(length, 1),
    )


def done(*actions):
    return DqnInfo(action=torch.tensor(actions).view(-1, 1))


def test_target_of_the_original_algorithm():
    """One network: r + gamma max_a Q'(s', a) = 1 + 0.9 * 6 = 6.4, value 2: loss 4.4^2."""
    algorithm = make(num_critic_replicas=1)
    (online,), (target,) = tables(algorithm._q_network), tables(algorithm._target_q_network)
    online[0] = torch.tensor([0.0, 2.0, 0.0])
    target[1] = torch.tensor([4.0, 6.0, 5.0])

    loss, info = algorithm.batch_loss(batch([0, 1], [0, 1]), done(6, 5))

    assert 4.4**2 == pytest.approx(loss.loss[0].item())
    assert (1, 1) == loss.loss.shape
    assert (2.0, 6.0) == (info.value.item(), info.next_value.item())


def test_double_q_target():
    """The trained network chooses action 0, the target network says what it is worth: 4."""
    algorithm = make(num_critic_replicas=1, target_net_target_action=False)
    (online,), (target,) = tables(algorithm._q_network), tables(algorithm._target_q_network)
    online[1] = torch.tensor([9.0, 1.0, 1.0])
    target[1] = torch.tensor([4.0, 6.0, 5.0])

    _, info = algorithm.batch_loss(batch([0, 1], [0, 1]), done(6, 5))

    assert 4.0 == info.next_value.item()


def test_replicas_are_believed_at_their_lowest():
    """Of (4, 6, 5) and (5, 2, 4.5) the lowest are (4, 2, 4.5), and the best of these is 4.5."""
    algorithm = make()
    first, second = tables(algorithm._target_q_network)
    first[1] = torch.tensor([4.0, 6.0, 5.0])
    second[1] = torch.tensor([5.0, 2.0, 4.5])

    _, info = algorithm.batch_loss(batch([0, 1], [0, 1]), done(6, 5))

    assert 4.5 == info.next_value.item()
    assert (1, 1, 2) == info.value.shape


def test_n_step_targets():
    """Three rows, lambda 1: 1 + 0.9 * (2 + 0.9 * 10) = 10.9 for the first, 11 for the second."""
    algorithm = make(num_critic_replicas=1, critic_loss_ctor=partial(TDLoss, 0.9, td_lambda=1.0))
    (target,) = tables(algorithm._target_q_network)
    target[2] = 10.0

    loss, _ = algorithm.batch_loss(batch([0, 1, 2], [0, 1, 2]), done(5, 5, 5))

    torch.testing.assert_close(loss.loss[:, 0], torch.tensor([10.9**2, 11.0**2]))


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 1 + 0.9 * 10)])
def test_a_time_limit_bootstraps(discount, target):
    """A real end counts no value after it, a time limit does."""
    algorithm = make(num_critic_replicas=1)
    tables(algorithm._target_q_network)[0][1] = 10.0
    inputs = batch([0, 1], [0, 1], [MID, LAST], [1.0, discount])

    loss, _ = algorithm.batch_loss(inputs, done(5, 5))

    assert target**2 == pytest.approx(loss.loss[0].item())


def test_gradient_reaches_only_what_was_done():
    """The value of the action that was taken, of the trained network."""
    algorithm = make(num_critic_replicas=1)
    loss, _ = algorithm.batch_loss(batch([2, 1], [0, 1]), done(6, 5))

    loss.loss.sum().backward()

    (online,) = algorithm._q_network.parameters()
    assert [[2, 1]] == online.grad.nonzero().tolist()
    assert [None] == [p.grad for p in algorithm._target_q_network.parameters()]


def test_optimizer_moves_the_trained_networks_alone():
    """Targets stand still until they are moved."""
    algorithm = make(q_optimizer=SGD(lr=0.1), target_update_tau=0.5)
    ((name, (spec, params)),) = algorithm.optimizers().items()
    for p in params:
        p.data += 1
    before = [t.clone() for t in tables(algorithm._target_q_network)]
    assert ("q", SGD(lr=0.1), 2) == (name, spec, len(params))

    algorithm.after_update((), ())

    for old, new in zip(before, tables(algorithm._target_q_network), strict=True):
        torch.testing.assert_close(new, old + 0.5)
    assert {} == make().optimizers()


def test_greedy_action_and_its_values():
    """`predict_step` takes the best of the lowest values, counted from the spec's minimum."""
    algorithm = make()
    first, second = tables(algorithm._q_network)
    first[0], second[0] = torch.tensor([1.0, 5.0, 3.0]), torch.tensor([4.0, 0.0, 3.0])

    step = algorithm.predict_step(batch([0], [0])._replace(observation=torch.tensor([0, 0])), ())

    assert [7, 7] == step.output.tolist()
    assert [1, 0, 3] == step.info.q_values[0].tolist()
    assert torch.int64 == step.output.dtype


def test_exploration_is_as_often_as_told():
    """With probability 0.6 any of the three actions, evenly; its schedule is followed."""
    schedule = LinearScheduler("percent", [(0.0, 1.0), (1.0, 0.0)])
    algorithm = make(rollout_epsilon_greedy=schedule)
    tables(algorithm._q_network)[0][0] = torch.tensor([0.0, 0.0, -1.0])
    tables(algorithm._q_network)[1][0] = torch.tensor([0.0, -1.0, 0.0])
    inputs = TimeStep(
        step_type=torch.full((20_000,), MID), observation=torch.zeros(20_000, dtype=torch.int64)
    )

    schedulers.update_progress("percent", 0.4)
    counts = algorithm.rollout_step(inputs, ()).output.bincount() / 20_000
    schedulers.update_progress("percent", 1.0)
    later = algorithm.rollout_step(inputs, ()).output

    torch.testing.assert_close(counts[5:], torch.tensor([0.6, 0.2, 0.2]), atol=0.02, rtol=0)
    assert [5] == later.unique().tolist()


def test_nobody_asks_the_network_where_all_explore():
    """What it thinks would change nothing; where one does not explore, it decides."""

    class Counting(Table):
        calls = 0

        def forward(self, inputs, state=()):
            type(self).calls += 1
            return super().forward(inputs, state)

    def rollout(epsilon: float) -> tuple[list[int], int]:
        algorithm = make(
            q_network_cls=Counting, num_critic_replicas=1, rollout_epsilon_greedy=epsilon
        )
        tables(algorithm._q_network)[0][0] = torch.tensor([0.0, 1.0, 0.0])
        Counting.calls = 0
        inputs = TimeStep(
            step_type=torch.full((200,), MID), observation=torch.zeros(200, dtype=torch.int64)
        )
        output = algorithm.rollout_step(inputs, ()).output
        return output.unique().tolist(), Counting.calls

    assert ([5, 6, 7], 0) == rollout(1.0)
    assert ([5, 6, 7], 1) == rollout(0.9)
    assert ([6], 1) == rollout(0.0)


def test_greedy_play_explores_as_the_trainer_says():
    """`TrainerConfig.epsilon_greedy` holds unless the algorithm is told otherwise."""
    settings = SimpleNamespace(epsilon_greedy=1.0, priority_replay=False)
    inputs = TimeStep(observation=torch.zeros(1000, dtype=torch.int64))

    exploring = make(config=settings).predict_step(inputs, ()).output
    greedy = make(config=settings, epsilon_greedy=0.0).predict_step(inputs, ()).output

    assert [5, 6, 7] == exploring.unique().tolist()
    assert [5] == greedy.unique().tolist()


def test_priorities_come_with_prioritised_replay():
    """They are the errors, here |1 + 0.9 * 0 - 0| = 1."""
    settings = SimpleNamespace(epsilon_greedy=0.0, priority_replay=True)

    loss, _ = make(config=settings).batch_loss(batch([0, 1], [0, 1]), done(5, 5))
    plain, _ = make().batch_loss(batch([0, 1], [0, 1]), done(5, 5))

    torch.testing.assert_close(loss.priority, torch.ones(1))
    assert () == plain.priority


def test_nested_observations_and_dueling_networks():
    """Every part of an observation finds its row."""
    spec = {"place": TensorSpec((2,)), "image": TensorSpec((1, 4, 4), torch.uint8)}
    network = partial(QNetwork, fc_layer_params=(8,), dueling_fc_layer_params=(4,))
    algorithm = DqnAlgorithm(spec, CHOICE, q_network_cls=network)
    inputs = batch([0, 0, 0], [0, 1, 1])._replace(
        observation={
            "place": torch.randn(3, 1, 2),
            "image": torch.randint(0, 255, (3, 1, 1, 4, 4), dtype=torch.uint8),
        }
    )

    loss, info = algorithm.batch_loss(inputs, done(5, 6, 7))

    assert ((2, 1), (2, 1, 2)) == (loss.loss.shape, info.value.shape)
    first = {key: x[0] for key, x in inputs.observation.items()}
    torch.testing.assert_close(
        info.value[0, 0], algorithm._q_network(first)[0][0, :, 0], check_stride=False
    )


def test_learns_which_action_pays():
    """A bandit whose action 6 alone is rewarded: a few updates and it is taken."""
    algorithm = make(q_optimizer=SGD(lr=0.5))
    optimizer = SGD(lr=0.5).build(algorithm.optimizers()["q"][1])
    actions = torch.tensor([[5, 6, 7], [5, 5, 5]])
    inputs = TimeStep(
        step_type=torch.tensor([[FIRST] * 3, [LAST] * 3]),
        reward=torch.tensor([[0.0, 0, 0], [0, 1, 0]]),
        discount=torch.tensor([[1.0] * 3, [0.0] * 3]),
        observation=torch.zeros(2, 3, dtype=torch.int64),
    )
    for _ in range(20):
        loss, info = algorithm.batch_loss(inputs, DqnInfo(action=actions))
        optimizer.zero_grad()
        loss.loss.sum().backward()
        optimizer.step()
        algorithm.after_update(inputs, info)

    greedy = algorithm.predict_step(TimeStep(observation=torch.zeros(1, dtype=torch.int64)), ())
    assert 6 == greedy.output.item()
    torch.testing.assert_close(greedy.info.q_values, torch.tensor([[0.0, 1.0, 0.0]]))


def test_one_discrete_action_is_needed():
    """Another action is refused."""
    with pytest.raises(ConfigError, match="one discrete action"):
        DqnAlgorithm(STATE, BoundedTensorSpec((2,), torch.float32, -1, 1))


def test_configured_by_name():
    """The parameters that confs set."""
    config("DqnAlgorithm", num_critic_replicas=3, rollout_epsilon_greedy=0.5)
    with pytest.raises(ConfigError, match="root dir"):
        config("DqnAlgorithm", checkpoint="x")

    assert 3 == len(tables(make()._q_network))
    assert not make().on_policy
