import numpy as np
import pytest

from alf.environments.pixel_grid import PixelGridEnv


def place(env, agent, goal):
    env.reset(seed=0)
    env._agent, env._goal = np.array(agent), np.array(goal)


def colours(picture):
    return {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}


def test_moves_and_walls():
    """Up, right, down, left; a wall stops the agent; the goal pays 1 and ends."""
    env = PixelGridEnv(cells=3)
    place(env, (0, 0), (1, 1))

    rewards, ends = [], []
    for action in (0, 3, 1, 2):
        _, reward, terminated, truncated, info = env.step(np.int64(action))
        rewards.append(reward)
        ends.append(terminated)
        assert not truncated

    assert [-0.01, -0.01, -0.01, 1.0] == rewards
    assert [False, False, False, True] == ends
    assert {"success": 1.0} == info


def test_observation_shows_both():
    """With 6 cells of 2 pixels and a wall of 2, cell (r, c) begins at pixel 2 + 2 r, 2 + 2 c."""
    env = PixelGridEnv(cells=6)
    place(env, (0, 5), (3, 1))

    picture = env.step(np.int64(2))[0]  # down to (1, 5)

    assert (16, 16, 3) == picture.shape
    red, green = picture[4, 12], picture[8, 4]
    assert red[0] > 200 > red[1]
    assert green[1] > 150 > green[0]
    assert 4 == len(colours(picture))  # wall, floor, agent, goal


def test_same_seed_same_world():
    """A seed decides the whole run; agent and goal never start in one cell."""
    runs = []
    for _ in range(2):
        env = PixelGridEnv()
        frames = [env.reset(seed=11)[0]]
        for _ in range(30):
            frames.append(env.reset()[0])
            assert not (env._agent == env._goal).all()
        runs.append(np.stack(frames))

    assert np.array_equal(*runs)
    assert len(np.unique(runs[0], axis=0)) > 20


def test_render():
    """A large crisp picture: the same colours and a darker floor, no blends."""
    env = PixelGridEnv(render_mode="rgb_array")
    env.reset(seed=0)

    picture = env.render()

    assert picture is not None
    assert (320, 320, 3) == picture.shape
    assert 5 == len(colours(picture))
    assert PixelGridEnv().render() is None


def test_size():
    """A size that does not fit the picture is refused."""
    with pytest.raises(ValueError, match="2 to 14"):
        PixelGridEnv(cells=15)
