import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from alf.environments.gym_spaces import (
    ActionMap,
    ObservationMap,
    is_image,
    leaf_spaces,
    space_to_spec,
    spec_to_space,
)
from alf.environments.suite_gym import wrap_env
from alf.errors import EnvError
from alf.nest import flatten, map_structure
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "uint16"]


@st.composite
def boxes(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    low = draw(st.integers(0 if dtype.kind == "u" else -100, 20))
    high = low + draw(st.integers(1, 50))
    if dtype.kind == "f" and draw(st.booleans()):
        low, high = -np.inf, np.inf
    return spaces.Box(low, high, shape, dtype.type)


LEAVES = st.one_of(
    boxes(),
    st.builds(lambda n, s: spaces.Discrete(n, start=s), st.integers(1, 9), st.integers(-5, 5)),
    st.builds(spaces.MultiBinary, st.integers(1, 4)),
    st.builds(spaces.MultiDiscrete, st.lists(st.integers(1, 5), min_size=1, max_size=3)),
)
SPACES = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        st.dictionaries(st.sampled_from("abcd"), children, min_size=1, max_size=3).map(spaces.Dict),
        st.lists(children, min_size=1, max_size=3).map(spaces.Tuple),
    ),
    max_leaves=5,
)


@given(SPACES)
def test_specs_survive_the_way_back(space):
    """The specs of the space of a spec are that spec."""
    spec = space_to_spec(space)

    assert spec == space_to_spec(spec_to_space(spec))


@given(SPACES)
def test_leaf_spaces_follow_the_nest(space):
    """Leaves come in the order of the flattened specs."""
    shapes = [tuple(spec.shape) for spec in flatten(space_to_spec(space))]

    assert shapes == [tuple(leaf.shape or ()) for _, leaf in leaf_spaces(space)]


@given(SPACES, st.integers(0, 100))
def test_samples_fit_the_spec(space, seed):
    """What a space gives is written into arrays of the spec without loss of shape or value."""
    space.seed(seed)
    sample = space.sample()
    mapping = ObservationMap(space, image_channel_first=False)
    arrays = [spec.numpy_zeros((2,)) for spec in flatten(mapping.spec)]

    mapping.write(sample, arrays, 1)

    for array, (path, _) in zip(arrays, leaf_spaces(space), strict=True):
        leaf = sample
        for key in path:
            leaf = leaf[key]
        np.testing.assert_allclose(np.asarray(leaf, np.float64), array[1], rtol=1e-6)
        assert not array[0].any()


@given(SPACES)
def test_actions_fit_the_space(space):
    """Any action within the agent's spec is an action of the environment."""
    mapping = ActionMap(space)

    def some(spec):
        bounded = isinstance(spec, BoundedTensorSpec) and np.isfinite(spec.maximum).all()
        return spec.numpy_sample() if bounded else spec.numpy_zeros()

    leaves = [np.asarray(leaf) for leaf in flatten(map_structure(some, mapping.spec))]

    assert space.contains(mapping.to_env(leaves))


class TestSpecs:
    def test_float64_becomes_float32(self):
        """Double observations are stored as floats; a fully unbounded box has no bounds."""
        spec = space_to_spec(spaces.Box(-np.inf, np.inf, (3,), np.float64))

        assert TensorSpec((3,), torch.float32) == spec

    def test_bounds_beyond_float32(self):
        """A bound that float32 cannot hold is no bound, and warns of nothing."""
        spec = space_to_spec(spaces.Box(-1e300, 1e300, (2,), np.float64))

        assert TensorSpec((2,)) == spec

    def test_discrete_start(self):
        """The bounds of an observation are the environment's own."""
        spec = space_to_spec(spaces.Discrete(3, start=-1))

        assert BoundedTensorSpec((), torch.int64, -1, 1) == spec

    def test_unknown_space(self):
        """A space without a tensor form is named, with its place."""
        space = spaces.Dict({"a": spaces.Dict({"said": spaces.Text(5)})})

        with pytest.raises(EnvError, match=r"Text.*at 'a.said'.*gym_env_wrappers"):
            space_to_spec(space)


