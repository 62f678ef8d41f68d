"""Nests with distributions: walking them and asking them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.distributions import (
    Categorical,
    DiagNormal,
    SquashedNormal,
    compute_entropy,
    compute_kl_divergence,
    compute_log_probability,
    epsilon_greedy_sample,
    flatten_params,
    get_mode,
    map_params,
    rsample_action_distribution,
    sample_action_distribution,
    to_params,
    unflatten_params,
)
from alf.nest import flatten


def two():
    return {
        "move": DiagNormal(torch.zeros(5, 2), torch.ones(5, 2)),
        "gear": Categorical(torch.randn(5, 3)),
    }


def test_a_distribution_is_a_leaf():
    """alf.nest sees a distribution whole; flatten_params sees its tensors."""
    nest = two()

    assert len(flatten(nest)) == 2
    assert [x.shape for x in flatten_params(nest)[0]] == [(5, 3), (5, 2), (5, 2)]


def test_sums_over_leaves():
    """Log probability, entropy and divergence of a nest are sums over its leaves."""
    nest, other = two(), two()
    action = sample_action_distribution(nest)
    move, gear = nest["move"], nest["gear"]

    torch.testing.assert_close(
        compute_log_probability(nest, action),
        move.log_prob(action["move"]) + gear.log_prob(action["gear"]),
    )
    torch.testing.assert_close(compute_entropy(nest), move.entropy() + gear.entropy())
    torch.testing.assert_close(
        compute_kl_divergence(nest, other), gear.kl_divergence(other["gear"])
    )


def test_single_distribution():
    """A distribution alone is answered without a nest around it."""
    dist = DiagNormal(torch.zeros(5, 2), torch.ones(5, 2))
    action = rsample_action_distribution(dist)

    assert torch.equal(get_mode(dist), dist.loc)
    assert torch.equal(compute_log_probability(dist, action), dist.log_prob(action))
    assert torch.equal(compute_entropy(dist), dist.entropy())
    assert torch.equal(compute_kl_divergence(dist, dist), torch.zeros(5))


def test_stack_and_index():
    """Steps with distributions stack to [T, B] and index back to the same step."""
    steps = [two() for _ in range(4)]
    stacked = map_params(lambda *x: torch.stack(x), *steps)
    third = map_params(lambda x: x[2], stacked)

    assert stacked["move"].batch_shape == (4, 5)
    assert torch.equal(third["gear"].logits, steps[2]["gear"].logits)


def test_other_bounds_do_not_mix():
    """Distributions over different boxes are not of one structure."""
    one = SquashedNormal(torch.zeros(1), torch.ones(1), -1, 1)
    two_ = SquashedNormal(torch.zeros(1), torch.ones(1), -2, 2)

    with pytest.raises(ValueError, match="SquashedNormal"):
        map_params(lambda x, y: x, one, two_)


def test_to_params():
    """A nest of distributions becomes a nest of dicts of tensors; other leaves stay."""
    params = to_params({"dist": two()["gear"], "none": None, "empty": ()})

    assert list(params["dist"]) == ["logits"]
    assert params["none"] is None
    assert params["empty"] == ()


nests = st.recursive(
    st.sampled_from(["tensor", "categorical", "normal", "none", "empty"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def filled(shape):
    kinds = {
        "tensor": lambda: torch.randn(2),
        "categorical": lambda: Categorical(torch.randn(2, 3)),
        "normal": lambda: DiagNormal(torch.randn(2, 1), torch.ones(2, 1)),
        "none": lambda: None,
        "empty": lambda: (),
    }
    if isinstance(shape, str):
        return kinds[shape]()
    if isinstance(shape, dict):
        return {key: filled(value) for key, value in shape.items()}
    return type(shape)(filled(value) for value in shape)


@settings(max_examples=50, deadline=None)
@given(nests)
def test_any_nest_round_trips(shape):
    """Whatever the nest, taking it apart and together gives the same leaves and structure."""
    nest = filled(shape)
    leaves, structure = flatten_params(nest)
    again, again_structure = flatten_params(unflatten_params(structure, leaves))

    assert all(a is b for a, b in zip(leaves, again, strict=True))
    assert structure == again_structure


class TestEpsilonGreedy:
    def test_ends(self):
        """0 is the mode, 1 is a draw."""
        dist = Categorical(torch.tensor([0.0, 0.1]).expand(1000, 2))

        assert epsilon_greedy_sample(dist, 0.0).eq(1).all()
        assert epsilon_greedy_sample(dist, 1.0).eq(0).any()

    def test_share(self):
        """A share eps of the batch is drawn; all leaves of an element decide together."""
        torch.manual_seed(0)
        count = 20_000
        nest = (
            DiagNormal(torch.zeros(count, 2), torch.ones(count, 2)),
            DiagNormal(torch.zeros(count), torch.ones(count), event_dims=0),
        )
        first, second = epsilon_greedy_sample(nest, 0.3)
        drawn = first.ne(0).all(-1)

        assert torch.equal(drawn, second.ne(0))
        assert abs(drawn.float().mean() - 0.3) < 0.02
