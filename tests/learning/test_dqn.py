"""DQN learns what it should, repeatably, and survives being saved."""

from functools import partial

import pytest
import torch

from alf._config import config
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.td_loss import TDLoss
from alf.data_structures import TimeStep
from alf.optimizers import Adam
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.random_states import seed_everything


def dqn(lr=5e-3, loss=OneStepTDLoss, **arguments):
    """A constructor that values the near future alone, and looks around in the rollout."""
    return partial(
        DqnAlgorithm,
        critic_loss_ctor=partial(loss, gamma=0.5),
        q_optimizer=Adam(lr=lr),
        rollout_epsilon_greedy=0.3,
        **arguments,
    )


@pytest.fixture(autouse=True)
def _small_network_and_a_replay_buffer():
    config("QNetwork", fc_layer_params=(32,))
    config(
        "TrainerConfig",
        whole_replay_buffer_training=False,
        clear_replay_buffer=False,
        initial_collect_steps=500,
        num_updates_per_train_iter=8,
        mini_batch_size=128,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_critic_replicas": 1},
        {"num_critic_replicas": 1, "target_net_target_action": False},
    ],
    ids=["clipped double", "plain", "double"],
)
def test_learns_to_do_what_it_sees(train, arguments):
    """From far below to almost the best return, 8."""
    assert train("discrete identity", dqn(lr=1e-9), job="untrained").greedy_return() < 7
    assert train("discrete identity", dqn(**arguments), iterations=60).greedy_return() > 7.9


@pytest.mark.parametrize(
    ("length", "loss"), [(2, OneStepTDLoss), (4, partial(TDLoss, td_lambda=1.0))]
)
class TestEnds:
    """With targets of one step and of three."""

    def test_a_time_limit_is_no_end(self, train, length, loss):
        """Reward 1 for ever is worth 1 / (1 - gamma), though each episode is cut off at 5 steps."""
        config("TrainerConfig", mini_batch_length=length)
        job = train("salary to the limit", dqn(loss=loss), iterations=100)

        torch.testing.assert_close(
            values(job.policy, torch.ones(1, 1)), torch.full((1, 2), 2.0), atol=0.05, rtol=0
        )

    def test_an_end_is_an_end(self, train, length, loss):
        """With `k` rewards to come, a value is 1 + gamma + ... + gamma^(k-1)."""
        config("TrainerConfig", mini_batch_length=length)
        job = train("salary to the end", dqn(loss=loss), iterations=100)

        torch.testing.assert_close(
            values(job.policy, torch.eye(6)[:5]),
            torch.tensor([1.9375, 1.875, 1.75, 1.5, 1.0]).unsqueeze(1).expand(5, 2),
            atol=0.05,
            rtol=0,
        )


def values(policy, observation):
    """What the network holds of each choice, `[B, n]`."""
    with torch.no_grad():
        return policy.algorithm.predict_step(TimeStep(observation=observation), ()).info.q_values


class TestRepeatable:
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train):
        """Twice the same seed; another seed gives others."""
        first, second, other = (
            train("discrete identity", dqn(), iterations=3, seed=seed, job=job).policy.state_dict()
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )

        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)

    def test_a_checkpoint_gives_the_same_actions(self, train):
        """A policy with other parameters values and acts as the saved one after loading."""
        job = train("discrete identity", dqn(), iterations=3)
        seed_everything(99)
        loaded = Policy(job.config, job.env).eval()
        time_step = job.env.current_time_step()

        def answer(policy):
            step = policy.predict_step(time_step, policy.initial_state(job.env.batch_size))
            return step.output, step.info.q_values

        assert not torch.equal(answer(loaded)[1], answer(job.policy)[1])
        checkpoint = CheckpointFolder(job.config.root_dir).open()
        restore_module(loaded, load_model(checkpoint), "the checkpoint")
        for got, wanted in zip(answer(loaded), answer(job.policy), strict=True):
            assert torch.equal(got, wanted)
