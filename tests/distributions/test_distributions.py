"""The families: densities, entropies and divergences against torch.distributions and numbers."""

import copy
import math
from typing import Any

import optree
import pytest
import torch
import torch.distributions as td

from alf.distributions import (
    PARAMS_NAMESPACE,
    Beta,
    Categorical,
    DiagNormal,
    Distribution,
    Interval,
    SquashedNormal,
)


def close(expected, actual, **kwargs):
    torch.testing.assert_close(actual, torch.as_tensor(expected), **kwargs)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class TestCategorical:
    def test_hand_computed(self):
        """Probabilities 1/4, 3/4: log probability, entropy, mode and mean by hand."""
        dist = Categorical(torch.tensor([[0.0, math.log(3.0)]]))

        close([[0.25, 0.75]], dist.probs)
        close([math.log(0.75)], dist.log_prob(torch.tensor([1])))
        # H = -(1/4 log 1/4 + 3/4 log 3/4) = log 4 - 3/4 log 3
        close([math.log(4) - 0.75 * math.log(3)], dist.entropy())
        assert dist.mode.tolist() == [1]
        close([0.75], dist.mean)

    def test_draws_follow_the_probabilities(self):
        """The shares of many draws are the probabilities, within five standard errors."""
        probs = torch.tensor([0.1, 0.2, 0.7])
        draws = Categorical(probs.log().expand(100_000, 3)).sample()
        shares = torch.bincount(draws, minlength=3) / 100_000

        assert draws.dtype == torch.int64
        assert torch.all((shares - probs).abs() < 5 * (probs * (1 - probs) / 100_000).sqrt())

    def test_seed_repeats_a_draw(self):
        """All drawing is from the global generator."""
        dist = Categorical(torch.zeros(4, 5, 7))
        torch.manual_seed(3)
        one = dist.sample()
        torch.manual_seed(3)

        assert torch.equal(one, dist.sample())
        assert one.shape == (4, 5)

    def test_impossible_choice(self):
        """A choice with log probability -inf is never drawn and leaves the entropy finite."""
        dist = Categorical(torch.tensor([0.0, -math.inf, 0.0]).expand(1000, 3))

        assert set(dist.sample().tolist()) == {0, 2}
        close(torch.full((1000,), math.log(2)), dist.entropy())
        close(torch.zeros(1000), dist.kl_divergence(dist))

    def test_offset(self):
        """Actions that do not start at 0 are shifted on the way out and back on the way in."""
        logits = torch.randn(6, 4)
        dist = Categorical(logits, offset=-1)

        assert torch.equal(dist.mode, logits.argmax(-1) - 1)
        assert dist.sample().min() >= -1
        close(
            Categorical(logits).log_prob(torch.zeros(6, dtype=torch.int32)),
            dist.log_prob(-torch.ones(6, dtype=torch.int32)),
        )
        close(Categorical(logits).mean - 1, dist.mean)

    def test_vector_of_choices(self):
        """With one event dimension the choices of an action are summed."""
        logits = torch.randn(5, 3, 4)
        dist = Categorical(logits, event_dims=1)
        reference = td.Independent(td.Categorical(logits=logits), 1)
        action = dist.sample()

        assert (dist.batch_shape, dist.event_shape) == ((5,), (3,))
        close(reference.log_prob(action), dist.log_prob(action))
        close(reference.entropy(), dist.entropy())

    def test_kl_matches_torch(self):
        """KL(p || q) equals the reference and is not symmetric."""
        p, q = torch.randn(9, 5), torch.randn(9, 5)
        expected = td.kl_divergence(td.Categorical(logits=p), td.Categorical(logits=q))

        close(expected, Categorical(p).kl_divergence(Categorical(q)))

    def test_sampling_leaves_the_logits_alone(self):
        """A draw changes no parameter and gives no gradient."""
        logits = torch.randn(3, 2, requires_grad=True)
        before = logits.detach().clone()

        assert not Categorical(logits).sample().requires_grad
        assert torch.equal(before, logits.detach())

    def test_no_rsample(self):
        """A discrete draw has no gradient, and says so."""
        with pytest.raises(NotImplementedError, match="Categorical"):
            Categorical(torch.zeros(2)).rsample()