class TestImages:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((84, 84, 3), True), ((16, 12, 1), True), ((4, 84, 84), False), ((3, 3, 3), False)],
    )
    def test_what_is_an_image(self, shape, expected):
        """The channels are the smallest dimension, and last."""
        assert expected == is_image(spaces.Box(0, 255, shape, np.uint8))

    def test_channel_first(self, tiny):
        """Images in a dict are transposed, one by one and as a batch; the rest is not."""
        env = wrap_env(tiny.Echo(spaces.Discrete(2)))

        observation = env.reset().observation

        assert (3, 8, 6) == tuple(env.observation_spec()["image"].shape)
        expected = torch.arange(8 * 6 * 3, dtype=torch.uint8).reshape(8, 6, 3).permute(2, 0, 1)
        assert torch.equal(expected, observation["image"][0])
        assert 5 == observation["both"][0].item()
        assert [1, 0, 1] == observation["both"][1][0].tolist()

    def test_channel_last(self, tiny):
        """They stay as they are where that is asked for."""
        env = wrap_env(tiny.Echo(spaces.Discrete(2)), image_channel_first=False)

        assert (1, 8, 6, 3) == tuple(env.reset().observation["image"].shape)

    def test_batch(self):
        """A batch of images becomes contiguous [B, C, H, W]."""
        space = spaces.Box(0, 255, (5, 4, 3), np.uint8)
        images = np.arange(2 * 60, dtype=np.uint8).reshape(2, 5, 4, 3)

        batch = ObservationMap(space).batch(images)

        assert batch.is_contiguous()
        assert torch.equal(torch.from_numpy(images).permute(0, 3, 1, 2), batch)


class TestActions:
    def test_discrete_counts_from_zero(self, tiny):
        """An agent's 0 is the environment's first action, whatever its number."""
        gym_env = tiny.Echo(spaces.Discrete(3, start=5))
        env = wrap_env(gym_env)
        env.reset()

        env.step(torch.tensor([2]))

        assert BoundedTensorSpec((), torch.int64, 0, 2) == env.action_spec()
        assert 7 == gym_env.got

    def test_clipping(self, tiny):
        """Actions beyond the bounds are clipped, the spec keeps the bounds."""
        gym_env = tiny.Echo(spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32)))
        env = wrap_env(gym_env, normalize_action=False)
        env.reset()

        time_step = env.step(torch.tensor([[-7.0, 0.25]]))

        assert [-2.0, 0.0] == env.action_spec().minimum.tolist()
        assert [-2.0, 0.25] == gym_env.got.tolist()
        assert [[-7.0, 0.25]] == time_step.prev_action.tolist()

    def test_no_clipping(self, tiny):
        """Unless it is switched off."""
        gym_env = tiny.Echo(spaces.Box(-1, 1, (1,)))
        env = wrap_env(gym_env, clip_action=False)
        env.reset()

        env.step(torch.tensor([[3.0]]))

        assert [3.0] == gym_env.got.tolist()

    def test_normalised(self, tiny):
        """[-1, 1] is spread over the bounds: -1 -> -2, 0 -> 2, 1 -> 6."""
        gym_env = tiny.Echo(spaces.Box(-2, 6, (3,)))
        env = wrap_env(gym_env)
        env.reset()

        env.step(torch.tensor([[-1.0, 0.0, 1.0]]))

        assert BoundedTensorSpec((3,), minimum=-1, maximum=1) == env.action_spec()
        assert [-2.0, 2.0, 6.0] == gym_env.got.tolist()

    def test_nested(self, tiny):
        """A dict of actions arrives as the environment's dict."""
        space = spaces.Dict({"go": spaces.Box(0, 1, (2,)), "do": spaces.Discrete(2)})
        gym_env = tiny.Echo(space)
        env = wrap_env(gym_env, normalize_action=False)
        env.reset()

        env.step({"do": torch.tensor([1]), "go": torch.tensor([[0.5, 3.0]])})

        assert 1 == gym_env.got["do"]
        assert [0.5, 1.0] == gym_env.got["go"].tolist()
        assert space.contains(gym_env.got)
