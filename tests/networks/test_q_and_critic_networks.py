"""Networks that tell values of actions, alone and as fused replicas, or that tell an action."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alf._config import config
from alf.algorithms.critic_values import lowest_value
from alf.errors import ConfigError
from alf.nest import flatten
from alf.networks import (
    ActorNetwork,
    CriticNetwork,
    EmbeddingPreprocessor,
    EncodingNetwork,
    QNetwork,
    QRNNNetwork,
    ValueRNNNetwork,
    make_parallel,
)
from alf.networks.parallel_networks import ParallelLinear
from alf.networks.q_networks import join_streams
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

VECTOR = TensorSpec((4,))
IMAGE = TensorSpec((3, 8, 8), torch.uint8)
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)
NEST = {"place": VECTOR, "image": IMAGE}
CONV = ((4, 3, 1),)


def batch(spec, size=5):
    """Random inputs `[size, ...]`."""
    if isinstance(spec, dict):
        return {key: batch(value, size) for key, value in spec.items()}
    if spec.dtype == torch.uint8:
        return torch.randint(0, 256, (size, *spec.shape), dtype=torch.uint8)
    return torch.randn(size, *spec.shape)


Q_NETWORKS = {
    "linear": partial(QNetwork, VECTOR, CHOICE),
    "layers": partial(QNetwork, VECTOR, CHOICE, fc_layer_params=(8, 7)),
    "tanh": partial(QNetwork, VECTOR, CHOICE, fc_layer_params=(8,), activation=torch.tanh),
    "dueling": partial(
        QNetwork, VECTOR, CHOICE, fc_layer_params=(8,), dueling_fc_layer_params=(6,)
    ),
    "streams without layers": partial(QNetwork, VECTOR, CHOICE, dueling_fc_layer_params=()),
    "image": partial(QNetwork, IMAGE, CHOICE, conv_layer_params=CONV, fc_layer_params=(8,)),
    "flat image": partial(QNetwork, IMAGE, CHOICE, fc_layer_params=(8,)),
    "nest": partial(QNetwork, NEST, CHOICE, fc_layer_params=(8,)),
    "activation with a weight": partial(
        QNetwork, VECTOR, CHOICE, fc_layer_params=(8, 7), activation=nn.PReLU
    ),
}

CRITICS = {
    "joint": partial(CriticNetwork, (VECTOR, BOX), joint_fc_layer_params=(8, 7)),
    "linear": partial(CriticNetwork, (VECTOR, BOX)),
    "own encodings": partial(
        CriticNetwork,
        (VECTOR, BOX),
        observation_fc_layer_params=(8,),
        action_fc_layer_params=(6,),
        joint_fc_layer_params=(7,),
    ),
    "only the observation": partial(
        CriticNetwork, (VECTOR, BOX), observation_fc_layer_params=(8,), use_fc_ln=True
    ),
    "image": partial(
        CriticNetwork, (IMAGE, BOX), observation_conv_layer_params=CONV, joint_fc_layer_params=(7,)
    ),
    "batch normalization": partial(
        CriticNetwork, (VECTOR, BOX), joint_fc_layer_params=(8,), use_fc_bn=True
    ),
    "several rewards": partial(
        CriticNetwork, (VECTOR, BOX), TensorSpec((3,)), joint_fc_layer_params=(8,)
    ),
    "normalized output": partial(
        CriticNetwork, (VECTOR, BOX), joint_fc_layer_params=(8,), last_use_fc_ln=True
    ),
}


def inputs_of(network):
    spec = network.input_tensor_spec
    return tuple(batch(part) for part in spec) if isinstance(spec, tuple) else batch(spec)


@pytest.mark.parametrize(
    "make",
    [*Q_NETWORKS.values(), *CRITICS.values()],
    ids=[*Q_NETWORKS, *(f"critic, {k}" for k in CRITICS)],
)
@pytest.mark.parametrize("count", [1, 3])
def test_fused_replicas_give_what_each_gives_alone(make, count):
    """Output `[B, R, ...]`, and the gradients of the input, are those of the single networks."""
    networks = [make() for _ in range(count)]
    inputs = inputs_of(networks[0])
    fused = make_parallel(networks)

    alone = torch.stack([network(inputs)[0] for network in networks], 1)
    together, state = fused(inputs)

    assert () == state
    torch.testing.assert_close(together, alone)
    assert (5, count) == together.shape[:2]
    parameters = sum(p.numel() for network in networks for p in network.parameters())
    assert parameters == sum(p.numel() for p in fused.parameters())


@pytest.mark.parametrize("count", [1, 2])
def test_the_lowest_value_is_that_of_all(count):
    """With the state of a network that has one, and for a single network as for several."""
    q_networks = make_parallel([QNetwork(VECTOR, CHOICE) for _ in range(count)])
    remembering = make_parallel(
        [QRNNNetwork(VECTOR, CHOICE, lstm_hidden_size=4) for _ in range(count)]
    )
    inputs = torch.randn(5, 4)

    values, state = lowest_value(q_networks, inputs)
    assert torch.equal(values, q_networks(inputs)[0].amin(1))
    assert () == state
    values, state = lowest_value(remembering, inputs, remembering(inputs)[1])
    expected, after = remembering(inputs, remembering(inputs)[1])
    assert torch.equal(values, expected.amin(1))
    assert all(map(torch.equal, flatten(state), flatten(after)))


def test_each_replica_learns_on_its_own():
    """A loss of one replica leaves the weights of the other without gradient."""
    fused = make_parallel([QNetwork(VECTOR, CHOICE, fc_layer_params=(8,)) for _ in range(2)])

    fused(torch.randn(5, 4))[0][:, 0].sum().backward()

    for parameter in fused.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().sum() > 0
        assert 0 == parameter.grad[1].abs().sum()


def test_fusing_makes_one_layer_of_several():
    """The layers of the replicas are one batched product each."""
    fused = make_parallel(
        [CriticNetwork((VECTOR, BOX), joint_fc_layer_params=(8, 7)) for _ in range(2)]
    )
    layers = [module for module in fused.modules() if isinstance(module, ParallelLinear)]

    assert [(2, 6, 8), (2, 8, 7), (2, 7, 1)] == [tuple(layer.weight.shape) for layer in layers]
    assert not [module for module in fused.modules() if isinstance(module, nn.Linear)]


def test_a_network_of_a_users_own_runs_side_by_side():
    """A class that does not know how to be fused, a subclass included, is not changed."""

    class Doubled(QNetwork):
        def forward(self, inputs, state=()):
            return 2 * super().forward(inputs, state)[0], state

    networks = [Doubled(VECTOR, CHOICE) for _ in range(2)]
    inputs = torch.randn(5, 4)

    together, _ = make_parallel(networks)(inputs)

    torch.testing.assert_close(
        together, torch.stack([network(inputs)[0] for network in networks], 1)
    )


def test_replicas_with_memory_remember_side_by_side():
    """Each has the outputs and the memory that it has alone; there is at least one."""
    networks = [ValueRNNNetwork(VECTOR, lstm_hidden_size=5) for _ in range(2)]
    together = make_parallel(networks)
    inputs = torch.randn(3, 4)
    values, state = together(inputs, together(inputs)[1])

    assert together.state_spec == tuple(network.state_spec for network in networks)
    for i, network in enumerate(networks):
        expected, alone = network(inputs, network(inputs)[1])
        torch.testing.assert_close(values[:, i], expected)
        torch.testing.assert_close(state[i], alone)
    with pytest.raises(ConfigError, match="at least 1"):
        make_parallel([])


def test_values_of_choices_start_different():
    """`[B, n]` values, from an input of any preprocessing."""
    values, state = QNetwork(NEST, CHOICE, fc_layer_params=(8,))(batch(NEST))

    assert ((5, 3), ()) == (values.shape, state)
    assert values.std() > 0


def test_dueling_streams_join_at_the_mean():
    """V = 10 and A = (1, 2, 6), whose mean is 3: Q = (8, 9, 13)."""
    got = join_streams(torch.tensor([[10.0]]), torch.tensor([[1.0, 2.0, 6.0]]))

    torch.testing.assert_close(got, torch.tensor([[8.0, 9.0, 13.0]]))


@pytest.mark.parametrize("spec", [BOX, BoundedTensorSpec((2,), torch.int64, 0, 1)])
def test_a_q_network_needs_one_discrete_action(spec):
    """Another action is refused, and the right network named."""
    with pytest.raises(ConfigError, match="CriticNetwork"):
        QNetwork(VECTOR, spec)


def test_critic_with_a_combiner_of_its_own():
    """The combiner takes the two encodings and says how wide the joint layers are."""
    network = CriticNetwork(
        (VECTOR, BOX),
        observation_fc_layer_params=(6,),
        action_fc_layer_params=(6,),
        observation_action_combiner=lambda parts: parts[0] * parts[1],
    )
    inputs = inputs_of(network)

    assert (5,) == network(inputs)[0].shape
    assert (5, 2) == make_parallel([network, network])(inputs)[0].shape


def test_encodings_do_not_take_the_settings_of_others():
    """What a conf sets for EncodingNetwork stays there."""
    config("EncodingNetwork", fc_layer_params=(9,), last_layer_size=3, last_activation=torch.tanh)
    config("CriticNetwork", joint_fc_layer_params=(8,))
    config("QNetwork", fc_layer_params=(7,))

    def widths(net):
        return [module.out_features for module in net.modules() if isinstance(module, nn.Linear)]

    assert [9, 3] == widths(EncodingNetwork(VECTOR))
    assert [8, 1] == widths(CriticNetwork((VECTOR, BOX)))
    assert [7, 3] == widths(QNetwork(VECTOR, CHOICE))


@pytest.mark.parametrize("name", ["QNetwork", "CriticNetwork"])
def test_replicas_are_computed_in_one_way(name):
    """A conf may say how to compute replicas; the result would be the same."""
    config(name, use_naive_parallel_network=True)


def test_shared_preprocessor_is_counted_once():
    """A preprocessor with weights is one for all replicas."""
    spec = BoundedTensorSpec((), torch.int64, 0, 9)
    embedding = EmbeddingPreprocessor(spec, 6)
    make = partial(QNetwork, spec, CHOICE, embedding, fc_layer_params=(8,))
    fused = make_parallel([make(), make()])

    assert [60] == [p.numel() for p in fused.parameters() if p.shape == (10, 6)]
    assert (4, 2, 3) == fused(torch.tensor([0, 3, 9, 1]))[0].shape


def test_actor_network_stays_in_the_bounds():
    """Actions of a nest lie in their boxes, reach their ends, and start near the middle."""
    spec = {
        "steer": BoundedTensorSpec((2,), torch.float32, [-1.0, 0.0], [1.0, 10.0]),
        "speed": BoundedTensorSpec((), torch.float32, 2.0, 4.0),
    }
    network = ActorNetwork(VECTOR, spec)
    actions, state = network(torch.randn(50, 4))

    assert () == state
    assert ((50, 2), (50,)) == (actions["steer"].shape, actions["speed"].shape)
    torch.testing.assert_close(
        actions["steer"].mean(0), torch.tensor([0.0, 5.0]), atol=1.0, rtol=0.0
    )
    actions, _ = network(1e6 * torch.randn(50, 4))
    low, high = actions["steer"].amin(0), actions["steer"].amax(0)
    torch.testing.assert_close(low, torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(high, torch.tensor([1.0, 10.0]))
    assert (2.0, 4.0) == (actions["speed"].min().item(), actions["speed"].max().item())


def test_actor_network_squashes_as_it_is_told():
    """Another squashing function takes the place of tanh."""
    network = ActorNetwork(VECTOR, BOX, squashing_func=F.softsign)
    inputs = torch.randn(5, 4)

    (head,) = network._heads
    torch.testing.assert_close(network(inputs)[0], F.softsign(head(inputs)))


@pytest.mark.parametrize("function", [max, 3, lambda x: x[:, :1]])
def test_what_does_not_squash(function):
    """It is refused where the network is made, by the name of the parameter."""
    with pytest.raises(ConfigError, match="squashing_func"):
        ActorNetwork(VECTOR, BOX, squashing_func=function)


@pytest.mark.parametrize("spec", [CHOICE, TensorSpec((2,)), BoundedTensorSpec((1,), maximum=1e400)])
def test_actor_network_needs_bounds(spec):
    """A discrete or unbounded action is refused."""
    with pytest.raises(ConfigError, match=r"continuous actions|finite action bounds"):
        ActorNetwork(VECTOR, spec)
