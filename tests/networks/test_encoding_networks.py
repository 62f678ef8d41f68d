"""Encoders: every kind of input, every layer option, and what is refused."""

import copy
import math
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from alf.errors import ConfigError
from alf.networks import (
    EmbeddingPreprocessor,
    EncodingNetwork,
    ImageEncodingNetwork,
    NestConcat,
    NestSum,
    Network,
    ValueNetwork,
    identity,
)
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

VECTOR = TensorSpec((4,))
IMAGE = BoundedTensorSpec((3, 20, 20), torch.uint8, 0, 255)
CONV = ((8, 4, 2), (16, 3, 1, 1))


def linears(net: nn.Module) -> list[nn.Linear]:
    return [module for module in net.modules() if isinstance(module, nn.Linear)]


class TestVector:
    def test_is_a_plain_sequence(self):
        """A float vector through two layers is exactly linear, relu, linear, relu."""
        net = EncodingNetwork(VECTOR, fc_layer_params=(64, 32))
        x = torch.randn(8, 4)
        one, two = linears(net)
        expected = two(one(x).relu()).relu()
        output, state = net(x)

        torch.testing.assert_close(output, expected)
        assert state == ()
        assert net.output_spec.shape == (32,)

    def test_any_leading_dimensions(self):
        """[T, B, ...] is treated like a batch of T * B."""
        net = EncodingNetwork(VECTOR, fc_layer_params=(8,))
        x = torch.randn(3, 5, 4)

        torch.testing.assert_close(net(x)[0].flatten(0, 1), net(x.flatten(0, 1))[0])

    def test_without_layers(self):
        """Nothing asked for is the identity; a matrix is flattened."""
        x = torch.randn(2, 4)
        assert EncodingNetwork(VECTOR)(x)[0] is x
        assert EncodingNetwork(TensorSpec((2, 3)))(torch.zeros(5, 2, 3))[0].shape == (5, 6)
        assert EncodingNetwork(TensorSpec(()))(torch.zeros(5))[0].shape == (5, 1)

    def test_the_input_is_not_changed(self):
        """In-place activations work on our own tensors only."""
        x = torch.randn(2, 4)
        before = x.clone()
        EncodingNetwork(VECTOR, fc_layer_params=(4,))(x)

        assert torch.equal(before, x)

    def test_last_layer(self):
        """The last layer has its own size, activation and initializer."""
        net = EncodingNetwork(
            VECTOR,
            output_tensor_spec=TensorSpec((2, 3)),
            fc_layer_params=(8,),
            last_layer_size=6,
            last_activation=torch.tanh,
            last_kernel_initializer=nn.init.zeros_,
        )

        assert torch.equal(net(torch.randn(5, 4))[0], torch.zeros(5, 2, 3))

    def test_normalization_layers(self):
        """Batch and layer normalization stand between linear and activation."""
        net = EncodingNetwork(VECTOR, fc_layer_params=(8,), use_fc_bn=True, use_fc_ln=True)
        kinds = [type(module).__name__ for module in net.modules()]

        assert kinds[-4:] == ["Linear", "BatchNorm1d", "LayerNorm", "ReLU"]
        assert linears(net)[0].bias is None

    @pytest.mark.parametrize(
        "activation", [torch.relu_, torch.tanh, nn.functional.elu, nn.SiLU, torch.sin, identity]
    )
    def test_activations(self, activation):
        """Functions, modules' classes and the identity all serve as activations."""
        net = EncodingNetwork(VECTOR, fc_layer_params=(8,), activation=activation)
        x = torch.randn(3, 4)
        function = activation() if isinstance(activation, type) else activation
        expected = function(linears(net)[0](x).clone())

        torch.testing.assert_close(net(x)[0], expected)


class TestInitialization:
    def test_orthogonal(self):
        """Weights start orthogonal with gain sqrt(2), biases at 0."""
        layer = linears(EncodingNetwork(VECTOR, fc_layer_params=(8,)))[0]
        torch.testing.assert_close(layer.weight.T @ layer.weight, 2 * torch.eye(4))
        assert not layer.bias.any()

    def test_value_head(self):
        """The value's layer is orthogonal with gain 1."""
        weight = linears(ValueNetwork(VECTOR, fc_layer_params=(8,)))[-1].weight
        assert math.isclose(weight.norm().item(), 1.0, rel_tol=1e-5)

    def test_own_initializer(self):
        """kernel_initializer is called with every weight of the encoding."""
        net = EncodingNetwork(VECTOR, fc_layer_params=(8, 8), kernel_initializer=nn.init.ones_)
        assert all(layer.weight.eq(1).all() for layer in linears(net))

    def test_seed_repeats_a_network(self):
        """One seed, one network."""
        torch.manual_seed(1)
        one = EncodingNetwork(VECTOR, fc_layer_params=(8,)).state_dict()
        torch.manual_seed(1)
        two = EncodingNetwork(VECTOR, fc_layer_params=(8,)).state_dict()

        assert all(torch.equal(one[name], two[name]) for name in one)


