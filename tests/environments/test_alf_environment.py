import numpy as np
import pytest
import torch

from alf.data_structures import StepType
from alf.environments.in_process_environment import InProcessEnvironment
from alf.environments.lane import GymLane
from alf.environments.suite_gym import wrap_env
from alf.errors import EnvError


def step(env, action=0):
    return env.step(torch.full((env.batch_size,), action))


class TestEpisodes:
    @pytest.mark.parametrize(
        ("ending", "discount"), [("terminated", 0.0), ("truncated", 1.0), ("both", 0.0)]
    )
    def test_each_way_to_end(self, tiny, ending, discount):
        """A real end has discount 0, a time limit 1, and a real end wins."""
        env = wrap_env(tiny.Countdown(length=2, ending=ending))

        steps = [env.reset(), step(env), step(env), step(env), step(env)]

        # first, mid, last, the ignored action brings the next first, mid
        assert [0, 1, 2, 0, 1] == [int(s.step_type) for s in steps]
        assert [0.0, 1.0, 2.0, 0.0, 1.0] == [s.reward.item() for s in steps]
        assert [1.0, 1.0, discount, 1.0, 1.0] == [s.discount.item() for s in steps]
        # observation [t, episode]; episode 0 was the look at its info
        assert [[0, 1], [1, 1], [2, 1], [0, 2], [1, 2]] == [
            s.observation[0].int().tolist() for s in steps
        ]

    def test_ignored_action_never_reaches_the_environment(self, tiny):
        """The action at LAST is dropped, and prev_action of FIRST is zeros."""
        gym_env = tiny.Countdown(length=1)
        env = wrap_env(gym_env)
        env.reset()
        gym_env.actions.clear()

        last, first = step(env, 2), step(env, 1)

        assert [2] == gym_env.actions
        assert (2, 0) == (last.prev_action.item(), first.prev_action.item())
        assert first.is_first().all()

    def test_suite_discount(self, tiny):
        """The discount of load() is that of MID steps alone."""
        env = wrap_env(tiny.Countdown(length=2, ending="truncated"), discount=0.9)

        steps = [env.reset(), step(env), step(env), step(env)]

        assert [1.0, 0.9, 1.0, 1.0] == pytest.approx([s.discount.item() for s in steps])

    def test_environments_end_on_their_own(self, tiny):
        """Each environment of a batch resets alone."""
        env = InProcessEnvironment([GymLane(tiny.Countdown(length=n)) for n in (1, 2, 3)])
        env.reset()

        kinds = [step(env).step_type.tolist() for _ in range(4)]

        assert [[2, 1, 1], [0, 2, 1], [2, 0, 2], [0, 1, 0]] == kinds

    def test_time_step_is_the_callers(self, tiny):
        """Later steps, and changes of the action, do not write into a returned time step."""
        env = InProcessEnvironment([GymLane(tiny.Countdown(length=9)) for _ in range(2)])
        env.reset()
        action = torch.tensor([1, 2])
        kept = env.step(action)

        action.zero_()
        step(env)
        env.reset()

        assert [1.0, 1.0] == kept.observation[:, 0].tolist()
        assert [1, 1] == kept.step_type.tolist()
        assert [1.0, 1.0] == kept.reward.tolist()
        assert [1, 2] == kept.prev_action.tolist()

    def test_spec_describes_what_comes(self, tiny):
        """time_step_spec matches the tensors: shapes, dtypes, batch."""
        env = wrap_env(tiny.Countdown())
        spec = env.time_step_spec()
        env.reset()
        time_step = step(env)

        for name in ("step_type", "reward", "discount", "observation", "prev_action", "env_id"):
            one, tensor = getattr(spec, name), getattr(time_step, name)
            assert (1, *one.shape) == tuple(tensor.shape)
            assert one.dtype == tensor.dtype
        assert torch.float32 == spec.observation.dtype

    def test_current_time_step(self, tiny):
        """It is the last one, and the first one where there was none."""
        env = wrap_env(tiny.Countdown())

        assert env.current_time_step().is_first().all()

        last = step(env)
        assert last is env.current_time_step()


class TestInfo:
    def test_numbers_of_the_first_step(self, tiny):
        """Numbers and small arrays stay; texts, nests, big arrays and late comers go."""
        env = wrap_env(tiny.Countdown(length=2))
        first = env.reset()
        middle, last = step(env), step(env)

        assert {"half", "t"} == set(env.env_info_spec())
        assert [0, 1, 2] == [s.env_info["t"].item() for s in (first, middle, last)]
        assert [0.0, 0.5, 1.0] == [s.env_info["half"].item() for s in (first, middle, last)]
        assert torch.int64 == last.env_info["t"].dtype

    def test_declared(self, tiny):
        """An environment may say itself which facts it has."""
        from alf.tensor_specs import TensorSpec

        class Declares(tiny.Countdown):
            env_info_spec = {"late": TensorSpec(())}  # noqa: RUF012

        env = wrap_env(Declares(length=2))
        env.reset()

        assert [0.0, 1.0] == [step(env).env_info["late"].item() for _ in range(2)]


class TestRefusals:
    def test_step_before_reset(self, tiny):
        """The order is enforced."""
        with pytest.raises(EnvError, match=r"before the first reset\(\)"):
            step(wrap_env(tiny.Countdown()))

    def test_action_of_another_batch(self, tiny):
        """A wrong batch size is named."""
        env = wrap_env(tiny.Countdown())
        env.reset()

        with pytest.raises(EnvError, match=r"shapes \(2,\).*batch of 1"):
            env.step(torch.zeros(2, dtype=torch.int64))

    def test_use_after_close(self, tiny):
        """A closed environment says so; closing twice is fine."""
        env = wrap_env(tiny.Countdown())
        with env:
            env.reset()
        env.close()

        with pytest.raises(EnvError, match="was closed"):
            env.reset()

    def test_error_of_the_environment(self, tiny):
        """The message names the environment, the action and the error; the cause is kept."""
        lanes = [GymLane(tiny.Countdown(length=9)), GymLane(tiny.Countdown(break_at=1))]
        lanes[1].use_env_info_spec(lanes[0].env_info_spec)
        env = InProcessEnvironment(lanes)
        env.reset()

        with pytest.raises(EnvError, match=r"environment 1 of 2.*gearbox") as caught:
            step(env)

        assert isinstance(caught.value.__cause__, RuntimeError)

    def test_render_without_mode(self, tiny):
        """The lesson says which argument to give."""
        env = wrap_env(tiny.Countdown())
        env.reset()

        with pytest.raises(EnvError, match="render_mode='rgb_array'"):
            env.render()

    def test_different_environments(self, tiny):
        """A batch refuses environments that look different."""
        lanes = [GymLane(tiny.Countdown()), GymLane(tiny.Noise())]

        with pytest.raises(EnvError, match=r"environment 1 .*observation_spec"):
            InProcessEnvironment(lanes)


def test_render(tiny):
    """A picture of the present state."""
    env = wrap_env(tiny.Countdown(render_mode="rgb_array"))
    env.reset()
    step(env)

    picture = env.render()

    assert (4, 5, 3) == picture.shape
    assert np.uint8 == picture.dtype
    assert 1 == picture[0, 0, 0]


def test_prev_action_with_gradient(tiny):
    """An action that carries a gradient can be played."""
    env = wrap_env(tiny.Noise())
    env.reset()

    time_step = env.step(torch.ones(1, 2, requires_grad=True))

    assert not time_step.prev_action.requires_grad
    assert StepType.FIRST != time_step.step_type.item()
