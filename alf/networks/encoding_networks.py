"""Networks that turn observations into features: convolutions, then fully connected layers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from alf._config import configurable, moved
from alf._config.settled import Settled, no_matter, settled
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.networks.layer_chain import LayerChain
from alf.networks.layers import (
    activation_module,
    checked_sizes,
    default_initializer,
    fc_block,
)
from alf.networks.network import Network
from alf.networks.preprocessors import InputPreprocessing, to_float
from alf.tensor_specs import TensorSpec

_NO_ENSEMBLE = "there are no batch ensembles; use several networks"
_ENSEMBLE = {"use_batch_ensemble": Settled(False, _NO_ENSEMBLE), "ensemble_size": no_matter(10)}


@configurable
@settled(**_ENSEMBLE)
class ImageEncodingNetwork(Network):
    """A stack of convolutions over images `[B, C, H, W]`.

    Byte images are scaled to `0..1` first; float images are taken as they are. Weights start
    orthogonal.

    Args:
        input_channels: C.
        input_size: `(H, W)`, or one number for a square.
        conv_layer_params: one tuple a layer: `(filters, kernel_size, strides[, padding[,
            pooling_kernel]])`; each number may be a pair `(y, x)`. A pooling kernel adds max
            pooling after the activation.
        same_padding: pad so that a stride of 1 keeps the size; the padding in the tuples is
            ignored.
        activation: after each convolution.
        kernel_initializer: called with each weight; `None` for orthogonal.
        flatten_output: return `[B, features]` instead of `[B, C', H', W']`.
        name: name of the network.

    Raises:
        ConfigError: if a layer is not such a tuple, or the image is too small for it.
    """

    def __init__(
        self,
        input_channels: int,
        input_size: int | tuple[int, int],
        conv_layer_params: Sequence[tuple[Any, ...]],
        same_padding: bool = False,
        activation: Any = torch.relu_,
        kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        flatten_output: bool = False,
        name: str = "ImageEncodingNetwork",
    ):
        height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
        spec = TensorSpec((input_channels, height, width))
        super().__init__(spec, name=name)
        initialize = kernel_initializer or default_initializer(activation)
        layers: list[nn.Module] = []
        channels = input_channels
        for params in conv_layer_params:
            layers += _conv_block(channels, params, same_padding, activation, initialize)
            channels = params[0]
        self._layers = LayerChain(*layers)
        self._flatten_output = flatten_output
        self._output_spec = self._probe(spec)
        self.to(get_default_device())

    @property
    def output_spec(self) -> TensorSpec:
        """The spec of the output, without the batch dimension."""
        return self._output_spec

    def forward(self, inputs: torch.Tensor, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Features of images `[..., C, H, W]`."""
        x = to_float(inputs) if inputs.dtype != torch.float32 else inputs
        outer = x.shape[:-3]
        x = x if len(outer) == 1 else x.reshape(-1, *x.shape[-3:])
        # With the channels of a pixel side by side, a gradient costs half as much on a CPU.
        x = self._layers(x.contiguous(memory_format=torch.channels_last))
        x = x.flatten(1) if self._flatten_output else x.contiguous()
        return (x if len(outer) == 1 else x.unflatten(0, outer)), state

    def _probe(self, spec: TensorSpec) -> TensorSpec:
        try:
            with torch.no_grad():
                output, _ = self.forward(spec.zeros((1,)))
        except RuntimeError as error:
            raise ConfigError(
                f"{self.name}: images {tuple(spec.shape)} do not fit conv_layer_params: {error}"
            ) from None
        return TensorSpec.from_tensor(output, from_dim=1)


