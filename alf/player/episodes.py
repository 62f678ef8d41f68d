"""Playing episodes: a generator of moments that does no output, and a batched measurement.

`episodes` steps one environment and yields what there is to see; whoever iterates shows it.
`evaluate_episodes` steps many environments at once and only counts.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from alf.data_structures import AlgStep, TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import EnvError, UsageError
from alf.nest import map_structure
from alf.player.panels import find_panels
from alf.player.results import TERMINATED, TRUNCATED, EpisodeResult
from alf.summary.render.image import Image

PredictStep = Callable[[TimeStep, Any], AlgStep]


@dataclass(frozen=True)
class Moment:
    """One step of an episode: what was there, and what the policy made of it.

    An episode of `n` actions has `n + 1` moments: step 0 is what `reset` gave, step `n` is the
    end. Each has the picture, the time step and the policy's answer of the same observation.

    Attributes:
        episode: number of the episode, from 0.
        num_episodes: how many will be played.
        seed: what the episode's environment was reset with, or `None`.
        step: number of actions taken so far.
        frame: uint8 `[H, W, 3]`, the environment's picture; `None` if not rendering.
        time_step: `[1, ...]`.
        alg_step: the policy's answer to `time_step`. At the end its action is not taken, but what
            it thinks of the last observation can be seen.
        panels: name -> image, everything found in `alg_step.info`.
        reward: reward of the last action, 0 at step 0.
        ret: sum of rewards so far.
        result: the episode's result at its last moment, else `None`.
    """

    episode: int
    num_episodes: int
    seed: int | None
    step: int
    frame: np.ndarray | None
    time_step: TimeStep
    alg_step: AlgStep
    panels: dict[str, Image] = field(repr=False)
    reward: float
    ret: float
    result: EpisodeResult | None


def episodes(
    env: AlfEnvironment,
    predict_step: PredictStep,
    initial_state: Any,
    num_episodes: int,
    *,
    seed: int | None = None,
    render: bool = False,
) -> Iterator[Moment]:
    """Plays whole episodes in one environment.

    Episode `i` resets the environment with `seed + i`, and seeds torch with it too, so that each
    episode can be played again without the ones before it.

    Args:
        env: batch size 1.
        predict_step: `(time_step, state) -> AlgStep`, without gradients here.
        initial_state: the policy's state before a first step, nest of `[1, ...]`.
        num_episodes: how many to play, above 0.
        seed: of the first episode; `None` leaves environment and torch to their own numbers.
        render: whether moments have a frame.

    Yields:
        The moments of each episode, one after the other.

    Raises:
        UsageError: a batch size other than 1, or no episode asked for.
        EnvError: the environment gives a picture that is no picture.
    """
    if env.batch_size != 1:
        raise UsageError(
            f"Episodes are played in one environment at a time, but {env.name} is a batch of "
            f"{env.batch_size}; evaluate_episodes() plays batches."
        )
    _check_number(num_episodes)
    for episode in range(num_episodes):
        episode_seed = None if seed is None else seed + episode
        if episode_seed is not None:
            torch.manual_seed(episode_seed)
        time_step = env.reset(seed=episode_seed)
        state = initial_state
        step, ret = 0, 0.0
        while True:
            # Around each call, not around the loop: between two moments the caller runs, and a
            # generator must not leave its own settings behind there.
            with torch.no_grad():
                alg_step = predict_step(time_step, state)
            reward = float(time_step.reward.sum()) if step else 0.0
            ret += reward
            last = bool(time_step.is_last()[0])
            yield Moment(
                episode=episode,
                num_episodes=num_episodes,
                seed=episode_seed,
                step=step,
                frame=picture(env) if render else None,
                time_step=time_step,
                alg_step=alg_step,
                panels=find_panels(alg_step.info),
                reward=reward,
                ret=ret,
                result=EpisodeResult(episode_seed, ret, step, _end(time_step, 0)) if last else None,
            )
            if last:
                break
            state = alg_step.state
            time_step = env.step(alg_step.output)
            step += 1


def evaluate_episodes(
    env: AlfEnvironment,
    predict_step: PredictStep,
    initial_state: Any,
    num_episodes: int,
    *,
    seed: int | None = None,
) -> list[EpisodeResult]:
    """Plays whole episodes in a batch of environments, without pictures, and only counts.

    Each environment has its fixed share of the episodes, and what it plays beyond is ignored.
    Taking the first `num_episodes` that end anywhere would count short episodes too often.

    Torch's random numbers are what they were afterwards, so that training does not depend on
    whether it is evaluated.

    Args:
        env: any batch size `B`.
        predict_step: `(time_step, state) -> AlgStep`, without gradients here.
        initial_state: the policy's state before a first step, nest of `[B, ...]`.
        num_episodes: how many to play, above 0.
        seed: environment `b` is reset with `seed + b`, torch with `seed`; `None` leaves both to
            their own numbers.

    Returns:
        One result per episode, by environment and then by time. Only an environment's first
        episode has a seed: the later ones go on with its random numbers.
    """
    _check_number(num_episodes)
    with _torch_seeded(seed), torch.no_grad():
        return _play_shares(env, predict_step, initial_state, num_episodes, seed)


def picture(env: AlfEnvironment) -> np.ndarray:
    """The environment's picture now, as uint8 `[H, W, 3]`.

    Grey pictures get three channels, and a fourth channel is left out.

    Raises:
        EnvError: the environment gave something else.
    """
    frame = np.asarray(env.render())
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.ndim == 2:
        frame = np.stack([frame] * 3, axis=2)
    if frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.dtype != np.uint8:
        raise EnvError(
            f"{env.name} rendered {frame.dtype} {list(frame.shape)}, but a picture is uint8 "
            "[height, width, 3]. Does its render() return RGB for render_mode='rgb_array'?"
        )
    return frame[:, :, :3]


def _check_number(num_episodes: int) -> None:
    if num_episodes < 1:
        raise UsageError(f"num_episodes is {num_episodes}; at least 1 episode must be played.")


def _end(time_step: TimeStep, b: int) -> str:
    return TERMINATED if float(time_step.discount[b]) == 0.0 else TRUNCATED


@contextlib.contextmanager
def _torch_seeded(seed: int | None) -> Iterator[None]:
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def _play_shares(
    env: AlfEnvironment,
    predict_step: PredictStep,
    initial_state: Any,
    num_episodes: int,
    seed: int | None,
) -> list[EpisodeResult]:
    batch = env.batch_size
    shares = [num_episodes // batch + (b < num_episodes % batch) for b in range(batch)]
    results: list[list[EpisodeResult]] = [[] for _ in range(batch)]
    returns, lengths = np.zeros(batch), np.zeros(batch, np.int64)
    time_step, state = env.reset(seed=seed), initial_state
    missing = num_episodes
    while True:
        alg_step = predict_step(time_step, state)
        time_step = env.step(alg_step.output)
        first = time_step.is_first().numpy()
        rewards = time_step.reward.numpy()
        returns += rewards.reshape(batch, -1).sum(axis=1)
        lengths += ~first
        for b in np.flatnonzero(time_step.is_last().numpy()).tolist():
            if len(results[b]) < shares[b]:
                own_seed = None if seed is None or results[b] else seed + b
                ended = _end(time_step, b)
                result = EpisodeResult(own_seed, float(returns[b]), int(lengths[b]), ended)
                results[b].append(result)
                missing -= 1
        if not missing:
            return [result for of_one in results for result in of_one]
        returns[first], lengths[first] = 0.0, 0
        state = _reset_state(alg_step.state, initial_state, first)


def _reset_state(state: Any, initial_state: Any, first: np.ndarray) -> Any:
    """The state with the initial one where an episode begins."""
    if not first.any():
        return state
    begins = torch.from_numpy(first)

    def choose(now: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
        mask = begins.to(now.device).reshape(-1, *[1] * (now.ndim - 1))
        return torch.where(mask, initial.to(now.device), now)

    return map_structure(choose, state, initial_state)
