"""Proximal policy optimization: what is kept of an unroll, and what is made of it."""

from functools import partial

import pytest
import torch

from alf import summary
from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.algorithms.ppo_algorithm import PPOAlgorithm, PPOInfo
from alf.algorithms.ppo_loss import PPOLoss
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical, DiagNormal, compute_log_probability, map_params
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks import ActorDistributionNetwork, ValueNetwork
from alf.networks.network import Network
from alf.optimizers import Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

OBSERVATION = TensorSpec((1,))
COIN = BoundedTensorSpec((), torch.int64, 0, 1)
FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


class Reader(Network):
    """A value network that reads the value off the observation."""

    def __init__(self, input_tensor_spec):
        super().__init__(input_tensor_spec)
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs, state=()):
        return self.weight * inputs[:, 0], state


def make_ppo(loss=None, action_spec=COIN, **kwargs):
    """PPO whose values are its observations."""
    return PPOAlgorithm(
        OBSERVATION, action_spec, value_network_ctor=Reader, loss=loss or PPOLoss(), **kwargs
    )


def make_unroll(algorithm, reward, value, step_type, discount=None):
    """An unroll `[T, 1]` and what `rollout_step` says of it."""
    column = lambda numbers: torch.tensor(numbers, dtype=torch.float32).view(-1, 1)  # noqa: E731
    inputs = TimeStep(
        step_type=torch.tensor(step_type).view(-1, 1),
        reward=column(reward),
        discount=column(discount or [1.0] * len(reward)),
        observation=column(value).unsqueeze(-1),
    )
    with torch.no_grad():
        infos = [
            algorithm.rollout_step(map_structure(lambda x, t=t: x[t], inputs), ()).info
            for t in range(len(reward))
        ]
    return inputs, map_params(lambda *xs: torch.stack(xs), *infos)


