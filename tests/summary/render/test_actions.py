"""Actions and their distributions: what is computed, and what is drawn."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributions as td

from alf import summary
from alf.distributions import Beta, Categorical, DiagNormal, SquashedNormal
from alf.errors import RenderError
from alf.summary import render
from alf.summary.render import theme
from alf.summary.render.densities import choice_probabilities, density, is_factorized
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

TWO = BoundedTensorSpec((), torch.int64, 0, 1)
FIVE = BoundedTensorSpec((), torch.int64, 2, 6)
TABLE = BoundedTensorSpec((3,), torch.int64, 0, 4)
ONE = BoundedTensorSpec((1,), torch.float32, -2, 2)
FOUR = BoundedTensorSpec((4,), torch.float32, -1, 1)
CAR = BoundedTensorSpec((3,), torch.float32, [-1, 0, 0], [1, 1, 1])


@pytest.fixture(autouse=True)
def _rendering():
    with summary.isolated(), render.rendering():
        yield


def marked(image):
    """Rows and columns of the pixels that stand out."""
    return np.nonzero((image.data == theme.CHOSEN).all(axis=2))


def bounds(spec):
    return np.array(spec.minimum, float).reshape(-1), np.array(spec.maximum, float).reshape(-1)


def density_of(dist, spec, n_samples=500, n_bins=20):
    return density(dist, *bounds(spec), tuple(spec.shape), n_samples, n_bins)


# What is computed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "requires_grad", "dtype"),
    [
        (lambda logits: Categorical(logits, offset=2), True, torch.float32),
        (lambda logits: Categorical(logits, offset=2), False, torch.bfloat16),
        (lambda logits: td.Categorical(logits=logits), True, torch.float32),
    ],
)
def test_probabilities_of_choices(make, requires_grad, dtype):
    """Softmax of (0, ln 2, 0, 0, ln 3) is (1, 2, 1, 1, 3) / 8."""
    logits = torch.tensor([[0, math.log(2), 0, 0, math.log(3)]], dtype=dtype)
    probs = choice_probabilities(make(logits.requires_grad_(requires_grad)), 2, 6, (), 10)

    np.testing.assert_allclose(probs, np.array([1, 2, 1, 1, 3]) / 8, atol=2e-3)


def test_probabilities_without_probs():
    """A distribution that only tells log probabilities, or only draws, is asked for those."""

    class OnlyDraws:
        def sample(self):
            return torch.tensor([1])

    np.testing.assert_allclose(
        choice_probabilities(td.Bernoulli(torch.tensor([0.25])), 0, 1, (), 10), [0.75, 0.25]
    )
    np.testing.assert_array_equal(choice_probabilities(OnlyDraws(), 0, 1, (), 10), [0, 1])


NORMALS = {
    "DiagNormal": DiagNormal(torch.tensor([[0.5]]), torch.tensor([[0.3]])),
    "Normal": td.Normal(torch.tensor([[0.5]]), torch.tensor([[0.3]])),
    "Independent": td.Independent(td.Normal(torch.tensor([[0.5]]), torch.tensor([[0.3]])), 1),
    "unbatched": td.Independent(td.Normal(torch.tensor([0.5]), torch.tensor([0.3])), 1),
    "batch of two": DiagNormal(torch.tensor([[0.5], [9.0]]), torch.tensor([[0.3], [1.0]])),
}


@pytest.mark.parametrize("kind", NORMALS)
def test_normal_density_is_exact(kind):
    """The curve is exp(-((x - 0.5) / 0.3)^2 / 2), its highest point 1."""
    found = density_of(NORMALS[kind], ONE)

    assert found.is_exact
    assert found.mode[0] == pytest.approx(0.5, abs=1e-6)
    expected = np.exp(-0.5 * ((found.x - 0.5) / 0.3) ** 2)
    np.testing.assert_allclose(found.height, expected, atol=1e-4)
    assert -2 < found.x.min() < -1.99
    assert 1.99 < found.x.max() < 2


def test_numbers_have_densities_of_their_own():
    """Of independent numbers each has its own curve, whatever the others are."""
    loc, scale = torch.tensor([[-0.8, 0.0, 0.3, 0.9]]), torch.tensor([[0.05, 0.5, 0.1, 0.01]])
    spaced = [
        DiagNormal(loc, scale),
        td.Independent(td.Normal(loc, scale), 1),
        td.Normal(loc, scale),
    ]
    for dist in spaced:
        found = density_of(dist, FOUR)
        expected = np.exp(-0.5 * ((found.x - loc[0].numpy()) / scale[0].numpy()) ** 2)
        np.testing.assert_allclose(found.height, expected, atol=2e-3)


def test_squashed_density_is_exact():
    """p(y) of y = tanh(x) is normal(atanh y) / (1 - y^2), for torch's transforms and ours."""
    loc, scale = torch.tensor([[0.3, -0.5, 0.0, 1.0]]), torch.tensor([[0.2, 0.7, 1.0, 0.4]])
    theirs = td.TransformedDistribution(
        td.Independent(td.Normal(loc, scale), 1), [td.TanhTransform()]
    )
    for dist in (SquashedNormal(loc, scale), theirs):
        found = density_of(dist, FOUR)
        x = np.arctanh(found.x)
        p = np.exp(-0.5 * ((x - loc[0].numpy()) / scale[0].numpy()) ** 2) / (1 - found.x**2)
        assert found.is_exact
        np.testing.assert_allclose(found.height, p / p.max(axis=0), atol=2e-3)


