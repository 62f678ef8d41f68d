"""SAC learns continuous, discrete and mixed actions, repeatably, and survives being saved."""

from functools import partial

import pytest
import torch

from alf import ops
from alf._config import config
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.distributions import to_params
from alf.nest import flatten
from alf.optimizers import Adam
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.random_states import seed_everything


def sac(actor=5e-3, critic=5e-3, alpha=5e-3):
    """A constructor, with the learning rates of its three optimizers."""
    return partial(
        SacAlgorithm,
        critic_loss_ctor=partial(OneStepTDLoss, gamma=0.5),
        actor_optimizer=Adam(lr=actor),
        critic_optimizer=Adam(lr=critic),
        alpha_optimizer=Adam(lr=alpha),
    )


@pytest.fixture(autouse=True)
def _small_networks_and_a_replay_buffer():
    config("ActorDistributionNetwork", fc_layer_params=(64,))
    config("CriticNetwork", joint_fc_layer_params=(64,))
    config("QNetwork", fc_layer_params=(64,))
    config(
        "NormalProjectionNetwork",
        scale_distribution=True,
        state_dependent_std=True,
        std_transform=ops.clipped_exp,
    )
    config(
        "TrainerConfig",
        whole_replay_buffer_training=False,
        clear_replay_buffer=False,
        initial_collect_steps=500,
        num_updates_per_train_iter=8,
        mini_batch_size=128,
    )


@pytest.mark.parametrize("world", ["continuous identity", "discrete identity", "aim"])
def test_learns_to_do_what_it_sees(train, world):
    """From far below to almost the best return, 8, whatever the action is made of."""
    untrained = sac(actor=1e-9, critic=1e-9, alpha=1e-9)

    assert train(world, untrained, job="untrained").greedy_return() < 7
    assert train(world, sac(), iterations=100).greedy_return() > 7.9


@pytest.mark.parametrize(
    ("idle", "at_most"),
    [
        # Right choices and an amount of about 0 give 8 * (1 - 1 / 3).
        ({"actor": 1e-9}, 6.0),
        # Without values, one choice in three is right.
        ({"critic": 1e-9}, 4.0),
    ],
)
def test_a_mixed_action_needs_both_its_parts(train, idle, at_most):
    """With only one part trained, the return stays far below what both reach."""
    assert train("aim", sac(**idle), iterations=100).greedy_return() < at_most


class TestEnds:
    def test_a_time_limit_is_no_end(self, train):
        """Reward 1 for ever is worth 1 / (1 - gamma), though each episode is cut off at 5 steps."""
        job = train("salary to the limit", values_only(), iterations=80)

        torch.testing.assert_close(
            values(job.policy, torch.ones(1, 1)), torch.full((1, 2), 2.0), atol=0.05, rtol=0
        )

    def test_an_end_is_an_end(self, train):
        """With `k` rewards to come, a value is 1 + gamma + ... + gamma^(k-1)."""
        job = train("salary to the end", values_only(), iterations=80)

        torch.testing.assert_close(
            values(job.policy, torch.eye(6)[:5])[:, 0],
            torch.tensor([1.9375, 1.875, 1.75, 1.5, 1.0]),
            atol=0.05,
            rtol=0,
        )


def values_only():
    """A constructor whose targets are plain returns, without what entropy is worth."""
    return partial(sac(), use_entropy_reward=False)


def values(policy, observation):
    """What the first critic holds of each choice, `[B, 2]`."""
    with torch.no_grad():
        return policy.algorithm._critics(observation)[0][:, 0]


class TestRepeatable:
    @pytest.mark.parametrize("world", ["continuous identity", "aim"])
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train, world):
        """Twice the same seed; another seed gives others."""
        first, second, other = (
            train(world, sac(), iterations=3, seed=seed, job=job).policy.state_dict()
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )

        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)

    @pytest.mark.parametrize("world", ["continuous identity", "aim"])
    def test_a_checkpoint_gives_the_same_actions(self, train, world):
        """A policy with other parameters acts as the saved one after loading."""
        job = train(world, sac(), iterations=3)
        seed_everything(99)
        loaded = Policy(job.config, job.env).eval()
        time_step = job.env.current_time_step()

        def answer(policy):
            step = policy.predict_step(time_step, policy.initial_state(job.env.batch_size))
            nest = (step.output, to_params(step.info.action_distribution))
            return [x.float() for x in flatten(nest)]

        def same():
            pairs = zip(answer(loaded), answer(job.policy), strict=True)
            return all(torch.equal(got, wanted) for got, wanted in pairs)

        assert not same()
        checkpoint = CheckpointFolder(job.config.root_dir).open()
        restore_module(loaded, load_model(checkpoint), "the checkpoint")
        assert same()
