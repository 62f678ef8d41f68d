"""The Agent is the algorithm that it is told to be, with an optimizer for what has none."""

import inspect
from functools import partial

import pytest
import torch
from torch import nn

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticInfo
from alf.algorithms.agent import Agent
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.icm_algorithm import ICMAlgorithm
from alf.algorithms.intrinsic_reward import IntrinsicRewardAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.rnd_algorithm import RNDAlgorithm
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks import ActorDistributionRNNNetwork
from alf.optimizers import SGD, Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

OBSERVATION = TensorSpec((3,))
ACTION = BoundedTensorSpec((), torch.int64, 0, 1)


class Echo(Algorithm):
    """Answers each call with its name and what it was given."""

    on_policy = False  # type: ignore[assignment]

    def __init__(self, observation_spec, action_spec, own=None, **kwargs):
        super().__init__(observation_spec, action_spec, **kwargs)
        self.first, self.second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))
        self.target = nn.Parameter(torch.zeros(3), requires_grad=False)
        self._own = own
        self.calls = []

    def optimizers(self):
        return super().optimizers() if self._own is None else {"own": (self._own, [self.first])}


def _echo(name):
    def method(self, *args):
        self.calls.append((name, args))
        return name

    return method


PASSED_ON = {
    "predict_step": 2,
    "rollout_step": 2,
    "train_step": 3,
    "calc_loss": 1,
    "preprocess_experience": 2,
    "batch_loss": 2,
    "should_stop_epochs": 1,
    "before_update": 2,
    "after_update": 2,
    "after_train_iter": 2,
    "initial_state": 1,
    "convert_train_state_to_predict_state": 1,
}
for _name in PASSED_ON:
    setattr(Echo, _name, _echo(_name))


@pytest.mark.parametrize("name", PASSED_ON)
def test_calls_go_to_the_rl_algorithm(name):
    """With the same arguments, and its answer comes back where there is one."""
    agent = Agent(OBSERVATION, ACTION, rl_algorithm_cls=Echo)
    arguments = tuple(range(PASSED_ON[name]))

    answer = getattr(agent, name)(*arguments)

    assert [(name, arguments)] == agent.rl_algorithm.calls
    assert answer in (name, None)
    assert (answer is None) is (inspect.signature(getattr(Agent, name)).return_annotation is None)


def test_every_call_of_an_algorithm_is_passed_on():
    """A method that algorithms get one day is passed on too, or this test says so."""
    own = {"optimizers", "train_at_once"}  # the latter calls train_step, which is passed on
    methods = {
        name
        for name, value in vars(Algorithm).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }

    assert methods - own == set(PASSED_ON)


def test_it_is_what_the_rl_algorithm_is():
    """On-policy or not, with a memory or not."""
    memory = partial(
        ActorCriticAlgorithm,
        actor_network_ctor=partial(ActorDistributionRNNNetwork, lstm_hidden_size=4),
    )
    agents = [
        Agent(OBSERVATION, ACTION, rl_algorithm_cls=cls)
        for cls in (ActorCriticAlgorithm, PPOAlgorithm, memory)
    ]

    assert [True, False, True] == [agent.on_policy for agent in agents]
    assert [True, True, True] == [agent.has_batched_train_step for agent in agents]
    assert [True, True, False] == [agent.state_spec == () for agent in agents]


class TestOptimizers:
    def test_agents_optimizer_moves_all_where_there_is_no_other(self):
        """All that needs a gradient; its name is empty, so that summaries show none."""
        optimizer = Adam(lr=0.5)
        agent = Agent(OBSERVATION, ACTION, rl_algorithm_cls=Echo, optimizer=optimizer)

        ((name, (spec, params)),) = agent.optimizers().items()

        assert ("", optimizer) == (name, spec)
        assert [1, 2] == [len(p) for p in params]

    def test_agents_optimizer_moves_what_is_left(self):
        """The RL algorithm's own optimizer keeps its parameters."""
        own, optimizer = SGD(lr=0.1), Adam(lr=0.5)
        agent = Agent(
            OBSERVATION, ACTION, rl_algorithm_cls=partial(Echo, own=own), optimizer=optimizer
        )

        found = {
            name: (spec, len(params[0])) for name, (spec, params) in agent.optimizers().items()
        }

        assert {"own": (own, 1), "agent": (optimizer, 2)} == found

    def test_rl_algorithms_optimizer_is_enough(self):
        """Of two optimizers for all parameters, the one that is nearer to them wins."""
        own = SGD(lr=0.1)
        cls = partial(PPOAlgorithm, optimizer=own)
        agent = Agent(OBSERVATION, ACTION, rl_algorithm_cls=cls, optimizer=Adam(lr=0.5))

        assert [own] == [spec for spec, _ in agent.optimizers().values()]

    def test_none_at_all(self):
        """Nothing is trained, which is for the trainer to say."""
        assert {} == Agent(OBSERVATION, ACTION).optimizers()


