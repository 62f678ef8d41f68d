"""The step loop: moments, first and last frames, seeds, states, and unbiased counting."""

import numpy as np
import pytest
import torch

from alf.data_structures import AlgStep
from alf.errors import EnvError, UsageError
from alf.player.episodes import episodes, evaluate_episodes, picture
from alf.player.results import EpisodeResult


class TestEpisodes:
    def test_an_episode_of_n_actions_has_n_plus_1_moments(self, painted_env, played):
        """The reset observation is step 0, the last frame is the terminal one."""
        moments = list(played(painted_env([[3]]), 1, render=True))

        assert [m.step for m in moments] == [0, 1, 2, 3]
        assert [bool(m.time_step.is_first()[0]) for m in moments] == [True, False, False, False]
        assert [m.result is not None for m in moments] == [False, False, False, True]

    def test_each_frame_shows_its_own_step(self, painted_env, played, grey):
        """The frame, the observation and the policy's answer of a moment belong together."""
        for m in played(painted_env([[3, 2]]), 2, render=True):
            assert m.frame is not None
            assert m.frame[0, 0, 0] == grey(m.step)
            assert float(m.time_step.observation[0, 0]) == m.step
            assert int(m.alg_step.info["count"][0, 0]) == m.step + 1

    def test_rewards_add_up(self, painted_env, played):
        """Reward t is t here: the return of 3 steps is 1 + 2 + 3 = 6."""
        moments = list(played(painted_env([[3]]), 1))

        assert [m.reward for m in moments] == [0, 1, 2, 3]
        assert [m.ret for m in moments] == [0, 1, 3, 6]
        assert moments[-1].result == EpisodeResult(None, 6.0, 3, "terminated")

    def test_state_begins_anew_with_each_episode(self, painted_env, played):
        """The policy's memory of one episode is not carried into the next."""
        moments = played(painted_env([[2, 4]]), 2)

        assert [int(m.alg_step.state[0, 0]) for m in moments] == [1, 2, 3, 1, 2, 3, 4, 5]

    def test_episode_i_gets_seed_plus_i(self, painted_env, played):
        """Each episode is reset with a seed of its own, and says which."""
        env = painted_env([[1]])
        results = [m.result for m in played(env, 3, seed=7) if m.result]

        assert env.seeds == [7, 8, 9]
        assert [r.seed for r in results] == [7, 8, 9]

    def test_torch_is_seeded_for_each_episode(self, painted_env):
        """Episode 8 draws the same random numbers alone as after episode 7."""

        def draw(time_step, state):
            return AlgStep(output=torch.randint(0, 2, (1,)), info=torch.rand(1))

        def drawn(seed, number):
            moments = episodes(painted_env([[2]]), draw, (), number, seed=seed)
            return [float(m.alg_step.info) for m in moments if m.episode == number - 1]

        assert drawn(7, 2) == drawn(8, 1)

    def test_a_time_limit_is_told_apart_from_an_end(self, painted_env, played):
        """Discount 1 at the last step means that a time limit stopped the episode."""
        moments = list(played(painted_env([[2]], truncate=True), 1))

        assert moments[-1].result is not None
        assert moments[-1].result.ended == "truncated"

    def test_no_gradients_are_kept(self, painted_env):
        """The policy runs without autograd, and the caller's setting stays as it was."""
        weight = torch.ones(1, requires_grad=True)

        def act(time_step, state):
            return AlgStep(output=torch.zeros(1, dtype=torch.int64), info=weight * 2)

        for moment in episodes(painted_env([[2]]), act, (), 1):
            assert not moment.alg_step.info.requires_grad
            assert torch.is_grad_enabled()

    def test_nothing_is_rendered_unless_asked(self, painted_env, played):
        """Without rendering a moment has no frame, and render() is never called."""
        env = painted_env([[2]])
        env.render = lambda: pytest.fail("rendered")

        assert all(m.frame is None for m in played(env, 1))

    def test_a_batch_is_refused(self, painted_env, played):
        """A batch of environments is for evaluate_episodes, and the message says so."""
        with pytest.raises(UsageError, match="evaluate_episodes"):
            next(played(painted_env([[1], [1]]), 1))

    def test_no_episode_is_refused(self, painted_env, played):
        """At least one episode must be asked for."""
        with pytest.raises(UsageError, match="at least 1"):
            next(played(painted_env([[1]]), 0))


class TestEvaluate:
    def test_each_environment_has_its_fixed_share(self, painted_env, counted):
        """Short episodes are not counted more often: 5 of 2 environments are 3 and 2."""
        env = painted_env([[1], [10]])
        results = counted(env, 5)

        assert [r.length for r in results] == [1, 1, 1, 10, 10]
        # 1 + 2 + ... + 10 = 55
        assert [r.ret for r in results] == [1, 1, 1, 55, 55]

    def test_it_agrees_with_playing_one_by_one(self, painted_env, played, counted):
        """A batch of one counts what episodes() counts."""
        batched = counted(painted_env([[3, 1, 4]]), 3)
        single = [m.result for m in played(painted_env([[3, 1, 4]]), 3) if m.result]

        assert [(r.ret, r.length) for r in batched] == [(r.ret, r.length) for r in single]

    def test_state_is_reset_only_where_an_episode_begins(self, painted_env):
        """Environment 1 remembers its 3 steps while environment 0 begins again."""
        seen = []

        def act(time_step, state):
            seen.append(state[:, 0].tolist())
            return AlgStep(output=torch.zeros(2, dtype=torch.int64), state=state + 1)

        evaluate_episodes(painted_env([[1], [3]]), act, torch.zeros(2, 1), 2)

        assert seen == [[0, 0], [1, 1], [0, 2]]

    def test_training_does_not_notice_an_evaluation(self, painted_env):
        """Torch's random numbers go on as if nothing had been evaluated."""

        def draw(time_step, state):
            return AlgStep(output=torch.randint(0, 2, (1,)))

        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        evaluate_episodes(painted_env([[5]]), draw, (), 2, seed=11)

        assert torch.equal(expected, torch.rand(4))

    def test_only_first_episodes_have_a_seed(self, painted_env, counted):
        """Environment b is reset with seed + b; what follows goes on with its numbers."""
        env = painted_env([[2], [2]])
        results = counted(env, 3, seed=5)

        assert [r.seed for r in results] == [5, None, 6]


class TestPicture:
    @pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
    def test_every_kind_of_picture_becomes_rgb(self, painted_env, shape):
        """Grey, RGB and RGBA come out as three channels."""
        env = painted_env([[1]])
        env.render = lambda: np.full(shape, 9, np.uint8)

        assert picture(env).shape == (4, 6, 3)
        assert (picture(env) == 9).all()

    @pytest.mark.parametrize("wrong", [None, np.zeros((4, 6, 3)), np.zeros((3, 4, 6), np.uint8)])
    def test_what_is_no_picture_is_refused(self, painted_env, wrong):
        """The message says what came and what is wanted."""
        env = painted_env([[1]])
        env.render = lambda: wrong

        with pytest.raises(EnvError, match="rgb_array"):
            picture(env)
