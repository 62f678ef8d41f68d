"""On-policy training: what an unroll holds, and what is minimised."""

import copy
import math
from functools import partial

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticInfo
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.errors import ConfigError, TrainingError
from alf.networks import (
    ActorDistributionNetwork,
    ActorDistributionRNNNetwork,
    ValueNetwork,
    ValueRNNNetwork,
)
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.on_policy import OnPolicyLearner
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import mean, total_loss, valid_steps

OBSERVATION = TensorSpec((3,))
ACTION = BoundedTensorSpec((), torch.int64, 0, 1)
FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


class Script:
    """Two environments that run through a fixed list of step types, whatever the action."""

    def __init__(self, kinds):
        self.kinds = kinds
        self.clock = -1
        self.actions = []

    def __call__(self, action) -> TimeStep:
        self.clock += 1
        self.actions.append(action)
        kind = torch.tensor(self.kinds[self.clock % len(self.kinds)], dtype=torch.int32)
        generator = torch.Generator().manual_seed(self.clock)
        return TimeStep(
            step_type=kind,
            reward=torch.full((2,), float(self.clock)),
            discount=torch.where(kind == LAST, 0.0, 1.0),
            observation=torch.randn(2, 3, generator=generator),
            prev_action=torch.zeros(2, dtype=torch.int64) if action is None else action,
            env_id=torch.arange(2),
            untransformed=torch.zeros(2, 1000),
        )


def make_config(**kwargs):
    kwargs = {"algorithm_ctor": Recorder, "unroll_length": 3, **kwargs}
    return TrainerConfig(root_dir="unused", **kwargs)


class Recorder(Algorithm):
    """Keeps what it is given; its loss is a parameter times the reward."""

    def __init__(self, **kwargs):
        super().__init__(OBSERVATION, ACTION, optimizer=SGD(lr=0.5), **kwargs)
        self.weight = torch.nn.Parameter(torch.tensor(1.0))
        self.seen: list[ActorCriticInfo] = []
        self.calls: list[str] = []

    def rollout_step(self, inputs, state):
        assert not torch.is_grad_enabled()
        assert () != inputs.untransformed
        return AlgStep(inputs.reward.long() % 2, (), ActorCriticInfo(action=inputs.reward + 100))

    def train_step(self, inputs, state, rollout_info):
        self.calls.append("train_step")
        assert () == inputs.untransformed
        return AlgStep(
            info=rollout_info._replace(step_type=inputs.step_type, reward=inputs.reward.clone())
        )

    def calc_loss(self, info):
        self.seen.append(info._replace(action=info.action.clone()))  # a view of the buffer
        return LossInfo(loss=self.weight * info.reward, extra={"reward": info.reward})

    def before_update(self, inputs, info):
        self.calls.append(f"before {self.weight.item():g}")

    def after_update(self, inputs, info):
        self.calls.append(f"after {self.weight.item():g}")


def test_last_row_is_the_first_of_the_next_unroll():
    """No transition is lost between two unrolls, and none is seen twice."""
    algorithm = Recorder()
    learner = OnPolicyLearner(algorithm, Script([[MID, MID]]), 2, make_config())

    learner.train_iter()
    learner.train_iter()

    first, second = algorithm.seen
    assert [0, 1, 2, 3] == first.reward[:, 0].tolist()
    assert [3, 4, 5, 6] == second.reward[:, 0].tolist()
    assert [100, 101, 102, 102] == first.action[:, 0].tolist()  # the bootstrap row is a copy


def test_environment_gets_the_actions_of_the_rollout():
    """Each output goes to the next step, in order."""
    script = Script([[MID, MID]])
    OnPolicyLearner(Recorder(), script, 2, make_config()).train_iter()

    assert [None, 0, 1, 0] == [a if a is None else a[0].item() for a in script.actions]


