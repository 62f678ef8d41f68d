"""Behaviour cloning: do what was recorded, as likely as it was done there.

Pomerleau, "ALVINN: An Autonomous Land Vehicle in a Neural Network", 1988,
https://proceedings.neurips.cc/paper/1988/hash/812b4ba287f5ee0bc9d43bbf5bbe87fb-Abstract.html
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.critic_values import without_memory
from alf.algorithms.exploration import epsilon_in_play
from alf.algorithms.settled_parameters import CHECKPOINT, ENV
from alf.algorithms.transitions import before_and_after
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.distributions import (
    Distribution,
    compute_log_probability,
    epsilon_greedy_sample,
    sample_action_distribution,
)
from alf.errors import ConfigError
from alf.nest import flatten, map_structure, sum_nest
from alf.networks.actor_distribution_networks import ActorDistributionNetwork
from alf.networks.network import Network
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec


class BcInfo(NamedTuple):
    """What the loss needs of a sample, and what a policy has to show.

    Attributes:
        action: what was done, nest of `[T, B, ...]`.
        action_distribution: the policy, a nest like the action: of the `(T - 1) * B` rows but the
            last ones, from `predict_step` of `B`. `()` for a network that gives actions.
        error: how far the policy is from what was done, `[T - 1, B]`.
    """

    action: Any = ()
    action_distribution: Any = ()
    error: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT)
class BcAlgorithm(Algorithm):
    """Learn to do what was recorded.

    With a network that gives distributions, what was done becomes as likely as possible; with one
    that gives actions, such as `ActorNetwork`, their squared distance becomes as small as possible.
    Rewards are not looked at: the policy becomes as good as what was recorded is on average.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs.
        reward_spec: of anything.
        actor_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives a nest of
            distributions, or of actions.
        actor_optimizer: a spec from `alf.optimizers`.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode; `None` takes `TrainerConfig.epsilon_greedy`.
        config: the `TrainerConfig`, or `None` outside training.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: the actor has a memory, or the config names no recording.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_cls: Callable[..., Network] = ActorDistributionNetwork,
        actor_optimizer: Optimizer | None = None,
        epsilon_greedy: float | None = None,
        config: Any = None,
        debug_summaries: bool = False,
        name: str = "BcAlgorithm",
    ):
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        if config is not None and config.offline_buffer_dir is None:
            raise ConfigError(
                "BcAlgorithm does what was recorded, and no recording is named: set "
                "TrainerConfig.offline_buffer_dir, for example to a file that "
                "`alf play --record_file x.npz` wrote"
            )
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._actor_optimizer = actor_optimizer
        self._actor_network = without_memory(
            actor_network_cls(input_tensor_spec=observation_spec, action_spec=action_spec),
            type(self).__name__,
        )

    @property
    def on_policy(self) -> bool:
        """No: it learns from what others did."""
        return False

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """The actor's, if it is given."""
        if self._actor_optimizer is None:
            return {}
        return {"actor": (self._actor_optimizer, list(self._actor_network.parameters()))}

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the mode of the policy, or a sample with probability `epsilon_greedy`."""
        return self._act(inputs, state, lambda d: epsilon_greedy_sample(d, self._epsilon_greedy))

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy."""
        return self._act(inputs, state, sample_action_distribution)

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, BcInfo]:
        """The policy at all rows but the last one.

        Args:
            inputs: `[T, B, ...]`.
            rollout_info: has `action`, nest of `[T, B, ...]`: what was done.
        """
        now, _ = before_and_after(inputs, type(self).__name__)
        done = map_structure(lambda x: x[:-1].flatten(0, 1), rollout_info.action)
        output, _ = self._actor_network(now)
        error = _error(output, done).unflatten(0, inputs.step_type[:-1].shape)
        policy = output if _is_distribution(output) else ()
        info = BcInfo(action=rollout_info.action, action_distribution=policy, error=error)
        return self.calc_loss(info), info

    def calc_loss(self, info: BcInfo) -> LossInfo:
        """The error of each row; see `BcInfo`."""
        return LossInfo(loss=info.error)

    def _act(self, inputs: TimeStep, state: Any, choose: Callable[[Any], Any]) -> AlgStep:
        output, _ = self._actor_network(inputs.observation)
        if not _is_distribution(output):
            return AlgStep(output, state, BcInfo(action=output))
        action = choose(output)
        return AlgStep(action, state, BcInfo(action=action, action_distribution=output))


def _error(output: Any, done: Any) -> torch.Tensor:
    """How far what the network gave is from what was done, `[N]`."""
    if _is_distribution(output):
        return -compute_log_probability(output, done)
    return sum_nest(map_structure(_squared_distance, output, done))


def _squared_distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Of each row, `[N]`."""
    return (one - other).square().reshape(len(one), -1).sum(-1)


def _is_distribution(nest: Any) -> bool:
    return isinstance(flatten(nest)[0], Distribution)
