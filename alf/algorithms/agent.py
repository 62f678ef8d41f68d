"""An algorithm by the name that confs configure: `Agent` is the algorithm that it is told to be."""

from collections.abc import Callable
from typing import Any

from torch import nn

from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.settled_parameters import ENV, REWARD_WEIGHTS
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.errors import ConfigError
from alf.tensor_specs import TensorSpec

_ENCODE = "let the networks encode: see input_preprocessors"
_NO_PART = "an Agent is one RL algorithm here; compose others in an Algorithm of your own"


@configurable
@settled(
    env=ENV,
    reward_weight_algorithm_cls=Settled(None, REWARD_WEIGHTS.lesson),
    representation_learner_cls=Settled(None, _ENCODE),
    representation_use_rl_state=no_matter(False),  # of a representation learner
    goal_generator=Settled(None, _NO_PART),
    intrinsic_reward_module=Settled(None, _NO_PART),
    intrinsic_reward_coef=no_matter(1.0),  # of an intrinsic reward module
    extrinsic_reward_coef=Settled(1.0, "scale rewards with RewardScaling, a data transformer"),
    entropy_target_cls=no_matter(None),  # used where enforce_entropy_target is true
)
class Agent(Algorithm):
    """The RL algorithm that `rl_algorithm_cls` makes, and an optimizer for what has none.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        config: the `TrainerConfig`, or `None` outside training.
        rl_algorithm_cls: called as `rl_algorithm_cls(observation_spec=, action_spec=,
            reward_spec=, config=, debug_summaries=)`, makes the algorithm.
        enforce_entropy_target: must be false; the loss of the RL algorithm weighs entropy.
        optimizer: a spec from `alf.optimizers` for those parameters that the RL algorithm gives to
            no optimizer of its own; `None` leaves them as they are.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: an entropy target is asked for.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        config: Any = None,
        rl_algorithm_cls: Callable[..., Algorithm] = ActorCriticAlgorithm,
        enforce_entropy_target: bool = False,
        optimizer: Any = None,
        debug_summaries: bool = False,
        name: str = "AgentAlgorithm",
    ):
        if enforce_entropy_target:
            raise ConfigError(
                "Agent.enforce_entropy_target is True, and there is no entropy target to enforce: "
                "set the entropy_regularization of the loss, for example "
                "alf.config('PPOLoss', entropy_regularization=1e-3)"
            )
        rl_algorithm = rl_algorithm_cls(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
        )
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            state_spec=rl_algorithm.state_spec,
            optimizer=optimizer,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._rl_algorithm = rl_algorithm

    @property
    def rl_algorithm(self) -> Algorithm:
        """What `rl_algorithm_cls` made."""
        return self._rl_algorithm

    @property
    def on_policy(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.on_policy

    @property
    def state_is_for_acting(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.state_is_for_acting

    @property
    def has_batched_train_step(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.has_batched_train_step

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """Those of the RL algorithm, and the agent's own for the parameters that are left."""
        optimizers = self._rl_algorithm.optimizers()
        if self._optimizer is None:
            return optimizers
        moved = {id(p) for _, params in optimizers.values() for p in params}
        left = [p for p in self.parameters() if p.requires_grad and id(p) not in moved]
        if not left:
            return optimizers
        return {**optimizers, "agent" if optimizers else "": (self._optimizer, left)}

    def initial_state(self, batch_size: int) -> Any:
        """That of the RL algorithm."""
        return self._rl_algorithm.initial_state(batch_size)

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act as the RL algorithm does."""
        return self._rl_algorithm.predict_step(inputs, state)

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act as the RL algorithm does."""
        return self._rl_algorithm.rollout_step(inputs, state)

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: Any) -> AlgStep:
        """Compute as the RL algorithm does."""
        return self._rl_algorithm.train_step(inputs, state, rollout_info)

    def calc_loss(self, info: Any) -> LossInfo:
        """The loss of the RL algorithm."""
        return self._rl_algorithm.calc_loss(info)

    def preprocess_experience(self, inputs: TimeStep, rollout_info: Any) -> tuple[TimeStep, Any]:
        """As the RL algorithm does."""
        return self._rl_algorithm.preprocess_experience(inputs, rollout_info)

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, Any]:
        """The loss of the RL algorithm."""
        return self._rl_algorithm.batch_loss(inputs, rollout_info)

    def should_stop_epochs(self, info: Any) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.should_stop_epochs(info)

    def before_update(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.before_update(inputs, info)

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.after_update(inputs, info)

    def after_train_iter(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.after_train_iter(inputs, info)

    def convert_train_state_to_predict_state(self, state: Any) -> Any:
        """As the RL algorithm does."""
        return self._rl_algorithm.convert_train_state_to_predict_state(state)
