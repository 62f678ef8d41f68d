"""Episodes whose frames paint their step as bits, and a browser that opens what is written."""

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alf.data_structures import AlgStep, StepType, TimeStep
from alf.distributions import Categorical
from alf.player.episodes import Moment
from alf.player.html.writer import HtmlWriter
from alf.player.results import EpisodeResult

BITS, BLOCK = 16, 16
HEIGHT, WIDTH = 121, 257  # odd, so that a film adds a row and a column


def painted(step: int, episode: int = 0) -> np.ndarray:
    """A picture that tells its step in white and black blocks, and its episode below them."""
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for row, number in enumerate((step, episode)):
        for bit in range(BITS):
            shade = 235 if number >> bit & 1 else 20
            frame[row * BLOCK : (row + 1) * BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = shade
    frame[60:, (step * 5) % (WIDTH - 40) :][:, :40] = (40, 110, 200)
    return frame


def moments_of(
    length: int,
    *,
    episode: int = 0,
    seed: int | None = 0,
    value: Callable[[int], float] = lambda t: 50.0 - t,
    logit: Callable[[int], float] = lambda t: 3.0,
    reward: Callable[[int], float] = lambda t: 1.0,
    action: Callable[[int], int] = lambda t: t % 2,
    ended: str = "terminated",
    stop_at: int | None = None,
    names: str = "observation",
) -> Iterator[Moment]:
    """An episode of `length` actions, with thoughts as functions of the step.

    Args:
        stop_at: the last step that is given; the episode is then not played to its end.
    """
    ret = 0.0
    for t in range(length + 1 if stop_at is None else stop_at + 1):
        last = t == length
        kind = StepType.FIRST if t == 0 else StepType.LAST if last else StepType.MID
        paid = reward(t) if t else 0.0
        ret += paid
        logits = torch.tensor([[logit(t), 0.0] if action(t) == 0 else [0.0, logit(t)]])
        yield Moment(
            episode=episode,
            num_episodes=1,
            seed=seed,
            step=t,
            frame=None,
            time_step=TimeStep(
                step_type=torch.tensor([int(kind)], dtype=torch.int32),
                reward=torch.tensor([paid]),
                discount=torch.tensor([0.0 if last and ended == "terminated" else 1.0]),
                observation={names: torch.tensor([[0.5 * t, -1.0]])},
                prev_action=torch.zeros(1, dtype=torch.int64),
                env_id=torch.zeros(1, dtype=torch.int32),
            ),
            alg_step=AlgStep(
                output=torch.tensor([action(t)]),
                state=(),
                info={
                    "value": torch.tensor([value(t)]),
                    "action_distribution": Categorical(logits),
                },
            ),
            panels={},
            reward=paid,
            ret=ret,
            result=EpisodeResult(seed, ret, t, ended) if last else None,
        )


def write_page(path: Path, lengths: list[int], **settings: Any) -> HtmlWriter:
    """Writes a page of episodes; the settings are those of `moments_of`, and `header`."""
    header = settings.pop("header", {"checkpoint": "ckpt-300", "fingerprint": "exact: 4 tensors"})
    seeds = settings.pop("seeds", range(len(lengths)))
    writer = HtmlWriter(path, 30.0, header)
    for episode, (length, seed) in enumerate(zip(lengths, seeds, strict=True)):
        for moment in moments_of(length, episode=episode, seed=seed, **settings):
            writer.write(painted(moment.step, episode), moment)
    writer.close()
    return writer


@functools.cache
def chromium() -> str | None:
    """Where the browser is; `None` without one, or without what drives it."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return None
    return shutil.which("chromium") or shutil.which("chromium-browser")
