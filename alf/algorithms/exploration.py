"""How a policy that always gives the same action tries others: noise, and actions at random."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from alf.errors import ConfigError
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.schedulers import as_scheduler
from alf.tensor_specs import BoundedTensorSpec, TensorSpec


class DriftingNoise:
    """Noise that drifts: the Ornstein-Uhlenbeck process in steps of 1.

    `x_t = (1 - damping) x_{t-1} + stddev N(0, 1)`, from 0. Neighbouring steps are alike, so that
    something heavy is pushed long enough to move; with `damping` 1 each step is independent of the
    others. In the long run its standard deviation is `stddev / sqrt(damping (2 - damping))`. See
    Lillicrap et al., https://arxiv.org/abs/1509.02971, and Uhlenbeck and Ornstein,
    https://doi.org/10.1103/PhysRev.36.823

    Args:
        action_spec: nest of specs.
        stddev: of what each step adds, at least 0, in units of the action.
        damping: in `(0, 1]`.

    Raises:
        ConfigError: a number is out of its range.

    Attributes:
        state_spec: of the present value, a nest like the action; `()` where steps are independent.
    """

    def __init__(self, action_spec: Any, stddev: float, damping: float):
        if not stddev >= 0:
            raise ConfigError(f"ou_stddev is {stddev}: give a number of at least 0")
        if not 0 < damping <= 1:
            raise ConfigError(f"ou_damping is {damping}: give a number above 0, at most 1")
        self._stddev = stddev
        self._damping = damping
        self.state_spec: Any = ()
        if damping < 1:
            self.state_spec = map_structure(TensorSpec.from_spec, action_spec)

    def step(self, state: Any, action: Any) -> tuple[Any, Any]:
        """The next value.

        Args:
            state: the last value, a nest of `[B, ...]`, or `()`; see `state_spec`.
            action: what the noise is for, nest of `[B, ...]`.

        Returns:
            The noise, a nest like `action`, and the next state.
        """
        if self._damping == 1:
            return map_structure(lambda x: torch.randn_like(x) * self._stddev, action), ()
        keep = 1 - self._damping
        noise = map_structure(lambda x: x * keep + torch.randn_like(x) * self._stddev, state)
        return noise, noise

    def sample(self, action: Any) -> Any:
        """Values as they are in the long run, each independent of the others.

        Args:
            action: nest of `[B, ...]`.
        """
        scale = self._stddev / (self._damping * (2 - self._damping)) ** 0.5
        return map_structure(lambda x: torch.randn_like(x) * scale, action)


class ActionBox(nn.Module):
    """The bounds of a nest of continuous actions; they move with the module's device.

    Args:
        action_spec: nest of specs.
        algorithm: the name of the one that needs it.

    Raises:
        ConfigError: an action is discrete, or has no finite bounds.
    """

    def __init__(self, action_spec: Any, algorithm: str):
        super().__init__()
        self._count = 0
        for spec in flatten(action_spec):
            low, high = _bounds(spec, algorithm)
            self.register_buffer(f"low{self._count}", torch.tensor(low), persistent=False)
            self.register_buffer(f"high{self._count}", torch.tensor(high), persistent=False)
            self._count += 1

    def clip(self, action: Any) -> Any:
        """The nearest action within the bounds, for a nest of `[B, ...]`."""
        clipped = [
            torch.clamp(x, low, high)
            for x, (low, high) in zip(flatten(action), self._pairs(), strict=True)
        ]
        return pack_sequence_as(action, clipped)

    def sample(self, like: Any) -> Any:
        """Uniform actions, a nest like `like` of `[B, ...]`."""
        uniform = [
            low + (high - low) * torch.rand_like(x)
            for x, (low, high) in zip(flatten(like), self._pairs(), strict=True)
        ]
        return pack_sequence_as(like, uniform)

    def _pairs(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [
            (self.get_buffer(f"low{i}"), self.get_buffer(f"high{i}")) for i in range(self._count)
        ]


def epsilon_in_play(algorithm: str, given: float | None, config: Any) -> float:
    """The probability with which `predict_step` does not take the best action.

    Args:
        algorithm: whose it is.
        given: its `epsilon_greedy`; `None` for that of `config`.
        config: the `TrainerConfig`; `None` for 0.

    Raises:
        ConfigError: it is no probability.
    """
    if given is None:
        return 0.0 if config is None else config.epsilon_greedy
    return as_probability(f"{algorithm}.epsilon_greedy", given)


def epsilon_in_rollout(algorithm: str, given: float | Callable[[], float]) -> Callable[[], float]:
    """The schedule of the probability with which `rollout_step` takes any action.

    Args:
        algorithm: whose it is.
        given: its `rollout_epsilon_greedy`.

    Raises:
        ConfigError: it is neither a probability nor a scheduler, or does not begin with one.
    """
    schedule = as_scheduler(given)
    _ = as_probability(f"{algorithm}.rollout_epsilon_greedy", schedule())
    return schedule


def as_probability(name: str, value: Any) -> float:
    """The value itself.

    Args:
        name: what it was given for.
        value: any number.

    Raises:
        ConfigError: it does not lie in `[0, 1]`.
    """
    if not hasattr(type(value), "__float__") or not 0 <= value <= 1:
        raise ConfigError(f"{name} is {value!r}: give a probability between 0 and 1")
    return float(value)


def explorers(epsilon: float, like: torch.Tensor) -> torch.Tensor | None:
    """Which of a batch try something else, each on its own.

    On the CPU the first of them is drawn, which is a geometric variable, and those after it: to
    look at one number is quicker than at one for each of a few, of whom mostly none explores.
    Another device would be waited for.

    Args:
        epsilon: the probability, in `[0, 1]`.
        like: `[B, ...]`, on the device of the answer.

    Returns:
        Bool `[B]`; `None` where nobody does.
    """
    size = like.size(0)
    if epsilon == 0:
        return None
    if not like.is_cpu or epsilon == 1:
        return torch.rand(size, device=like.device) < epsilon
    tries = torch.empty((), dtype=torch.float64).geometric_(epsilon).item()
    if tries > size:
        return None
    first = int(tries) - 1
    explores = torch.zeros(size, dtype=torch.bool)
    explores[first] = True
    explores[first + 1 :].bernoulli_(epsilon)
    return explores


def choose_sometimes(probability: float, chosen: Any, otherwise: Any) -> Any:
    """One of two actions; each element of the batch decides on its own, for all leaves together.

    Args:
        probability: of the first, in `[0, 1]`.
        chosen: nest of `[B, ...]`.
        otherwise: likewise.
    """
    first: torch.Tensor = flatten(otherwise)[0]
    takes = torch.rand(first.shape[0], device=first.device) < probability

    def choose(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(takes.view(-1, *[1] * (x.dim() - 1)), x, y)

    return map_structure(choose, chosen, otherwise)


def _bounds(spec: TensorSpec, algorithm: str) -> tuple[Any, Any]:
    if spec.is_discrete:
        raise ConfigError(
            f"{algorithm} is for continuous actions, and the action spec has {spec}: use "
            f"DqnAlgorithm for one discrete action, SacAlgorithm for one beside continuous ones"
        )
    if isinstance(spec, BoundedTensorSpec):
        low, high = spec.minimum, spec.maximum
        if np.isfinite(low).all() and np.isfinite(high).all():
            return low, high
    raise ConfigError(
        f"{algorithm} needs finite bounds of actions, and the action spec has {spec}: bound it in "
        f"an environment wrapper, as gymnasium.wrappers.RescaleAction does"
    )
