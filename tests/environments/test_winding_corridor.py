"""WindingCorridor does what its docstring says."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from alf.environments.creation import create_environment
from alf.environments.winding_corridor import WindingCorridorEnv

UP, RIGHT, DOWN, LEFT = range(4)


def test_gymnasiums_own_checker_finds_nothing():
    """It is an environment as gymnasium wants one."""
    check_env(WindingCorridorEnv(), skip_render_check=True)


def test_the_shortest_way_leads_to_the_goal():
    """Along three halls of four cells: 3 + 2 + 3 + 2 + 3 steps, the last of which is rewarded."""
    env = WindingCorridorEnv(halls=3, length=4)
    env.reset(seed=0)
    assert 13 == env.shortest_way
    way = [RIGHT] * 3 + [DOWN] * 2 + [LEFT] * 3 + [DOWN] * 2 + [RIGHT] * 3

    told = [env.step(np.int64(action)) for action in way]

    assert [0.0] * 12 + [1.0] == [step[1] for step in told]
    assert [(False, False)] * 12 + [(True, False)] == [step[2:4] for step in told]
    assert 1.0 == told[-1][4]["success"]
    assert 1.0 == pytest.approx(sum(step[4]["progress"] for step in told))


def test_walls_stop_and_old_ground_is_no_progress():
    """Row and column are one-hot; going back and forth leads nowhere."""
    env = WindingCorridorEnv(halls=2, length=3)
    observation, _ = env.reset(seed=0)
    assert [1, 0, 0, 1, 0, 0] == observation.tolist()

    for action in (UP, LEFT, DOWN):
        observation, _, _, _, info = env.step(np.int64(action))
        assert [1, 0, 0, 1, 0, 0] == observation.tolist()
        assert 0.0 == info["progress"]
    assert env.step(np.int64(RIGHT))[4]["progress"] == pytest.approx(1 / 6)
    assert [1, 0, 0, 0, 1, 0] == env.step(np.int64(DOWN))[0].tolist()
    env.step(np.int64(LEFT))
    assert 0.0 == env.step(np.int64(RIGHT))[4]["progress"]


def test_too_small():
    """A hall has two cells at least."""
    with pytest.raises(ValueError, match="of 2 cells"):
        WindingCorridorEnv(length=1)


def test_it_is_registered_with_a_limit():
    """100 steps."""
    env = create_environment(
        env_name="alf.environments.winding_corridor:WindingCorridor-v0",
        num_parallel_environments=1,
        seed=0,
    )
    time_step = env.reset()
    steps = 0
    while not bool(time_step.is_last()):
        time_step = env.step(time_step.prev_action)
        steps += 1
    assert 100 == steps
    assert 1.0 == float(time_step.discount)
    env.close()


def test_picture_shows_where_the_agent_was():
    """Its cells turn blue; there is no picture without a render mode."""
    env = WindingCorridorEnv(render_mode="rgb_array")
    env.reset(seed=0)

    def share(colour):
        picture = env.render()
        assert picture is not None
        assert (320, 320, 3) == picture.shape
        return float((picture == colour).all(-1).mean())

    blue, red, green = (182, 205, 228), (222, 82, 62), (46, 174, 96)
    start = share(blue)
    for _ in range(4):
        env.step(np.int64(RIGHT))
    assert share(blue) > 3 * start
    assert share(red) == share(green) > 0
    assert WindingCorridorEnv().render() is None