class TestImages:
    def test_bytes_are_scaled(self):
        """A byte image gives what the same image as floats in 0..1 gives."""
        image = torch.randint(0, 256, (5, 3, 20, 20), dtype=torch.uint8)
        net = EncodingNetwork(IMAGE, conv_layer_params=CONV, fc_layer_params=(32,))
        floats = EncodingNetwork(
            TensorSpec((3, 20, 20)), conv_layer_params=CONV, fc_layer_params=(32,)
        )
        floats.load_state_dict(net.state_dict())

        torch.testing.assert_close(net(image)[0], floats(image.float() / 255)[0])

    def test_shapes(self):
        """Sizes follow from kernel, stride, padding and pooling."""
        # (20 - 4) / 2 + 1 = 9; 9 + 2 - 3 + 1 = 9; pooled by 3: 3
        net = ImageEncodingNetwork(3, 20, ((8, 4, 2), (16, 3, 1, 1, 3)))
        assert net.output_spec.shape == (16, 3, 3)
        assert net(torch.zeros(2, 3, 20, 20))[0].shape == (2, 16, 3, 3)

        same = ImageEncodingNetwork(3, (10, 12), ((8, 3, 1), (4, 5, 1)), same_padding=True)
        assert same.output_spec.shape == (4, 10, 12)

    def test_any_leading_dimensions(self):
        """[T, B, C, H, W] keeps T and B."""
        net = ImageEncodingNetwork(3, 20, CONV, flatten_output=True)
        x = torch.randn(2, 5, 3, 20, 20)

        torch.testing.assert_close(net(x)[0][1], net(x[1])[0])

    @pytest.mark.parametrize(
        ("params", "advice"),
        [(((8, 4),), "give \\(filters"), (((8, 30, 1),), "do not fit")],
    )
    def test_refusals(self, params, advice):
        """A malformed layer, or a kernel larger than the image, is refused."""
        with pytest.raises(ConfigError, match=advice):
            ImageEncodingNetwork(3, 20, params)

    def test_vector_with_convolutions(self):
        """Convolutions over a vector are refused."""
        with pytest.raises(ConfigError, match="need one image"):
            EncodingNetwork(VECTOR, conv_layer_params=CONV)


