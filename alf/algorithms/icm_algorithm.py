"""Intrinsic curiosity module (ICM): what one's own actions do, and is not yet understood.

Pathak et al., "Curiosity-driven Exploration by Self-supervised Prediction",
https://arxiv.org/abs/1705.05363

An encoder learns features of observations from which the action between two of them can be told
(the inverse model), so that they hold what the agent can do something about. A forward model
predicts the next features from these and the action; its error is the reward. The forward model
learns on features as they are: its loss does not move the encoder, which could otherwise please it
by forgetting everything.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from alf._config import configurable
from alf.algorithms.intrinsic_reward import IntrinsicRewardAlgorithm, Transition
from alf.errors import ConfigError
from alf.nest import flatten
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import identity
from alf.optimizers import Optimizer
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

_DEFAULT_ENCODER = partial(
    EncodingNetwork, fc_layer_params=(128,), last_layer_size=64, last_activation=identity
)


@configurable
class ICMAlgorithm(IntrinsicRewardAlgorithm):
    """Rewards transitions whose outcome, as far as actions shape it, is not yet predicted.

    Give it to an `Agent`:

        alf.config("Agent", intrinsic_reward_module=ICMAlgorithm, intrinsic_reward_coef=0.5)

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs, bounded where they are discrete.
        reward_spec: a float32 scalar.
        encoding_network_ctor: `(input_tensor_spec=)` -> network without memory that gives features
            `[B, k]`.
        model_fc_layer_params: sizes of the hidden layers of the forward and of the inverse model.
        forward_loss_weight: `beta` of the loss `(1 - beta) L_inverse + beta L_forward`, in
            `[0, 1]`.
        gamma: see `IntrinsicRewardAlgorithm`, like the rest.
        reward_clip: the largest reward; 0 for no limit.
        optimizer: a spec from `alf.optimizers`; `None` leaves its parameters to the `Agent`'s.
        config: the `TrainerConfig`, or `None` outside training.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: a number is out of its range, or a discrete action has no bounds.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        encoding_network_ctor: Callable[..., Any] = _DEFAULT_ENCODER,
        model_fc_layer_params: Sequence[int] = (128,),
        forward_loss_weight: float = 0.2,
        gamma: float = 0.99,
        reward_clip: float = 5.0,
        optimizer: Optimizer | None = None,
        config: Any = None,
        debug_summaries: bool = False,
        name: str = "ICMAlgorithm",
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
        if not 0 <= forward_loss_weight <= 1:
            raise ConfigError(
                f"{name}.forward_loss_weight is {forward_loss_weight}: give a share of the loss, "
                f"between 0 and 1"
            )
        self._beta = forward_loss_weight
        self._action_specs = flatten(action_spec)
        self._output_sizes = [_output_size(name, spec) for spec in self._action_specs]
        self._encoder = encoding_network_ctor(input_tensor_spec=observation_spec)
        features = self._encoder.output_spec
        model = partial(
            EncodingNetwork, fc_layer_params=model_fc_layer_params, last_activation=identity
        )
        self._forward_model = model(
            input_tensor_spec=(features, action_spec), last_layer_size=features.numel
        )
        self._inverse_model = model(
            input_tensor_spec=(features, features), last_layer_size=sum(self._output_sizes)
        )

    @torch.no_grad()
    def surprise(self, transition: Transition) -> torch.Tensor:
        """Half the squared error of the predicted features, `[N]`."""
        before, after = self._features(transition)
        return self._forward_loss(before, transition.action, after)

    def transition_loss(self, transition: Transition) -> torch.Tensor:
        """`(1 - beta) L_inverse + beta L_forward`, `[N]`."""
        before, after = self._features(transition)
        forward = self._forward_loss(before.detach(), transition.action, after.detach())
        inverse = self._inverse_loss(before, transition.action, after)
        return (1 - self._beta) * inverse + self._beta * forward

    def _features(self, transition: Transition) -> tuple[torch.Tensor, torch.Tensor]:
        before, _ = self._encoder(transition.observation)
        after, _ = self._encoder(transition.next_observation)
        return before, after

    def _forward_loss(self, before: torch.Tensor, action: Any, after: torch.Tensor) -> torch.Tensor:
        predicted, _ = self._forward_model((before, action))
        return 0.5 * (predicted - after).square().sum(-1)

    def _inverse_loss(self, before: torch.Tensor, action: Any, after: torch.Tensor) -> torch.Tensor:
        """Cross entropy of discrete actions, half the squared error of others, summed, `[N]`."""
        told, _ = self._inverse_model((before, after))
        total = told.new_zeros(told.shape[0])
        parts = told.split(self._output_sizes, dim=-1)
        for spec, done, part in zip(self._action_specs, flatten(action), parts, strict=True):
            if spec.is_discrete:
                total = total + _cross_entropy(spec, done, part)
            else:
                total = total + 0.5 * (part - done.reshape(part.shape).float()).square().sum(-1)
        return total


def _output_size(name: str, spec: TensorSpec) -> int:
    if not spec.is_discrete:
        return spec.numel
    if not isinstance(spec, BoundedTensorSpec):
        raise ConfigError(f"{name} tells discrete actions apart, and {spec} has no bounds")
    return spec.numel * _count(spec)


def _count(spec: BoundedTensorSpec) -> int:
    return int(spec.maximum.max()) - int(spec.minimum.min()) + 1


def _cross_entropy(spec: Any, action: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """`[N]`, summed over the elements of an action `[N, ...]`."""
    choices = (action.long() - int(spec.minimum.min())).reshape(action.shape[0], -1)
    logits = logits.view(*choices.shape, _count(spec))
    return F.cross_entropy(logits.movedim(-1, 1), choices, reduction="none").sum(-1)