class TestDiagNormal:
    def test_hand_computed(self):
        """A two-dimensional density, entropy and divergence by hand."""
        dist = DiagNormal(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0]]))
        other = DiagNormal(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
        log_2pi = math.log(2 * math.pi)

        # z = (1, 0): -1/2 - log 2 - log(2 pi), two components
        close([-0.5 - math.log(2) - log_2pi], dist.log_prob(torch.tensor([[3.0, 0.0]])))
        close([math.log(2) + 1 + log_2pi], dist.entropy())
        # (4 + 1 - 1 - log 4) / 2
        close([0.5 * (4 - math.log(4))], dist.kl_divergence(other))

    @pytest.mark.parametrize("event_dims", [0, 1, 2])
    def test_matches_torch(self, event_dims):
        """Density, entropy and divergence equal the reference for any rank of events."""
        loc, scale, loc2, scale2 = (torch.rand(3, 4, 5) + 0.1 for _ in range(4))
        dist, other = DiagNormal(loc, scale, event_dims), DiagNormal(loc2, scale2, event_dims)
        reference = td.Independent(td.Normal(loc, scale), event_dims)
        other_reference = td.Independent(td.Normal(loc2, scale2), event_dims)
        value = dist.sample()

        assert dist.batch_shape + dist.event_shape == loc.shape
        assert len(dist.event_shape) == event_dims
        close(reference.log_prob(value), dist.log_prob(value))
        close(reference.entropy(), dist.entropy())
        close(td.kl_divergence(reference, other_reference), dist.kl_divergence(other))

    def test_moments_of_draws(self):
        """Draws have the mean and standard deviation that were asked for."""
        dist = DiagNormal(torch.full((100_000, 1), 3.0), torch.full((100_000, 1), 0.5))
        draws = dist.sample()

        assert abs(draws.mean() - 3) < 0.01
        assert abs(draws.std() - 0.5) < 0.01

    def test_rsample_gradient(self):
        """d value / d loc is 1 and d value / d scale is the noise."""
        loc = torch.zeros(4, 2, requires_grad=True)
        scale = torch.ones(4, 2, requires_grad=True)
        value = DiagNormal(loc, scale).rsample()
        value.sum().backward()

        close(torch.ones(4, 2), loc.grad)
        close(value.detach(), scale.grad)


class TestSquashedNormal:
    def reference(self, loc, scale, low, high):
        low, high = torch.as_tensor(low), torch.as_tensor(high)
        transforms = [
            td.TanhTransform(cache_size=1),
            td.AffineTransform((low + high) / 2, (high - low) / 2, cache_size=1),
        ]
        return td.Independent(td.TransformedDistribution(td.Normal(loc, scale), transforms), 1)

    @pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 3.0), ([-1.0, -2.0], [1.0, 4.0])])
    def test_density_matches_torch(self, low, high):
        """The density in the box equals that of the transformed reference."""
        loc, scale = torch.randn(50, 2) * 0.5, torch.rand(50, 2) * 0.5 + 0.2
        dist = SquashedNormal(loc, scale, low, high)
        value, log_prob = dist.rsample_with_log_prob()

        close(self.reference(loc, scale, low, high).log_prob(value), log_prob, atol=1e-3, rtol=1e-3)
        close(log_prob, dist.log_prob(value), atol=1e-3, rtol=1e-3)

    def test_density_integrates_to_one(self):
        """The density over the box adds up to 1."""
        grid = torch.linspace(-2, 4, 20_002, dtype=torch.float64)[1:-1].unsqueeze(-1)
        loc = torch.full_like(grid, 0.3)
        density = SquashedNormal(loc, torch.full_like(grid, 0.8), -2, 4).log_prob(grid).exp()

        assert abs(density.mean() * 6 - 1) < 1e-3

    def test_stable_far_out(self):
        """Log density and gradients are finite where tanh is flat in float32."""
        loc = torch.tensor([[50.0], [-50.0]], requires_grad=True)
        dist = SquashedNormal(loc, torch.ones(2, 1))
        _, log_prob = dist.rsample_with_log_prob()
        total = log_prob.sum() + dist.log_prob(torch.tensor([[1.0], [-1.0]])).sum()
        total.backward()

        assert total.isfinite()
        assert loc.grad is not None
        assert loc.grad.isfinite().all()

    def test_entropy_estimate_is_unbiased(self):
        """The mean of many estimates is minus the integral of p log p."""
        count = 200_000
        dist = SquashedNormal(torch.full((count, 1), 0.4), torch.full((count, 1), 0.7), -1, 3)
        grid = torch.linspace(-1, 3, 40_002, dtype=torch.float64)[1:-1].unsqueeze(-1)
        exact = SquashedNormal(torch.full_like(grid, 0.4), torch.full_like(grid, 0.7), -1, 3)
        log_prob = exact.log_prob(grid)
        expected = -(log_prob.exp() * log_prob).mean() * 4

        assert abs(dist.entropy().mean() - expected) < 0.01

    def test_draws_stay_in_the_box(self):
        """Every draw lies within the bounds."""
        dist = SquashedNormal(torch.zeros(1000, 2), torch.full((1000, 2), 9.0), [-1, 0], [1, 5])
        draws = dist.sample()

        assert torch.all(draws.amin(0) >= torch.tensor([-1.0, 0.0]))
        assert torch.all(draws.amax(0) <= torch.tensor([1.0, 5.0]))

    def test_kl_is_that_of_the_base(self):
        """One squashing of both leaves the divergence; other boxes are refused."""
        one = SquashedNormal(torch.zeros(2, 1), torch.ones(2, 1))
        two = SquashedNormal(torch.ones(2, 1), torch.ones(2, 1))

        close([0.5, 0.5], one.kl_divergence(two))
        with pytest.raises(ValueError, match="boxes differ"):
            one.kl_divergence(SquashedNormal(torch.ones(2, 1), torch.ones(2, 1), -2, 2))


