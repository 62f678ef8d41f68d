"""Hindsight: which steps get which goals, and what rewards they have then."""

from functools import partial

import pytest
import torch

from alf import summary
from alf._config import config
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer
from alf.tensor_specs import TensorSpec
from alf.transforms import (
    DataTransformer,
    FrameStacker,
    HindsightExperienceTransformer,
    ObservationNormalizer,
    RewardScaling,
    SequentialDataTransformer,
    create_data_transformer,
    l2_dist_close_reward_fn,
)

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
SPEC = {
    "observation": TensorSpec((2,)),
    "achieved_goal": TensorSpec((1,)),
    "desired_goal": TensorSpec((1,)),
}
GOAL = 100.0

# Step type, place and discount of a walk on a line: an episode that time ends at place 3, one that
# really ends at place 12, and one that goes on.
WALK = [
    *((FIRST, 0.0, 1.0), (MID, 1.0, 1.0), (MID, 2.0, 1.0), (LAST, 3.0, 1.0)),
    *((FIRST, 10.0, 1.0), (MID, 11.0, 1.0), (LAST, 12.0, 0.0)),
    *((FIRST, 20.0, 1.0), (MID, 21.0, 1.0)),
]


def time_step(kind: int, place: float, discount: float) -> TimeStep:
    return TimeStep(
        step_type=torch.tensor([kind], dtype=torch.int32),
        reward=torch.tensor([0.0 if kind == FIRST else -1.0]),
        discount=torch.tensor([discount]),
        observation={
            "observation": torch.tensor([[place, 0.5]]),
            "achieved_goal": torch.tensor([[place]]),
            "desired_goal": torch.tensor([[GOAL]]),
        },
    )


@pytest.fixture
def buffer() -> ReplayBuffer:
    """Holds the walk of one environment, with the info of an algorithm."""
    made = ReplayBuffer(1, 20)
    for row in WALK:
        made.add((time_step(*row), {"action": torch.zeros(1)}))
    return made


def relabelled(buffer, positions, length=2, transformer=None, **arguments) -> TimeStep:
    transformer = transformer or HindsightExperienceTransformer(SPEC, **arguments)
    batch = buffer.get_batch(torch.zeros(len(positions)).long(), torch.tensor(positions), length)
    before = [leaf.clone() for leaf in batch.experience[0].observation.values()]
    changed = transformer.transform_sample(batch.experience[0], batch)
    after = list(batch.experience[0].observation.values())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    return changed


def goals(steps: TimeStep) -> torch.Tensor:
    return steps.observation["desired_goal"].squeeze(-1)


class TestGoals:
    def test_each_later_step_of_the_episode_is_as_likely(self, buffer):
        """From place 0 the goals are 1, 2, 3; from 2 it is 3; an end of another kind is alike."""
        torch.manual_seed(0)
        changed = goals(relabelled(buffer, [0] * 3000 + [2] * 10 + [4] * 1000, her_proportion=1.0))

        places, counts = changed[0, :3000].unique(return_counts=True)
        assert [1.0, 2.0, 3.0] == places.tolist()
        # Standard deviation of each count: sqrt(3000 * 1/3 * 2/3) = 26.
        assert all(abs(int(count) - 1000) < 100 for count in counts)
        assert {3.0} == set(changed[0, 3000:3010].tolist())
        assert {11.0, 12.0} == set(changed[0, 3010:].tolist())
        assert torch.equal(changed[0], changed[1])

    def test_an_episode_that_goes_on_ends_at_the_newest_step(self, buffer):
        """Of place 20 only 21 is known to come."""
        assert [[21.0], [21.0]] == goals(relabelled(buffer, [7], her_proportion=1.0)).tolist()

    def test_the_end_of_an_episode_keeps_its_goal(self, buffer):
        """Nothing comes after it, and the first step of the next episode is another story."""
        assert [[GOAL], [GOAL]] == goals(relabelled(buffer, [3], her_proportion=1.0)).tolist()

    def test_a_longer_sample_has_the_goal_up_to_the_end_of_the_episode(self, buffer):
        """From place 2: steps 2 and 3 want 3, the two of the next episode what they wanted."""
        changed = relabelled(buffer, [2], length=4, her_proportion=1.0)

        assert [3.0, 3.0, GOAL, GOAL] == goals(changed)[:, 0].tolist()
        assert [-1.0, 0.0, 0.0, -1.0] == changed.reward[:, 0].tolist()

    def test_a_share_of_the_samples_is_changed(self, buffer):
        """With 0.8 four of five; with 0 none at all."""
        torch.manual_seed(0)
        changed = goals(relabelled(buffer, [0] * 4000, her_proportion=0.8))[0]

        share = float((changed != GOAL).float().mean())
        assert abs(share - 0.8) < 0.03  # standard deviation: 0.006
        assert {GOAL} == set(goals(relabelled(buffer, [0] * 100, her_proportion=0.0))[0].tolist())

    @pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
    def test_what_the_ring_has_dropped_is_not_asked_for(self, kind):
        """Relabelling goes on while old steps make room for new ones, by priority too."""
        buffer = kind(1, 5)
        transformer = HindsightExperienceTransformer(SPEC, her_proportion=1.0)
        for time in range(30):
            kind = LAST if time % 4 == 3 else MID
            buffer.add((time_step(kind, float(time), 1.0), ()))
            if time > 1:
                batch = buffer.sample(50, 2)
                wanted = goals(transformer.transform_sample(batch.experience[0], batch))[0]
                ends = batch.positions // 4 * 4 + 3
                kept = wanted == GOAL
                assert torch.equal(kept, batch.positions == ends)
                assert bool(((wanted > batch.positions) & (wanted <= ends) | kept).all())


