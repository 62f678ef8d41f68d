"""Trust-region actor-critic: no update moves the policy further than it may."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticInfo
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm, DdpgInfo
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.algorithms.trac_algorithm import TracAlgorithm, distance
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical, DiagNormal
from alf.errors import ConfigError
from alf.nest import flatten
from alf.networks import ActorDistributionNetwork, ActorDistributionRNNNetwork
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

OBSERVATION = TensorSpec((3,))
ACTION = BoundedTensorSpec((), torch.int64, 0, 1)
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
FROM_REPLAY = [DdpgAlgorithm, Td3Algorithm, SacAlgorithm, QuantileSacAlgorithm]


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


def test_distance_of_actions_is_that_of_their_elements():
    """3^2 + 4^2; one number a row, whatever the shape of the action."""
    one, other = torch.zeros(2, 2, 1), torch.tensor([[[3.0], [4.0]], [[0.0], [1.0]]])

    torch.testing.assert_close(distance(one, other), torch.tensor([25.0, 1.0]))


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


def replayed(seed: int = 0) -> tuple[TimeStep, Any]:
    """A sample `[2, 16]` of what is remembered, one of whose episodes is at its end."""
    generator = torch.Generator().manual_seed(seed)
    step_type = torch.full((2, 16), StepType.MID)
    step_type[0, 0] = StepType.LAST
    inputs = TimeStep(
        step_type=step_type,
        reward=torch.rand(2, 16, generator=generator),
        discount=torch.ones(2, 16),
        observation=torch.randn(2, 16, 3, generator=generator),
    )
    return inputs, DdpgInfo(action=torch.rand(2, 16, 2, generator=generator) * 2 - 1)


def update_from_replay(make: Any, clip: float, count: int = 2, **arguments: Any):
    """Some huge steps; how far each moved the policy, and the algorithm."""
    torch.manual_seed(0)
    optimizers = {"actor_optimizer": SGD(lr=30.0), "critic_optimizer": SGD(lr=1e-3)}
    algorithm: Any = TracAlgorithm(
        OBSERVATION,
        BOX,
        ac_algorithm_cls=partial(make, **optimizers, **arguments),
        action_dist_clip_per_dim=clip,
    )
    inner = algorithm._ac_algorithm
    built = [spec.build(params) for spec, params in algorithm.optimizers().values()]

    def policy(time_step: TimeStep) -> Any:
        with torch.no_grad():
            return inner._actor_network(time_step.observation[0])[0]

    moved = []
    for i in range(count):
        inputs, rollout_info = replayed(i)
        before = policy(inputs)
        loss, info = algorithm.batch_loss(inputs, rollout_info)
        for optimizer in built:
            optimizer.zero_grad()
        algorithm.before_update(inputs, info)
        loss.loss[0].mean().backward()
        for optimizer in built:
            optimizer.step()
        algorithm.after_update(inputs, info)
        counts = inputs.step_type[0] != StepType.LAST
        moved.append(distance(before, policy(inputs))[counts].mean().item())
    return moved, algorithm


@pytest.mark.parametrize("make", FROM_REPLAY)
def test_policies_trained_from_replay_are_held_back(make):
    """No update moves one further than 0.01 a dimension; without the limit each goes beyond it."""
    held, algorithm = update_from_replay(make, clip=0.01)
    free, _ = update_from_replay(make, clip=1e9)

    assert max(held) <= 0.0201
    assert max(free) > 0.04
    assert max(held) > 0.001
    assert not algorithm.on_policy
    assert all(p.isfinite().all() for p in algorithm.parameters())


def test_what_is_held_back_updates_its_copies_all_the_same():
    """The inner algorithm's own hook is called, after the step was shortened."""
    _, algorithm = update_from_replay(DdpgAlgorithm, clip=0.01, count=1, target_update_tau=1.0)
    inner = algorithm._ac_algorithm

    for ours, copies in (
        (inner._actor_network, inner._target_actor),
        (inner._critics, inner._target_critics),
    ):
        for p, q in zip(ours.parameters(), copies.parameters(), strict=True):
            assert torch.equal(p, q)