class TestBeta:
    def test_hand_computed(self):
        """Beta(2, 1) on [0, 2] has density x/2: log density, mean and entropy by hand."""
        dist = Beta(torch.tensor([[2.0]]), torch.tensor([[1.0]]), 0.0, 2.0)

        close([math.log(0.5)], dist.log_prob(torch.tensor([[1.0]])))
        close([[4 / 3]], dist.mean)
        # -int_0^2 x/2 log(x/2) dx = 1/2
        close([0.5], dist.entropy(), atol=1e-6, rtol=0)

    def test_matches_torch(self):
        """Density, entropy and divergence equal the reference on [0, 1]."""
        a, b, c, d = (torch.rand(20, 3) * 3 + 0.2 for _ in range(4))
        reference, other = td.Independent(td.Beta(a, b), 1), td.Independent(td.Beta(c, d), 1)
        dist = Beta(a, b)
        value = dist.sample().clamp(1e-4, 1 - 1e-4)

        close(reference.log_prob(value), dist.log_prob(value), atol=1e-3, rtol=1e-3)
        close(reference.entropy(), dist.entropy(), atol=1e-4, rtol=1e-4)
        close(
            td.kl_divergence(reference, other), dist.kl_divergence(Beta(c, d)), rtol=1e-3, atol=1e-3
        )

    def test_draws(self):
        """Draws lie in the box and have the distribution's mean; gradients flow."""
        a = torch.full((100_000, 1), 0.5, requires_grad=True)
        dist = Beta(a, torch.full((100_000, 1), 1.5), -1, 3)
        draws = dist.rsample()
        draws.mean().backward()

        assert abs(draws.mean() - 0.0) < 0.02  # 0.5 / 2 of the way from -1 to 3
        assert draws.min() >= -1
        assert draws.max() <= 3
        assert a.grad is not None
        assert a.grad.sum() > 0

    def test_tiny_concentrations(self):
        """Draws with concentrations near 0 are numbers."""
        dist = Beta(torch.full((1000, 1), 1e-3), torch.full((1000, 1), 1e-3))

        assert dist.sample().isfinite().all()

    def test_mode(self):
        """The peak where there is one, else the heavier end, else the middle."""
        one = torch.tensor([3.0, 0.5, 0.9, 1.0])
        zero = torch.tensor([2.0, 0.9, 0.5, 1.0])

        close([2 / 3, 0.0, 1.0, 0.5], Beta(one, zero, event_dims=0).mode)


FAMILIES = [
    Categorical(torch.randn(3, 4), offset=2),
    DiagNormal(torch.randn(3, 2), torch.ones(3, 2)),
    SquashedNormal(torch.randn(3, 2), torch.ones(3, 2), [-1, 0], [1, 2]),
    Beta(torch.ones(3, 2), torch.ones(3, 2), -1.0, 1.0),
]


@pytest.mark.parametrize("dist", FAMILIES, ids=lambda d: type(d).__name__)
class TestEveryFamily:
    def test_round_trip_through_parameters(self, dist: Any):
        """Taken apart and put together, a distribution is the same."""
        leaves, structure = optree.tree_flatten(dist, none_is_leaf=True, namespace=PARAMS_NAMESPACE)
        again: Any = optree.tree_unflatten(structure, leaves)

        assert type(again) is type(dist)
        assert repr(again) == repr(dist)
        close(dist.log_prob(dist.mode), again.log_prob(dist.mode))
        assert structure == optree.tree_structure(
            copy.deepcopy(dist), none_is_leaf=True, namespace=PARAMS_NAMESPACE
        )

    def test_shapes(self, dist: Distribution):
        """Everything has the shape that the contract says."""
        event = dist.batch_shape + dist.event_shape

        assert dist.sample().shape == event
        assert dist.mode.shape == event
        assert dist.mean.shape == event
        assert dist.log_prob(dist.sample()).shape == dist.batch_shape == (3,)
        assert dist.entropy().shape == (3,)
        close(torch.zeros(3), dist.kl_divergence(dist), atol=1e-6, rtol=0)

    def test_other_family_is_refused(self, dist: Distribution):
        """A divergence between families says that there is none."""
        other = next(d for d in FAMILIES if type(d) is not type(dist))
        with pytest.raises(TypeError, match="one family"):
            dist.kl_divergence(other)

    def test_detach(self, dist: Distribution):
        """A detached distribution keeps its kind and its bounds."""
        assert repr(dist.detach()) == repr(dist)


def test_interval_equality():
    """Equal boxes are equal, whatever they were given as; a uniform one keeps numbers."""
    assert Interval(-1, 1) == Interval(-1.0, 1.0)
    assert hash(Interval([-1, 0], [1, 1])) == hash(Interval([-1, 0], [1, 1]))
    assert Interval(-1, 1) != Interval(-1, 2)
    assert Interval(-1, 1).is_unit()
    assert Interval([-1, -1], [1, 1]).low == -1.0