def test_advantages_and_returns_of_a_running_episode():
    """GAE from the values of the unroll, the bootstrap row's included.

    delta_0 = 1 + 0.9 * 1.0 - 0.5 = 1.4      A_0 = 1.4 + 0.9 * 0.8 * 2.35 = 3.092
    delta_1 = 2 + 0.9 * 1.5 - 1.0 = 2.35     A_1 = 2.35
    """
    algorithm = make_ppo(PPOLoss(gamma=0.9, td_lambda=0.8))
    unroll = make_unroll(algorithm, [0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])

    _, info = algorithm.preprocess_experience(*unroll)

    torch.testing.assert_close(info.advantages[:, 0], torch.tensor([3.092, 2.35, 0.0]))
    torch.testing.assert_close(info.returns[:, 0], torch.tensor([3.592, 3.35, 1.5]))
    assert not info.returns.requires_grad


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 1.0 + 0.9 * 7.0)])
def test_time_limit_bootstraps_and_real_end_does_not(discount, target):
    """A LAST row ends the return at 0, or at its value where only time ran out."""
    algorithm = make_ppo(PPOLoss(gamma=0.9, td_lambda=0.8))
    unroll = make_unroll(
        algorithm, [0, 1, 5, 0], [0.25, 7, 3, 2], [MID, LAST, FIRST, MID], [1, discount, 1, 1]
    )

    _, info = algorithm.preprocess_experience(*unroll)

    torch.testing.assert_close(
        info.returns[:, 0], torch.tensor([target, 7.0, 0.9 * 2, 2.0]), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(info.advantages[1], torch.zeros(1))


@pytest.mark.parametrize(
    ("action_spec", "family"),
    [(COIN, Categorical), (BoundedTensorSpec((2,), minimum=-1.0), DiagNormal)],
)
def test_log_probabilities_are_those_of_the_policy_that_acted(action_spec, family):
    """They stay as they were when the policy moves on."""
    algorithm = make_ppo(action_spec=action_spec)
    inputs, rollout_info = make_unroll(algorithm, [0, 1, 2], [0.5, -1.0, 1.5], [FIRST, MID, MID])
    drawn_from = rollout_info.rollout_action_distribution
    assert isinstance(drawn_from, family)
    wanted = compute_log_probability(drawn_from, rollout_info.action)

    with torch.no_grad():
        for parameter in algorithm.parameters():
            parameter.mul_(3.0)
    _, info = algorithm.preprocess_experience(inputs, rollout_info)
    now = algorithm.train_at_once(inputs, info).action_distribution

    torch.testing.assert_close(info.rollout_log_prob, wanted)
    assert not torch.allclose(compute_log_probability(now, info.action), wanted)


def test_first_minibatch_has_ratio_one():
    """Before the first update the policy is still the one that acted: -A is all there is."""
    algorithm = make_ppo(PPOLoss(normalize_advantages=False))
    unroll = make_unroll(algorithm, [0, 1, 2, 3], [0.5, 1.0, 1.5, 2.0], [FIRST, MID, MID, MID])

    inputs, info = algorithm.preprocess_experience(*unroll)
    loss, info = algorithm.batch_loss(inputs, info)

    torch.testing.assert_close(loss.extra.pg_loss, -info.advantages)
    torch.testing.assert_close(loss.extra.td_loss, info.advantages.square())
    assert loss.loss.requires_grad


@pytest.mark.parametrize(("clipping", "kept"), [(None, False), (0.2, True)])
def test_nothing_is_shuffled_that_training_does_not_look_at(clipping, kept):
    """Old values are kept for a loss that clips them; rewards and distributions never."""
    algorithm = make_ppo(PPOLoss(value_clipping=clipping))
    unroll = make_unroll(algorithm, [0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])

    inputs, info = algorithm.preprocess_experience(*unroll)
    algorithm.batch_loss(inputs, info)

    assert kept is isinstance(info.rollout_value, torch.Tensor)
    assert () == info.rollout_action_distribution
    assert () == inputs.reward


def test_epochs_stop_where_the_loss_says():
    """`PPOLoss.max_kl` decides, asked for each minibatch."""
    algorithm = make_ppo(PPOLoss(max_kl=0.01))
    unroll = make_unroll(algorithm, [0, 1, 2], [0.5, 1.0, 1.5], [FIRST, MID, MID])
    inputs, info = algorithm.preprocess_experience(*unroll)
    info = algorithm.train_at_once(inputs, info)

    assert not algorithm.should_stop_epochs(info)
    assert algorithm.should_stop_epochs(info._replace(rollout_log_prob=info.rollout_log_prob - 1))


def test_explained_variance_is_of_the_steps_that_count():
    """Values 1 and 2 for returns 2 and 3: off by a constant, which is no variance."""
    algorithm = make_ppo(PPOLoss(gamma=0.0), name="PPO")
    unroll = make_unroll(algorithm, [0, 2, 9, 3], [1, 50, 2, 0], [MID, LAST, FIRST, MID])

    with summary.collect_scalars() as scalars:
        algorithm.preprocess_experience(*unroll)

    assert {"PPO/explained_variance": 1.0} == {k: float(v) for k, v in scalars.items()}


def test_it_is_not_on_policy():
    """The trainer gives it epochs of minibatches."""
    assert make_ppo().on_policy is False


class TestConstruction:
    def test_loss_of_another_kind_is_refused(self):
        """A loss without importance ratios cannot use old steps."""
        with pytest.raises(ConfigError, match=r"alf\.config\('PPOAlgorithm', loss_class=PPOLoss\)"):
            PPOAlgorithm(OBSERVATION, COIN, loss=lambda info: info)  # type: ignore[arg-type]

    def test_what_confs_say_of_actor_critic_holds(self):
        """Networks and optimizer that are configured for the base class."""
        config(
            "ActorCriticAlgorithm",
            actor_network_ctor=partial(ActorDistributionNetwork, fc_layer_params=(7,)),
            value_network_ctor=Reader,
            optimizer=Adam(lr=0.125),
        )

        algorithm = PPOAlgorithm(OBSERVATION, COIN)

        assert 0.125 == algorithm.optimizer.lr
        assert isinstance(algorithm._value_network, Reader)
        assert 7 in {len(parameter) for parameter in algorithm.parameters() if parameter.ndim}

    def test_what_confs_say_of_ppo_holds_first(self):
        """The algorithm's own name is stronger than its base's."""

        class OwnLoss(PPOLoss):
            pass

        config("ActorCriticAlgorithm", optimizer=Adam(lr=0.125), value_network_ctor=Reader)
        config("PPOAlgorithm", optimizer=Adam(lr=0.25), loss_class=OwnLoss)

        algorithm = PPOAlgorithm(OBSERVATION, COIN, value_network_ctor=ValueNetwork)

        assert 0.25 == algorithm.optimizer.lr
        assert isinstance(algorithm._loss, OwnLoss)
        assert isinstance(algorithm._value_network, ValueNetwork)

    def test_loss_is_that_of_ppo_without_a_word(self):
        """The base class keeps its own."""
        assert isinstance(PPOAlgorithm(OBSERVATION, COIN)._loss, PPOLoss)
        assert isinstance(ActorCriticAlgorithm(OBSERVATION, COIN)._loss, ActorCriticLoss)


def test_actions_of_play_are_greedy():
    """`predict_step` takes the mode and shows its distribution."""
    algorithm = make_ppo(epsilon_greedy=0.0)
    inputs = TimeStep(observation=torch.tensor([[3.0], [-3.0]]))

    step = algorithm.predict_step(inputs, ())

    assert torch.equal(step.info.action_distribution.mode, step.output)


def test_info_of_a_step_is_small():
    """A rollout keeps the action and what it was drawn from, not a value a step."""
    info = make_ppo().rollout_step(TimeStep(observation=torch.zeros(2, 1)), ()).info

    filled = {name for name, value in zip(PPOInfo._fields, info, strict=True) if value != ()}
    assert {"action", "rollout_action_distribution"} == filled
