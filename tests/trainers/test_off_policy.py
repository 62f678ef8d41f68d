"""Replay: what is stored, when training starts, what of a sample counts."""

from pathlib import Path

import pytest
import torch

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.errors import ConfigError, ContractError
from alf.optimizers import SGD
from alf.replay import PrioritizedReplayBuffer
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.learners import make_learner
from alf.trainers.off_policy import ReplayLearner
from alf.trainers.trainer_config import TrainerConfig

MID, LAST = StepType.MID, StepType.LAST


class Recorder(Algorithm):
    """Keeps the rewards of each sample; its loss is a parameter times the reward that follows."""

    on_policy = False  # type: ignore[assignment]

    def __init__(self, with_priority=False):
        super().__init__(
            TensorSpec((1,)), BoundedTensorSpec((), torch.int64), optimizer=SGD(lr=0.5)
        )
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.with_priority = with_priority
        self.samples: list[torch.Tensor] = []

    def rollout_step(self, inputs, state):
        assert not torch.is_grad_enabled()
        return AlgStep(torch.zeros(2, dtype=torch.int64), (), {"negative": -inputs.reward})

    def train_step(self, inputs, state, rollout_info):
        assert torch.equal(-inputs.reward, rollout_info["negative"])
        return AlgStep(info=inputs.reward)

    def calc_loss(self, info):
        self.samples.append(info.clone())
        priority = info[0] + 1 if self.with_priority else ()
        return LossInfo(loss=self.weight * info, priority=priority)


def observe_counting(ends=()):
    """Rewards 0, 1, 2, ... over two environments, with an end where the count is in `ends`."""
    clock = iter(range(10_000))

    def observe(action):
        t = next(clock)
        reward = torch.tensor([2.0 * t, 2.0 * t + 1])
        kinds = [LAST if r in ends else MID for r in reward.tolist()]
        return TimeStep(
            step_type=torch.tensor(kinds),
            reward=reward,
            discount=torch.ones(2),
            observation=reward[:, None],
            untransformed=torch.zeros(2, 100),
        )

    return observe


def make(algorithm, ends=(), **settings) -> ReplayLearner:
    settings = {
        "unroll_length": 3,
        "num_updates_per_train_iter": 2,
        "mini_batch_size": 64,
        "replay_buffer_length": 50,
        "whole_replay_buffer_training": False,
        **settings,
    }
    config = TrainerConfig(root_dir="unused", algorithm_ctor=Recorder, **settings)
    learner = make_learner(algorithm, observe_counting(ends), 2, config)
    assert isinstance(learner, ReplayLearner)
    return learner


def test_samples_are_consecutive_steps_of_one_environment():
    """The second row is what came after the first, in the same environment."""
    algorithm = Recorder()
    learner = make(algorithm)
    for _ in range(4):
        learner.train_iter()

    assert 8 == len(algorithm.samples)
    assert 24 == learner.replay.total_size
    for sample in algorithm.samples:
        assert (2, 64) == sample.shape
        assert torch.equal(sample[0] + 2, sample[1])
    assert set(range(22)) == {int(x) for x in algorithm.samples[-1][0]} | {
        int(x) for x in algorithm.samples[-2][0]
    }


def test_training_starts_when_enough_is_collected():
    """The first iteration collects what training starts with, later ones `unroll_length`."""
    algorithm = Recorder()
    learner = make(algorithm, initial_collect_steps=40)

    learner.train_iter()
    assert 40 == learner.replay.total_size
    assert 2 == len(algorithm.samples)
    learner.train_iter()
    assert 46 == learner.replay.total_size


def test_single_step_cannot_be_trained_on():
    """Before a step has a successor there is nothing to learn from."""
    algorithm = Recorder()
    learner = make(algorithm, unroll_length=1)

    learner.train_iter()
    assert [] == algorithm.samples
    learner.train_iter()
    assert 2 == len(algorithm.samples)


def test_action_at_an_end_does_not_count():
    """Every step ends an episode but reward 0 and 1, whose losses are 0 and the weight."""
    algorithm = Recorder()
    learner = make(algorithm, ends=set(range(2, 100)), num_updates_per_train_iter=1)

    learner.train_iter()

    first = algorithm.samples[0][0]
    counted = first[first < 2]
    torch.testing.assert_close(algorithm.weight.detach(), 1 - 0.5 * counted.mean())


@pytest.mark.parametrize("prioritized", [False, True])
def test_what_is_no_loss_is_told(prioritized):
    """A lesson, and no attribute that a tensor has not."""

    class Careless(Recorder):
        def calc_loss(self, info):
            return self.weight * info

    learner = make(Careless(), priority_replay=prioritized)

    with pytest.raises(ContractError, match="returned a Tensor, and must return a LossInfo"):
        learner.train_iter()


