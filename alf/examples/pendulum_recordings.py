"""Recorded episodes of Pendulum-v1, made when they are asked for, by drivers of different skill."""

from collections.abc import Iterator

import gymnasium
import numpy as np

from alf.replay import Episode

_TOP_ENERGY = 5.0
"""Of a pendulum of mass 1 and length 1 that stands upright, with gravity 10."""


def mixed_episodes(num_episodes: int = 100, seed: int = 0) -> Iterator[Episode]:
    """Episodes of drivers who know what to do at one moment and try anything at the next.

    A driver's skill, between 0 and 0.6, is how often, for half a second each time, the right thing
    is done; at other times it is a random torque that is held.

    Args:
        num_episodes: how many, 200 steps each.
        seed: of everything random; one seed gives the same episodes each time.
    """
    rng = np.random.default_rng(seed)
    with gymnasium.make("Pendulum-v1") as env:
        for number in range(num_episodes):
            first, _ = env.reset(seed=seed * num_episodes + number)
            yield _drive(env, first, rng.uniform(0.0, 0.6), rng)


def _drive(
    env: gymnasium.Env[np.ndarray, np.ndarray],
    first: np.ndarray,
    skill: float,
    rng: np.random.Generator,
) -> Episode:
    observations, actions, rewards = [first], [], []
    knows, held, truncated = True, 0.0, False
    while not truncated:
        if len(actions) % 10 == 0:
            knows, held = rng.random() < skill, rng.uniform(-2.0, 2.0)
        torque = _right_torque(*observations[-1]) if knows else held
        actions.append(np.array([torque], np.float32))
        observation, reward, _, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
    return Episode(np.stack(observations), np.stack(actions), np.array(rewards, np.float32))


def _right_torque(cosine: float, sine: float, speed: float) -> float:
    """Pump energy in until it is enough to stand, then hold; within -2 and 2."""
    angle = np.arctan2(sine, cosine)
    if abs(angle) < 0.5:
        return float(np.clip(-8.0 * angle - 1.5 * speed, -2.0, 2.0))
    energy = speed**2 / 6.0 + _TOP_ENERGY * cosine
    return float(np.clip(np.copysign(2.0, speed) * 4.0 * (_TOP_ENERGY - energy), -2.0, 2.0))
