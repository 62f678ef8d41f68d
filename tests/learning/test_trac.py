"""TRAC learns as actor-critic does, and no update moves its policy further than allowed."""

from functools import partial

import pytest
import torch

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.algorithms.trac_algorithm import TracAlgorithm, distance
from alf.distributions import Categorical, DiagNormal, to_params
from alf.nest import flatten
from alf.optimizers import Adam
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.random_states import seed_everything

LIMIT = 0.01


def trac(lr=1e-2, **kwargs):
    """A constructor; a policy of the present reward alone."""
    return partial(
        TracAlgorithm,
        ac_algorithm_cls=actor_critic(),
        action_dist_clip_per_dim=LIMIT,
        optimizer=Adam(lr=lr),
        **kwargs,
    )


def actor_critic(**kwargs):
    """What TRAC is put around."""
    loss = ActorCriticLoss(gamma=0.0)
    return partial(ActorCriticAlgorithm, loss=loss, **kwargs)


@pytest.fixture(autouse=True)
def _small_networks():
    config("ActorDistributionNetwork", fc_layer_params=(32,))
    config("ValueNetwork", fc_layer_params=(32,))


@pytest.mark.parametrize(
    ("world", "iterations"), [("discrete identity", 100), ("continuous identity", 300)]
)
def test_learns_to_do_what_it_sees(train, world, iterations):
    """From far below to almost the best return, 8."""
    assert train(world, trac(lr=1e-9), job="untrained").greedy_return() < 7
    assert train(world, trac(), iterations=iterations).greedy_return() > 7.9


class TestTrustRegion:
    @pytest.fixture(autouse=True)
    def _linear_policy(self):
        config("ActorDistributionNetwork", fc_layer_params=())

    def test_distances_by_hand(self):
        """Squared distance of log probabilities; KL(a, b) + KL(b, a) of unit normals at 0 and 1.

        ln(0.8 / 0.5)^2 + ln(0.2 / 0.5)^2 = 0.2209 + 0.8396, and 1 / 2 + 1 / 2.
        """
        fair, unfair = (Categorical(torch.tensor([p]).log()) for p in ([0.5, 0.5], [0.8, 0.2]))
        choices = distance(fair, unfair)
        normals = distance(*(DiagNormal(torch.full((1, 1), m), torch.ones(1, 1)) for m in (0, 1)))

        torch.testing.assert_close(choices, torch.tensor([1.0605]), atol=1e-4, rtol=0)
        torch.testing.assert_close(normals, torch.tensor([1.0]))

    # One observation, so that the average distance of an update is the distance there.
    def test_a_huge_step_is_shortened_to_the_limit(self, train):
        """A learning rate of 1 moves the policy by at most the limit, and by nearly that much."""
        moved = first_move(train("salary to the limit", trac(lr=1.0)))

        assert 0.5 * 2 * LIMIT < moved <= 2 * LIMIT

    def test_actor_critic_alone_jumps(self, train):
        """The same update without the limit goes far beyond it."""
        ctor = actor_critic(optimizer=Adam(lr=1.0))

        assert first_move(train("salary to the limit", ctor)) > 100 * LIMIT

    def test_a_small_step_is_left_alone(self, train):
        """Within the limit the parameters are those of actor-critic, to the bit."""
        with_limit = train("salary to the limit", trac(lr=1e-4), job="trac")
        without = train("salary to the limit", actor_critic(optimizer=Adam(lr=1e-4)), job="ac")

        parameters = list(with_limit.policy.parameters())
        assert parameters
        for got, wanted in zip(parameters, without.policy.parameters(), strict=True):
            assert torch.equal(got, wanted)


def first_move(job):
    """Distance of the policy after one iteration from what its seed began with."""
    seed_everything(job.config.random_seed)
    untrained = Policy(job.config, job.env).eval()
    old, new = (
        policy.predict_step(
            job.env.current_time_step(), policy.initial_state(job.env.batch_size)
        ).info.action_distribution
        for policy in (untrained, job.policy)
    )
    return float(distance(old, new).mean())


@pytest.mark.parametrize("world", ["discrete identity", "continuous identity"])
class TestRepeatable:
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train, world):
        """Twice the same seed; another seed gives others."""
        first, second, other = (
            train(world, trac(), iterations=5, seed=seed, job=job).policy.state_dict()
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )

        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)

    def test_a_checkpoint_gives_the_same_actions(self, train, world):
        """A policy with other parameters acts as the saved one after loading."""
        job = train(world, trac(), iterations=5)
        seed_everything(99)
        loaded = Policy(job.config, job.env).eval()
        time_step = job.env.current_time_step()

        def answer(policy):
            step = policy.predict_step(time_step, policy.initial_state(job.env.batch_size))
            params = flatten(to_params(step.info.action_distribution))
            return step.output, torch.cat([p.flatten() for p in params])

        assert not torch.equal(answer(loaded)[1], answer(job.policy)[1])
        checkpoint = CheckpointFolder(job.config.root_dir).open()
        restore_module(loaded, load_model(checkpoint), "the checkpoint")
        for got, wanted in zip(answer(loaded), answer(job.policy), strict=True):
            assert torch.equal(got, wanted)
