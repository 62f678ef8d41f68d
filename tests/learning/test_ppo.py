"""PPO learns what it should, repeatably, and survives being saved."""

from functools import partial
from pathlib import Path

import pytest
import torch

from alf._config import config, load_config
from alf.algorithms.agent import Agent
from alf.algorithms.ppo_algorithm import PPOAlgorithm, PPOInfo
from alf.algorithms.ppo_loss import PPOLoss
from alf.data_structures import TimeStep
from alf.distributions import to_params
from alf.environments.creation import create_environment
from alf.nest import flatten
from alf.optimizers import Adam
from alf.player.episodes import evaluate_episodes
from alf.trainers.checkpoint import load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.policy import Policy
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig

EXAMPLES = Path(__file__).resolve().parents[2] / "alf" / "examples"


def ppo(lr=3e-3, **loss):
    """A constructor; `loss` configures `PPOLoss`."""
    return partial(PPOAlgorithm, loss=PPOLoss(**loss), optimizer=Adam(lr=lr))


@pytest.fixture(autouse=True)
def _small_networks_and_few_epochs():
    config("ActorDistributionNetwork", fc_layer_params=(32,))
    config("ValueNetwork", fc_layer_params=(32,))
    config("TrainerConfig", num_updates_per_train_iter=4, mini_batch_size=64)


@pytest.mark.parametrize(
    ("world", "iterations"), [("discrete identity", 60), ("continuous identity", 120)]
)
def test_learns_to_do_what_it_sees(train, world, iterations):
    """From far below to almost the best return, 8."""
    assert train(world, ppo(lr=1e-9, gamma=0.0), job="untrained").greedy_return() < 7
    assert train(world, ppo(gamma=0.0), iterations=iterations).greedy_return() > 7.9


class TestEnds:
    def test_a_time_limit_is_no_end(self, train):
        """Reward 1 for ever is worth 1 / (1 - gamma), though each episode is cut off at 5 steps."""
        config("ValueNetwork", fc_layer_params=())
        job = train("salary to the limit", ppo(lr=0.05, gamma=0.8), iterations=60)

        torch.testing.assert_close(
            values(job.policy, torch.ones(1, 1)), torch.tensor([5.0]), atol=0.05, rtol=0
        )

    def test_an_end_is_an_end(self, train):
        """With `k` rewards to come, the value is 1 + gamma + ... + gamma^(k-1)."""
        config("ValueNetwork", fc_layer_params=())
        job = train("salary to the end", ppo(lr=0.05, gamma=0.8), iterations=60)

        torch.testing.assert_close(
            values(job.policy, torch.eye(6)[:5]),
            torch.tensor([3.3616, 2.952, 2.44, 1.8, 1.0]),
            atol=0.05,
            rtol=0,
        )


def values(policy, observation):
    """What the policy holds of each observation `[B, n]`."""
    with torch.no_grad():
        step = policy.algorithm.train_step(TimeStep(observation=observation), (), PPOInfo())
    return step.info.value


def test_agent_trains_as_the_algorithm_alone(train):
    """The Agent adds nothing and takes nothing away, to the bit."""
    alone = train("discrete identity", ppo(), iterations=3, job="alone").policy.parameters()
    agent = partial(Agent, rl_algorithm_cls=partial(PPOAlgorithm, loss=PPOLoss()))
    agent = partial(agent, optimizer=Adam(lr=3e-3))
    within = train("discrete identity", agent, iterations=3, job="agent").policy.parameters()

    assert all(torch.equal(a, b) for a, b in zip(alone, within, strict=True))


def test_a_limit_on_divergence_saves_updates(train):
    """With a tiny `max_kl` the epochs end early, and the policy goes less far."""
    config("TrainerConfig", num_updates_per_train_iter=20)
    started = train("discrete identity", ppo(lr=1e-9), job="start").policy.state_dict()

    def travelled(**loss):
        job = train("discrete identity", ppo(**loss), job=str(loss))
        return sum(float((x - started[name]).norm()) for name, x in job.policy.state_dict().items())

    assert 0 < travelled(max_kl=1e-3) < 0.5 * travelled()


@pytest.mark.parametrize("world", ["discrete identity", "continuous identity"])
class TestRepeatable:
    def test_a_seed_gives_the_same_parameters_to_the_bit(self, train, world):
        """Twice the same seed; another seed gives others."""
        first, second, other = (
            train(world, ppo(), iterations=3, seed=seed, job=job).policy.state_dict()
            for seed, job in ((3, "first"), (3, "second"), (4, "other"))
        )

        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)

    def test_a_checkpoint_gives_the_same_actions(self, train, world):
        """A policy with other parameters acts as the saved one after loading."""
        job = train(world, ppo(), iterations=3)
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


def test_cart_pole_is_solved_well_before_the_example_ends(tmp_path):
    """After 60 000 of its 100 000 steps the greedy policy averages 475 of 500 or more."""
    load_config(EXAMPLES / "ppo_cart_pole_conf.py")
    settings = TrainerConfig(root_dir=str(tmp_path / "job"), random_seed=0, num_iterations=234)
    env = create_environment(seed=0)
    seed_everything(0)
    trainer = Trainer(settings, env, 0)
    trainer.train()
    trainer.close()
    policy = trainer.policy.eval()
    played = evaluate_episodes(
        create_environment(for_evaluation=True, num_parallel_environments=20),
        policy.predict_step,
        policy.initial_state(20),
        num_episodes=20,
        seed=1000,
    )

    assert sum(result.ret for result in played) / len(played) >= 475
