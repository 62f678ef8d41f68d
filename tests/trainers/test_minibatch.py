"""Epochs of minibatches: every step that counts is used once an epoch."""

import shutil

import pytest
import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.errors import ConfigError
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.learners import make_learner
from alf.trainers.minibatch import MinibatchLearner
from alf.trainers.trainer_config import TrainerConfig

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler"
)
MID, LAST = StepType.MID, StepType.LAST


class Recorder(Algorithm):
    """Keeps the rewards of each minibatch; stops after `patience` of them."""

    on_policy = False  # type: ignore[assignment]

    def __init__(self, patience=None, **kwargs):
        super().__init__(
            TensorSpec((1,)), BoundedTensorSpec((), torch.int64), optimizer=SGD(lr=0.0)
        )
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.batches: list[list[int]] = []
        self.patience = patience

    def rollout_step(self, inputs, state):
        return AlgStep(torch.zeros(2, dtype=torch.int64), (), {"doubled": 2 * inputs.reward})

    def preprocess_experience(self, inputs, rollout_info):
        assert not torch.is_grad_enabled()
        return inputs, {**rollout_info, "tripled": 3 * inputs.reward}

    def train_step(self, inputs, state, rollout_info):
        assert torch.equal(2 * inputs.reward, rollout_info["doubled"])
        assert torch.equal(3 * inputs.reward, rollout_info["tripled"])
        return AlgStep(info=inputs.reward)

    def calc_loss(self, info):
        self.batches.append([int(x) for x in info.flatten()])
        summary.scalar("batches", len(self.batches))
        return LossInfo(loss=self.weight * info)

    def should_stop_epochs(self, info):
        return self.patience is not None and len(self.batches) >= self.patience


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
        )

    return observe


def learn(algorithm, ends=(), **settings):
    config = TrainerConfig(root_dir="unused", algorithm_ctor=Recorder, unroll_length=5, **settings)
    learner = make_learner(algorithm, observe_counting(ends), 2, config)
    assert isinstance(learner, MinibatchLearner)
    learner.train_iter()
    return algorithm.batches


def test_each_epoch_uses_every_step_once_in_another_order():
    """Ten steps in minibatches of about four: three epochs, two minibatches each."""
    batches = learn(Recorder(), num_updates_per_train_iter=3, mini_batch_size=4)

    assert 6 == len(batches)
    epochs = [batches[i] + batches[i + 1] for i in (0, 2, 4)]
    for epoch in epochs:
        assert list(range(10)) == sorted(epoch)
    assert epochs[0] != epochs[1]
    assert {5} == {len(batch) for batch in batches}


def test_steps_at_the_end_of_an_episode_are_left_out():
    """The action of a LAST step is ignored by the environment, and the bootstrap row is no step."""
    (batch,) = learn(Recorder(), ends={3, 6}, num_updates_per_train_iter=1)

    assert [0, 1, 2, 4, 5, 7, 8, 9] == sorted(batch)


class Compiled(Recorder):
    """Looks at its minibatches from outside of the loss, which is a program."""

    def train_step(self, inputs, state, rollout_info):
        return AlgStep(info=inputs.reward)

    def calc_loss(self, info):
        return LossInfo(loss=self.weight * info)

    def should_stop_epochs(self, info):
        self.batches.append([int(x) for x in info.flatten()])
        return False


@needs_compiler
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch warns of itself
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
def test_compiled_minibatches_have_one_size():
    """What was left out is made up for by steps of the same unroll, others in each epoch."""
    batches = learn(
        Compiled(), ends={3, 6}, num_updates_per_train_iter=2, mini_batch_size=5, compile=True
    )

    assert [5] * 4 == [len(batch) for batch in batches]
    for epoch in (batches[0] + batches[1], batches[2] + batches[3]):
        assert {0, 1, 2, 4, 5, 7, 8, 9} == set(epoch)


def test_algorithm_can_end_the_epochs():
    """As soon as the algorithm has had enough, the rest of the unroll's epochs is left out."""
    batches = learn(Recorder(patience=3), num_updates_per_train_iter=9, mini_batch_size=5)

    assert 3 == len(batches)


def test_one_summary_an_iteration():
    """The last minibatch is what is summarised, also where the algorithm ended the epochs."""
    with summary.collect_scalars() as scalars:
        learn(Recorder(), num_updates_per_train_iter=2, mini_batch_size=5)
    assert 4 == scalars["batches"]
    assert "train/loss" in scalars

    with summary.collect_scalars() as scalars:
        learn(Recorder(patience=3), num_updates_per_train_iter=9, mini_batch_size=5)
    assert scalars["batches"] in (3, 4)  # computed once more, to be summarised
    assert "train/loss" in scalars


def test_unrolls_cannot_be_kept():
    """A setting that would do nothing is refused, with the one that does it."""
    with pytest.raises(ConfigError, match="whole_replay_buffer_training=False"):
        learn(Recorder(), clear_replay_buffer=False)


def test_whole_unrolls_come_from_no_replay_buffer():
    """An algorithm that prepares them cannot be trained on samples, and is told so at once."""

    class Preparing(Recorder):
        def preprocess_experience(self, inputs, rollout_info):
            return inputs, rollout_info

    config = TrainerConfig(
        root_dir="unused", algorithm_ctor=Preparing, whole_replay_buffer_training=False
    )
    with pytest.raises(ConfigError, match=r"Preparing learns from whole unrolls"):
        make_learner(Preparing(), observe_counting(), 2, config)
