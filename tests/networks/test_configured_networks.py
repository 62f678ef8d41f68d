"""What a conf sets reaches networks, projections, optimizers and schedulers."""

import pytest
import torch
from torch import nn

from alf._config import config, isolated
from alf.distributions import SquashedNormal
from alf.errors import ConfigError
from alf.networks import ActorDistributionNetwork, EncodingNetwork, ValueNetwork
from alf.optimizers import Adam
from alf.schedulers import LinearScheduler
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

VECTOR = TensorSpec((4,))
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)


@pytest.fixture(autouse=True)
def _own_config():
    with isolated():
        yield


def widths(net: nn.Module) -> list[int]:
    return [module.out_features for module in net.modules() if isinstance(module, nn.Linear)]


def test_layers_and_projection():
    """Sizes, activation and the projection's own parameters are set by name."""
    config("ActorDistributionNetwork", fc_layer_params=(7, 5), activation=torch.tanh)
    config("NormalProjectionNetwork", scale_distribution=True)
    net = ActorDistributionNetwork(VECTOR, BOX)

    assert widths(net) == [7, 5, 2]
    assert isinstance(net(torch.zeros(1, 4))[0], SquashedNormal)
    assert any(isinstance(module, nn.Tanh) for module in net.modules())


def test_an_encoder_inside_keeps_its_own_settings():
    """What is set for EncodingNetwork does not leak into a value network."""
    config("EncodingNetwork", fc_layer_params=(9,), last_layer_size=3, last_activation=torch.tanh)

    assert widths(EncodingNetwork(VECTOR)) == [9, 3]
    assert widths(ValueNetwork(VECTOR, fc_layer_params=(8,))) == [8, 1]


def test_optimizer_with_a_schedule():
    """An optimizer's description takes its parameters from the conf, a schedule too."""
    schedule = LinearScheduler("percent", [(0, 1e-3), (1, 0.0)])
    config("Adam", lr=schedule, gradient_clipping=0.5)

    assert Adam() == Adam(lr=schedule, gradient_clipping=0.5)


@pytest.mark.parametrize(
    ("name", "lesson"),
    [
        ("EncodingNetwork.use_batch_ensemble", "use several networks"),
        ("CategoricalProjectionNetwork.fc_ctor", "subclass the network"),
        ("NormalProjectionNetwork.dist_squashing_transform", "tanh"),
    ],
)
def test_retired_parameters(name, lesson):
    """Setting a parameter that no longer exists says what to do instead."""
    with pytest.raises(ConfigError, match=lesson):
        config({name: 1})
