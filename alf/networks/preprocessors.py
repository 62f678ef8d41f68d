"""From observations of any kind to the float tensors that layers take."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from alf._config import checked, configurable
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.nest import flatten, flatten_up_to, pack_sequence_as
from alf.networks.layers import linear, orthogonal
from alf.networks.network import Network
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

Preprocessor = Callable[[torch.Tensor], Any]
_ROWS = 2  # of a probe; 1 would hide what does away with the batch


def to_float(x: torch.Tensor) -> torch.Tensor:
    """A float32 tensor; bytes `0..255` become `0..1`, other numbers keep their value."""
    if x.dtype == torch.uint8:
        return x.float().mul_(1 / 255)
    return x.float()


def one_hot_size(spec: TensorSpec) -> int | None:
    """How many values a discrete leaf has, if it is better seen as a choice than as a number.

    That is: bounded integers with more than two values, except full bytes. `None` otherwise.
    """
    if not isinstance(spec, BoundedTensorSpec) or spec.is_continuous or spec.dtype == torch.bool:
        return None
    low, high = int(spec.minimum.min()), int(spec.maximum.max())
    if high - low < 2 or (spec.dtype == torch.uint8 and high == 255) or high - low > 100_000:
        return None
    return high - low + 1


class OneHot(nn.Module):
    """A discrete tensor `[..., *shape]` as one-hot vectors `[..., *shape, n]`.

    Args:
        spec: bounded integers.
    """

    def __init__(self, spec: BoundedTensorSpec):
        super().__init__()
        self._low = int(spec.minimum.min())
        self._size = int(spec.maximum.max()) - self._low + 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One-hot vectors, float32."""
        return nn.functional.one_hot(x.long() - self._low, self._size).float()


@configurable
class EmbeddingPreprocessor(Network):
    """A discrete tensor as learned vectors, a continuous one as a linear image of it.

    Args:
        input_tensor_spec: a bounded integer scalar, or a float vector.
        embedding_dim: size of the vector.
        name: name of the network.

    Raises:
        ConfigError: if the spec is of another kind.
    """

    def __init__(
        self,
        input_tensor_spec: TensorSpec,
        embedding_dim: int,
        name: str = "EmbeddingPreprocessor",
    ):
        super().__init__(input_tensor_spec, name=name)
        self._low = 0
        if isinstance(input_tensor_spec, BoundedTensorSpec) and input_tensor_spec.is_discrete:
            self._low = int(input_tensor_spec.minimum.min())
            count = int(input_tensor_spec.maximum.max()) - self._low + 1
            self._embedding = nn.Embedding(count, embedding_dim)
        elif input_tensor_spec.is_continuous and input_tensor_spec.ndim == 1:
            self._embedding = linear(input_tensor_spec.numel, embedding_dim, orthogonal(1.0))
        else:
            raise ConfigError(
                f"{name} cannot embed {input_tensor_spec}: give bounded integers or a float vector"
            )
        self._discrete = input_tensor_spec.is_discrete
        self.to(get_default_device())

    def forward(self, inputs: torch.Tensor, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Vectors `[B, ..., embedding_dim]`."""
        return self._embedding(inputs.long() - self._low if self._discrete else inputs), state


class NestConcat(nn.Module):
    """A combiner that concatenates the leaves of a nest.

    Args:
        dim: the dimension along which to concatenate.
    """

    def __init__(self, dim: int = -1):
        super().__init__()
        self._dim = dim

    def forward(self, nest: Any) -> torch.Tensor:
        """The leaves in nest order, side by side."""
        return torch.cat(flatten(nest), self._dim)


class NestSum(nn.Module):
    """A combiner that adds the leaves of a nest, which have one shape."""

    def forward(self, nest: Any) -> torch.Tensor:
        """The sum of the leaves."""
        leaves = flatten(nest)
        total = leaves[0]
        for leaf in leaves[1:]:
            total = total + leaf
        return total


class InputPreprocessing(nn.Module):
    """The way from a nest of observations to one float tensor.

    Every leaf goes through its preprocessor, or, without one, becomes float32: bytes are scaled to
    `0..1`, bounded integers become one-hot vectors. Then the combiner makes one tensor of the nest;
    the default one flattens every leaf and concatenates them.

    Args:
        input_tensor_spec: nest of specs.
        input_preprocessors: nest like the specs of functions, modules or networks; `None` in place
            of a leaf, or of all, for the default.
        preprocessing_combiner: takes the nest of preprocessed tensors, returns one tensor.

    Raises:
        ConfigError: if the preprocessors do not fit the specs, or one has memory.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
    ):
        super().__init__()
        self._spec = input_tensor_spec
        specs = flatten(input_tensor_spec)
        given = _spread(input_tensor_spec, input_preprocessors, len(specs))
        steps = [
            _default(spec) if step is None else _usable(step)
            for step, spec in zip(given, specs, strict=True)
        ]
        self._steps: list[Preprocessor | None] = steps
        self._modules_of_steps = nn.ModuleList([s for s in steps if isinstance(s, nn.Module)])
        self._combiner = preprocessing_combiner
        self._single = len(specs) == 1 and specs[0] is input_tensor_spec
        self.to(get_default_device())  # steps that are modules, before the probe runs through them
        self._output_spec = self._probe(specs)

    @property
    def output_spec(self) -> TensorSpec:
        """The spec of the resulting tensor."""
        return self._output_spec

    def is_identity(self) -> bool:
        """Whether a single tensor passes unchanged."""
        return self._single and self._steps == [None] and self._combiner is None

    def forward(self, inputs: Any) -> torch.Tensor:
        """One float tensor `[B, ...]` of a nest of `[B, ...]`."""
        return self._combine(flatten(inputs), flatten(self._spec), self._combiner)

    def _combine(
        self,
        leaves: list[torch.Tensor],
        specs: list[TensorSpec],
        combiner: Callable[[Any], torch.Tensor] | None,
    ) -> torch.Tensor:
        outer = leaves[0].dim() - specs[0].ndim
        done = [_apply(step, leaf) for step, leaf in zip(self._steps, leaves, strict=True)]
        if combiner is not None:
            return combiner(pack_sequence_as(self._spec, done))
        if self._single:
            return done[0]
        return torch.cat([_flat(x, outer) for x in done], -1)

    def _probe(self, specs: list[TensorSpec]) -> TensorSpec:
        """Once through all of it, where what does not fit can be told of."""
        leaves = [_lowest(spec) for spec in specs]
        combiner = self._combiner
        if combiner is not None:
            combiner = checked(combiner, "preprocessing_combiner", torch.Tensor)
        with torch.no_grad():
            for step, leaf in zip(self._steps, leaves, strict=True):
                _require_tensor(step, leaf)
            probe = self._combine(leaves, specs, combiner)
        if probe.shape[:1] != (_ROWS,):
            raise ConfigError(
                f"preprocessing_combiner {self._combiner!r} made a tensor {list(probe.shape)} of "
                f"{_ROWS} rows: let it keep the batch, as in [B, ...]"
            )
        return TensorSpec.from_tensor(probe, from_dim=1)


