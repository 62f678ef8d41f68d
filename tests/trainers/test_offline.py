"""Training from recorded episodes: what samples hold, how it is seen, and what is not touched."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.agent import Agent
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.bc_algorithm import BcAlgorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.iql_algorithm import IqlAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.data_structures import AlgStep, LossInfo, StepType
from alf.environments.creation import create_environment
from alf.errors import ConfigError, UsageError
from alf.nest import map_structure
from alf.networks import ActorDistributionNetwork
from alf.optimizers import SGD, Adam
from alf.replay import Episode
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.evaluation import Evaluator
from alf.trainers.offline import OfflineLearner
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig
from alf.transforms import (
    FrameStacker,
    IdentityDataTransformer,
    ObservationNormalizer,
    RewardScaling,
)

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
LENGTHS = (3, 1, 5, 2)
DQN = partial(DqnAlgorithm, q_optimizer=Adam(lr=1e-3))


class Watcher(Algorithm):
    """Keeps each sample; its loss is a parameter."""

    on_policy = False  # type: ignore[assignment]

    def __init__(self, observation_spec, action_spec, reward_spec, config):
        super().__init__(observation_spec, action_spec, optimizer=SGD(lr=0.1), config=config)
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.samples: list[Any] = []

    def predict_step(self, inputs, state):
        return AlgStep(torch.zeros(len(inputs.step_type), dtype=torch.int64), state)

    def batch_loss(self, inputs, rollout_info):
        self.samples.append(map_structure(torch.clone, (inputs, rollout_info)))
        return LossInfo(loss=self.weight * torch.ones(inputs.step_type.shape)), ()


class Negated(IdentityDataTransformer):
    """Gives samples the opposite reward."""

    @property
    def changes_samples(self) -> bool:
        return True

    def transform_sample(self, time_steps, batch):
        return time_steps._replace(reward=-time_steps.reward)


def episodes(lengths=LENGTHS) -> list[Episode]:
    """CartPole's shapes: each observation is its number, an action its parity, a reward itself."""
    made, number = [], 0
    for n in lengths:
        numbers = np.arange(number, number + n + 1)
        seen = np.repeat(numbers[:, None], 4, 1).astype(np.float32)
        made.append(Episode(seen, numbers[:-1] % 2, numbers[1:].astype(np.float32), n % 2 == 1))
        number += n + 1
    return made


def job(root_dir: Path, algorithm: Any = Watcher, **settings) -> Trainer:
    """A trainer on two CartPoles that has not begun."""
    settings = {
        "num_iterations": 3,
        "mini_batch_size": 64,
        "num_updates_per_train_iter": 2,
        "num_checkpoints": 1,
        "offline_buffer_dir": episodes,
        "fingerprint_steps": 0,
        **settings,
    }
    config = TrainerConfig(root_dir=str(root_dir), algorithm_ctor=algorithm, **settings)
    seed_everything(3)
    env = create_environment("CartPole-v1", num_parallel_environments=2, seed=3)
    return Trainer(config, env, 3)


def samples(trainer: Trainer) -> list[Any]:
    algorithm: Any = trainer.policy.algorithm
    return algorithm.samples


def test_no_environment_is_stepped(tmp_path, monkeypatch):
    """Training goes through to its last checkpoint without asking the environments for anything."""
    trainer = job(tmp_path)
    monkeypatch.setattr(trainer._env, "step", None)

    result = trainer.train()

    assert isinstance(trainer._learner, OfflineLearner)
    assert (3, 0, "ckpt-3") == (result.iterations, result.env_steps, result.checkpoint)
    assert 6 == len(samples(trainer))


def test_a_sample_is_what_was_recorded(tmp_path):
    """Two rows that follow each other, with the action of the first and the reward of the second;
    where the first is an end, it has no weight."""
    trainer = job(tmp_path)
    trainer.train()
    ends = np.cumsum([n + 1 for n in LENGTHS]) - 1
    seen = set()

    for inputs, info in samples(trainer):
        number = inputs.observation[..., 0]
        assert (2, 64) == tuple(number.shape)
        assert torch.equal(number[0] + 1, number[1])
        assert torch.equal(inputs.step_type[0] == LAST, torch.from_numpy(np.isin(number[0], ends)))
        valid = inputs.step_type[0] != LAST
        assert torch.equal(number[0][valid] % 2, info.action[0][valid].float())
        assert torch.equal(inputs.reward[1][valid], number[1][valid])
        assert torch.equal(inputs.prev_action[1][valid], info.action[0][valid])
        seen |= set(number[0].int().tolist())
    assert set(range(sum(LENGTHS) + len(LENGTHS) - 1)) == seen


