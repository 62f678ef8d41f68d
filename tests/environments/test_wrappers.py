import pytest
import torch

from alf.environments.in_process_environment import InProcessEnvironment
from alf.environments.lane import AlfLane, GymLane
from alf.environments.suite_gym import wrap_env
from alf.environments.wrappers import ActionRepeat, AlfWrapper, NonEpisodic, TimeLimit
from alf.errors import ConfigError


def run(env, steps):
    zeros = torch.zeros(env.batch_size, dtype=torch.int64)
    return [env.reset(), *(env.step(zeros) for _ in range(steps))]


def test_time_limit(tiny):
    """The second step is LAST with discount 1, and the next one begins anew."""
    steps = run(TimeLimit(wrap_env(tiny.Countdown(length=9)), 2), 4)

    assert [0, 1, 2, 0, 1] == [s.step_type.item() for s in steps]
    assert [1, 1, 1, 1, 1] == [s.discount.item() for s in steps]
    assert [0, 1, 2, 0, 1] == [s.observation[0, 0].item() for s in steps]


def test_real_end_at_the_limit(tiny):
    """An episode that ends by itself keeps its discount 0."""
    steps = run(TimeLimit(wrap_env(tiny.Countdown(length=2)), 2), 3)

    assert [0, 1, 2, 0] == [s.step_type.item() for s in steps]
    assert 0 == steps[2].discount.item()


def test_early_end_starts_the_count_again(tiny):
    """Each episode has the whole limit."""
    steps = run(TimeLimit(wrap_env(tiny.Countdown(length=2)), 3), 6)

    assert [0, 1, 2, 0, 1, 2, 0] == [s.step_type.item() for s in steps]


def test_action_repeat(tiny):
    """Rewards 1 + 2, then 3 at the end; the repetition does not reach into the next episode."""
    steps = run(ActionRepeat(wrap_env(tiny.Countdown(length=3)), 2), 4)

    assert [0, 1, 2, 0, 1] == [s.step_type.item() for s in steps]
    assert [0, 3, 3, 0, 3] == [s.reward.item() for s in steps]


def test_non_episodic(tiny):
    """Ends bootstrap; a batch is fine."""
    env = InProcessEnvironment([GymLane(tiny.Countdown(length=n)) for n in (1, 2)])
    steps = run(NonEpisodic(env), 2)

    assert [[0, 0], [2, 1], [0, 2]] == [s.step_type.tolist() for s in steps]
    assert [[1, 1]] * 3 == [s.discount.tolist() for s in steps]


def test_wrapper_passes_on(tiny):
    """The base changes nothing: specs, steps, pictures, closing."""
    inner = wrap_env(tiny.Countdown(render_mode="rgb_array"))
    env = AlfWrapper(inner)
    steps = run(env, 1)

    assert inner.time_step_spec() == env.time_step_spec()
    assert steps[-1] is inner.current_time_step()
    assert (4, 5, 3) == env.render().shape

    env.close()
    with pytest.raises(Exception, match="was closed"):
        inner.reset()


def test_wrapped_in_a_batch(tiny):
    """A wrapped environment in a batch gives what it gives alone, facts included."""
    alone = run(TimeLimit(wrap_env(tiny.Countdown(length=9)), 2), 5)
    batch = InProcessEnvironment(
        [AlfLane(TimeLimit(wrap_env(tiny.Countdown(length=9)), 2)) for _ in range(2)]
    )

    for one, two in zip(alone, run(batch, 5), strict=True):
        assert [one.step_type.item()] * 2 == two.step_type.tolist()
        assert [one.reward.item()] * 2 == two.reward.tolist()
        assert [one.env_info["half"].item()] * 2 == two.env_info["half"].tolist()


def test_state_of_a_wrapper(tiny):
    """The count of a time limit is part of the state."""
    env = TimeLimit(wrap_env(tiny.Countdown(length=9)), 3)
    run(env, 2)
    state = env.state_dict()
    assert state is not None

    other = TimeLimit(wrap_env(tiny.Countdown(length=9)), 3)
    other.reset()
    other.load_state_dict(state)

    assert other.step(torch.tensor([0])).is_last()


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [(TimeLimit, "alf_env_wrappers"), (ActionRepeat, "alf_env_wrappers")],
)
def test_single_only(tiny, wrapper, message):
    """What resets or repeats alone is refused around a batch."""
    env = InProcessEnvironment([GymLane(tiny.Countdown()) for _ in range(2)])
    with pytest.raises(ConfigError, match=message):
        wrapper(env, 2)
    with pytest.raises(ConfigError, match="at least 1"):
        wrapper(wrap_env(tiny.Countdown()), 0)