def test_a_delayed_actor_stays_where_it_is():
    """The first update of TD3 is one of its critics alone, and is not shortened."""
    moved, _ = update_from_replay(Td3Algorithm, clip=1e-6)

    assert 0.0 == moved[0]
    assert moved[1] > 0


def test_noise_of_play_does_not_count_as_a_move():
    """With `epsilon_greedy` 1 the distance is still that of the actor's own answers."""
    make = partial(DdpgAlgorithm, epsilon_greedy=1.0)
    noisy, _ = update_from_replay(make, clip=1e9)
    silent, _ = update_from_replay(DdpgAlgorithm, clip=1e9)
    algorithm: Any = TracAlgorithm(OBSERVATION, BOX, ac_algorithm_cls=make)
    inputs, _ = replayed()
    steps = TimeStep(step_type=inputs.step_type[0], observation=inputs.observation[0])

    assert noisy == silent
    (first,), (second,) = algorithm._policy(steps), algorithm._policy(steps)
    assert torch.equal(first, second)


def test_the_noise_of_a_rollout_goes_through():
    """The state of the inner algorithm is that of the outer one, and play has none."""
    algorithm: Any = TracAlgorithm(OBSERVATION, BOX, ac_algorithm_cls=DdpgAlgorithm)
    state = algorithm.initial_state(5)
    step = algorithm.rollout_step(TimeStep(observation=torch.zeros(5, 3)), state)

    assert algorithm.state_is_for_acting
    assert (5, 2) == step.state.shape
    assert () == algorithm.convert_train_state_to_predict_state(state)
    assert TensorSpec((2,)) == algorithm.state_spec


def test_one_optimizer_or_those_of_the_inner_algorithm():
    """One given to TRAC moves all that needs a gradient, and no copy of a target."""
    rates = {"actor_optimizer": SGD(lr=1.0), "critic_optimizer": SGD(lr=2.0)}
    make = partial(DdpgAlgorithm, **rates)
    inner = TracAlgorithm(OBSERVATION, BOX, ac_algorithm_cls=make)
    own: Any = TracAlgorithm(OBSERVATION, BOX, ac_algorithm_cls=make, optimizer=SGD(lr=3.0))

    assert {"actor": 1.0, "critic": 2.0} == {n: s.lr for n, (s, _) in inner.optimizers().items()}
    ((name, (spec, params)),) = own.optimizers().items()
    assert ("", 3.0) == (name, spec.lr)
    trained = (own._ac_algorithm._actor_network, own._ac_algorithm._critics)
    assert len(params) == sum(len(list(module.parameters())) for module in trained)


def test_a_policy_that_tells_nothing_of_itself_is_refused():
    """Values of choices are no policy; the lesson says what is missing."""
    algorithm = TracAlgorithm(
        OBSERVATION, ACTION, ac_algorithm_cls=partial(DqnAlgorithm, q_optimizer=SGD())
    )
    with pytest.raises(ConfigError, match="neither an action_distribution nor a greedy_action"):
        algorithm.before_update(replayed()[0], ())


def test_choices_from_replay_are_held_back():
    """Discrete SAC, whose policy is made of its critics."""
    torch.manual_seed(0)
    make = partial(SacAlgorithm, critic_optimizer=SGD(lr=1e3))
    algorithm: Any = TracAlgorithm(OBSERVATION, ACTION, ac_algorithm_cls=make)
    inputs, _ = replayed()
    rollout_info = DdpgInfo(action=torch.randint(2, (2, 16)))
    (optimizer,) = [spec.build(params) for spec, params in algorithm.optimizers().values()]
    before = flatten(algorithm._policy(TimeStep(*[x[0] if len(x) else x for x in inputs])))
    loss, info = algorithm.batch_loss(inputs, rollout_info)
    algorithm.before_update(inputs, info)
    loss.loss[0].mean().backward()
    optimizer.step()
    algorithm.after_update(inputs, info)
    after = flatten(algorithm._policy(TimeStep(*[x[0] if len(x) else x for x in inputs])))

    counts = inputs.step_type[0] != StepType.LAST
    moved = distance(before[0], after[0])[counts].mean().item()
    assert 0.005 < moved <= 0.02