class TestNests:
    spec: ClassVar[dict[str, Any]] = {
        "b": VECTOR,
        "a": BoundedTensorSpec((), torch.int64, 1, 3),
        "c": (TensorSpec((2, 2)),),
    }

    def batch(self):
        return {
            "b": torch.arange(8.0).reshape(2, 4),
            "a": torch.tensor([1, 3]),
            "c": (torch.full((2, 2, 2), -1.0),),
        }

    def test_default_combiner(self):
        """Leaves are flattened in nest order; bounded integers become one-hot vectors."""
        output, _ = EncodingNetwork(self.spec)(self.batch())

        assert output.tolist() == [
            [1, 0, 0, 0, 1, 2, 3, -1, -1, -1, -1],
            [0, 0, 1, 4, 5, 6, 7, -1, -1, -1, -1],
        ]

    def test_preprocessors_and_combiner(self):
        """Each leaf goes through its own preprocessor, then the combiner joins them."""
        preprocessors = {
            "a": EmbeddingPreprocessor(self.spec["a"], 6),
            "b": EncodingNetwork(VECTOR, fc_layer_params=(6,)),
            "c": (nn.Sequential(nn.Flatten(), nn.Linear(4, 6)),),
        }
        net = EncodingNetwork(
            self.spec,
            input_preprocessors=preprocessors,
            preprocessing_combiner=NestSum(),
            fc_layer_params=(5,),
        )
        batch = self.batch()
        joined = (
            preprocessors["a"](batch["a"])[0]
            + preprocessors["b"](batch["b"])[0]
            + preprocessors["c"][0](batch["c"][0])
        )

        torch.testing.assert_close(net(batch)[0], linears(net)[-1](joined).relu())
        assert len(list(net.parameters())) == 1 + 2 + 2 + 2

    def test_preprocessors_ctor(self):
        """The constructor is called with the input spec."""
        net = EncodingNetwork(
            self.spec,
            input_preprocessors_ctor=lambda spec: {"a": None, "b": torch.neg, "c": (None,)},
            preprocessing_combiner=None,
        )

        assert net(self.batch())[0][1, 3:7].tolist() == [-4, -5, -6, -7]

    def test_image_in_a_nest(self):
        """An image beside a vector is encoded by its preprocessor."""
        spec = {"image": IMAGE, "speed": VECTOR}
        net = EncodingNetwork(
            spec,
            input_preprocessors={
                "image": ImageEncodingNetwork(3, 20, CONV, flatten_output=True),
                "speed": None,
            },
            preprocessing_combiner=NestConcat(),
            fc_layer_params=(7,),
        )
        batch = {
            "image": torch.zeros(2, 3, 20, 20, dtype=torch.uint8),
            "speed": torch.zeros(2, 4),
        }

        assert net(batch)[0].shape == (2, 7)

    def test_a_copy_is_independent(self):
        """A deep copy computes the same and then goes its own way."""
        net = EncodingNetwork(
            self.spec,
            input_preprocessors={
                "a": EmbeddingPreprocessor(self.spec["a"], 2),
                "b": None,
                "c": (None,),
            },
            fc_layer_params=(3,),
        )
        twin = copy.deepcopy(net)
        before = net(self.batch())[0].clone()
        torch.testing.assert_close(twin(self.batch())[0], before)
        with torch.no_grad():
            for param in twin.parameters():
                param.add_(1.0)

        torch.testing.assert_close(net(self.batch())[0], before)
        assert not torch.allclose(twin(self.batch())[0], before)

    def test_refusals(self):
        """Contradictory or misshapen parameters are refused with advice."""
        with pytest.raises(ConfigError, match="structure"):
            EncodingNetwork(self.spec, input_preprocessors={"a": None})
        with pytest.raises(ConfigError, match="not both"):
            EncodingNetwork(VECTOR, input_preprocessors=identity, input_preprocessors_ctor=identity)
        with pytest.raises(ConfigError, match="without last_activation"):
            EncodingNetwork(VECTOR, last_layer_size=3)
        with pytest.raises(ConfigError, match="positive integers"):
            EncodingNetwork(VECTOR, fc_layer_params=(64, 0))
        with pytest.raises(ConfigError, match="do not fit"):
            EncodingNetwork(VECTOR, output_tensor_spec=TensorSpec((3,)), fc_layer_params=(4,))


class TestKinds:
    @pytest.mark.parametrize(
        ("spec", "value", "expected"),
        [
            (TensorSpec((1,), torch.float64), [0.5], [0.5]),
            (BoundedTensorSpec((2,), torch.uint8, 0, 255), [0, 255], [0.0, 1.0]),
            (BoundedTensorSpec((2,), torch.int8, 0, 1), [0, 1], [0.0, 1.0]),
            (BoundedTensorSpec((2,), torch.int64, 0, 2), [0, 2], [1, 0, 0, 0, 0, 1]),
            (TensorSpec((1,), torch.int64), [7], [7.0]),
        ],
        ids=["double", "bytes", "binary", "choices", "integer"],
    )
    def test_default_preprocessing(self, spec, value, expected):
        """Numbers become floats, bytes 0..1, and choices one-hot vectors."""
        output, _ = EncodingNetwork(spec)(torch.tensor([value], dtype=spec.dtype))

        torch.testing.assert_close(output, torch.tensor([expected], dtype=torch.float32))


class TestValueNetwork:
    def test_scalar_and_vector(self):
        """A scalar value has the batch's shape, a vector reward one value each."""
        x = torch.randn(5, 4)
        net = ValueNetwork(VECTOR, fc_layer_params=(8,))
        vector = ValueNetwork(VECTOR, TensorSpec((3,)), fc_layer_params=(8,))

        assert isinstance(net, Network)
        assert net(x)[0].shape == (5,)
        assert vector(x)[0].shape == (5, 3)
        assert net.state_spec == ()
        assert net.name == "ValueNetwork"
        assert net.input_tensor_spec is VECTOR
