"""PPO, DQN and SAC with a memory: what training sees is what acting saw, and what is learned."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from alf.algorithms.agent import Agent
from alf.algorithms.critic_values import lowest
from alf.algorithms.dqn_algorithm import DqnAlgorithm, DqnInfo
from alf.algorithms.memory import over_all_rows
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.ppo_algorithm import PPOAlgorithm, PPOInfo, cut_into_sequences
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.rnd_algorithm import RNDAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.trac_algorithm import TracAlgorithm
from alf.data_structures import LossInfo, StepType, TimeStep
from alf.distributions import to_params
from alf.errors import ConfigError
from alf.nest import flatten, map_structure
from alf.networks import (
    ActorDistributionRNNNetwork,
    CriticRNNNetwork,
    QRNNNetwork,
    RecurrentNetwork,
    ValueRNNNetwork,
)
from alf.networks.network import Unrolled
from alf.optimizers import Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.rollout import Rollout

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
SEEN = TensorSpec((3,))
CHOICE = BoundedTensorSpec((), torch.int64, 0, 1)
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
actor = partial(ActorDistributionRNNNetwork, fc_layer_params=(6,), lstm_hidden_size=5)
value = partial(ValueRNNNetwork, lstm_hidden_size=4)
critic = partial(CriticRNNNetwork, joint_fc_layer_params=(6,), lstm_hidden_size=5)
choices = partial(QRNNNetwork, lstm_hidden_size=5)


class Total(RecurrentNetwork):
    """Two values of all observations since the episode began: their total, once and twice."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, state_spec=TensorSpec(()), name="Total")
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, inputs, state=()):
        total = state + inputs
        return self.scale * torch.stack([total, 2 * total], -1), total

    def unroll(self, inputs, state, is_first):
        outputs, before = [], []
        for row, first in zip(inputs, is_first, strict=True):
            before.append(torch.where(first, 0.0, state))
            output, state = self(row, before[-1])
            outputs.append(output)
        return Unrolled(torch.stack(outputs), torch.stack(before), state)


def totals(**arguments: Any) -> Any:
    loss = partial(OneStepTDLoss, gamma=0.5)
    return DqnAlgorithm(
        TensorSpec(()),
        CHOICE,
        q_network_cls=Total,
        num_critic_replicas=1,
        critic_loss_ctor=loss,
        **arguments,
    )


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1)


def sample(step_type: list[int] | None = None) -> tuple[TimeStep, DqnInfo]:
    """Four rows that see 1, 2, 3, 4, the first of which remembers 10."""
    inputs = TimeStep(
        step_type=torch.tensor(step_type or [MID] * 4, dtype=torch.int32).view(-1, 1),
        reward=column(0.0, 0.0, 0.0, 0.0),
        discount=column(1.0, 1.0, 1.0, 1.0),
        observation=column(1.0, 2.0, 3.0, 4.0),
    )
    memory = (column(10.0, 99.0, 99.0, 99.0),)
    return inputs, DqnInfo(action=torch.zeros(4, 1, dtype=torch.int64), memory=memory)


def test_a_sequence_begins_with_what_was_stored():
    """Values 11, 13, 16 of what was done; what follows is worth twice the next total."""
    _, info = totals().batch_loss(*sample())

    assert [11.0, 13.0, 16.0] == info.value.flatten().tolist()
    assert [26.0, 32.0, 40.0] == info.next_value.flatten().tolist()


def test_an_episode_begins_with_nothing():
    """The third row is the first of an episode: only what came since counts."""
    _, info = totals().batch_loss(*sample([MID, LAST, FIRST, MID]))

    assert [11.0, 13.0, 3.0] == info.value.flatten().tolist()
    assert [26.0, 6.0, 14.0] == info.next_value.flatten().tolist()


def test_recorded_steps_have_no_memory():
    """A sequence of them begins as an episode does."""
    inputs, rollout_info = sample()

    _, info = totals().batch_loss(inputs, SimpleNamespace(action=rollout_info.action))

    assert [1.0, 3.0, 6.0] == info.value.flatten().tolist()


