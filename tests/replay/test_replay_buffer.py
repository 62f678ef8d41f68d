"""The ring buffer of time steps, against a plain list of rows."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical, DiagNormal
from alf.errors import CheckpointError, ConfigError, TrainingError, UsageError
from alf.nest import flatten, map_structure
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer, SampledBatch


def row(time: int, num_environments: int) -> dict[str, Any]:
    """A row whose every number tells its time and environment."""
    env = torch.arange(num_environments)
    return {
        "id": time * 1000 + env,
        "image": (torch.arange(6).reshape(2, 3) + time + env[:, None, None]).to(torch.uint8),
        "flag": (env + time) % 2 == 0,
        "pair": (env.float() + time / 8, torch.stack([env, -env], 1).to(torch.int16)),
    }


def rows(times: range, num_environments: int) -> dict[str, Any]:
    return map_structure(lambda *x: torch.stack(x), *[row(t, num_environments) for t in times])


def filled(num_rows: int, num_environments: int = 2, max_length: int = 5, **kwargs: Any):
    buffer = kwargs.pop("kind", ReplayBuffer)(num_environments, max_length, **kwargs)
    for time in range(num_rows):
        buffer.add(row(time, num_environments))
    return buffer


def assert_equal(expected: Any, actual: Any) -> None:
    """Equal in structure, dtypes, shapes and every bit."""
    map_structure(
        lambda a, b: torch.testing.assert_close(b, a, rtol=0, atol=0, equal_nan=True),
        expected,
        actual,
    )


def assert_batch_is_right(batch: SampledBatch, length: int) -> None:
    """What a batch holds is what was added at the times and environments that it names."""
    env_ids, positions = batch.env_ids.tolist(), batch.positions.tolist()
    for t in range(length):
        times = [p + t for p in positions]
        stacked = [row(time, env + 1) for time, env in zip(times, env_ids, strict=True)]
        expected = map_structure(lambda *x: torch.stack([y[-1] for y in x]), *stacked)
        assert_equal(expected, map_structure(lambda x, t=t: x[t], batch.experience))


@settings(max_examples=60, deadline=None)
@given(
    num_environments=st.integers(1, 4),
    max_length=st.integers(1, 7),
    actions=st.lists(
        st.one_of(st.just("add"), st.integers(0, 16), st.just("clear")), min_size=1, max_size=12
    ),
    length=st.integers(1, 7),
    kind=st.sampled_from([ReplayBuffer, PrioritizedReplayBuffer]),
)
def test_holds_what_a_list_of_rows_holds(num_environments, max_length, actions, length, kind):
    """However rows are added, the last ones are held, and every sequence lies among them."""
    buffer = kind(num_environments, max_length)
    end = 0
    for action in actions:
        if action == "add":
            buffer.add(row(end, num_environments))
            end += 1
        elif action == "clear":
            buffer.clear()
            end = 0
        elif action:
            buffer.add_rows(rows(range(end, end + action), num_environments))
            end += action
        held = min(end, max_length)
        assert (held, held * num_environments) == (buffer.num_steps, buffer.total_size)
        assert (end - held, end) == (buffer.first_position, buffer.end_position)
        if length > held:
            with pytest.raises(TrainingError, match="collect more first"):
                buffer.sample(4, length)
            continue
        batch = buffer.sample(9, length)
        assert batch.positions.min() >= end - held
        assert batch.positions.max() + length <= end
        assert_batch_is_right(batch, length)
        again = buffer.get_batch(batch.env_ids, batch.positions, length)
        assert_equal(batch.experience, again.experience)


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
@pytest.mark.parametrize("num_rows", [4, 13])
def test_every_start_is_drawn_equally_often(num_rows, kind):
    """Each sequence that fits in is drawn with the same probability, and no other one."""
    buffer = filled(num_rows, num_environments=3, max_length=5, kind=kind)
    batch = buffer.sample(60000, 3)
    starts = (batch.positions - buffer.first_position) * 3 + batch.env_ids
    count = (buffer.num_steps - 2) * 3

    counts = torch.bincount(starts, minlength=count).double()

    expected = 60000 / count
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert count == len(counts)
    assert chi_square < 40  # 8 degrees of freedom: exceeded once in 300,000 seeds


def test_out_is_written_over():
    """An earlier batch of the same sizes is filled again; one of other sizes is left alone."""
    buffer = filled(5)
    first = buffer.sample(6, 2)
    tensors = flatten(first.experience)

    second = buffer.sample(6, 2, out=first)
    third = buffer.sample(7, 2, out=first)

    assert second is first
    assert all(a is b for a, b in zip(tensors, flatten(second.experience), strict=True))
    assert_batch_is_right(second, 2)
    assert third is not first
    assert_batch_is_right(third, 2)
    assert filled(5).sample(6, 2, out=first) is not first


def test_out_renews_distributions():
    """A distribution over memory that was written over forgets what it had computed."""
    buffer = ReplayBuffer(1, 2)
    buffer.add(Categorical(torch.tensor([[0.0, 0.0]])))
    batch = buffer.sample(1, 1)
    before = batch.experience.logits
    buffer.add_rows(Categorical(torch.tensor([[[0.0, 9.0]], [[0.0, 9.0]]])))

    after = buffer.sample(1, 1, out=batch).experience.logits

    assert_equal(torch.tensor([[[0.0, 9.0]]]).log_softmax(-1), after)
    assert not torch.equal(before, after)


def test_seed_repeats_the_draws():
    """All randomness comes from torch's global generator."""
    for kind in (ReplayBuffer, PrioritizedReplayBuffer):
        buffer = filled(5, kind=kind)
        torch.manual_seed(3)
        one = buffer.sample(50, 2)
        torch.manual_seed(3)
        two = buffer.sample(50, 2)

        assert_equal(one.experience, two.experience)
        assert not torch.equal(one.positions * 2 + one.env_ids, buffer.sample(50, 2).positions)