def test_ends_and_time_limits_in_samples(tmp_path):
    """Episodes of an odd length really end; others are cut off, and bootstrap."""
    trainer = job(tmp_path)
    trainer.train()
    real = np.cumsum([n + 1 for n in LENGTHS])[[0, 1, 2]] - 1

    for inputs, _ in samples(trainer):
        ended = torch.from_numpy(np.isin(inputs.observation[..., 0], real))
        assert torch.equal(ended, inputs.discount == 0.0)


class TestTransformers:
    def test_rewards_are_scaled(self, tmp_path):
        """As those of the environment would be."""
        trainer = job(tmp_path, data_transformer_ctor=partial(RewardScaling, scale=0.5))
        trainer.train()

        inputs, _ = samples(trainer)[0]
        valid = inputs.step_type[0] != LAST
        assert torch.equal(inputs.observation[1, :, 0][valid] / 2, inputs.reward[1][valid])

    def test_samples_are_changed(self, tmp_path):
        """By a transform that changes them whenever they are drawn, such as hindsight."""
        trainer = job(tmp_path, data_transformer_ctor=Negated)
        trainer.train()

        inputs, _ = samples(trainer)[0]
        assert inputs.reward.max() == 0.0
        assert inputs.reward.min() < 0.0

    def test_frames_are_stacked_within_an_episode(self, tmp_path):
        """A stack is the last three frames; before the first one there are copies of it."""
        trainer = job(tmp_path, data_transformer_ctor=partial(FrameStacker, stack_size=3))
        trainer.train()
        expected = set()
        for episode in episodes():
            numbers = episode.observation[:, 0].tolist()
            padded = [numbers[0]] * 2 + numbers
            expected |= {tuple(padded[i : i + 3]) for i in range(len(numbers))}

        for inputs, _ in samples(trainer):
            stacks = inputs.observation.unflatten(-1, (3, 4))[..., 0].flatten(0, 1)
            assert set(map(tuple, stacks.tolist())) <= expected

    def test_statistics_are_of_all_that_was_recorded(self, tmp_path):
        """Seen with them, what was recorded has mean 0 and variance 1, and they stand still."""
        ctor = partial(ObservationNormalizer, mode="window", clipping=0.0)
        trainer = job(
            tmp_path, data_transformer_ctor=ctor, offline_buffer_dir=lambda: episodes([9] * 40)
        )
        before = map_structure(torch.clone, dict(trainer.policy.transformer.state_dict()))
        trainer.train()
        after = trainer.policy.transformer.state_dict()

        assert all(torch.equal(before[name], after[name]) for name in after)
        assert trainer.policy.transformer.training
        inputs = torch.cat([x.observation.flatten(0, 1) for x, _ in samples(trainer)])
        assert abs(inputs.mean().item()) < 0.2
        assert abs(inputs.std().item() - 1) < 0.2


@pytest.mark.parametrize(
    "ctor",
    [
        partial(BcAlgorithm, actor_optimizer=Adam(lr=1e-3)),
        partial(
            IqlAlgorithm,
            actor_optimizer=Adam(lr=1e-3),
            critic_optimizer=Adam(lr=1e-3),
            value_optimizer=Adam(lr=1e-3),
        ),
        partial(Agent, rl_algorithm_cls=DQN),
        DQN,
        partial(SacAlgorithm, critic_optimizer=Adam(lr=1e-3)),
    ],
    ids=["bc", "iql", "agent", "dqn", "sac"],
)
def test_any_algorithm_that_learns_from_replay(ctor, tmp_path):
    """Takes recorded actions where it finds its own otherwise; its parameters move."""
    trainer = job(tmp_path, ctor)
    before = {k: v.clone() for k, v in trainer.policy.state_dict().items()}
    trainer.train()

    assert any(not torch.equal(v, before[k]) for k, v in trainer.policy.state_dict().items())


