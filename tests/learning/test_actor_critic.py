"""Actor-critic learns what it should, repeatably, and survives being saved."""

from functools import partial

import pytest
import torch

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticInfo
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.data_structures import TimeStep
from alf.distributions import to_params
from alf.nest import flatten
from alf.optimizers import Adam
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.random_states import seed_everything


def actor_critic(lr=1e-2, **loss):
    """A constructor; `loss` configures `ActorCriticLoss`."""
    return partial(ActorCriticAlgorithm, loss=ActorCriticLoss(**loss), optimizer=Adam(lr=lr))


@pytest.fixture(autouse=True)
def _small_networks():
    config("ActorDistributionNetwork", fc_layer_params=(32,))
    config("ValueNetwork", fc_layer_params=(32,))


@pytest.mark.parametrize(
    ("world", "iterations", "wanted"),
    [("discrete identity", 60, 7.9), ("continuous identity", 150, 7.9)],
)
def test_learns_to_do_what_it_sees(train, world, iterations, wanted):
    """From far below to almost the best return, 8."""
    loss = {"gamma": 0.0, "normalize_advantages": True}

    assert train(world, actor_critic(lr=1e-9, **loss), job="untrained").greedy_return() < 7
    assert train(world, actor_critic(**loss), iterations=iterations).greedy_return() > wanted


@pytest.mark.parametrize("use_gae", [False, True])
class TestEnds:
    def test_a_time_limit_is_no_end(self, train, use_gae):
        """Reward 1 for ever is worth 1 / (1 - gamma), though each episode is cut off at 5 steps."""
        config("ValueNetwork", fc_layer_params=())
        job = train(
            "salary to the limit", actor_critic(lr=0.05, gamma=0.8, use_gae=use_gae), iterations=250
        )

        torch.testing.assert_close(
            values(job.policy, torch.ones(1, 1)), torch.tensor([5.0]), atol=0.05, rtol=0
        )

    def test_an_end_is_an_end(self, train, use_gae):
        """With `k` rewards to come, the value is 1 + gamma + ... + gamma^(k-1)."""
        config("ValueNetwork", fc_layer_params=())
        job = train(
            "salary to the end", actor_critic(lr=0.05, gamma=0.8, use_gae=use_gae), iterations=250
        )

        torch.testing.assert_close(
            values(job.policy, torch.eye(6)[:5]),
            torch.tensor([3.3616, 2.952, 2.44, 1.8, 1.0]),
            atol=0.05,
            rtol=0,
        )


def values(policy, observation):
    """What the policy holds of each observation `[B, n]`."""
    inputs = TimeStep(observation=observation)
    action = torch.zeros(len(observation), dtype=torch.int64)
    with torch.no_grad():
        step = policy.algorithm.train_step(inputs, (), ActorCriticInfo(action=action))
    return step.info.value


@pytest.mark.parametrize("world", ["discrete identity", "continuous identity"])
class TestRepeatable:
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train, world):
        """Twice the same seed; another seed gives others."""
        ctor = actor_critic()
        first, second, other = (
            train(world, ctor, iterations=5, seed=seed, job=job).policy.state_dict()
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )

        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)

    def test_a_checkpoint_gives_the_same_actions(self, train, world):
        """A policy with other parameters acts as the saved one after loading."""
        job = train(world, actor_critic(), iterations=5)
        seed_everything(99)
        loaded = Policy(job.config, job.env).eval()
        time_step = job.env.current_time_step()

        def answer(policy):
            step = policy.predict_step(time_step, policy.initial_state(job.env.batch_size))
            return step.output, torch.cat(
                [p.flatten() for p in flatten(to_params(step.info.action_distribution))]
            )

        assert not torch.equal(answer(loaded)[1], answer(job.policy)[1])
        checkpoint = CheckpointFolder(job.config.root_dir).open()
        restore_module(loaded, load_model(checkpoint), "the checkpoint")
        for got, wanted in zip(answer(loaded), answer(job.policy), strict=True):
            assert torch.equal(got, wanted)
