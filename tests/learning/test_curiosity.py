"""Curiosity goes where chance does not."""

import json
from functools import partial

import pytest
from gymnasium.wrappers import TimeLimit

from alf._config import config
from alf.algorithms.agent import Agent
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.icm_algorithm import ICMAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.ppo_loss import PPOLoss
from alf.algorithms.rnd_algorithm import RNDAlgorithm
from alf.environments.creation import create_environment
from alf.environments.winding_corridor import WindingCorridorEnv
from alf.optimizers import Adam
from alf.player.episodes import evaluate_episodes
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig


def make(seed, number=16):
    """The shortest way has 22 steps, and an episode at most 40."""
    return create_environment(
        env_name="corridor",
        env_load_fn=lambda name: TimeLimit(WindingCorridorEnv(halls=4, length=5), 40),
        num_parallel_environments=number,
        nonparallel=True,
        seed=seed,
    )


def trained(root_dir, algorithm_ctor, **settings) -> Trainer:
    seed_everything(0)
    trainer_config = TrainerConfig(
        root_dir=str(root_dir),
        algorithm_ctor=algorithm_ctor,
        random_seed=0,
        num_checkpoints=1,
        fingerprint_steps=0,
        **settings,
    )
    trainer = Trainer(trainer_config, make(0), 0)
    trainer.train()
    trainer.close()
    return trainer


def success_rate(root_dir, **agent) -> float:
    """Of 16 episodes of the policy that PPO has found in 41 000 steps."""
    ctor = partial(
        Agent,
        rl_algorithm_cls=partial(PPOAlgorithm, loss=PPOLoss(entropy_regularization=1e-2)),
        optimizer=Adam(lr=2e-3),
        **agent,
    )
    trainer = trained(
        root_dir,
        ctor,
        unroll_length=64,
        num_iterations=40,
        num_updates_per_train_iter=4,
        mini_batch_size=256,
    )
    policy = trainer.policy.eval()
    played = evaluate_episodes(
        make(1000), policy.predict_step, policy.initial_state(16), 16, seed=1000
    )
    return sum(result.ret for result in played) / len(played)


def test_it_finds_a_far_reward(tmp_path):
    """Always, and never without."""
    config("ActorDistributionNetwork", fc_layer_params=(32,))
    config("ValueNetwork", fc_layer_params=(32,))
    curious = success_rate(
        tmp_path / "curious",
        intrinsic_reward_module=partial(RNDAlgorithm, optimizer=Adam(lr=1e-3)),
        intrinsic_reward_coef=0.2,
    )
    assert 1.0 == curious
    assert 0.0 == success_rate(tmp_path / "alone")


@pytest.mark.parametrize("module", [RNDAlgorithm, ICMAlgorithm])
def test_it_works_with_replayed_experience(tmp_path, module):
    """The module learns from samples: what they hold surprises less and less."""
    config("QNetwork", fc_layer_params=(32,))
    ctor = partial(
        Agent,
        rl_algorithm_cls=partial(DqnAlgorithm, q_optimizer=Adam(lr=1e-3)),
        intrinsic_reward_module=partial(module, optimizer=Adam(lr=1e-3)),
    )

    def surprise(iterations):
        trainer = trained(
            tmp_path / str(iterations),
            ctor,
            whole_replay_buffer_training=False,
            clear_replay_buffer=False,
            num_iterations=iterations,
            mini_batch_size=64,
            replay_buffer_length=500,
            summary_interval=1,
        )
        text = (tmp_path / str(iterations) / "train" / "metrics.jsonl").read_text()
        assert trainer.iteration == iterations
        return json.loads(text.splitlines()[-1])[f"{module.__name__}/surprise"]

    assert surprise(60) < 0.5 * surprise(1)
