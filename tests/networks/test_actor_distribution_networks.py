"""Policies: which distribution an action spec gives, how it starts, and that it can be trained."""

import copy
import math
from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from torch.nn.functional import softplus

from alf.distributions import (
    Beta,
    Categorical,
    DiagNormal,
    SquashedNormal,
    compute_log_probability,
    sample_action_distribution,
)
from alf.errors import ConfigError
from alf.networks import (
    ActorDistributionNetwork,
    BetaProjectionNetwork,
    CategoricalProjectionNetwork,
    NormalProjectionNetwork,
    StableNormalProjectionNetwork,
)
from alf.networks.layers import checked_sizes
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

VECTOR = TensorSpec((4,))
X = torch.randn(6, 4)
BOX = BoundedTensorSpec((2,), torch.float32, [-1.0, 0.0], [1.0, 4.0])


def inside(spec, action):
    low, high = torch.tensor(spec.minimum), torch.tensor(spec.maximum)
    return bool(torch.all((action >= low) & (action <= high)))


class TestCategorical:
    def test_discrete(self):
        """A discrete action gives int64 choices within its bounds."""
        spec = BoundedTensorSpec((), torch.int64, 0, 1)
        dist, state = ActorDistributionNetwork(VECTOR, spec, fc_layer_params=(8,))(X)

        assert isinstance(dist, Categorical)
        assert dist.probs.shape == (6, 2)
        assert dist.sample().shape == (6,)
        assert state == ()

    def test_minimum(self):
        """Actions -2..2 are drawn as such."""
        spec = BoundedTensorSpec((), torch.int64, -2, 2)
        dist = CategoricalProjectionNetwork(4, spec).project(torch.randn(1000, 4))

        assert set(dist.sample().tolist()) == {-2, -1, 0, 1, 2}

    def test_several_choices(self):
        """Elements with fewer choices never get more; entropy is that of what there is."""
        spec = BoundedTensorSpec((3,), torch.int64, 0, [1, 3, 2])
        net = CategoricalProjectionNetwork(4, spec, logits_init_output_factor=0.0)
        dist = net.project(torch.randn(500, 4))

        assert inside(spec, dist.sample())
        torch.testing.assert_close(dist.entropy(), torch.full((500,), math.log(2 * 4 * 3)))

    def test_starts_near_uniform(self):
        """The gain of the logits' weights is 0.1."""
        net = CategoricalProjectionNetwork(64, BoundedTensorSpec((), torch.int64, 0, 2))
        weight = next(net.parameters())

        torch.testing.assert_close(weight @ weight.T, 0.01 * torch.eye(3), atol=1e-6, rtol=0)

    def test_refusals(self):
        """Floats, unbounded integers and mixed minima are refused."""
        with pytest.raises(ConfigError, match="bounded integer"):
            CategoricalProjectionNetwork(4, BOX)
        with pytest.raises(ConfigError, match="one minimum"):
            CategoricalProjectionNetwork(4, BoundedTensorSpec((2,), torch.int64, [0, 1], 3))


class TestNormal:
    def test_squashed_mean(self):
        """Means lie in the box: tanh(layer) stretched; deviations are softplus(0) at the start."""
        net = NormalProjectionNetwork(4, BOX)
        dist = net.project(X * 1e4)
        raw = torch.nn.functional.linear(X * 1e4, *list(net.parameters())[1:])

        assert isinstance(dist, DiagNormal)
        torch.testing.assert_close(
            dist.mean, raw.tanh() * torch.tensor([1.0, 2.0]) + torch.tensor([0.0, 2.0])
        )
        torch.testing.assert_close(dist.scale, torch.full((6, 2), softplus(torch.zeros(())).item()))

    def test_scaled_distribution(self):
        """With scale_distribution every action lies in the box."""
        net = NormalProjectionNetwork(4, BOX, scale_distribution=True, state_dependent_std=True)
        dist = net.project(torch.randn(1000, 4) * 10)

        assert isinstance(dist, SquashedNormal)
        assert inside(BOX, dist.sample())

    def test_without_bounds(self):
        """An action without finite bounds keeps its mean; it cannot be scaled."""
        spec = TensorSpec((2,))
        dist = NormalProjectionNetwork(4, spec, projection_output_init_gain=100.0).project(X)

        assert dist.mean.abs().max() > 10
        with pytest.raises(ConfigError, match="finite action bounds"):
            NormalProjectionNetwork(4, spec, scale_distribution=True)

    def test_scalar_action(self):
        """A continuous action of shape () gives values [B] and log probabilities [B]."""
        dist = NormalProjectionNetwork(4, BoundedTensorSpec((), torch.float32, -1, 1)).project(X)

        assert dist.sample().shape == dist.log_prob(dist.sample()).shape == (6,)

    def test_matrix_action(self):
        """A continuous action of rank 2 is one event."""
        dist = NormalProjectionNetwork(4, TensorSpec((2, 3))).project(X)

        assert dist.sample().shape == (6, 2, 3)
        assert dist.log_prob(dist.sample()).shape == (6,)

    def test_integers_are_refused(self):
        """Discrete actions need the other projection."""
        with pytest.raises(ConfigError, match="floating point"):
            NormalProjectionNetwork(4, BoundedTensorSpec((), torch.int64, 0, 1))