def test_confs_name_its_parts():
    """`rl_algorithm_cls` and the rest are configured by name; a false entropy target is fine."""
    config("Agent", rl_algorithm_cls=PPOAlgorithm, enforce_entropy_target=False)

    assert isinstance(Agent(OBSERVATION, ACTION).rl_algorithm, PPOAlgorithm)


def test_entropy_target_is_refused():
    """The lesson names the parameter that does the work here."""
    with pytest.raises(ConfigError, match="set the entropy_regularization of the loss"):
        Agent(OBSERVATION, ACTION, enforce_entropy_target=True)


@pytest.mark.parametrize(
    ("setting", "lesson"),
    [
        ("goal_generator", "compose others in an Algorithm of your own"),
        ("representation_learner_cls", "input_preprocessors"),
        ("env", "built from specs alone"),
    ],
)
def test_parts_that_are_not_there_say_so(setting, lesson):
    """A conf that sets one of them is told what to use."""
    with pytest.raises(ConfigError, match=lesson):
        config("Agent", **{setting: 2})  # type: ignore[arg-type]


class Fixed(IntrinsicRewardAlgorithm):
    """Its reward is a tenth of what is seen next; its loss a weight times that."""

    uses = ("next_observation",)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = nn.Parameter(torch.ones(()))

    def intrinsic_reward(self, transition, counts):
        return torch.where(counts, 0.1 * transition.next_observation[..., 0], 0.0)

    def transition_loss(self, transition):
        return self.weight * transition.next_observation[..., 0]


class Learner(Algorithm):
    """Its loss is the reward; keeps the infos that it was handed."""

    def __init__(self, observation_spec, action_spec, on_policy=True, scalar=(), **kwargs):
        super().__init__(observation_spec, action_spec, **kwargs)
        self._is_on_policy = on_policy
        self._scalar = scalar
        self.handed = []

    @property
    def on_policy(self):
        return self._is_on_policy

    def train_step(self, inputs, state, rollout_info):
        return AlgStep(info=inputs.reward)

    def preprocess_experience(self, inputs, rollout_info):
        return inputs._replace(reward=()), inputs.reward

    def batch_loss(self, inputs, rollout_info):
        reward = rollout_info if inputs.reward == () else inputs.reward
        return self.calc_loss(reward), reward

    def calc_loss(self, info):
        return LossInfo(loss=info, scalar_loss=self._scalar)

    def before_update(self, inputs, info):
        self.handed.append(info)

    after_update = after_train_iter = before_update

    def should_stop_epochs(self, info):
        self.handed.append(info)
        return True


def curious(rl_algorithm_cls, **arguments):
    arguments = {"intrinsic_reward_coef": 2.0, "extrinsic_reward_coef": 0.5, **arguments}
    return Agent(
        TensorSpec((1,)),
        ACTION,
        rl_algorithm_cls=rl_algorithm_cls,
        intrinsic_reward_module=Fixed,
        **arguments,
    )


# Rewards are half of the environment's, and 2 * 0.1 of what is seen, but for the row that begins.
INPUTS = TimeStep(
    step_type=torch.tensor([[StepType.MID], [StepType.LAST], [StepType.FIRST], [StepType.MID]]),
    reward=torch.tensor([[1.0], [2.0], [0.0], [4.0]]),
    observation=torch.tensor([[[10.0]], [[20.0]], [[30.0]], [[40.0]]]),
)
SUMS = torch.tensor([[0.5], [1.0 + 4.0], [0.0], [2.0 + 8.0]])
LOSS = (20.0 + 40.0) / 2


