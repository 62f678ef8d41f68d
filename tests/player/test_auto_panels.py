"""Panels for policies that draw nothing themselves: which there are, and that they stand still."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from alf import ops
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.data_structures import AlgStep, TimeStep
from alf.environments import pixel_grid, suite_gym
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks import (
    ActorDistributionNetwork,
    NormalProjectionNetwork,
    ValueNetwork,
)
from alf.player.auto_panels import AutoPanels, PanelSettings
from alf.player.episodes import Moment, episodes
from alf.player.showing import all_panels, facts, make_layout
from alf.summary import render


class Rover(gymnasium.Env[Any, Any]):
    """Sees a dict of a camera, joints and a phase; acts by a dict of a gear and two torques."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Dict(
            camera=spaces.Box(0, 255, (16, 16, 3), np.uint8),
            joints=spaces.Box(-np.inf, np.inf, (3,)),
            phase=spaces.Discrete(4),
        )
        self.action_space = spaces.Dict(gear=spaces.Discrete(3), torque=spaces.Box(-2, 2, (2,)))
        self.render_mode = "rgb_array"
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._steps = 0
        return self._see(), {}

    def step(self, action: Any) -> Any:
        self._steps += 1
        return self._see(), float(np.sin(self._steps)), self._steps == 12, False, {}

    def render(self) -> Any:
        return np.full((200, 300, 3), 200 - self._steps, np.uint8)

    def _see(self) -> Any:
        camera = np.zeros((16, 16, 3), np.uint8)
        camera[self._steps % 16, :, 0] = 255
        return {
            "camera": camera,
            "joints": np.array([0.1, -3.0, 50.0], np.float32) * self._steps,
            "phase": np.int64(self._steps % 4),
        }


def cart_pole() -> AlfEnvironment:
    return suite_gym.load("CartPole-v1", render_mode="rgb_array")


def pendulum() -> AlfEnvironment:
    return suite_gym.load("Pendulum-v1", render_mode="rgb_array")


def pixels() -> AlfEnvironment:
    return suite_gym.load(f"{pixel_grid.__name__}:PixelGrid-v0", render_mode="rgb_array")


def rover() -> AlfEnvironment:
    return suite_gym.wrap_env(Rover())


def scaled(observation: Any) -> Any:
    """What networks see: pictures as floats in [0, 1]."""
    return map_structure(lambda x: x / 255.0 if x.dtype == torch.uint8 else x, observation)


def from_pixels(observation_spec: Any, action_spec: Any) -> ActorCriticAlgorithm:
    conv = ((8, 3, 2),)
    return ActorCriticAlgorithm(
        observation_spec,
        action_spec,
        actor_network_ctor=partial(ActorDistributionNetwork, conv_layer_params=conv),
        value_network_ctor=partial(ValueNetwork, conv_layer_params=conv),
    )


def bounded_sac(observation_spec: Any, action_spec: Any) -> SacAlgorithm:
    projection = partial(
        NormalProjectionNetwork,
        state_dependent_std=True,
        scale_distribution=True,
        std_transform=ops.clipped_exp,
    )
    actor = partial(ActorDistributionNetwork, continuous_projection_net_ctor=projection)
    return SacAlgorithm(observation_spec, action_spec, actor_network_cls=actor)


class Foreign:
    """Somebody's policy: it returns an action, and an info of which nothing is known."""

    def __init__(self, observation_spec: Any, action_spec: Any, info: Any = ()):
        self._info = info
        self._action_spec = action_spec

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        action = map_structure(lambda spec: spec.zeros((1,)), self._action_spec)
        return AlgStep(action, state, self._info)


def foreign_thinker(observation_spec: Any, action_spec: Any) -> Foreign:
    policy = torch.distributions.Categorical(logits=torch.tensor([[0.2, -0.3]]))
    return Foreign(observation_spec, action_spec, {"pi": policy, "v": torch.tensor([0.3])})


class Drawing(Foreign):
    """Draws a panel of its own."""

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        step = super().predict_step(inputs, state)
        return step._replace(info={"own": render.render_bar("own", [1, 2])})


def rover_critic(observation_spec: Any, action_spec: Any) -> ActorCriticAlgorithm:
    class Seeing(ActorCriticAlgorithm):
        def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
            joints = inputs.observation["joints"]
            return super().predict_step(inputs._replace(observation=joints), state)

    return Seeing(observation_spec["joints"], action_spec)