def test_time_steps_with_distributions():
    """A nest of a time step and a policy's distributions comes back with its types."""
    step = TimeStep(
        step_type=torch.tensor([StepType.FIRST, StepType.LAST], dtype=torch.int32),
        reward=torch.tensor([1.0, float("nan")]),
        discount=torch.ones(2),
        observation={"camera": torch.full((2, 4, 4, 1), 200, dtype=torch.uint8)},
        prev_action=torch.tensor([3, -(2**60)]),
    )
    policy = (Categorical(torch.randn(2, 3)), DiagNormal(torch.randn(2, 1), torch.ones(2, 1)))
    buffer = ReplayBuffer(2, 3)
    buffer.add((step, policy))

    experience, (categorical, normal) = buffer.get_batch(
        torch.tensor([0, 1]), torch.tensor([0, 0])
    ).experience

    assert isinstance(experience, TimeStep)
    assert experience.env_id == ()
    assert torch.uint8 == experience.observation["camera"].dtype
    assert_equal(map_structure(lambda x: x[None], step), experience)
    assert_equal(policy[0].logits[None], categorical.logits)
    assert torch.Size([1, 2]) == normal.batch_shape


def test_sequences_go_over_the_end_of_an_episode():
    """LAST is followed by FIRST of the next episode, as it was lived."""
    kinds = [StepType.FIRST, StepType.LAST, StepType.FIRST, StepType.MID]
    buffer = ReplayBuffer(1, 4)
    for kind in kinds:
        buffer.add(torch.tensor([kind]))

    batch = buffer.get_batch(torch.tensor([0]), torch.tensor([0]), 4)

    assert kinds == batch.experience[:, 0].tolist()


def test_gradients_are_not_kept():
    """Rows added with gradients are stored without, and nothing is connected."""
    weight = torch.ones(2, requires_grad=True)
    buffer = ReplayBuffer(2, 3)
    buffer.add(weight * 2)
    buffer.add_rows((weight * torch.ones(2, 2))[:, :])

    batch = buffer.sample(4, 1).experience

    assert not batch.requires_grad


