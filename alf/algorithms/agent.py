"""An algorithm by the name that confs configure: `Agent` is the algorithm that it is told to be.

With an intrinsic reward module it is curious too: the RL algorithm learns from the sum of the
environment's rewards and those of the module, and the module learns from the same transitions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.intrinsic_reward import IntrinsicRewardAlgorithm
from alf.algorithms.settled_parameters import ENV, REWARD_WEIGHTS
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.errors import ConfigError
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec

_ENCODE = "let the networks encode: see input_preprocessors"
_NO_PART = "an Agent is one RL algorithm here; compose others in an Algorithm of your own"


class AgentInfo(NamedTuple):
    """What the parts of a curious agent need of each step.

    Attributes:
        rl: of the RL algorithm.
        transition: for the intrinsic reward module, `[T, B, ...]`.
        counts: which of the transitions count, bool `[T, B]`.
    """

    rl: Any = ()
    transition: Any = ()
    counts: Any = ()

    @property
    def action_distribution(self) -> Any:
        """That of the RL algorithm, which summaries look for; `()` without one."""
        return getattr(self.rl, "action_distribution", ())

    @property
    def action(self) -> Any:
        """That of the RL algorithm, likewise."""
        return getattr(self.rl, "action", ())


@configurable
@settled(
    env=ENV,
    reward_weight_algorithm_cls=Settled(None, REWARD_WEIGHTS.lesson),
    representation_learner_cls=Settled(None, _ENCODE),
    representation_use_rl_state=no_matter(False),  # of a representation learner
    goal_generator=Settled(None, _NO_PART),
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
        intrinsic_reward_module: called in the same way, makes an `IntrinsicRewardAlgorithm`, for
            example `RNDAlgorithm` or `ICMAlgorithm`; `None` for no curiosity.
        intrinsic_reward_coef: factor of its rewards.
        extrinsic_reward_coef: factor of the environment's rewards beside them.
        enforce_entropy_target: must be false; the loss of the RL algorithm weighs entropy.
        optimizer: a spec from `alf.optimizers` for those parameters that the RL algorithm gives to
            no optimizer of its own; `None` leaves them as they are.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: an entropy target is asked for, or an intrinsic reward module of another kind,
            or one beside an RL algorithm with a memory or with gradients through its rollout.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        config: Any = None,
        rl_algorithm_cls: Callable[..., Algorithm] = ActorCriticAlgorithm,
        intrinsic_reward_module: Callable[..., IntrinsicRewardAlgorithm] | None = None,
        intrinsic_reward_coef: float = 1.0,
        extrinsic_reward_coef: float = 1.0,
        enforce_entropy_target: bool = False,
        optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "AgentAlgorithm",
    ):
        if enforce_entropy_target:
            raise ConfigError(
                "Agent.enforce_entropy_target is True, and there is no entropy target to enforce: "
                "set the entropy_regularization of the loss, for example "
                "alf.config('PPOLoss', entropy_regularization=1e-3)"
            )
        if intrinsic_reward_module is None and extrinsic_reward_coef != 1.0:
            raise ConfigError(
                f"Agent.extrinsic_reward_coef is {extrinsic_reward_coef}, and there is no "
                f"intrinsic_reward_module beside whose rewards it would count: scale rewards with "
                f"RewardScaling, a data transformer"
            )
        common = {
            "observation_spec": observation_spec,
            "action_spec": action_spec,
            "reward_spec": reward_spec,
            "config": config,
            "debug_summaries": debug_summaries,
        }
        rl_algorithm = rl_algorithm_cls(**common)
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
        self._intrinsic = None
        self._intrinsic_coef = intrinsic_reward_coef
        self._extrinsic_coef = extrinsic_reward_coef
        if intrinsic_reward_module is not None:
            self._intrinsic = _checked(intrinsic_reward_module(**common), rl_algorithm, config)

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
    def stores_memory(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.stores_memory

    @property
    def cuts_unrolls(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.cuts_unrolls

    @property
    def prepares_unrolls(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.prepares_unrolls

    @property
    def has_batched_train_step(self) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.has_batched_train_step

    @property
    def loss_variant(self) -> Any:
        """As the RL algorithm says."""
        return self._rl_algorithm.loss_variant

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """Those of its parts, and the agent's own for the parameters that are left."""
        optimizers = self._rl_algorithm.optimizers()
        if self._intrinsic is not None:
            for name, moves in self._intrinsic.optimizers().items():
                optimizers = {**optimizers, f"intrinsic/{name}" if name else "intrinsic": moves}
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
        """The loss of the RL algorithm, and that of the intrinsic reward module."""
        loss_info = self._rl_algorithm.calc_loss(_rl_part(info))
        return self._add_loss(loss_info, info) if isinstance(info, AgentInfo) else loss_info

    def train_at_once(self, inputs: TimeStep, rollout_info: Any) -> Any:
        """As the RL algorithm does, with the rewards of both."""
        if self._intrinsic is None:
            return super().train_at_once(inputs, rollout_info)
        inputs, info = self._be_curious(inputs)
        return info._replace(rl=self._rl_algorithm.train_at_once(inputs, rollout_info))

    def preprocess_experience(self, inputs: TimeStep, rollout_info: Any) -> tuple[TimeStep, Any]:
        """As the RL algorithm does, with the rewards of both."""
        if self._intrinsic is None:
            return self._rl_algorithm.preprocess_experience(inputs, rollout_info)
        inputs, info = self._be_curious(inputs)
        inputs, rl_info = self._rl_algorithm.preprocess_experience(inputs, rollout_info)
        return inputs, info._replace(rl=rl_info)

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, Any]:
        """The loss of the RL algorithm, and that of the intrinsic reward module.

        What comes from `preprocess_experience` has its rewards; a sample from a replay buffer gets
        those of today.
        """
        if self._intrinsic is None:
            return self._rl_algorithm.batch_loss(inputs, rollout_info)
        info = rollout_info
        if not isinstance(info, AgentInfo):
            inputs, info = self._be_curious(inputs)
            info = info._replace(rl=rollout_info)
        loss_info, rl_info = self._rl_algorithm.batch_loss(inputs, info.rl)
        return self._add_loss(loss_info, info), info._replace(rl=rl_info)

    def should_stop_epochs(self, info: Any) -> bool:
        """As the RL algorithm says."""
        return self._rl_algorithm.should_stop_epochs(_rl_part(info))

    def before_update(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.before_update(inputs, _rl_part(info))

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.after_update(inputs, _rl_part(info))

    def after_train_iter(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._rl_algorithm.after_train_iter(inputs, _rl_part(info))

    def convert_train_state_to_predict_state(self, state: Any) -> Any:
        """As the RL algorithm does."""
        return self._rl_algorithm.convert_train_state_to_predict_state(state)

    @torch.no_grad()
    def _be_curious(self, inputs: TimeStep) -> tuple[TimeStep, AgentInfo]:
        """Time steps `[T, B, ...]` with the sum of all rewards, and what the module learns from.

        The reward for a transition stands, like the environment's, where it has led to.
        """
        assert self._intrinsic is not None
        transition, counts = self._intrinsic.transitions(inputs)
        intrinsic = self._intrinsic.intrinsic_reward(transition, counts)
        reward = self._extrinsic_coef * inputs.reward
        reward[1:] += self._intrinsic_coef * intrinsic[:-1]
        return inputs._replace(reward=reward), AgentInfo(transition=transition, counts=counts)

    def _add_loss(self, loss_info: LossInfo, info: AgentInfo) -> LossInfo:
        assert self._intrinsic is not None
        loss = self._intrinsic.mean_loss(info.transition, info.counts)
        if not isinstance(loss_info.scalar_loss, tuple):
            loss = loss + loss_info.scalar_loss
        return loss_info._replace(scalar_loss=loss)


def _rl_part(info: Any) -> Any:
    """What the RL algorithm knows of."""
    return info.rl if isinstance(info, AgentInfo) else info


def _checked(
    module: IntrinsicRewardAlgorithm, rl_algorithm: Algorithm, config: Any
) -> IntrinsicRewardAlgorithm:
    """The intrinsic reward module, if it can work beside the RL algorithm.

    Raises:
        ConfigError: see `Agent`.
    """
    name = type(rl_algorithm).__name__
    if rl_algorithm.cuts_unrolls or (rl_algorithm.on_policy and rl_algorithm.state_spec != ()):
        raise ConfigError(
            f"{name} learns step by step, since its networks have a memory, and an "
            f"intrinsic_reward_module looks at whole unrolls: give it networks without one"
        )
    with_grad = config is not None and config.unroll_with_grad
    if rl_algorithm.on_policy and (with_grad or not rl_algorithm.has_batched_train_step):
        raise ConfigError(
            f"{name} is trained through its rollout, whose rewards cannot change any more: define "
            f"train_step() and leave unroll_with_grad False to give it an intrinsic_reward_module"
        )
    return module