def test_a_loss_without_steps():
    """A scalar loss alone moves the weight by its gradient, 2: from 1 to 0."""

    class Alone(Recorder):
        def calc_loss(self, info):
            return LossInfo(scalar_loss=2 * self.weight)

    algorithm = Alone()
    make(algorithm, num_updates_per_train_iter=1).train_iter()

    assert 0.0 == algorithm.weight.item()


def test_one_loss_for_each_sequence():
    """It counts as the first step of its sequence does: those of rewards 0 and 1 alone."""

    class Short(Recorder):
        def calc_loss(self, info):
            self.samples.append(info.clone())
            return LossInfo(loss=self.weight * info[0])

    algorithm = Short()
    make(algorithm, ends=set(range(2, 100)), num_updates_per_train_iter=1).train_iter()

    first = algorithm.samples[0][0]
    torch.testing.assert_close(algorithm.weight.detach(), 1 - 0.5 * first[first < 2].mean())


def test_longer_sequences():
    """`mini_batch_length` steps follow each other."""
    algorithm = Recorder()
    learner = make(algorithm, mini_batch_length=4, unroll_length=6)
    learner.train_iter()

    sample = algorithm.samples[0]
    assert (4, 64) == sample.shape
    assert torch.equal(sample[0] + 6, sample[3])


def test_priorities_reach_the_buffer():
    """What the loss calls important is drawn more often, and weighs less."""
    algorithm = Recorder(with_priority=True)
    learner = make(
        algorithm,
        priority_replay=True,
        priority_replay_alpha=2.0,
        priority_replay_beta=1.0,
        unroll_length=20,
        num_updates_per_train_iter=10,
        mini_batch_size=200,
    )
    assert isinstance(learner.replay, PrioritizedReplayBuffer)
    learner.train_iter()

    drawn = torch.cat([sample[0] for sample in algorithm.samples[5:]])
    assert (drawn >= 19).float().mean() > 0.75
    assert 1.0 == learner.replay.beta
    assert not learner.replay.normalize_weights_by_max
    normalized = make(
        Recorder(with_priority=True), priority_replay=True, normalize_importance_weights_by_max=True
    )
    assert isinstance(normalized.replay, PrioritizedReplayBuffer)
    assert normalized.replay.normalize_weights_by_max


def test_priorities_that_never_come_are_refused():
    """An algorithm without priorities cannot use a buffer that needs them."""
    learner = make(Recorder(), priority_replay=True)

    with pytest.raises(ConfigError, match="gives no priorities"):
        learner.train_iter()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mini_batch_length": 1}, "needs at least 2 steps"),
        ({"initial_collect_steps": 101}, r"holds 100 steps \(50 of each of 2 environments\)"),
    ],
)
def test_settings_that_could_never_train_are_refused(settings, message):
    """The lesson comes before anything is collected."""
    with pytest.raises(ConfigError, match=message):
        make(Recorder(), **settings)


def test_replay_buffer_goes_on_in_another_process(tmp_path: Path):
    """A learner that reads what another wrote draws the same samples."""
    algorithm, other_algorithm = Recorder(), Recorder()
    learner, other = make(algorithm), make(other_algorithm)
    learner.train_iter()
    digests = learner.save_replay(tmp_path)
    assert set(digests) == {entry.name for entry in tmp_path.iterdir()}

    example = observe_counting()(None)._replace(untransformed=())
    other.load_state_dict(learner.state_dict(), example._replace(untransformed=torch.zeros(2, 100)))
    other.load_replay(tmp_path)
    for one in (learner, other):
        torch.manual_seed(7)
        one._update()

    assert torch.equal(algorithm.samples[-1], other_algorithm.samples[-1])


def test_episodes_that_cannot_be_put_back_end_in_the_replay_buffer(tmp_path):
    """Where environments begin anew, no step leads from their old episodes into the new ones."""
    before = make(Recorder())
    before.train_iter()
    before.save_replay(tmp_path)
    after = make(Recorder())

    after.load_state_dict(before.state_dict(), None)
    after.load_replay(tmp_path)
    after.train_iter()

    rows = torch.arange(7)
    held, _ = after.replay.get_batch(torch.zeros(7, dtype=torch.int64), rows).experience
    assert [0, 2, 4, 6, 0, 2, 4] == held.reward[0].tolist()
    assert [MID, MID, MID, LAST, MID, MID, MID] == held.step_type[0].tolist()