def _apply(step: Preprocessor | None, x: torch.Tensor) -> torch.Tensor:
    if step is None:
        return x
    out = step(x)
    return out[0] if isinstance(step, Network) else out


def _require_tensor(step: Preprocessor | None, x: torch.Tensor) -> None:
    if step is None:
        return
    version = x._version
    out = checked(step, "input_preprocessors")(x)
    if x._version != version:
        raise ConfigError(
            f"input preprocessor {step!r} changes its input, which others are to see as it is: give"
            f" one that does not work in place, as torch.relu instead of torch.relu_"
        )
    out = out[0] if isinstance(step, Network) else out
    if not isinstance(out, torch.Tensor) or out.shape[:1] != x.shape[:1]:
        is_tensor = isinstance(out, torch.Tensor)
        made = f"tensor of shape {list(out.shape)}" if is_tensor else type(out).__name__
        raise ConfigError(
            f"input preprocessor {step!r} made a {made} of a tensor of shape {list(x.shape)}, and "
            f"must make a tensor [B, ...]: give a function, a module or a network, not its class"
        )


def _flat(x: torch.Tensor, outer: int) -> torch.Tensor:
    return x.unsqueeze(-1) if x.dim() == outer else x.flatten(outer)


def _lowest(spec: TensorSpec) -> torch.Tensor:
    """Rows that lie within the bounds, on the device that networks are built on."""
    if isinstance(spec, BoundedTensorSpec) and spec.is_discrete:
        lowest = torch.tensor(spec.minimum).to(get_default_device())
        return torch.stack([lowest] * _ROWS)
    return spec.zeros((_ROWS,)).to(get_default_device())


def _default(spec: TensorSpec) -> Preprocessor | None:
    if spec.dtype == torch.float32:
        return None
    if one_hot_size(spec) is not None:
        return OneHot(BoundedTensorSpec.from_spec(spec))
    return to_float


def _usable(step: Any) -> Preprocessor:
    if not callable(step):
        raise ConfigError(
            f"input preprocessor {step!r} is a {type(step).__name__}: give a function of a tensor, "
            f"a module or a network, or None for the default"
        )
    if isinstance(step, Network) and step.state_spec != ():
        raise ConfigError(f"input preprocessor {step.name} has a state: give one without memory")
    return step


def _spread(spec: Any, preprocessors: Any, count: int) -> list[Any]:
    if preprocessors is None:
        return [None] * count
    try:
        return flatten_up_to(spec, preprocessors)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"input_preprocessors do not have the structure of the input spec: {error}. Give a "
            f"preprocessor, or None, for each tensor of {spec}"
        ) from None