CASES: dict[str, tuple[Callable[[], AlfEnvironment], Callable[..., Any], set[str]]] = {
    "a2c": (
        cart_pole,
        ActorCriticAlgorithm,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "ppo": (
        pendulum,
        PPOAlgorithm,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "sac": (
        pendulum,
        bounded_sac,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "ddpg": (
        pendulum,
        DdpgAlgorithm,
        {"action", "value", "reward and return", "observation"},
    ),
    "td3": (
        pendulum,
        Td3Algorithm,
        {"action", "value", "reward and return", "observation"},
    ),
    "quantile_sac": (
        pendulum,
        QuantileSacAlgorithm,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "sac_discrete": (
        cart_pole,
        SacAlgorithm,
        {
            "action",
            "action distribution",
            "action values",
            "action values over time",
            "entropy",
            "reward and return",
            "observation",
        },
    ),
    "dqn": (
        cart_pole,
        DqnAlgorithm,
        {
            "action",
            "action values",
            "action values over time",
            "reward and return",
            "observation",
        },
    ),
    "pixels": (
        pixels,
        from_pixels,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "nested": (
        rover,
        rover_critic,
        {
            "action/gear",
            "action/torque",
            "action distribution/gear",
            "action distribution/torque",
            "value and entropy",
            "reward and return",
            "observation",
            "observation/camera",
        },
    ),
    "foreign": (cart_pole, Foreign, {"action", "reward and return", "observation"}),
    "foreign_thinker": (
        cart_pole,
        foreign_thinker,
        {"action", "action distribution", "value and entropy", "reward and return", "observation"},
    ),
    "drawing": (cart_pole, Drawing, {"own", "reward and return", "observation"}),
}


def moments_of(case: str, episode_count: int = 2) -> tuple[AlfEnvironment, list[Moment]]:
    torch.manual_seed(0)
    make_env, make_algorithm, _ = CASES[case]
    env = make_env()
    algorithm = make_algorithm(env.observation_spec(), env.action_spec())

    def predict(time_step: TimeStep, state: Any) -> AlgStep:
        return algorithm.predict_step(
            time_step._replace(observation=scaled(time_step.observation)), state
        )

    with render.rendering():
        moments = [
            moment
            for moment in episodes(env, predict, (), episode_count, seed=3, render=True)
            if moment.step < 30
        ]
    return env, moments


def panels_of(env: AlfEnvironment, **arguments: Any) -> AutoPanels:
    return AutoPanels(env.action_spec(), env.observation_spec(), **arguments)


@pytest.fixture(scope="module")
def film() -> Callable[[str], tuple[AutoPanels, list[Moment], list[dict[str, Any]]]]:
    """The panels of each moment of a case, made once."""
    made: dict[str, Any] = {}

    def make(case: str) -> Any:
        if case not in made:
            env, moments = moments_of(case)
            auto = panels_of(env)
            made[case] = auto, moments, [all_panels(moment, auto) for moment in moments]
            env.close()
        return made[case]

    return make


@pytest.mark.parametrize("case", CASES)
def test_every_policy_has_panels(film, case):
    """What a policy tells is shown, from the first moment to the last, and nothing else."""
    _, _, panels = film(case)

    assert set(panels[0]) == CASES[case][2]
    assert all(list(p) == list(panels[0]) for p in panels)


@pytest.mark.parametrize("case", CASES)
def test_panels_stand_still(film, case):
    """Sizes and titles are the same in all moments, and axes change a few times in an episode."""
    _, _, panels = film(case)
    for name, first in panels[0].items():
        assert all(p[name].shape == first.shape for p in panels)
        titles = {p[name].data[:18, :200].tobytes() for p in panels}
        assert len(titles) == 1, name
        # The left margin holds the labels of the vertical axis.
        margins = {p[name].data[20:, :14].tobytes() for p in panels}
        if name != "observation/camera":
            assert len(margins) <= 8, name


@pytest.mark.parametrize("case", ["a2c", "nested", "pixels"])
def test_panels_tell_of_their_moment(film, case):
    """Panels change as the episode goes on, and a second look at a moment shows the same."""
    _, moments, panels = film(case)
    env = CASES[case][0]()
    again = panels_of(env)
    env.close()

    for name in ("reward and return", "observation"):
        assert not np.array_equal(panels[1][name].data, panels[8][name].data)
    assert all(
        np.array_equal(image.data, panels[i][name].data)
        for i, moment in enumerate(moments[:5])
        for name, image in again.draw(moment).items()
    )


def test_a_new_episode_begins_with_an_empty_curve(film):
    """The curves of an episode do not run on into the next one."""
    _, moments, panels = film("a2c")
    begins = [i for i, moment in enumerate(moments) if moment.step == 0]
    blue = [
        int((np.abs(p["reward and return"].data.astype(int) - (58, 110, 181)).sum(2) < 30).sum())
        for p in panels
    ]

    assert len(begins) == 2
    assert blue[begins[1]] < 60 < blue[begins[1] - 1]


def test_a_policys_own_images_come_first(film):
    """Where a policy draws, its images stand first, and action and distribution are its own."""
    _, _, panels = film("drawing")

    assert list(panels[0]) == ["own", "reward and return", "observation"]


def test_the_user_is_told_what_there_is(film):
    """One line names the panels, and what the policy does not tell."""
    _, moments, _ = film("foreign")
    env = cart_pole()
    said: list[str] = []
    auto = panels_of(env, report=said.append)
    for moment in moments[:3]:
        auto.draw(moment)
    nothing = panels_of(env, report=said.append, settings=PanelSettings(kinds=()))
    nothing.draw(moments[0])
    env.close()

    assert said[0] == (
        "panels    action, reward, return, observation "
        "(this policy tells no distribution, action values, value, entropy)"
    )
    assert said[1].startswith("panels    none: the policy leaves no image")
    assert len(said) == 2


def test_kinds_can_be_chosen(film):
    """Only what is asked for is drawn, in the size asked for; what is not known is refused."""
    _, moments, _ = film("a2c")
    env = cart_pole()
    auto = panels_of(env, settings=PanelSettings(kinds=("value", "action"), size=200))
    env.close()
    panels = auto.draw(moments[0])

    assert {name: image.shape for name, image in panels.items()} == {
        "action": (200, 200, 3),
        "value": (200, 200, 3),
    }
    with pytest.raises(ConfigError, match="'valeu'; there are action, distribution"):
        PanelSettings(kinds=("valeu",))


def test_the_film_is_composed(film):
    """The frame and all panels stand in one picture, at the size in which they were drawn."""
    _, moments, panels = film("nested")
    layout = make_layout(moments[0], panels[0])
    picture = layout.compose(moments[5].frame, panels[5], facts(moments[5]))

    for name, image in panels[5].items():
        box = layout.plan.panels[name]
        left = box.left + (box.width - image.shape[1]) // 2
        shown = picture[box.top : box.top + image.shape[0], left : left + image.shape[1]]
        assert np.array_equal(shown, image.data), name