def test_beta_density_is_exact():
    """Beta(2, 5) on [-2, 2] has its mode at -2 + 4 / 5 * 1 and u (1 - u)^4 as its shape."""
    found = density_of(Beta(torch.tensor([[2.0]]), torch.tensor([[5.0]]), -2, 2), ONE)
    u = (found.x + 2) / 4
    shape = u * (1 - u) ** 4

    assert found.mode[0] == pytest.approx(-1.2, abs=0.03)
    np.testing.assert_allclose(found.height, shape / shape.max(), atol=2e-3)


def test_narrow_peak_is_found():
    """A peak far narrower than the spacing of points is still drawn at its place."""
    found = density_of(DiagNormal(torch.tensor([[0.777]]), torch.tensor([[1e-3]])), ONE)

    assert found.mode[0] == pytest.approx(0.777, abs=1e-5)
    assert (found.height > 0.2).sum() >= 5


def mixture():
    return td.MixtureSameFamily(
        td.Categorical(torch.ones(1, 2)),
        td.Independent(td.Normal(torch.tensor([[[-1.0], [1.0]]]), 0.2 * torch.ones(1, 2, 1)), 1),
    )


def test_draws_leave_the_random_state():
    """What cannot be computed is estimated from draws, and the random state does not move."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = density_of(mixture(), ONE, n_samples=4000, n_bins=8)

    assert not is_factorized(mixture())
    assert not found.is_exact
    assert torch.equal(before, torch.get_rng_state())
    # Bins of 0.5 from -2: the peaks at -1 and 1 lie on edges, the middle is empty.
    heights = found.height[::2, 0]
    assert heights[[1, 2, 5, 6]].min() > 0.8
    assert heights[[0, 3, 4, 7]].max() < 0.1


def test_dependent_numbers_are_drawn():
    """A normal with correlations is not taken apart."""
    cov = torch.tensor([[1.0, 0.9], [0.9, 1.0]])

    assert not is_factorized(td.MultivariateNormal(torch.zeros(2), cov))


def test_unbounded_numbers_get_the_range_of_draws():
    """Without bounds the axis holds the draws."""
    dist = DiagNormal(torch.tensor([[100.0]]), torch.tensor([[2.0]]))
    found = density(dist, np.array([-np.inf]), np.array([np.inf]), (1,), 500, 20)

    assert 85 < found.x.min() < 98
    assert 102 < found.x.max() < 115
    assert found.mode[0] == pytest.approx(100, abs=0.1)


# What is drawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [torch.tensor([4]), torch.tensor(4), np.array([4, 2]), 4, torch.tensor([4], dtype=torch.int32)],
)
def test_the_choice_taken_is_marked(action):
    """Of the choices 2 to 6 the third one is marked when 4 is taken, with or without a batch."""
    _, columns = marked(render.render_action("a", action, FIVE))

    assert 120 < columns.min() < columns.max() < 180


def test_two_choices_are_two_bars():
    """A categorical over two choices is two bars in the ratio of the probabilities, no line."""
    dist = td.Categorical(probs=torch.tensor([[0.25, 0.75]]))
    image = render.render_action_distribution("d", dist, TWO)
    blue_rows, _ = np.nonzero((image.data == theme.series_color(0)).all(axis=2))
    orange_rows, orange_columns = marked(image)

    assert np.ptp(orange_rows) == pytest.approx(3 * np.ptp(blue_rows), rel=0.05)
    assert orange_columns.min() > 150


def test_tables_mark_one_cell_a_row():
    """A vector of choices marks one cell in each row."""
    image = render.render_action("a", torch.tensor([[0, 4, 2]]), TABLE)
    rows, columns = marked(image)
    thirds = [(rows - 60) // 80 == i for i in range(3)]
    centres = [columns[third].mean() for third in thirds]

    assert centres[0] < centres[2] < centres[1]
    dist = Categorical(torch.zeros(1, 3, 5), event_dims=1)
    assert render.render_action_distribution("d", dist, TABLE).shape == (300, 300, 3)


def test_numbers_stand_in_their_bounds():
    """A bar at its bound reaches the end of the axis; zero is where the bounds say."""
    full = render.render_action("a", torch.tensor([[2.0]]), ONE, annotate_format="")
    half = render.render_action("a", torch.tensor([[1.0]]), ONE, annotate_format="")

    def height(image):
        rows, _ = np.nonzero((image.data == theme.series_color(0)).all(axis=2))
        return np.ptp(rows) + 1

    assert height(full) == pytest.approx(2 * height(half), abs=2)


@pytest.mark.parametrize(
    "spec",
    [
        ONE,
        FOUR,
        CAR,
        BoundedTensorSpec((), torch.float32, -1, 1),
        BoundedTensorSpec((2, 2), torch.float32, -1, 1),
        BoundedTensorSpec((32,), torch.float32, -1, 1),
        BoundedTensorSpec((2,), torch.float32, [-1, -1000], [1, 1000]),
        TensorSpec((3,)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_continuous_spec_is_drawn(spec, dtype):
    """Scalars, vectors, matrices, many numbers, unequal bounds and none all give panels."""
    dims = len(spec.shape)
    loc = torch.zeros((1, *spec.shape), dtype=dtype, requires_grad=True)
    scale = torch.full_like(loc, 0.3)
    action = render.render_action("a", loc, spec)
    dist = render.render_action_distribution("d", DiagNormal(loc, scale, dims), spec)

    for image in (action, dist):
        assert image.shape == (300, 300, 3)
        assert len(np.unique(image.data.reshape(-1, 3), axis=0)) > 10


def test_nests_give_nests():
    """A nest of actions gives a nest of images, each named by its path."""
    spec = {"arm": FOUR, "grip": {"mode": TWO}}
    action = {"arm": torch.zeros(1, 4), "grip": {"mode": torch.tensor([1])}}
    dist = {
        "arm": DiagNormal(torch.zeros(1, 4), torch.ones(1, 4)),
        "grip": {"mode": Categorical(torch.zeros(1, 2))},
    }
    with summary.scope("S"):
        actions = render.render_action("a", action, spec)
        dists = render.render_action_distribution("d", dist, spec)

    assert actions["arm"].name == "S/a/arm"
    assert actions["grip"]["mode"].name == "S/a/grip.mode"
    assert dists["grip"]["mode"].name == "S/d/grip.mode"
    packed: Any = render.Image.pack_image_nest([actions, dists])
    assert packed.shape == (600, 600, 3)


def test_off_draws_nothing():
    """While rendering is off both return `None` and read nothing."""
    with render.rendering(False):
        assert render.render_action("a", object(), object()) is None
        assert render.render_action_distribution("d", object(), object()) is None


def test_what_does_not_fit_is_refused():
    """Actions outside of their spec, and specs without choices, are errors that say so."""
    with pytest.raises(RenderError, match=r"outside of the choices 0 to 1"):
        render.render_action("a", torch.tensor([2]), TWO)
    with pytest.raises(RenderError, match=r"shape \[3\].*\[4\]"):
        render.render_action("a", torch.zeros(1, 3), FOUR)
    with pytest.raises(RenderError, match="BoundedTensorSpec"):
        render.render_action("a", torch.tensor([2]), TensorSpec((), torch.int64))
    with pytest.raises(RenderError, match="no option bins"):
        render.render_action_distribution("d", None, TWO, bins=3)


def test_panels_keep_their_place():
    """From step to step the frame of a panel is the same; only what depends on data changes."""
    images = [
        render.render_action_distribution("d", Categorical(torch.randn(1, 5)), FIVE).data
        for _ in range(5)
    ]

    assert all((image[:40] == images[0][:40]).all() for image in images)
    assert all((image[278:] == images[0][278:]).all() for image in images)
    assert all((image[:, :35] == images[0][:, :35]).all() for image in images)