class TestCuriosity:
    def test_each_unroll_once(self):
        """The RL algorithm sees the sums, and the loss has both parts."""
        agent = curious(Learner)
        info = agent.train_at_once(INPUTS, ())
        loss_info = agent.calc_loss(info)

        torch.testing.assert_close(loss_info.loss, SUMS)
        assert LOSS == float(loss_info.scalar_loss.detach())

    def test_epochs_of_minibatches(self):
        """The sums are made once; each minibatch has the loss of its own transitions."""
        agent = curious(partial(Learner, on_policy=False))
        inputs, info = agent.preprocess_experience(INPUTS, ())
        torch.testing.assert_close(info.rl, SUMS)

        chosen = map_structure(lambda x: x.flatten(0, 1)[[2]].unsqueeze(0), (inputs, info))
        loss_info, told = agent.batch_loss(*chosen)

        assert SUMS[2].tolist() == told.rl[0].tolist()
        assert 40.0 == float(loss_info.scalar_loss.detach())

    def test_samples_from_a_replay_buffer(self):
        """Their rewards are those of today."""
        agent = curious(partial(Learner, on_policy=False, scalar=torch.tensor(5.0)))
        loss_info, info = agent.batch_loss(INPUTS, ())

        torch.testing.assert_close(loss_info.loss, SUMS)
        assert LOSS + 5 == float(loss_info.scalar_loss.detach())
        torch.testing.assert_close(info.rl, SUMS)

    def test_the_environments_rewards_are_left_alone(self):
        """What was collected is not written over."""
        before = INPUTS.reward.clone()
        curious(Learner).train_at_once(INPUTS, ())
        assert torch.equal(before, INPUTS.reward)

    def test_the_rl_algorithm_is_handed_its_own_info(self):
        """By every hook."""
        agent = curious(Learner)
        info = agent.train_at_once(INPUTS, ())
        agent.before_update(INPUTS, info)
        agent.after_update(INPUTS, info)
        agent.after_train_iter(INPUTS, info)
        assert agent.should_stop_epochs(info)
        agent.after_train_iter(INPUTS, ())

        assert isinstance(agent.rl_algorithm, Learner)
        handed = agent.rl_algorithm.handed
        assert [True] * 4 == [one is info.rl for one in handed[:4]]
        assert () == handed[4]

    def test_summaries_find_the_distribution(self):
        """That of the RL algorithm, through the info of both."""
        agent = Agent(OBSERVATION, ACTION, intrinsic_reward_module=RNDAlgorithm)
        inputs = TimeStep(
            step_type=torch.ones(3, 2, dtype=torch.int32),
            reward=torch.zeros(3, 2),
            discount=torch.ones(3, 2),
            observation=torch.rand(3, 2, 3),
            prev_action=torch.zeros(3, 2, dtype=torch.int64),
        )
        rollout = ActorCriticInfo(action=torch.zeros(3, 2, dtype=torch.int64))
        info = agent.train_at_once(inputs, rollout)

        assert info.action_distribution is info.rl.action_distribution
        assert (3, 2) == info.action.shape
        assert () == curious(Learner).train_at_once(INPUTS, ()).action_distribution

    def test_optimizers_of_all_parts(self):
        """The module's own, or the agent's for what is left."""
        own = partial(ICMAlgorithm, optimizer=SGD(lr=0.1))
        agent = Agent(OBSERVATION, ACTION, intrinsic_reward_module=own, optimizer=Adam(lr=0.5))
        assert {"intrinsic", "agent"} == set(agent.optimizers())
        agent = Agent(
            OBSERVATION, ACTION, intrinsic_reward_module=RNDAlgorithm, optimizer=Adam(lr=0.5)
        )
        ((_, params),) = agent.optimizers().values()
        assert {id(p) for p in agent.parameters() if p.requires_grad} == {id(p) for p in params}

    @pytest.mark.parametrize(
        ("arguments", "lesson"),
        [
            ({"intrinsic_reward_module": PPOAlgorithm}, "made a PPOAlgorithm, but must make"),
            ({"extrinsic_reward_coef": 2.0}, "RewardScaling"),
            (
                {
                    "intrinsic_reward_module": RNDAlgorithm,
                    "rl_algorithm_cls": partial(
                        ActorCriticAlgorithm,
                        actor_network_ctor=partial(ActorDistributionRNNNetwork, lstm_hidden_size=4),
                    ),
                },
                "give it networks without one",
            ),
        ],
    )
    def test_lessons(self, arguments, lesson):
        """What does not go together says why."""
        with pytest.raises(ConfigError, match=lesson):
            Agent(OBSERVATION, ACTION, **arguments)

    def test_gradients_through_a_rollout_are_refused(self):
        """Their rewards cannot change any more."""

        class OfItsOwn(ActorCriticAlgorithm):
            def rollout_step(self, inputs, state):
                return super().rollout_step(inputs, state)

        with pytest.raises(ConfigError, match="define train_step"):
            Agent(
                OBSERVATION, ACTION, rl_algorithm_cls=OfItsOwn, intrinsic_reward_module=RNDAlgorithm
            )
