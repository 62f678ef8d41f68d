"""The Agent is the algorithm that it is told to be, with an optimizer for what has none."""

import inspect
from functools import partial

import pytest
import torch
from torch import nn

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.agent import Agent
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.errors import ConfigError
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
        ("intrinsic_reward_module", "compose others in an Algorithm of your own"),
        ("representation_learner_cls", "input_preprocessors"),
        ("extrinsic_reward_coef", "RewardScaling"),
        ("env", "built from specs alone"),
    ],
)
def test_parts_that_are_not_there_say_so(setting, lesson):
    """A conf that sets one of them is told what to use."""
    with pytest.raises(ConfigError, match=lesson):
        config("Agent", **{setting: 2})  # type: ignore[arg-type]
