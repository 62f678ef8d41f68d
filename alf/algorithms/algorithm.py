"""The contract between an algorithm, which decides, and the trainer, which drives."""

from typing import Any

import torch
from torch import nn

from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.distributions import map_params
from alf.module import Module
from alf.nest import map_structure
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec


class Algorithm(Module):
    """Base of all algorithms.

    State comes in and goes out of every step function; the caller keeps it and resets it where an
    episode begins. An algorithm touches no environment, file, summary writer or progress bar.

    Subclasses implement `predict_step`, `rollout_step` and `calc_loss`, and `train_step` where the
    training forward pass can be computed for a whole batch at once.

    The attributes `_observation_spec`, `_action_spec`, `_reward_spec` and `_config` are protected
    API: subclasses outside this package use them.

    Args:
        observation_spec: nest of specs of what the policy sees, after data transformers.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar unless rewards are vectors.
        state_spec: nest of specs of the state between steps, `()` without memory.
        optimizer: a spec from `alf.optimizers`, or `None` where the trainer is not to update this
            algorithm.
        config: the `TrainerConfig`, or `None` outside training.
        debug_summaries: whether to write summaries that only a developer needs.
        name: prefix of summaries.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        state_spec: Any = (),
        optimizer: Optimizer | None = None,
        config: Any = None,
        debug_summaries: bool = False,
        name: str = "Algorithm",
    ):
        super().__init__()
        self._observation_spec = observation_spec
        self._action_spec = action_spec
        self._reward_spec = TensorSpec(()) if reward_spec is None else reward_spec
        self._state_spec = state_spec
        self._optimizer = optimizer
        self._config = config
        self._debug_summaries = debug_summaries
        self._name = name

    @property
    def name(self) -> str:
        """Prefix of summaries."""
        return self._name

    @property
    def observation_spec(self) -> Any:
        """Nest of specs of what the policy sees."""
        return self._observation_spec

    @property
    def action_spec(self) -> Any:
        """Nest of bounded specs."""
        return self._action_spec

    @property
    def state_spec(self) -> Any:
        """Nest of specs of the state between steps, `()` without memory."""
        return self._state_spec

    @property
    def optimizer(self) -> Any:
        """The optimizer's spec, or `None`."""
        return self._optimizer

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """Which optimizer moves which parameters, by a name that summaries use.

        By default the algorithm's one optimizer moves all of them; the name is `""`. An algorithm
        with several overrides this. Parameters that none moves, such as those of target networks,
        need no gradient.
        """
        if self._optimizer is None:
            return {}
        return {"": (self._optimizer, [p for p in self.parameters() if p.requires_grad])}

    @property
    def on_policy(self) -> bool:
        """Whether an unroll is used for one update and then thrown away.

        Otherwise experience is kept in a replay buffer and used in minibatches, as often as the
        `TrainerConfig` says.
        """
        return True

    @property
    def state_is_for_acting(self) -> bool:
        """Whether training asks the trainer for no state.

        It does without one, which is, say, the noise of the actions, or finds what it needs in
        `rollout_info` (see `stores_memory`). Then an algorithm with a state can be trained on
        samples.
        """
        return False

    @property
    def stores_memory(self) -> bool:
        """Whether `rollout_step` puts the state that it is given into its info.

        Then training goes on from there, over the rows of a sequence.
        """
        return False

    @property
    def cuts_unrolls(self) -> bool:
        """Whether `preprocess_experience` gives sequences of steps in the place of steps."""
        return False

    @property
    def prepares_unrolls(self) -> bool:
        """Whether `preprocess_experience` works out what the loss needs of a whole unroll.

        Then experience from a replay buffer, or of others, lacks it.
        """
        return type(self).preprocess_experience is not Algorithm.preprocess_experience

    @property
    def has_batched_train_step(self) -> bool:
        """Whether `train_step` stands in for gradients through the rollout.

        A class that overrides `rollout_step` without overriding `train_step` has changed what is
        computed in training, so an inherited `train_step` no longer tells the whole story; such a
        class is trained with gradients through its own rollout.
        """
        for cls in type(self).__mro__:
            if "train_step" in vars(cls):
                return cls is not Algorithm
            if "rollout_step" in vars(cls):
                return False
        raise AssertionError("Algorithm defines both")

    @property
    def loss_variant(self) -> Any:
        """What the loss depends on besides tensors, e.g. whether an actor's turn has come.

        Hashable. A compiled loss (`TrainerConfig.compile`) has what Python decides built in, so
        there is a program for each value.
        """
        return ()

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step of an episode: zeros `[batch_size, ...]`."""
        device = next(self.parameters(), torch.zeros(())).device
        return map_structure(lambda spec: spec.zeros((batch_size,)).to(device), self._state_spec)

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act in play and evaluation; no gradients.

        Args:
            inputs: `[B, ...]`.
            state: nest of `[B, ...]`.

        Returns:
            The action, the next state, and anything worth showing in `info`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement predict_step()")

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act while collecting data, once an environment step.

        Without gradients, `info` is what `train_step` will need besides the time step; with
        gradients (see `has_batched_train_step`) it is what `calc_loss` will need.

        Args:
            inputs: `[B, ...]`.
            state: nest of `[B, ...]`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement rollout_step()")

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: Any) -> AlgStep:
        """Compute, with gradients, what `calc_loss` needs.

        Args:
            inputs: `[N, ...]`; for an algorithm without memory `N` runs over a whole unroll.
            state: nest of `[N, ...]`.
            rollout_info: what `rollout_step` returned as `info` for these inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement train_step()")

    def calc_loss(self, info: Any) -> LossInfo:
        """The loss of an unroll.

        Args:
            info: nest of `[T, B, ...]`. The last row is the bootstrap step, whose own loss the
                trainer masks.

        Returns:
            A `LossInfo` whose `loss` is `[T, B]`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement calc_loss()")

    def preprocess_experience(self, inputs: TimeStep, rollout_info: Any) -> tuple[TimeStep, Any]:
        """Called once on a whole unroll before it is cut into minibatches, without gradients.

        Args:
            inputs: `[T, B, ...]`; the last row is the bootstrap step.
            rollout_info: nest of `[T, B, ...]`; the last row is a copy of the one before.

        Returns:
            Both, changed or not, with the same leading dimensions; or with other ones, those of
            sequences that take the place of steps (see `cuts_unrolls`).
        """
        return inputs, rollout_info

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, Any]:
        """The loss of a minibatch, for an algorithm that is not on-policy.

        By default `train_at_once`, then `calc_loss`. An algorithm with a memory, or one that needs
        other networks at other rows, computes what it needs here.

        Args:
            inputs: `[T, B, ...]`, consecutive steps.
            rollout_info: nest of `[T, B, ...]`.

        Returns:
            The loss, `[T, B]`, and the info that it was computed from.
        """
        info = self.train_at_once(inputs, rollout_info)
        return self.calc_loss(info), info

    def train_at_once(self, inputs: TimeStep, rollout_info: Any) -> Any:
        """`train_step` on all `T * B` steps as one batch, for an algorithm without memory.

        Args:
            inputs: `[T, B, ...]`.
            rollout_info: nest of `[T, B, ...]`.

        Returns:
            The info, nest of `[T, B, ...]`.
        """
        rows, columns = inputs.step_type.shape
        flat_inputs = map_structure(lambda x: x.flatten(0, 1), inputs)
        flat_info = map_params(lambda x: x.flatten(0, 1), rollout_info)
        info = self.train_step(flat_inputs, (), flat_info).info
        return map_params(lambda x: x.unflatten(0, (rows, columns)), info)

    def should_stop_epochs(self, info: Any) -> bool:
        """Asked after each minibatch: whether to leave the rest of this unroll's epochs out."""
        return False

    def before_update(self, inputs: TimeStep, info: Any) -> None:
        """Called after `calc_loss`, before the optimizer's step."""

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Called after each optimizer step, without gradients.

        Args:
            inputs: the time steps of the update, `[T, B, ...]`.
            info: what `calc_loss` was given.
        """

    def after_train_iter(self, inputs: TimeStep, info: Any) -> None:
        """Called once at the end of a training iteration, without gradients.

        Args:
            inputs: the time steps of the unroll, `[T, B, ...]`; without fields where the algorithm
                is trained from a replay buffer.
            info: what `calc_loss` got, for an on-policy algorithm; else what
                `preprocess_experience` gave; `()` with a replay buffer.
        """

    def convert_train_state_to_predict_state(self, state: Any) -> Any:
        """The part of a training state that `predict_step` uses; all of it by default."""
        return state


def reset_state(state: Any, initial_state: Any, is_first: torch.Tensor) -> Any:
    """Put the initial state where an episode begins.

    Args:
        state: nest of `[B, ...]`.
        initial_state: nest of `[B, ...]`.
        is_first: bool `[B]`.
    """

    def choose(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        return torch.where(is_first.view(-1, *[1] * (old.ndim - 1)), new, old)

    return map_structure(choose, state, initial_state)