def test_what_was_drawn_can_be_trained_on():
    """Views of a batch take part in a backward pass."""
    buffer = ReplayBuffer(2, 3)
    buffer.add(torch.ones(2, 5))
    layer = torch.nn.Linear(5, 1)

    layer(buffer.sample(4, 1).experience).mean().backward()

    assert torch.ones(1, 5).equal(layer.weight.grad)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("nest", "advice"),
    [
        ({"a": torch.zeros(2, 3)}, "another nest"),
        (
            {"a": torch.zeros(2, 4), "b": torch.zeros(2)},
            r"before: a float32\[3\].*\n.*float32\[4\]",
        ),
        ({"a": torch.zeros(1, 3), "b": torch.zeros(2)}, r"2 environments got other shapes"),
        ({"a": {"c": torch.zeros(2, 3)}, "b": torch.zeros(2)}, "another nest"),
    ],
)
def test_other_nest_is_refused(nest, advice):
    """A row that is not like the first one is refused, and nothing is stored of it."""
    buffer = ReplayBuffer(2, 3)
    buffer.add({"a": torch.zeros(2, 3), "b": torch.zeros(2)})

    with pytest.raises(UsageError, match=advice):
        buffer.add(nest)
    with pytest.raises(UsageError):
        buffer.add_rows(map_structure(lambda x: x[None], nest))

    assert 1 == buffer.num_steps


@pytest.mark.parametrize(
    ("nest", "advice"),
    [
        ({"x": torch.zeros(3)}, r"'x' is \[3\]"),
        ({"x": None}, "'x' is NoneType"),
        ({"x": torch.zeros(2, dtype=torch.complex128)}, "separate tensors"),
    ],
)
def test_what_cannot_be_stored_is_refused(nest, advice):
    """Only tensors with a row for each environment are stored."""
    with pytest.raises(UsageError, match=advice):
        ReplayBuffer(2, 3).add(nest)


def test_dropped_steps_cannot_be_fetched():
    """Fetching names what is held."""
    buffer = filled(7)

    for env, position, length in [(0, 1, 1), (0, 6, 2), (0, 7, 1)]:
        with pytest.raises(UsageError, match="holds steps 2 to 6"):
            buffer.get_batch(torch.tensor([env]), torch.tensor([position]), length)
    with pytest.raises(UsageError, match="environments 0 to 1"):
        buffer.get_batch(torch.tensor([2]), torch.tensor([3]))
    with pytest.raises(UsageError, match="vectors of one length"):
        buffer.get_batch(torch.tensor([0, 1]), torch.tensor([3]))


def test_sizes_must_be_positive():
    """A buffer for nothing is refused, with the option to set."""
    with pytest.raises(ConfigError, match="replay_buffer_length"):
        ReplayBuffer(2, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
def test_gpu_draws_what_the_cpu_draws(kind):
    """One seed draws the same batches on every device."""
    one, two = filled(7, kind=kind), kind(2, 5, device="cuda")
    for time in range(4):
        two.add(map_structure(lambda x: x.cuda(), row(time, 2)))
    two.add_rows(rows(range(4, 7), 2))
    torch.manual_seed(1)
    expected = one.sample(20, 3)
    torch.manual_seed(1)
    actual = two.sample(20, 3)

    assert "cuda" == actual.experience["id"].device.type
    assert_equal(expected.experience, map_structure(lambda x: x.cpu(), actual.experience))


def test_saved_steps_need_their_nest_before_they_are_drawn(tmp_path):
    """A loaded buffer says what it waits for."""
    filled(3).save(tmp_path)
    buffer = ReplayBuffer(2, 5).load(tmp_path)

    with pytest.raises(TrainingError, match=r"prepare\(\)"):
        buffer.sample(2, 1)
    with pytest.raises(CheckpointError, match=r"there: flag bool\[\].*\n.*here: .*other"):
        buffer.add({"other": torch.zeros(2)})
    buffer.prepare(row(0, 2))

    assert_batch_is_right(buffer.sample(2, 1), 1)
