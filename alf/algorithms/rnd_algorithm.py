"""Random network distillation (RND): what was never seen cannot be predicted.

Burda et al., "Exploration by Random Network Distillation", https://arxiv.org/abs/1810.12894

A network that nobody trains gives random features of observations. Another is trained to give the
same, and fails where it has seen little: this error is the reward. Here one value network learns
the sum of all rewards within an episode, where the paper has a second one for these rewards, that
looks beyond the ends of episodes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn

from alf._config import configurable
from alf.algorithms.intrinsic_reward import IntrinsicRewardAlgorithm, Transition
from alf.errors import ConfigError
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import identity
from alf.networks.preprocessors import one_hot_size
from alf.optimizers import Optimizer
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.transforms import Normalizer

_DEFAULT_NETWORK = partial(
    EncodingNetwork, fc_layer_params=(128, 128), last_layer_size=64, last_activation=identity
)


@configurable
class RNDAlgorithm(IntrinsicRewardAlgorithm):
    """Rewards observations that a network cannot yet predict the random features of.

    Numbers of observations have mean 0 and variance 1 for it, by running statistics of their own,
    and are clipped; the networks of the RL algorithm see them as they are. Give it to an `Agent`:

        alf.config("Agent", intrinsic_reward_module=RNDAlgorithm, intrinsic_reward_coef=0.5)

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs.
        reward_spec: a float32 scalar.
        target_network_ctor: `(input_tensor_spec=)` -> network without memory that gives features
            `[B, k]`; it stays as it starts.
        predictor_network_ctor: the same, for the network that learns; `None` for another one like
            the target.
        observation_clip: the largest absolute value of a normalized number, above 0.
        gamma: see `IntrinsicRewardAlgorithm`, like the rest.
        reward_clip: the largest reward; 0 for no limit.
        optimizer: a spec from `alf.optimizers`; `None` leaves its parameters to the `Agent`'s.
        config: the `TrainerConfig`, or `None` outside training.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: a number is out of its range, or the networks do not go together.
    """

    uses: ClassVar[tuple[str, ...]] = ("next_observation",)

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        target_network_ctor: Callable[..., Any] = _DEFAULT_NETWORK,
        predictor_network_ctor: Callable[..., Any] | None = None,
        observation_clip: float = 5.0,
        gamma: float = 0.99,
        reward_clip: float = 5.0,
        optimizer: Optimizer | None = None,
        config: Any = None,
        debug_summaries: bool = False,
        name: str = "RNDAlgorithm",
    ):
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            gamma=gamma,
            reward_clip=reward_clip,
            optimizer=optimizer,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        if observation_clip <= 0:
            raise ConfigError(
                f"{name}.observation_clip is {observation_clip}: give the largest absolute value "
                f"of a normalized observation, such as 5"
            )
        # Choices have no mean: they go to the networks as they are.
        is_number = [one_hot_size(spec) is None for spec in flatten(observation_spec)]
        self._normalizers: list[Normalizer | None] = [
            Normalizer(spec.shape, clipping=observation_clip) if number else None
            for spec, number in zip(flatten(observation_spec), is_number, strict=True)
        ]
        self._normalizer_modules = nn.ModuleList([n for n in self._normalizers if n is not None])

        def seen(spec: TensorSpec) -> TensorSpec:
            if one_hot_size(spec) is not None:
                return spec
            return BoundedTensorSpec(spec.shape, torch.float32, -observation_clip, observation_clip)

        seen_spec = map_structure(seen, observation_spec)
        self._target_network = target_network_ctor(input_tensor_spec=seen_spec)
        make_predictor = predictor_network_ctor or target_network_ctor
        self._predictor_network = make_predictor(input_tensor_spec=seen_spec)
        shapes = [
            tuple(net.output_spec.shape) for net in (self._target_network, self._predictor_network)
        ]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"{name}: the target network gives features {shapes[0]} and the predictor "
                f"{shapes[1]}: let both end in layers of one size"
            )
        for parameter in self._target_network.parameters():
            parameter.requires_grad_(False)

    def count(self, transition: Transition) -> None:
        """Let the statistics of observations follow."""
        leaves = flatten(transition.next_observation)
        for normalizer, leaf in zip(self._normalizers, leaves, strict=True):
            if normalizer is not None:
                normalizer.update(leaf)

    @torch.no_grad()
    def surprise(self, transition: Transition) -> torch.Tensor:
        """The mean squared error of the predicted features, `[N]`."""
        return self._error(transition.next_observation)

    def transition_loss(self, transition: Transition) -> torch.Tensor:
        """The same, with gradients."""
        return self._error(transition.next_observation)

    def _error(self, observation: Any) -> torch.Tensor:
        normalized = [
            leaf if normalizer is None else normalizer.normalize(leaf)
            for normalizer, leaf in zip(self._normalizers, flatten(observation), strict=True)
        ]
        seen = pack_sequence_as(observation, normalized)
        predicted, _ = self._predictor_network(seen)
        with torch.no_grad():
            target, _ = self._target_network(seen)
        return (predicted - target).square().mean(-1)
