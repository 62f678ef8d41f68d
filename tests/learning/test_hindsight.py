"""Hindsight turns what was reached by chance into what is learned."""

from functools import partial

import pytest

from alf._config import config
from alf.algorithms.data_transformer import HindsightExperienceTransformer
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.environments.bit_flipping import BitFlippingEnv, bits_discount, bits_reward
from alf.environments.creation import create_environment
from alf.errors import ConfigError
from alf.optimizers import Adam
from alf.player.episodes import evaluate_episodes
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig

BITS = 12
HINDSIGHT = partial(
    HindsightExperienceTransformer, reward_fn=bits_reward, discount_fn=bits_discount
)


def make(seed):
    return create_environment(
        env_name="bits",
        env_load_fn=lambda name: BitFlippingEnv(BITS),
        num_parallel_environments=16,
        nonparallel=True,
        seed=seed,
    )


def success_rate(root_dir, transformer) -> float:
    """Of 64 greedy episodes after 10 000 steps of training."""
    trainer_config = TrainerConfig(
        root_dir=str(root_dir),
        algorithm_ctor=partial(
            DqnAlgorithm,
            critic_loss_ctor=partial(OneStepTDLoss, gamma=0.98),
            q_optimizer=Adam(lr=2e-3),
            num_critic_replicas=1,
            rollout_epsilon_greedy=0.1,
        ),
        data_transformer_ctor=transformer,
        random_seed=0,
        whole_replay_buffer_training=False,
        clear_replay_buffer=False,
        initial_collect_steps=500,
        replay_buffer_length=2000,
        unroll_length=2,
        num_updates_per_train_iter=3,
        mini_batch_size=128,
        num_iterations=300,
        num_checkpoints=1,
        fingerprint_steps=0,
    )
    seed_everything(0)
    trainer = Trainer(trainer_config, make(0), 0)
    trainer.train()
    trainer.close()
    policy = trainer.policy.eval()
    initial = policy.initial_state(16)
    played = evaluate_episodes(make(1000), policy.predict_step, initial, 64, seed=1000)
    return sum(result.ret > -BITS for result in played) / len(played)


def test_with_it_goals_are_reached(tmp_path):
    """Nearly all, and nearly none without."""
    config("QNetwork", fc_layer_params=(128,))
    assert success_rate(tmp_path / "with", HINDSIGHT) > 0.9
    assert success_rate(tmp_path / "without", None) < 0.1


def test_it_needs_a_replay_buffer(tmp_path):
    """Where each unroll is used as it is, the lesson says what to set."""
    with pytest.raises(ConfigError, match=r"set TrainerConfig.whole_replay_buffer_training=False"):
        Trainer(
            TrainerConfig(
                root_dir=str(tmp_path),
                algorithm_ctor=partial(DqnAlgorithm, q_optimizer=Adam(lr=1e-3)),
                data_transformer_ctor=[HINDSIGHT],
            ),
            make(0),
            0,
        )
