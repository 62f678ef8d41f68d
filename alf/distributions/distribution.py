"""The base class of the distributions, and how a nest with distributions is walked."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import optree
import torch

from alf.nest import map_structure

PARAMS_NAMESPACE = "alf.params"
"""The optree namespace in which a distribution is a node whose children are its parameters."""


class Distribution(ABC):
    """A batch of independent distributions over one event each.

    Nothing is validated and nothing is computed before it is asked for: an object costs about
    as much as a tuple. The leading dimensions of the parameters (`[B]`, `[T, B]` or none) are the
    batch; `event_dims` trailing dimensions of a value make one event. All drawing is from the
    global generator of torch, so one `torch.manual_seed` repeats it.

    For `alf.nest` a distribution is a leaf; `map_params` and its kin look inside.
    """

    __slots__ = ()

    param_names: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold parameter tensors, in the constructor's order."""

    static_names: ClassVar[tuple[str, ...]] = ()
    """The attributes that are the same for the whole batch; hashable, compared with `==`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.param_names:
            _register(cls)

    @property
    @abstractmethod
    def batch_shape(self) -> torch.Size:
        """The leading dimensions, e.g. `[B]`."""

    @property
    @abstractmethod
    def event_shape(self) -> torch.Size:
        """The shape of one event, e.g. `[action_dim]`."""

    @abstractmethod
    def sample(self) -> torch.Tensor:
        """A draw `[*batch_shape, *event_shape]` without gradient."""

    def rsample(self) -> torch.Tensor:
        """A draw whose gradient flows into the parameters.

        Raises:
            NotImplementedError: for a discrete distribution.
        """
        raise NotImplementedError(f"{type(self).__name__} has no reparameterized sample")

    def rsample_with_log_prob(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A draw with gradient and its log probability, as exact as the family allows."""
        value = self.rsample()
        return value, self.log_prob(value)

    @abstractmethod
    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log probability (density) `[*batch_shape]`, summed over the event.

        Args:
            value: `[*batch_shape, *event_shape]`.
        """

    @abstractmethod
    def entropy(self) -> torch.Tensor:
        """Entropy in nats `[*batch_shape]`, summed over the event."""

    @abstractmethod
    def kl_divergence(self, other: Any) -> torch.Tensor:
        """`KL(self || other)` in nats, `[*batch_shape]`.

        Args:
            other: of the same family.

        Raises:
            TypeError: if `other` is of another family.
        """

    @property
    @abstractmethod
    def mode(self) -> torch.Tensor:
        """The most probable event, `[*batch_shape, *event_shape]`."""

    @property
    @abstractmethod
    def mean(self) -> torch.Tensor:
        """The expected event, floating point, `[*batch_shape, *event_shape]`."""

    def params(self) -> dict[str, torch.Tensor]:
        """The parameter tensors by name."""
        return {name: getattr(self, name) for name in self.param_names}

    def detach(self) -> Self:
        """The same distribution without gradient."""
        return map_params(torch.Tensor.detach, self)

    def _same_family(self, other: "Distribution") -> None:
        if type(other) is not type(self):
            raise TypeError(
                f"no KL divergence of {type(self).__name__} from {type(other).__name__}: "
                "give two distributions of one family"
            )

    def __repr__(self) -> str:
        parts = [f"{name}={_short(value)}" for name, value in self.params().items()]
        parts += [f"{name}={getattr(self, name)}" for name in dict.fromkeys(self.static_names)]
        return f"{type(self).__name__}({', '.join(parts)})"


def to_params(nest: Any) -> Any:
    """The nest with each distribution replaced by the dict of its parameter tensors."""
    return map_structure(lambda x: x.params() if isinstance(x, Distribution) else x, nest)


def flatten_params(nest: Any) -> tuple[list[Any], optree.PyTreeSpec]:
    """The tensors of a nest, those inside its distributions included, and what rebuilds it.

    Returns:
        The leaves in order, and the structure for `unflatten_params`.
    """
    return optree.tree_flatten(nest, none_is_leaf=True, namespace=PARAMS_NAMESPACE)


def unflatten_params(structure: optree.PyTreeSpec, leaves: Sequence[Any]) -> Any:
    """The nest that `flatten_params` took apart, around new leaves."""
    return optree.tree_unflatten(structure, leaves)


def map_params(func: Callable[..., Any], *nests: Any) -> Any:
    """`alf.nest.map_structure` that walks through distributions into their parameters.

    For example `map_params(lambda *x: torch.stack(x), *steps)` stacks steps of `[B, ...]` into
    `[T, B, ...]`, distributions included.

    Raises:
        ValueError: if the nests differ in structure, family, or bounds of a distribution.
    """
    return optree.tree_map(func, *nests, none_is_leaf=True, namespace=PARAMS_NAMESPACE)


def sum_event(x: torch.Tensor, event_dims: int) -> torch.Tensor:
    """The sum over the last `event_dims` dimensions."""
    if event_dims == 0:
        return x
    if event_dims == 1:
        return x.sum(-1)
    return x.sum(tuple(range(-event_dims, 0)))


def split_shape(shape: torch.Size, event_dims: int) -> tuple[torch.Size, torch.Size]:
    """A shape's batch part and event part."""
    cut = len(shape) - event_dims
    return shape[:cut], shape[cut:]


LOG_2PI = math.log(2 * math.pi)


def _register(cls: type[Distribution]) -> None:
    params, statics = cls.param_names, cls.static_names

    def flatten(dist: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[str, ...]]:
        children = tuple([getattr(dist, name) for name in params])
        return children, tuple([getattr(dist, name) for name in statics]), params

    def unflatten(static: Any, children: Any) -> Any:
        return cls(*children, *static)

    optree.register_pytree_node(cls, flatten, unflatten, namespace=PARAMS_NAMESPACE)  # pyright: ignore[reportArgumentType]


def _short(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, torch.Tensor) else repr(value)