def _conv_block(
    channels: int,
    params: tuple[Any, ...],
    same_padding: bool,
    activation: Any,
    initialize: Callable[[torch.Tensor], Any],
) -> list[nn.Module]:
    if not isinstance(params, (tuple, list)) or not 3 <= len(params) <= 5:
        raise ConfigError(
            f"conv_layer_params has {params!r}: "
            "give (filters, kernel_size, strides[, padding[, pooling_kernel]])"
        )
    filters, kernel, strides, padding, pooling = (*params, *(0, 0)[len(params) - 3 :])
    if same_padding:
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = ((high - 1) // 2, (wide - 1) // 2)
    conv = nn.Conv2d(channels, filters, kernel, strides, padding)
    with torch.no_grad():
        initialize(conv.weight)
        nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    block: list[nn.Module] = [conv]
    module = activation_module(activation)
    if module is not None:
        block.append(module)
    if pooling:
        block.append(nn.MaxPool2d(pooling))
    return block


@configurable
@settled(**_ENSEMBLE, input_with_ensemble_ids=Settled(False, _NO_ENSEMBLE))
class EncodingNetwork(Network):
    """Preprocessing, convolutions and fully connected layers, as far as each is asked for.

    Without preprocessors a float32 tensor is taken as it is, bytes are scaled to `0..1`, bounded
    integers become one-hot vectors, and a nest is flattened and concatenated in nest order (dict
    keys sorted). Weights start orthogonal with a gain of the square root of 2 before a
    nonlinearity and 1 before none; biases start at 0.

    Args:
        input_tensor_spec: nest of specs.
        output_tensor_spec: the output is reshaped to it; `None` for a vector.
        input_preprocessors: nest like the specs of functions, modules or networks, `None` for the
            default; see `InputPreprocessing`.
        input_preprocessors_ctor: called with `input_tensor_spec`, makes `input_preprocessors`.
        preprocessing_combiner: takes the nest of preprocessed tensors, returns one tensor.
        conv_layer_params: see `ImageEncodingNetwork`; the input must be an image `[C, H, W]`.
        fc_layer_params: sizes of the fully connected layers.
        activation: after each layer but the last one.
        kernel_initializer: called with each weight; `None` for orthogonal.
        use_fc_bn: batch normalization in the fully connected layers.
        use_fc_ln: layer normalization in the fully connected layers.
        last_layer_size: size of one more layer; `None` for none.
        last_activation: its activation; required with `last_layer_size`; `identity` for none.
        last_kernel_initializer: its initializer; `None` for `kernel_initializer`.
        last_use_fc_bn: batch normalization in it.
        last_use_fc_ln: layer normalization in it.
        name: name of the network.

    Raises:
        ConfigError: if parameters contradict each other or the specs.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        output_tensor_spec: TensorSpec | None = None,
        input_preprocessors: Any = None,
        input_preprocessors_ctor: Callable[[Any], Any] | None = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        use_fc_bn: bool = False,
        use_fc_ln: bool = False,
        last_layer_size: int | None = None,
        last_activation: Any = None,
        last_kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        last_use_fc_bn: bool = False,
        last_use_fc_ln: bool = False,
        name: str = "EncodingNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        if input_preprocessors_ctor is not None:
            if input_preprocessors is not None:
                raise ConfigError(
                    f"{name}: give input_preprocessors or input_preprocessors_ctor, not both"
                )
            input_preprocessors = input_preprocessors_ctor(input_tensor_spec)
        if last_layer_size is not None and last_activation is None:
            raise ConfigError(f"{name}: last_layer_size is given without last_activation")
        preprocess = InputPreprocessing(
            input_tensor_spec, input_preprocessors, preprocessing_combiner
        )
        self._preprocess = None if preprocess.is_identity() else preprocess
        spec = preprocess.output_spec
        self._conv = self._make_conv(spec, conv_layer_params, activation, kernel_initializer)
        spec = spec if self._conv is None else self._conv.output_spec

        blocks: list[nn.Module] = []
        if spec.ndim > 1 or (spec.ndim == 0):
            blocks.append(_Flatten(spec.ndim))
        size = spec.numel
        for width in checked_sizes(f"{name}.fc_layer_params", fc_layer_params):
            blocks += fc_block(size, width, activation, kernel_initializer, use_fc_bn, use_fc_ln)
            size = width
        if last_layer_size is not None:
            blocks += fc_block(
                size,
                last_layer_size,
                last_activation,
                last_kernel_initializer or kernel_initializer,
                last_use_fc_bn,
                last_use_fc_ln,
            )
            size = last_layer_size
        if output_tensor_spec is not None:
            if output_tensor_spec.numel != size:
                raise ConfigError(f"{name}: {size} outputs do not fit {output_tensor_spec}")
            if output_tensor_spec.ndim != 1:
                blocks.append(_Reshape(tuple(output_tensor_spec.shape)))
        self._layers = LayerChain(*blocks)
        self._output_spec = output_tensor_spec or TensorSpec((size,))
        self.to(get_default_device())

    @property
    def output_spec(self) -> TensorSpec:
        """The spec of the output, without the batch dimension."""
        return self._output_spec

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Features `[B, ...]` of a nest of `[B, ...]`."""
        return self.encode(inputs), state

    def encode(self, inputs: Any) -> torch.Tensor:
        """The output alone: what enclosing networks call, without hooks and state."""
        if self._preprocess is not None:
            inputs = self._preprocess(inputs)
        if self._conv is not None:
            inputs, _ = self._conv(inputs)
        return self._layers(inputs)

    def _make_conv(
        self,
        spec: TensorSpec,
        conv_layer_params: Sequence[tuple[Any, ...]] | None,
        activation: Any,
        kernel_initializer: Callable[[torch.Tensor], Any] | None,
    ) -> ImageEncodingNetwork | None:
        if not conv_layer_params:
            return None
        if spec.ndim != 3:
            raise ConfigError(
                f"{self.name}: conv_layer_params need one image [C, H, W], but the input is "
                f"{tuple(spec.shape)}: choose a field, or give input_preprocessors for a nest"
            )
        return ImageEncodingNetwork(
            spec.shape[0],
            (spec.shape[1], spec.shape[2]),
            conv_layer_params,
            same_padding=False,
            activation=activation,
            kernel_initializer=kernel_initializer,
            flatten_output=True,
        )


class _Flatten(nn.Module):
    """`[..., *shape]` to `[..., features]`, `shape` of a given rank."""

    def __init__(self, ndim: int):
        super().__init__()
        self._ndim = ndim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(-self._ndim) if self._ndim else x.unsqueeze(-1)


class _Reshape(nn.Module):
    """`[..., features]` to `[..., *shape]`."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self._shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, self._shape) if self._shape else x.squeeze(-1)


if not TYPE_CHECKING:
    # Its module needs this one, and confs import it from here.
    _ELSEWHERE = {"LSTMEncodingNetwork": "alf.networks.recurrent_networks"}
    __getattr__ = moved.attributes(__name__, _ELSEWHERE)
