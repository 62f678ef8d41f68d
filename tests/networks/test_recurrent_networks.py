"""Networks with memory: the state that goes in and out, and what it does."""

import pytest
import torch
from torch import nn

from alf.distributions import Categorical
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks import ActorDistributionRNNNetwork, LSTMEncodingNetwork, ValueRNNNetwork
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

VECTOR = TensorSpec((4,))
ACTION = BoundedTensorSpec((), torch.int64, 0, 2)


def zeros(net, batch):
    return map_structure(lambda spec: spec.zeros((batch,)), net.state_spec)


def test_equals_torch_lstm():
    """Step by step it computes what torch's LSTM computes over the whole sequence."""
    net = LSTMEncodingNetwork(VECTOR, hidden_size=(6, 5))
    cells = [module for module in net.modules() if isinstance(module, nn.LSTMCell)]
    x = torch.randn(7, 3, 4)
    expected = x
    for cell in cells:
        lstm = nn.LSTM(cell.input_size, cell.hidden_size)
        lstm.load_state_dict({f"{k}_l0": v for k, v in cell.state_dict().items()})
        expected = lstm(expected)[0]
    state = zeros(net, 3)
    outputs = []
    for step in x:
        output, state = net(step, state)
        outputs.append(output)

    torch.testing.assert_close(torch.stack(outputs), expected)


def test_state_fits_its_spec():
    """The state that comes out is as declared; no state is a state of zeros."""
    net = LSTMEncodingNetwork(VECTOR, pre_fc_layer_params=(8,), hidden_size=(6, 5))
    x = torch.randn(3, 4)
    one, state = net(x, zeros(net, 3))
    two, _ = net(x)

    assert map_structure(lambda s: TensorSpec.from_tensor(s, 1), state) == net.state_spec
    torch.testing.assert_close(one, two)


def test_output_layers():
    """The outputs of several layers are concatenated."""
    net = LSTMEncodingNetwork(VECTOR, hidden_size=(6, 5), lstm_output_layers=(0, 1))
    output, state = net(torch.randn(3, 4))

    torch.testing.assert_close(output, torch.cat([state[0][0], state[1][0]], -1))


def test_policy_and_value():
    """A policy with memory gives distributions, a value network values; both remember."""
    policy = ActorDistributionRNNNetwork(VECTOR, ACTION, lstm_hidden_size=8)
    value = ValueRNNNetwork(VECTOR, lstm_hidden_size=(8,), value_fc_layer_params=(6,))
    x = torch.randn(3, 4)
    dist, state = policy(x, zeros(policy, 3))
    later, _ = policy(x, state)

    assert isinstance(dist, Categorical)
    assert not torch.equal(dist.logits, later.logits)
    assert value(x, zeros(value, 3))[0].shape == (3,)


def test_forget_gate_starts_open():
    """Biases start at 0, the forget gate's at 1."""
    net = LSTMEncodingNetwork(VECTOR, hidden_size=3)
    cell = next(module for module in net.modules() if isinstance(module, nn.LSTMCell))

    assert (cell.bias_ih + cell.bias_hh).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "advice"),
    [({"hidden_size": ()}, "at least one"), ({"lstm_output_layers": 1}, "there are 1 layers")],
)
def test_refusals(settings, advice):
    """No layer, or one that is not there, is refused."""
    with pytest.raises(ConfigError, match=advice):
        LSTMEncodingNetwork(VECTOR, **settings)