def test_update_minimises_the_mean_over_valid_steps():
    """Rewards 0 and 1 count, row 2 ends an episode, row 3 bootstraps: weight 1 - 0.5 * 0.5."""
    algorithm = Recorder()
    script = Script([[FIRST] * 2, [MID] * 2, [LAST] * 2, [FIRST] * 2])

    OnPolicyLearner(algorithm, script, 2, make_config()).train_iter()

    assert 0.75 == algorithm.weight.item()
    assert ["train_step", "before 1", "after 0.75"] == algorithm.calls


def test_valid_steps_leave_out_ends_and_the_bootstrap_row():
    """An action at the end of an episode is ignored by the environment."""
    step_type = torch.tensor([[FIRST, MID], [LAST, MID], [FIRST, MID]])

    assert [[True, True], [False, True]] == valid_steps(step_type).tolist()


def test_the_last_row_of_a_loss_of_all_rows_does_not_count():
    """A loss may have a number for the row that only bootstraps, even none."""
    valid = torch.tensor([[True, True], [False, True]])
    loss = torch.tensor([[1.0, 2.0], [50.0, 6.0], [99.0, math.nan]])

    assert 3.0 == mean(loss, valid).item() == mean(loss[:2], valid).item()
    assert 2.0 == mean(torch.tensor([1.0, 3.0]), valid).item()  # of something else all counts


@pytest.mark.parametrize("share", [0.0, 0.9, 1.0])
def test_the_mean_takes_one_way_or_another_to_the_same_bits(share):
    """Where all steps count, nothing is masked; value and gradient are those of the masked mean."""
    torch.manual_seed(0)
    valid = torch.rand(7, 13) < share
    loss = torch.randn(8, 13)
    loss[-1] = math.nan
    loss.requires_grad_()

    masked = torch.where(valid, loss[:-1], 0.0).sum() / valid.count_nonzero().clamp(min=1)
    found = mean(loss, valid)

    assert torch.equal(masked, found)
    assert torch.equal(*(torch.autograd.grad(x, loss)[0] for x in (masked, found)))


@pytest.mark.parametrize("valid", [[[True, True]], [[False, True]]])
def test_the_mean_of_what_is_no_float(valid):
    """Of choices and counts, which `LossInfo.extra` may hold, too."""
    counts = torch.tensor(valid)

    assert 1.0 == mean(torch.tensor([[True, True]]), counts).item()
    assert 3.0 == mean(torch.tensor([[3, 3]]), counts).item()


def test_scalar_loss_is_added():
    """A loss without a batch dimension counts once."""
    valid = torch.tensor([[True], [True], [False]])
    loss = torch.tensor([[1.0], [3.0], [99.0]])

    assert 2.0 == total_loss(LossInfo(loss=loss), valid).item()
    assert 7.0 == total_loss(LossInfo(loss=loss, scalar_loss=torch.tensor(5.0)), valid).item()
    assert 5.0 == total_loss(LossInfo(scalar_loss=torch.tensor(5.0)), valid).item()
    with pytest.raises(TrainingError, match="without loss"):
        total_loss(LossInfo(), valid)


def test_broken_loss_names_the_term_and_changes_nothing(tmp_path):
    """A NaN stops training before it reaches the parameters, and the batch is kept."""

    class Broken(Recorder):
        def calc_loss(self, info):
            return LossInfo(
                loss=self.weight * info.reward.log(),
                extra={"good": info.reward, "bad": info.reward.log()},
            )

    algorithm = Broken()
    settings = TrainerConfig(root_dir=str(tmp_path), algorithm_ctor=Broken, unroll_length=3)
    learner = OnPolicyLearner(algorithm, Script([[MID, MID]]), 2, settings)

    with pytest.raises(TrainingError, match=r"not finite: loss \(2 of 8.*extra\.bad") as caught:
        learner.train_iter()
    assert "extra.good" not in str(caught.value)
    assert 1.0 == algorithm.weight.item()
    batch = torch.load(tmp_path / "train" / "broken_batch.pt", weights_only=True)
    assert [0, 1, 2, 3] == batch["inputs.reward"][:, 0].tolist()
    assert {"loss.loss", "info.action"} <= batch.keys()