def test_summaries_tell_how_many_and_what_they_are_rewarded_with(buffer):
    """From place 2 the goal is 3, which the next step achieves: all are changed, reward 0."""
    with summary.collect_scalars() as told, summary.record_if(True):
        relabelled(buffer, [2] * 5 + [3] * 5, her_proportion=1.0)

    name = "HindsightExperienceTransformer"
    assert {f"{name}/relabelled": 0.5, f"{name}/reward": 0.0} == told


class TestRewards:
    def test_they_are_those_for_the_new_goal(self, buffer):
        """0 at the step that achieves it, -1 elsewhere; the first step of an episode has none."""
        changed = relabelled(buffer, [0] * 50, length=4, her_proportion=1.0)
        wanted = goals(changed)
        places = changed.observation["achieved_goal"].squeeze(-1)

        expected = torch.where(places == wanted, 0.0, -1.0)
        expected[0] = 0.0
        assert torch.equal(expected, changed.reward)

    def test_a_step_that_keeps_its_goal_keeps_its_reward(self, buffer):
        """Whatever it was."""
        batch = buffer.get_batch(torch.zeros(2).long(), torch.tensor([0, 3]), 2)
        odd = batch.experience[0]._replace(reward=torch.full((2, 2), 7.0))
        transformer = HindsightExperienceTransformer(SPEC, her_proportion=0.0)

        assert torch.equal(odd.reward, transformer.transform_sample(odd, batch).reward)

    def test_a_time_limit_and_an_end_stay_what_they_were(self, buffer):
        """Types and discounts are not changed, nor is anything else that is observed."""
        changed = relabelled(buffer, [2, 5], her_proportion=1.0)

        assert [[MID, MID], [LAST, LAST]] == changed.step_type.tolist()
        assert [[1.0, 1.0], [1.0, 0.0]] == changed.discount.tolist()
        assert [[2.0, 11.0], [3.0, 12.0]] == changed.observation["observation"][..., 0].tolist()

    def test_goals_that_end_episodes(self, buffer):
        """With a `discount_fn` the new goal is an end where it is reached, the old one is none."""
        reached = partial(
            relabelled,
            buffer,
            length=4,
            discount_fn=lambda achieved, desired: (achieved != desired).any(-1).float(),
        )
        changed = reached([0] * 50, her_proportion=1.0)
        places = changed.observation["achieved_goal"].squeeze(-1)

        expected = torch.where(places == goals(changed), 0.0, 1.0)
        assert torch.equal(expected, changed.discount)
        assert 1.0 == float(reached([0] * 50, her_proportion=0.0).discount.min())

    def test_they_go_through_the_transforms_of_rewards(self, buffer):
        """The environment's rewards were scaled before they were stored; new ones are too."""
        transformer = SequentialDataTransformer(
            [
                partial(HindsightExperienceTransformer, her_proportion=1.0),
                partial(RewardScaling, scale=10.0),
            ],
            SPEC,
        )
        assert transformer.changes_samples
        changed = relabelled(buffer, [1, 2], transformer=transformer)

        assert [
            0.0 if g == p else -10.0 for g, p in zip(goals(changed)[1], (2, 3), strict=True)
        ] == (changed.reward[1].tolist())