class TestStableNormal:
    @pytest.mark.parametrize("transform", ["softplus", "exp"])
    @pytest.mark.parametrize("state_dependent", [True, False])
    def test_initial_deviation(self, transform, state_dependent):
        """The standard deviation starts at init_std."""
        net = StableNormalProjectionNetwork(
            4,
            BOX,
            inverse_std_transform=transform,
            state_dependent_std=state_dependent,
            init_std=0.7,
            min_std=0.1,
            max_std=2.0,
        )
        scale = net.project(X).params()["scale"]

        torch.testing.assert_close(scale, torch.full((6, 2), 0.7), atol=1e-3, rtol=0)

    def test_bounds(self):
        """However large the features, min_std <= std <= max_std."""
        net = StableNormalProjectionNetwork(
            4,
            BOX,
            projection_output_init_gain=100.0,
            state_dependent_std=True,
            min_std=0.1,
            max_std=2.0,
        )
        scale = net.project(torch.randn(1000, 4) * 10).params()["scale"]

        assert scale.min() >= 0.1 - 1e-6
        assert scale.max() <= 2.0 + 1e-6

    def test_refusals(self):
        """Unknown transforms and an initial value outside the bounds are refused."""
        with pytest.raises(ConfigError, match="'softplus' or 'exp'"):
            StableNormalProjectionNetwork(4, BOX, inverse_std_transform="square")
        with pytest.raises(ConfigError, match="must lie between"):
            StableNormalProjectionNetwork(4, BOX, init_std=1.0, max_std=0.5)


class TestBeta:
    def test_starts_uniform(self):
        """Both concentrations start at 1: the density is 1 / volume everywhere in the box."""
        dist = BetaProjectionNetwork(4, BOX).project(X)
        action = dist.sample()

        assert isinstance(dist, Beta)
        assert inside(BOX, action)
        torch.testing.assert_close(dist.log_prob(action), torch.full((6,), -math.log(2 * 4)))

    def test_gradient_is_clipped(self):
        """The gradient into the concentrations has at most the norm asked for."""
        net = BetaProjectionNetwork(4, BOX, grad_clip=0.01, activation=lambda x: x)
        net.project(X).log_prob(torch.tensor([[-0.999, 3.99]])).sum().backward()
        bias_grad = list(net.parameters())[1].grad
        free = BetaProjectionNetwork(4, BOX, grad_clip=None, activation=lambda x: x)
        free.project(X).log_prob(torch.tensor([[-0.999, 3.99]])).sum().backward()
        free_grad = list(free.parameters())[1].grad

        assert bias_grad is not None
        assert free_grad is not None
        assert bias_grad.norm() <= 6 * 0.01 + 1e-6  # six elements of the batch
        assert free_grad.norm() > 1.0


class TestNests:
    spec: ClassVar[dict[str, Any]] = {"gear": BoundedTensorSpec((), torch.int64, 0, 3), "move": BOX}

    def test_dict_of_actions(self):
        """A dict of specs gives a dict of distributions; each ctor serves its kind."""
        net = ActorDistributionNetwork(
            VECTOR,
            self.spec,
            fc_layer_params=(8,),
            continuous_projection_net_ctor=partial(
                NormalProjectionNetwork, scale_distribution=True
            ),
        )
        dists, _ = net(X)
        action = sample_action_distribution(dists)

        assert [type(dists[key]) for key in sorted(dists)] == [Categorical, SquashedNormal]
        assert inside(BOX, action["move"])
        assert compute_log_probability(dists, action).shape == (6,)

    def test_a_copy_is_independent(self):
        """A deep copy has projections of its own."""
        net = ActorDistributionNetwork(VECTOR, self.spec, fc_layer_params=(8,))
        twin = copy.deepcopy(net)
        with torch.no_grad():
            for param in twin.parameters():
                param.add_(1.0)
        one, two = net(X)[0]["gear"], twin(X)[0]["gear"]

        assert not torch.allclose(one.logits, two.logits)

    def test_every_parameter_is_reached(self):
        """A policy gradient reaches all parameters, and they are all in the state dict."""
        net = ActorDistributionNetwork(VECTOR, self.spec, fc_layer_params=(8, 8))
        dists, _ = net(X)
        compute_log_probability(dists, sample_action_distribution(dists)).sum().backward()

        assert all(param.grad is not None for param in net.parameters())
        assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}

    def test_no_action(self):
        """An empty action spec is refused."""
        with pytest.raises(ConfigError, match="at least one action"):
            ActorDistributionNetwork(VECTOR, ())


def test_learns_to_choose():
    """A few steps on a two-armed problem whose answer is in the observation."""
    torch.manual_seed(0)
    net = ActorDistributionNetwork(
        TensorSpec((1,)), BoundedTensorSpec((), torch.int64, 0, 1), fc_layer_params=(16,)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.randn(256, 1)
    right = (x[:, 0] > 0).long()
    for _ in range(60):
        loss = -net(x)[0].log_prob(right).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert (net(x)[0].mode == right).float().mean() > 0.95


@pytest.mark.parametrize("activation", [3, max, len, torch.nn.Threshold])
def test_an_activation_that_is_none_is_refused(activation):
    """Where the network is built, not in its first forward pass."""
    with pytest.raises(ConfigError, match="activation"):
        NormalProjectionNetwork(3, BoundedTensorSpec((2,)), activation=activation)


@pytest.mark.parametrize("sizes", [0.5, torch.ones(()), (10**30,), (0,)])
def test_a_size_that_is_none_is_refused(sizes):
    """Neither a number nor several, or too large for any tensor."""
    with pytest.raises(ConfigError, match="give a tuple of positive integers"):
        checked_sizes("fc_layer_params", sizes)
