"""Transforms: what comes out, what is remembered, what is refused."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.transforms import (
    DataTransformer,
    FrameStacker,
    IdentityDataTransformer,
    ImageScaleTransformer,
    Normalizer,
    ObservationNormalizer,
    RewardClipping,
    RewardNormalizer,
    RewardScaling,
    RewardShifting,
    SequentialDataTransformer,
    UntransformedTimeStep,
    create_data_transformer,
)

VECTOR = TensorSpec((2,))
IMAGE = BoundedTensorSpec((3, 4, 4), torch.uint8, 0, 255)


def step(observation: Any, step_type: Any = StepType.MID, reward: Any = (0.0,)) -> TimeStep:
    reward = torch.tensor(reward)
    if isinstance(step_type, int):
        step_type = [step_type] * len(reward)
    return TimeStep(
        step_type=torch.tensor(step_type, dtype=torch.int32),
        reward=reward,
        discount=torch.ones(len(reward)),
        observation=observation,
    )


def matches(spec, value):
    """Whether a batch of values fits a nest of specs."""

    def check(one, x):
        assert (tuple(x.shape[1:]), x.dtype) == (tuple(one.shape), one.dtype)
        if isinstance(one, BoundedTensorSpec):
            assert np.all(x.numpy() >= one.minimum)
            assert np.all(x.numpy() <= one.maximum)

    map_structure(check, spec, value)
    return True


class TestReward:
    @pytest.mark.parametrize(
        ("transformer", "expected"),
        [
            (RewardScaling(0.1), [-0.3, 0.0, 0.2]),
            (RewardShifting(1.0), [-2.0, 1.0, 3.0]),
            (RewardClipping(), [-1.0, 0.0, 1.0]),
            (RewardClipping(minmax=(-5, 1.5)), [-3.0, 0.0, 1.5]),
        ],
    )
    def test_by_hand(self, transformer, expected):
        """The reward is changed, nothing else is, and the input stays as it was."""
        before = step(torch.zeros(3, 2), reward=(-3.0, 0.0, 2.0))
        after, state = transformer.transform_timestep(before, ())

        torch.testing.assert_close(after.reward, torch.tensor(expected))
        assert after.observation is before.observation
        assert before.reward.tolist() == [-3.0, 0.0, 2.0]
        assert state == ()

    def test_is_a_function_of_rewards(self):
        """A reward transform can be called on rewards alone."""
        assert RewardScaling(2.0)(torch.ones(2)).tolist() == [2.0, 2.0]

    def test_empty_range(self):
        """A range with its ends swapped is refused."""
        with pytest.raises(ConfigError, match="give \\(lower, upper\\)"):
            RewardClipping(minmax=(1, -1))


class TestRewardNormalizer:
    def normalized(self, transformer, rewards, step_type: Any = StepType.MID):
        after, _ = transformer.transform_timestep(
            step(torch.zeros(len(rewards)), step_type, rewards)
        )
        return after.reward.tolist()

    def test_by_hand(self):
        """The first batch weighs 1, the second 8/9.

        1 and 3: mean 2, variance 1. Then 5 and 5, d = 3: mean 2 + 3 * 8/9 = 14/3, variance
        1/9 + 8/9 * 1/9 * 9 = 1, so 5 becomes 1/3.
        """
        transformer = RewardNormalizer()

        assert [-1.0, 1.0] == pytest.approx(self.normalized(transformer, (1.0, 3.0)))
        assert [1 / 3, 1 / 3] == pytest.approx(self.normalized(transformer, (5.0, 5.0)))

    def test_first_steps_are_not_counted(self):
        """They have no reward: the statistics are those of the other step, if there is one."""
        transformer = RewardNormalizer()
        self.normalized(transformer, (0.0, 0.0), StepType.FIRST)
        assert 0 == transformer.normalizer.count

        self.normalized(transformer, (0.0, 4.0), [StepType.FIRST, StepType.LAST])
        assert (4.0, 0.0) == (transformer.normalizer.mean, transformer.normalizer.variance)

    def test_stands_still_in_play_and_is_saved(self):
        """A copy made from what was saved normalizes alike, and sees nothing new in evaluation."""
        transformer = RewardNormalizer()
        self.normalized(transformer, (1.0, 3.0))
        played = RewardNormalizer().eval()
        played.load_state_dict(transformer.state_dict())

        assert [98.0, -2.0] == pytest.approx(self.normalized(played, (100.0, 0.0)))
        assert [98.0, -2.0] == pytest.approx(self.normalized(played, (100.0, 0.0)))

    def test_limits(self):
        """Statistics stop after the calls that are asked for, and values at the largest one."""
        transformer = RewardNormalizer(update_max_calls=1, clip_value=3.0)
        self.normalized(transformer, (1.0, 3.0))

        assert [3.0, -2.0] == pytest.approx(self.normalized(transformer, (100.0, 0.0)))
        assert 3.0 == transformer.clip_value

    def test_given_normalizer(self):
        """One that only scales keeps the sign of rewards: 1 and 3 have standard deviation 1."""
        transformer = RewardNormalizer(normalizer=Normalizer((), zero_mean=False))

        assert [1.0, 3.0] == pytest.approx(self.normalized(transformer, (1.0, 3.0)))

    def test_refusals(self):
        """What it cannot use is named."""
        with pytest.raises(ConfigError, match=r"give an alf\.transforms\.Normalizer"):
            RewardNormalizer(normalizer=0.5)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="update_max_calls is -1"):
            RewardNormalizer(update_max_calls=-1)
        with pytest.raises(ConfigError, match="update_mode"):
            RewardNormalizer(update_mode="never")  # type: ignore[call-arg]


class TestImageScale:
    def test_range(self):
        """0 becomes min and 255 becomes max, and the spec says so."""
        transformer = ImageScaleTransformer(IMAGE, min=0.0)
        image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
        image[0, 0] = 255
        after, _ = transformer.transform_timestep(step(image))

        assert (after.observation.min(), after.observation.max()) == (0.0, 1.0)
        assert matches(transformer.transformed_observation_spec, after.observation)

    def test_every_byte_stays_within_the_bounds(self):
        """No byte is rounded out of the range; each is where the line puts it."""
        spec = BoundedTensorSpec((256,), torch.uint8, 0, 255)
        values = torch.arange(256, dtype=torch.uint8).unsqueeze(0)
        for low, high in [(-1.0, 1.0), (-0.3, 0.7), (0.0, 3.3)]:
            after, _ = ImageScaleTransformer(spec, low, high).transform_timestep(step(values))
            expected = torch.linspace(low, high, 256).unsqueeze(0)

            torch.testing.assert_close(after.observation, expected)
            assert after.observation.min() >= low
            assert after.observation.max() <= torch.tensor(high)

    def test_fields(self):
        """Only the named fields are changed."""
        spec = {"camera": {"left": IMAGE, "right": IMAGE}, "speed": VECTOR}
        transformer = ImageScaleTransformer(spec, fields=["camera.left"])
        image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
        observation = {"camera": {"left": image, "right": image}, "speed": torch.zeros(1, 2)}
        after, _ = transformer.transform_timestep(step(observation))

        assert matches(transformer.transformed_observation_spec, after.observation)
        assert after.observation["camera"]["right"] is image

    @pytest.mark.parametrize(
        ("spec", "fields", "advice"),
        [
            (VECTOR, None, "scales bytes"),
            ({"a": IMAGE}, None, "give fields"),
            ({"a": IMAGE}, ["b"], "there is a"),
        ],
    )
    def test_refusals(self, spec, fields, advice):
        """What is not a byte image, or not there, is refused with advice."""
        with pytest.raises(ConfigError, match=advice):
            ImageScaleTransformer(spec, fields=fields)


class TestFrameStacker:
    def test_by_hand(self):
        """Frames 1, 2, 3 and a new episode 9: the past is filled and forgotten by element."""
        stacker = FrameStacker(TensorSpec((1,)), stack_size=3)
        state = stacker.initial_state(2)
        seen = []
        for value, kinds in [(1, [0, 0]), (2, [1, 1]), (3, [1, 2]), (9, [1, 0])]:
            frame = torch.full((2, 1), float(value))
            after, state = stacker.transform_timestep(step(frame, kinds, (0.0, 0.0)), state)
            seen.append(after.observation.tolist())

        assert seen == [
            [[1, 1, 1], [1, 1, 1]],
            [[1, 1, 2], [1, 1, 2]],
            [[1, 2, 3], [1, 2, 3]],
            [[2, 3, 9], [9, 9, 9]],
        ]

    def test_specs(self):
        """Bounds are repeated with the frames; state and output are as declared."""
        spec = {"image": IMAGE, "other": VECTOR}
        stacker = FrameStacker(spec, stack_size=4, fields=["image"])
        image = torch.randint(0, 255, (2, 3, 4, 4), dtype=torch.uint8)
        before = step({"image": image, "other": torch.zeros(2, 2)}, 0, (0.0, 0.0))
        after, state = stacker.transform_timestep(before)

        assert stacker.transformed_observation_spec["image"].shape == (12, 4, 4)
        assert matches(stacker.transformed_observation_spec, after.observation)
        assert matches(stacker.state_spec, state)
        assert stacker.stack_size == 4

    def test_one_frame(self):
        """A stack of one changes nothing and remembers nothing."""
        stacker = FrameStacker(VECTOR, stack_size=1)
        before = step(torch.ones(1, 2))

        assert stacker.transform_timestep(before, ()) == (before, ())
        assert stacker.state_spec == ()

    def test_refusals(self):
        """An axis that is not there is refused."""
        with pytest.raises(ConfigError, match="dimension 3"):
            FrameStacker(IMAGE, stack_axis=3)
        with pytest.raises(ConfigError, match="1 or more"):
            FrameStacker(IMAGE, stack_size=0)


class TestNormalizer:
    def test_ema_by_hand(self):
        """First batch 1, 3: mean 2, variance 1; then 4, 4 with weight 1/2."""
        normalizer = Normalizer((), mode="ema", update_rate=0.5)
        normalizer.update(torch.tensor([1.0, 3.0]))
        assert (normalizer.mean, normalizer.variance) == (2.0, 1.0)

        normalizer.update(torch.tensor([4.0, 4.0]))
        # mean 2 + 1/2 * 2 = 3; var 1/2 * 1 + 1/2 * 0 + 1/4 * 4 = 1.5
        assert (normalizer.mean, normalizer.variance) == (3.0, 1.5)
        torch.testing.assert_close(
            normalizer.normalize(torch.tensor([3.0, 4.5])), torch.tensor([0.0, 1.5 / 1.5**0.5])
        )

    def test_window_forgets(self):
        """With a window of two, the third batch replaces the first."""
        normalizer = Normalizer((1,), mode="window", window_size=2)
        for value in (100.0, 1.0, 3.0):
            normalizer.update(torch.full((4, 1), value))

        assert normalizer.mean.tolist() == [2.0]
        assert normalizer.variance.tolist() == [1.0]

    @pytest.mark.parametrize("mode", ["adaptive", "window", "ema"])
    def test_finds_the_moments(self, mode):
        """A stream with mean 5 and deviation 3 comes out standard."""
        torch.manual_seed(0)
        normalizer = Normalizer((2,), mode=mode, window_size=100, update_rate=0.02)
        for _ in range(300):
            normalizer.update(torch.randn(64, 2) * 3 + 5)
        out = normalizer.normalize(torch.randn(10_000, 2) * 3 + 5)

        assert out.mean(0).abs().max() < 0.1
        assert (out.std(0) - 1).abs().max() < 0.1

    def test_refusals(self):
        """Unknown modes and empty windows are refused."""
        with pytest.raises(ConfigError, match="adaptive, ema, window"):
            Normalizer((), mode="other")
        with pytest.raises(ConfigError, match="positive"):
            Normalizer((), window_size=0)


class TestObservationNormalizer:
    def test_updates_in_training_only(self):
        """Statistics move in training mode and stand still in evaluation mode."""
        transformer = ObservationNormalizer(VECTOR, clipping=5.0)
        for value in (1.0, 2.0, 3.0):
            transformer.transform_timestep(step(torch.full((4, 2), value)))
        transformer.eval()
        saved = {name: value.clone() for name, value in transformer.state_dict().items()}
        after, _ = transformer.transform_timestep(step(torch.full((4, 2), 1e9)))

        assert all(torch.equal(saved[name], v) for name, v in transformer.state_dict().items())
        assert matches(transformer.transformed_observation_spec, after.observation)
        assert after.observation.max() == 5.0

    def test_statistics_are_saved(self):
        """A loaded transform normalizes like the saved one."""
        one, two = ObservationNormalizer(VECTOR), ObservationNormalizer(VECTOR)
        one.transform_timestep(step(torch.randn(16, 2) * 7 + 1))
        two.load_state_dict(one.state_dict())
        x = step(torch.randn(4, 2))

        expected = one.eval().transform_timestep(x)[0].observation
        torch.testing.assert_close(two.eval().transform_timestep(x)[0].observation, expected)

    def test_scale_alone(self):
        """Without zero_mean a constant sign stays."""
        transformer = ObservationNormalizer(VECTOR, zero_mean=False)
        after, _ = transformer.transform_timestep(step(torch.rand(64, 2) + 1))

        assert after.observation.min() > 0


class TestSequential:
    def test_chain(self):
        """Each transform gets the spec of the one before; states travel with their owners."""
        ctors = [
            UntransformedTimeStep,
            ImageScaleTransformer,
            partial(FrameStacker, stack_size=2),
            partial(RewardScaling, scale=10.0),
        ]
        chain = create_data_transformer(ctors, IMAGE)
        image = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
        before = step(image, StepType.FIRST, reward=(0.5,))
        after, state = chain.transform_timestep(before)
        again, _ = chain.transform_timestep(step(image, reward=(0.5,)), state)

        assert isinstance(chain, SequentialDataTransformer)
        assert next(type(m).__name__ for m in chain.members()) == "UntransformedTimeStep"
        assert chain.stack_size == 2
        assert matches(chain.transformed_observation_spec, again.observation)
        assert after.reward.tolist() == [5.0]
        assert after.untransformed.observation is image
        assert after.untransformed.reward.tolist() == [0.5]
        assert after.untransformed.untransformed == ()
        assert len(state) == len(chain.state_spec) == 4

    def test_initial_state(self):
        """The declared state is accepted as the first one."""
        chain = create_data_transformer([partial(RewardScaling, scale=2.0), FrameStacker], VECTOR)
        after, _ = chain.transform_timestep(step(torch.ones(1, 2), 0), chain.initial_state(1))

        assert after.observation.tolist() == [[1.0] * 8]

    def test_kept_fields(self):
        """Only the fields asked for are kept."""
        before = step(torch.ones(1, 2), reward=(3.0,))
        kept = UntransformedTimeStep(VECTOR, ["reward"]).transform(before).untransformed

        assert kept.reward.tolist() == [3.0]
        assert kept.observation == kept.step_type == ()

    def test_refusals(self):
        """Wrong orders, fields and constructors are refused with advice."""
        with pytest.raises(ConfigError, match="put it first"):
            create_data_transformer([FrameStacker, UntransformedTimeStep], VECTOR)
        with pytest.raises(ConfigError, match="no \\['color'\\]"):
            UntransformedTimeStep(VECTOR, ["color"])
        with pytest.raises(ConfigError, match="give a class of alf"):
            create_data_transformer(lambda observation_spec: 3, VECTOR)  # pyright: ignore

    @pytest.mark.parametrize("nothing", [None, []])
    def test_nothing(self, nothing):
        """No transform is the identity."""
        transformer = create_data_transformer(nothing, VECTOR)
        before = step(torch.ones(1, 2))

        assert isinstance(transformer, IdentityDataTransformer)
        assert transformer.transform_timestep(before, ()) == (before, ())
        assert transformer.transformed_observation_spec is VECTOR

    def test_one_needs_no_chain(self):
        """A single constructor, or a list of one, is that transform itself."""
        for ctor in (RewardClipping, [RewardClipping]):
            made: DataTransformer = create_data_transformer(ctor, VECTOR)
            assert isinstance(made, RewardClipping)
