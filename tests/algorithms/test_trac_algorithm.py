"""Trust-region actor-critic: no update moves the policy further than it may."""

import math
from functools import partial

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticInfo
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.trac_algorithm import TracAlgorithm, distance
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical, DiagNormal
from alf.errors import ConfigError
from alf.networks import ActorDistributionNetwork, ActorDistributionRNNNetwork
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

OBSERVATION = TensorSpec((3,))
ACTION = BoundedTensorSpec((), torch.int64, 0, 1)


def test_distance_of_categoricals_is_that_of_their_log_probabilities():
    """(ln 1/2 - ln 1/4)^2 + (ln 1/2 - ln 3/4)^2, whatever constant the logits carry."""
    fair = Categorical(torch.tensor([[7.0, 7.0]]))
    biased = Categorical(torch.tensor([[0.0, math.log(3)]]))

    expected = math.log(2) ** 2 + math.log(2 / 3) ** 2
    torch.testing.assert_close(distance(fair, biased), torch.tensor([expected]))


def test_distance_of_others_is_the_symmetric_divergence():
    """For unit normals a distance d apart, KL is d^2 / 2 in each direction."""
    one = DiagNormal(torch.zeros(1, 2), torch.ones(1, 2))
    other = DiagNormal(torch.tensor([[3.0, 0.0]]), torch.ones(1, 2))

    torch.testing.assert_close(distance(one, other), torch.tensor([9.0]))


def update(clip: float, lr: float = 50.0):
    """One huge step of a policy; returns how far its parameters went, and its distance."""
    torch.manual_seed(0)
    algorithm = TracAlgorithm(
        OBSERVATION,
        ACTION,
        ac_algorithm_cls=partial(ActorCriticAlgorithm, optimizer=SGD(lr=lr)),
        action_dist_clip_per_dim=clip,
    )
    step_type = torch.full((5, 4), StepType.MID)
    step_type[2, 0] = StepType.LAST
    inputs = TimeStep(
        step_type=step_type,
        reward=torch.rand(5, 4),
        discount=torch.ones(5, 4),
        observation=torch.randn(5, 4, 3),
    )
    flat = TimeStep(*[x if isinstance(x, tuple) else x.flatten(0, 1) for x in inputs])
    rollout_info = ActorCriticInfo(action=torch.randint(2, (20,)))
    old = algorithm.train_step(flat, (), rollout_info).info
    info = ActorCriticInfo(
        step_type, inputs.discount, inputs.reward, rollout_info.action.view(5, 4)
    )._replace(
        action_distribution=Categorical(old.action_distribution.logits.view(5, 4, 2)),
        value=old.value.view(5, 4),
    )
    before = [p.detach().clone() for p in algorithm.parameters()]
    assert algorithm.optimizer is not None
    optimizer = algorithm.optimizer.build(list(algorithm.parameters()))
    loss = algorithm.calc_loss(info).loss.mean()
    algorithm.before_update(inputs, info)
    loss.backward()
    optimizer.step()
    algorithm.after_update(inputs, info)

    new = algorithm.predict_step(flat, ()).info.action_distribution
    valid = (step_type != StepType.LAST).flatten() & (torch.arange(20) < 16)
    moved = distance(old.action_distribution, new)[valid].mean().item()
    travelled = [(p - q).norm().item() for p, q in zip(algorithm.parameters(), before, strict=True)]
    return sum(travelled), moved


def test_step_is_shortened_until_the_policy_fits():
    """The limit of 0.01 a choice holds after the update, and most of it is used."""
    travelled, moved = update(clip=0.01)

    assert 0.005 < moved <= 0.02
    assert travelled > 0


def test_step_within_the_limit_stays_as_it_is():
    """A generous limit changes nothing."""
    free, moved = update(clip=1e9)
    limited, _ = update(clip=0.01)

    assert moved > 0.02
    assert free > 1.5 * limited


def test_policy_with_memory_is_refused():
    """The lesson says what to do instead."""
    recurrent = partial(
        ActorCriticAlgorithm,
        actor_network_ctor=partial(ActorDistributionRNNNetwork, lstm_hidden_size=4),
    )

    with pytest.raises(ConfigError, match="without TracAlgorithm"):
        TracAlgorithm(OBSERVATION, ACTION, ac_algorithm_cls=recurrent)


def test_limit_grows_with_the_dimensions():
    """Two choices have twice the limit for each; four numbers have four times it."""
    discrete = TracAlgorithm(OBSERVATION, ACTION)
    continuous = TracAlgorithm(
        OBSERVATION,
        BoundedTensorSpec((4,), minimum=-1.0),
        ac_algorithm_cls=partial(ActorCriticAlgorithm, actor_network_ctor=ActorDistributionNetwork),
    )

    assert [pytest.approx(0.02)] == discrete._limits
    assert [pytest.approx(0.04)] == continuous._limits


def test_algorithm_with_many_updates_is_refused():
    """One update an unroll is what the limit is for; PPO has its own."""
    with pytest.raises(ConfigError, match="PPO limits its updates by itself"):
        TracAlgorithm(OBSERVATION, ACTION, ac_algorithm_cls=PPOAlgorithm)