def test_distance_within_which_a_goal_is_reached():
    """(3, 4) is 5 away from the origin: within 5, not within 4.9."""
    achieved, goal = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)

    assert [0.0] == l2_dist_close_reward_fn(achieved, goal, threshold=5.0).tolist()
    assert [-1.0] == l2_dist_close_reward_fn(achieved, goal, threshold=4.9).tolist()
    config("l2_dist_close_reward_fn", threshold=6.0)
    assert [0.0] == l2_dist_close_reward_fn(achieved, goal).tolist()


def test_a_seed_draws_the_same_goals(buffer):
    """Another one others."""

    def drawn(seed):
        torch.manual_seed(seed)
        return goals(relabelled(buffer, [0, 4] * 20))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


class TestLessons:
    @pytest.mark.parametrize(
        ("arguments", "lesson"),
        [
            ({"her_proportion": 1.5}, "between 0 and 1"),
            ({"achieved_goal_field": "achieved_goal"}, "give 'time_step.observation.'"),
            ({"achieved_goal_field": "time_step.observation."}, "give 'time_step.observation.'"),
            ({"desired_goal_field": "time_step.observation.no"}, "there is observation, achieved"),
            ({"desired_goal_field": "time_step.observation.observation"}, r"shape \(1,\) and"),
        ],
    )
    def test_wrong_arguments(self, arguments, lesson):
        """Each says what to give."""
        with pytest.raises(ConfigError, match=lesson):
            HindsightExperienceTransformer(SPEC, **arguments)

    @pytest.mark.parametrize(
        ("members", "lesson"),
        [
            ([partial(RewardScaling, scale=2.0), HindsightExperienceTransformer], "put it after"),
            (
                [
                    HindsightExperienceTransformer,
                    partial(ObservationNormalizer, fields=["observation", "desired_goal"]),
                ],
                "ObservationNormalizer changes 'desired_goal'",
            ),
            (
                [partial(FrameStacker, fields=["achieved_goal"]), HindsightExperienceTransformer],
                "achieved goals have the shape",
            ),
        ],
    )
    def test_transforms_that_do_not_go_together(self, members, lesson):
        """Goals must be stored as they are compared."""
        with pytest.raises(ConfigError, match=lesson):
            create_data_transformer(members, SPEC)

    def test_transforms_of_other_fields_are_fine(self):
        """Before or after."""
        normalizer = partial(ObservationNormalizer, fields=["observation"])
        made = create_data_transformer(
            [normalizer, HindsightExperienceTransformer, partial(RewardScaling, scale=2.0)], SPEC
        )
        assert isinstance(made, DataTransformer)

    def test_an_environment_with_other_rewards(self):
        """The first steps tell; two may be due to rounding, and evaluation tells nothing."""
        transformer = HindsightExperienceTransformer(SPEC)
        wrong = time_step(MID, 3.0, 1.0)._replace(reward=torch.tensor([-0.25]))
        transformer.eval()
        transformer.transform(wrong)
        transformer.train()
        transformer.transform(time_step(FIRST, 3.0, 1.0))
        transformer.transform(time_step(MID, 3.0, 1.0))
        transformer.transform(wrong)
        transformer.transform(wrong)
        transformer.transform(time_step(MID, 3.0, 1.0))

        with pytest.raises(ConfigError, match=r"gave the reward -0.25 .* gives -1: give a reward"):
            transformer.transform(wrong)

    def test_a_reward_function_of_another_shape(self):
        """One number for a batch is refused."""
        transformer = HindsightExperienceTransformer(SPEC, reward_fn=lambda a, b: a.mean())
        with pytest.raises(ConfigError, match="one reward for each"):
            transformer.transform(time_step(MID, 3.0, 1.0))