def test_burn_in_rows_move_the_memory_and_have_no_loss():
    """Of 3 errors the last counts, as much as the mean of all rows gives it; so its gradient."""
    algorithm = totals(burn_in=2)
    inputs, rollout_info = sample()

    loss, info = algorithm.batch_loss(inputs, rollout_info)

    # 16 against half of 40. The trainer divides by the 3 rows that act.
    assert [16.0] == info.value.flatten().tolist()
    assert [0.0, 0.0, 3 * 16.0] == loss.loss.flatten().tolist()
    (loss.loss.sum() / 3).backward()
    # d/ds (20 - 16 s)^2 = -2 * 4 * 16, with no part through the rows of the burn-in
    assert -128.0 == float(next(algorithm._q_network.parameters()).grad)


def test_all_rows_count_alike_where_an_episode_ends_in_the_burn_in():
    """The mean over valid steps is that over valid steps after the burn-in."""
    inputs = TimeStep(step_type=torch.tensor([[MID], [LAST], [FIRST], [MID], [MID]]))
    loss = over_all_rows(LossInfo(loss=column(6.0, 2.0, 0.0)), 2, inputs)

    valid = torch.tensor([[True], [False], [True], [True], [False]])
    assert 4.0 == float(torch.where(valid, loss.loss, 0.0).sum() / valid.sum())


def test_cut_into_sequences():
    """Six steps of two environments in sequences of three; the bootstrap row is left out."""
    steps = torch.arange(14).view(7, 2)
    inputs = TimeStep(step_type=torch.full((7, 2), MID), observation=steps)
    cut, info = cut_into_sequences(inputs, PPOInfo(action=steps, memory=(steps,)), 3)

    assert (3, 2) == cut.step_type.shape
    assert [[0, 2, 4], [1, 3, 5]] == info.action[0].tolist()
    assert [[6, 8, 10], [7, 9, 11]] == info.action[1].tolist()
    assert [[0, 1], [6, 7]] == info.memory[0][:2].tolist()
    assert torch.equal(info.sequence[1], info.action)


class World:
    """Random observations, with ends of episodes here and there."""

    def __init__(self, action_spec: Any, batch_size: int = 3):
        self._zeros = map_structure(lambda spec: spec.zeros((batch_size,)), action_spec)
        self._kind = torch.full((batch_size,), LAST, dtype=torch.int32)

    def __call__(self, action: Any) -> TimeStep:
        was_last = self._kind == LAST
        ends = torch.rand(was_last.shape) < 0.3
        kind = torch.where(was_last, int(FIRST), torch.where(ends, int(LAST), int(MID)))
        self._kind = kind.int()
        return TimeStep(
            step_type=self._kind,
            reward=torch.rand(was_last.shape),
            discount=torch.ones(was_last.shape),
            observation=torch.randn(len(was_last), 3),
            prev_action=self._zeros if action is None else action,
        )


def unroll_of(algorithm: Any, action_spec: Any) -> tuple[TimeStep, Any]:
    """The second of two unrolls, which begins in the middle of episodes."""
    torch.manual_seed(3)
    rollout = Rollout(algorithm, World(action_spec), batch_size=3, length=12)
    rollout.unroll()
    return rollout.unroll()


def test_ppo_trains_on_what_acted():
    """With the parameters that acted, log probabilities and values are those of then."""
    config = SimpleNamespace(epsilon_greedy=0.0, mini_batch_length=4, unroll_length=12)
    algorithm = PPOAlgorithm(
        SEEN, BOX, actor_network_ctor=actor, value_network_ctor=value, config=config
    )
    inputs, rollout_info = unroll_of(algorithm, BOX)
    seen, info = algorithm.preprocess_experience(inputs, rollout_info)
    trained = algorithm.batch_loss(*map_structure(lambda x: x[:1], (seen, to_params(info))))[1]

    counts = inputs.step_type[:4] != LAST
    assert 0 < counts.sum() < counts.numel()
    now = trained.action_distribution.log_prob(trained.action)
    torch.testing.assert_close(now, trained.rollout_log_prob)
    torch.testing.assert_close(trained.value + trained.advantages, trained.returns)
    assert trained.value.requires_grad


@pytest.mark.parametrize("action_spec", [BOX, CHOICE, (CHOICE, BOX)], ids=["box", "choice", "both"])
def test_sac_trains_on_what_acted(action_spec):
    """The memories of a sequence from its middle on are those of the rollout."""
    algorithm: Any = SacAlgorithm(
        SEEN,
        action_spec,
        actor_network_cls=actor,
        critic_network_cls=critic,
        q_network_cls=choices,
    )
    inputs, info = unroll_of(algorithm, action_spec)

    memory = algorithm._memories(inputs, info)

    acting = map_structure(lambda x: x[:-1], (info.memory.actor, info.memory.critics))
    training = map_structure(lambda x: x[:-1], (memory.actor, memory.critics))
    torch.testing.assert_close(training, acting)
    assert all(x.requires_grad for x in flatten(memory.critics)) == (memory.critics != ())
    torch.testing.assert_close(memory.critics, memory.target_critics)


