"""The CartPole examples do what they say."""

from pathlib import Path

import pytest

from alf._config import load_config
from alf.environments.creation import create_environment
from alf.player.episodes import evaluate_episodes
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig

EXAMPLES = Path(__file__).resolve().parents[2] / "alf" / "examples"


@pytest.mark.parametrize(
    "conf",
    [
        "ac_cart_pole_conf.py",
        "trac_cart_pole_conf.py",
        "tutorial/minimal_example_conf.py",
    ],
)
def test_cart_pole_is_solved(conf, tmp_path):
    """The greedy policy of the last iteration averages 195 of 200 or more over 100 episodes."""
    load_config(EXAMPLES / conf)
    config = TrainerConfig(root_dir=str(tmp_path / "job"), random_seed=0)
    env = create_environment(seed=0)
    seed_everything(0)
    trainer = Trainer(config, env, 0)
    trainer.train()
    trainer.close()
    policy = trainer.policy.eval()
    played = evaluate_episodes(
        create_environment(for_evaluation=True, num_parallel_environments=20),
        policy.predict_step,
        policy.initial_state(20),
        num_episodes=100,
        seed=1000,
    )

    assert sum(result.ret for result in played) / len(played) >= 195
