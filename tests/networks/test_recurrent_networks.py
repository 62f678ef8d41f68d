"""Networks with memory: the state that goes in and out, and what it does."""

import pytest
import torch
from torch import nn

from alf.algorithms.algorithm import reset_state
from alf.distributions import Categorical, map_params, to_params
from alf.errors import ConfigError
from alf.nest import flatten, map_structure
from alf.networks import (
    ActorDistributionRNNNetwork,
    CriticRNNNetwork,
    LSTMEncodingNetwork,
    QNetwork,
    QRNNNetwork,
    ValueRNNNetwork,
    make_parallel,
)
from alf.networks.network import Network, over_time
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


BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
UNROLLED = {
    "encoding": lambda: LSTMEncodingNetwork(
        VECTOR, hidden_size=(6, 5), lstm_output_layers=(0, 1), post_fc_layer_params=(7,)
    ),
    "policy": lambda: ActorDistributionRNNNetwork(VECTOR, ACTION, fc_layer_params=(8,)),
    "value": lambda: ValueRNNNetwork(VECTOR, lstm_hidden_size=5),
    "values of choices": lambda: QRNNNetwork(VECTOR, ACTION, lstm_hidden_size=(5, 6)),
    "replicas": lambda: make_parallel([critic() for _ in range(2)]),
    "without memory": lambda: QNetwork(VECTOR, ACTION),
}


def critic():
    return CriticRNNNetwork(
        (VECTOR, BOX), joint_fc_layer_params=(8,), lstm_hidden_size=5, critic_fc_layer_params=(6,)
    )


@pytest.mark.parametrize("kind", UNROLLED)
def test_unrolled_is_step_by_step(kind):
    """The same outputs and states, over the beginnings of episodes, from any state."""
    net = UNROLLED[kind]()
    inputs = torch.randn(7, 3, 4)
    if kind == "replicas":
        inputs = (inputs, torch.randn(7, 3, 2))
    is_first = torch.zeros(7, 3, dtype=torch.bool)
    is_first[0, 0] = is_first[3, 1] = is_first[3, 0] = is_first[6, 2] = True
    start = map_structure(lambda spec: torch.randn(3, *spec.shape), net.state_spec)

    unrolled = over_time(net, inputs, start, is_first)

    state, outputs = start, []
    for t in range(7):
        state = reset_state(state, zeros(net, 3), is_first[t])
        torch.testing.assert_close(map_structure(lambda x, t=t: x[t], unrolled.before), state)
        output, state = net(map_structure(lambda x, t=t: x[t], inputs), state)
        outputs.append(output)
    torch.testing.assert_close(unrolled.after, state)
    for got, wanted in zip(
        flatten(to_params(unrolled.output)),
        flatten(to_params(map_params(lambda *xs: torch.stack(xs), *outputs))),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


def test_gradients_go_back_to_the_beginning_of_an_episode_and_no_further():
    """The last output depends on what was seen since."""
    net = LSTMEncodingNetwork(VECTOR, hidden_size=5)
    inputs = torch.randn(4, 1, 4, requires_grad=True)
    is_first = torch.tensor([[False], [True], [False], [False]])

    over_time(net, inputs, zeros(net, 1), is_first).output[-1].sum().backward()

    assert inputs.grad is not None
    assert [False, True, True, True] == [bool(row.any()) for row in inputs.grad]


def test_a_memory_that_cannot_be_unrolled_is_told():
    """A network of one's own says how."""

    class Counting(Network):
        def __init__(self):
            super().__init__(VECTOR, state_spec=TensorSpec(()), name="Counting")

    with pytest.raises(TypeError, match="Counting has a memory: derive it from RecurrentNetwork"):
        over_time(Counting(), torch.zeros(1, 1, 4), torch.zeros(1), torch.ones(1, 1).bool())