class TestResume:
    def two_halves(self, tmp_path, second, **settings) -> Trainer:
        job(tmp_path, **settings).train()
        trainer = job(tmp_path, **{**settings, "num_iterations": 6, **second})
        trainer.restore(CheckpointFolder(tmp_path).open())
        return trainer

    def test_two_halves_draw_what_one_go_draws(self, tmp_path):
        """The samples after a resume are those that would have come."""
        straight = job(tmp_path / "straight", num_iterations=6)
        straight.train()
        resumed = self.two_halves(tmp_path / "halves", {})
        resumed.train()

        drawn = [x.observation for x, _ in samples(straight)]
        again = [x.observation for x, _ in samples(resumed)]
        assert 6 == len(again)
        assert all(torch.equal(a, b) for a, b in zip(drawn[6:], again, strict=True))

    def test_other_episodes_are_told(self, tmp_path, caplog):
        """A recording that was changed meanwhile is used, with a warning."""
        self.two_halves(tmp_path, {"offline_buffer_dir": lambda: episodes([4])})
        assert "are not those that the checkpoint was trained on" in caplog.text

        caplog.clear()
        self.two_halves(tmp_path / "same", {})
        assert "are not those" not in caplog.text

    def test_training_goes_on_in_the_environment(self, tmp_path):
        """After recorded episodes an algorithm can learn from its own ones."""
        ctor = partial(IqlAlgorithm, actor_optimizer=Adam(lr=1e-3), value_optimizer=Adam(lr=1e-3))
        settings: dict[str, Any] = {"whole_replay_buffer_training": False, "algorithm": ctor}
        trainer = self.two_halves(tmp_path, {"offline_buffer_dir": None}, **settings)

        result = trainer.train()

        assert 6 == result.iterations
        assert 40 < result.env_steps <= 2 * 8 * 3


class TestEvaluation:
    def test_the_return_of_the_last_evaluation_is_the_job_s(self, tmp_path):
        """There are no training episodes whose average it could be; a resumed job knows it too."""
        trainer = job(tmp_path, evaluate=True, eval_interval=3, num_eval_episodes=2)
        with Evaluator(trainer._config, 3) as evaluator:
            trainer._evaluator = evaluator
            result = trainer.train()

        assert result.average_return is not None
        assert result.average_return > 5
        checkpoint = CheckpointFolder(tmp_path).open()
        assert result.average_return == checkpoint.average_return
        resumed = job(tmp_path, num_iterations=4)
        resumed.restore(checkpoint)
        assert result.average_return == resumed.train().average_return

    def test_without_one_there_is_none(self, tmp_path):
        """Rather than a number that was never measured."""
        assert job(tmp_path).train().average_return is None


@pytest.mark.parametrize(
    ("algorithm", "settings", "told"),
    [
        (
            partial(ActorCriticAlgorithm, optimizer=SGD(lr=1.0)),
            {},
            "ActorCriticAlgorithm learns from what it has just done .*take IqlAlgorithm",
        ),
        (partial(PPOAlgorithm, optimizer=SGD(lr=1.0)), {}, "PPOAlgorithm learns from what it has"),
        (
            partial(Agent, rl_algorithm_cls=PPOAlgorithm, optimizer=SGD(lr=1.0)),
            {},
            "Agent learns from what it has",
        ),
        (
            partial(BcAlgorithm, actor_optimizer=SGD(lr=1.0)),
            {"offline_buffer_dir": None},
            "no recording is named: set TrainerConfig.offline_buffer_dir",
        ),
        (Watcher, {"priority_replay": True}, "priority_replay is on"),
        (Watcher, {"mini_batch_length": 16}, "mini_batch_length is 16, .* has 15 rows"),
        (Watcher, {"num_env_steps": 100}, "num_env_steps is 100, .*set num_iterations"),
        (Watcher, {"offline_buffer_length": 1}, "offline_buffer_length is 1"),
        (Watcher, {"offline_buffer_dir": "/nowhere"}, "there is no '/nowhere'"),
    ],
)
def test_settings_that_do_not_go_together(algorithm, settings, told, tmp_path):
    """Are refused before anything is trained; the error says what to do."""
    with pytest.raises(UsageError, match=told):
        job(tmp_path, algorithm, **settings)


def test_training_in_the_environment_meanwhile(tmp_path):
    """Is asked for by names that confs know, and refused with the way that there is."""
    with pytest.raises(ConfigError, match=r"resume the job with .*offline_buffer_dir=None"):
        job(tmp_path, rl_train_after_update_steps=100)


def test_networks_are_those_that_confs_configure():
    """The default actor gives distributions, for discrete and continuous actions alike."""
    env = create_environment("CartPole-v1", num_parallel_environments=1, seed=0)

    algorithm: Any = BcAlgorithm(env.observation_spec(), env.action_spec())

    assert isinstance(algorithm._actor_network, ActorDistributionNetwork)