def test_algorithm_without_optimizer_is_refused():
    """The lesson shows how to give one."""
    algorithm = ActorCriticAlgorithm(OBSERVATION, ACTION)

    with pytest.raises(ConfigError, match=r"optimizer=alf\.optimizers\.Adam"):
        OnPolicyLearner(algorithm, Script([[MID, MID]]), 2, make_config())


class OwnRollout(ActorCriticAlgorithm):
    """Changes what is computed while acting, as users' subclasses do."""

    def rollout_step(self, inputs, state):
        return super().rollout_step(inputs, state)


class OwnBoth(OwnRollout):
    def train_step(self, inputs, state, rollout_info):
        return super().train_step(inputs, state, rollout_info)


def test_own_rollout_step_is_trained_through():
    """An inherited `train_step` does not stand in for an overridden `rollout_step`."""
    assert ActorCriticAlgorithm(OBSERVATION, ACTION).has_batched_train_step
    assert not OwnRollout(OBSERVATION, ACTION).has_batched_train_step
    assert OwnBoth(OBSERVATION, ACTION).has_batched_train_step


FEED_FORWARD = {
    "actor_network_ctor": partial(ActorDistributionNetwork, fc_layer_params=(8,)),
    "value_network_ctor": partial(ValueNetwork, fc_layer_params=(8,)),
}
RECURRENT = {
    "actor_network_ctor": partial(ActorDistributionRNNNetwork, lstm_hidden_size=5),
    "value_network_ctor": partial(ValueRNNNetwork, lstm_hidden_size=5),
}


def trained_parameters(networks, iterations, **config):
    torch.manual_seed(3)
    algorithm = ActorCriticAlgorithm(OBSERVATION, ACTION, optimizer=SGD(lr=0.1), **networks)
    script = Script([[FIRST, MID], [MID, LAST], [LAST, FIRST], [FIRST, MID], [MID, MID]])
    learner = OnPolicyLearner(algorithm, script, 2, make_config(unroll_length=4, **config))
    for i in range(iterations):
        torch.manual_seed(i)
        learner.train_iter()
    return torch.cat([p.detach().flatten() for p in algorithm.parameters()])


@pytest.mark.parametrize("networks", [FEED_FORWARD, RECURRENT], ids=["feed forward", "recurrent"])
def test_batched_pass_equals_gradients_through_the_rollout(networks):
    """Both ways to train give the same parameters, with memory and without, over episode ends."""
    before = trained_parameters(networks, 0)
    batched = trained_parameters(networks, 1)
    through = trained_parameters(networks, 1, unroll_with_grad=True)

    assert (batched - before).abs().max() > 1e-3
    torch.testing.assert_close(batched, through)


def test_memory_is_handed_from_unroll_to_unroll():
    """A second learner with the saved state goes on just as the first one does."""

    def make(script):
        torch.manual_seed(0)
        algorithm = ActorCriticAlgorithm(OBSERVATION, ACTION, optimizer=SGD(lr=0.1), **RECURRENT)
        return algorithm, OnPolicyLearner(algorithm, script, 2, make_config())

    algorithm, learner = make(Script([[MID, MID]]))
    learner.train_iter()
    saved, model = learner.state_dict(), copy.deepcopy(algorithm.state_dict())
    torch.manual_seed(9)
    learner.train_iter()

    script = Script([[MID, MID]])
    other_algorithm, other = make(script)
    other_algorithm.load_state_dict(model)
    script.clock = 3
    other.load_state_dict(saved, Script([[MID, MID]])(torch.zeros(2, dtype=torch.int64)))
    torch.manual_seed(9)
    other.train_iter()

    assert all(memory.abs().sum() > 0 for memory in saved["rollout"]["memory"])
    for name, tensor in algorithm.state_dict().items():
        assert torch.equal(tensor, other_algorithm.state_dict()[name])