def test_dqn_trains_on_what_acted():
    """The values of a sequence are those that the rollout had."""
    algorithm: Any = DqnAlgorithm(SEEN, CHOICE, q_network_cls=choices, rollout_epsilon_greedy=0.0)
    inputs, info = unroll_of(algorithm, CHOICE)

    trained = algorithm.batch_loss(inputs, info)[1]

    memory = map_structure(lambda x: x[:-1].flatten(0, 1), info.memory)
    then, _ = algorithm._q_network(inputs.observation[:-1].flatten(0, 1), memory)
    index = info.action[:-1].flatten()
    assert torch.equal(lowest(then).argmax(-1), index)
    expected = then.gather(2, index.view(-1, 1, 1).expand(-1, 2, 1)).view(12, 3, 2)
    torch.testing.assert_close(trained.value, expected)


def test_each_loss_of_sac_moves_its_own_networks():
    """Gradients go through time, and none from the actor into the critics."""
    algorithm: Any = SacAlgorithm(
        SEEN,
        BOX,
        actor_network_cls=actor,
        critic_network_cls=critic,
        critic_loss_ctor=lambda **_: OneStepTDLoss(td_error_loss_fn=lambda t, v: 0 * v),
        burn_in=2,
    )
    loss, _ = algorithm.batch_loss(*unroll_of(algorithm, BOX))
    loss.loss.sum().backward()

    assert all(p.grad is not None and p.grad.any() for p in algorithm._actor_network.parameters())
    assert not any(p.grad.any() for p in algorithm._critics.parameters() if p.grad is not None)


def test_quantiles_with_memory_have_a_loss():
    """Values of a memory are quantiles too."""
    algorithm = QuantileSacAlgorithm(
        SEEN, BOX, actor_network_cls=actor, critic_network_cls=critic, num_quantiles=5
    )
    loss, _ = algorithm.batch_loss(*unroll_of(algorithm, BOX))

    assert (12, 3) == loss.loss.shape
    assert torch.isfinite(loss.loss).all()


class TestSettings:
    def test_sequences_must_be_asked_for(self):
        """A memory that sees single steps learns nothing; the message says what to set."""
        config: Any = SimpleNamespace(
            epsilon_greedy=0.0, mini_batch_length=None, priority_replay=False
        )
        with pytest.raises(ConfigError, match=r"mini_batch_length is None: set it to 6 or more"):
            DqnAlgorithm(SEEN, CHOICE, q_network_cls=choices, config=config, burn_in=4)

    def test_burn_in_is_of_a_memory(self):
        """Without one there is nothing to warm up."""
        with pytest.raises(ConfigError, match=r"burn_in is 4, and no network has a memory"):
            DqnAlgorithm(SEEN, CHOICE, burn_in=4)
        with pytest.raises(ConfigError, match=r"SacAlgorithm.burn_in is -1"):
            SacAlgorithm(SEEN, BOX, burn_in=-1)

    def test_an_unroll_is_a_multiple_of_a_sequence(self):
        """The message has both numbers."""
        config: Any = SimpleNamespace(epsilon_greedy=0.0, mini_batch_length=5, unroll_length=12)
        with pytest.raises(ConfigError, match=r"unroll_length, 12, is no multiple .*, 5"):
            PPOAlgorithm(SEEN, BOX, actor_network_ctor=actor, config=config)

    def test_what_does_not_go_with_a_memory(self):
        """Limits of single steps, and curiosity about them beside sequences."""
        recurrent = partial(DqnAlgorithm, q_network_cls=choices, q_optimizer=Adam(lr=1e-3))
        with pytest.raises(ConfigError, match=r"TracAlgorithm .* has a memory"):
            TracAlgorithm(SEEN, CHOICE, ac_algorithm_cls=recurrent)
        with pytest.raises(ConfigError, match="its networks have a memory"):
            Agent(
                SEEN,
                BOX,
                rl_algorithm_cls=partial(PPOAlgorithm, actor_network_ctor=actor),
                intrinsic_reward_module=RNDAlgorithm,
            )
