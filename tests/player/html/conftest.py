"""Episodes whose frames paint their step as bits, and a browser that opens what is written."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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


STATE = """() => ({ ...document.body.dataset, wanted: player.wanted, target: player.target,
    working: player.working, playing: player.playing, entry: player.entry.number,
    toast: document.querySelector("#toast").textContent,
    films: player.panes.map(({ ready, film: { video } }) => [ready, video.readyState,
        video.currentTime, video.seeking, video.error?.message, video.src]) })"""


class Tab:
    """A page that is played: what it shows, and that it does so without any error."""

    def __init__(self, context: Any):
        self.page = context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda message: message.type == "error" and self.errors.append(message.text),
        )
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, fragment: str = "") -> "Tab":
        self.page.goto(f"file://{path}{fragment}")
        self.page.locator("body[data-step]").wait_for(state="attached")
        return self

    def wait(self, step: int, episode: int | None = None) -> "Tab":
        """Until the page says that it shows this step."""
        which = "" if episode is None else f"[data-episode='{episode}']"
        try:
            self.page.locator(f"body[data-step='{step}']{which}").wait_for(state="attached")
        except Exception as error:
            error.add_note(str(self.page.evaluate(STATE)))
            raise
        return self

    def pixels(self, pane: int = 0) -> tuple[int, int]:
        """The step and the episode that are painted in the picture that is seen now."""
        whites = self.page.evaluate(
            """([pane, bits, block]) => {
                const canvas = document.querySelectorAll(".pane canvas")[pane];
                const { data, width } = canvas.getContext("2d")
                    .getImageData(0, 0, canvas.width, canvas.height);
                const at = (x, y) => data[4 * (y * width + x)] > 128;
                return [0, 1].map((row) => Array.from({ length: bits }, (_, bit) =>
                    at((bit + 0.5) * block, (row + 0.5) * block)));
            }""",
            [pane, BITS, BLOCK],
        )
        step, episode = (sum(on << bit for bit, on in enumerate(row)) for row in whites)
        return step, episode

    def shown(self) -> dict[str, Any]:
        """Everything on the page that names a step or a number, read at one moment."""
        return self.page.evaluate(
            """() => ({
                step: Number(document.body.dataset.step),
                episode: Number(document.body.dataset.episode),
                position: Number(document.querySelector("#position").value),
                output: document.querySelector("#step").textContent,
                caption: document.querySelector("figcaption").textContent,
                badge: document.querySelector(".badge").textContent,
                charts: Object.fromEntries([...document.querySelectorAll(".plot")].map((plot) =>
                    [plot.querySelector(".name").textContent,
                     [...plot.querySelectorAll(".now")].map((now) => now.textContent)])),
            })"""
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    """A tab; at its end there was no error on its page, and it asked for nothing from outside."""
    opened = Tab(browser)
    yield opened
    opened.page.close()
    assert [] == opened.errors
    assert all(url.startswith(("file:", "blob:", "about:")) for url in opened.requests)


@pytest.fixture(scope="session")
def page_writer() -> Callable[..., HtmlWriter]:
    """`(path, lengths, ...)` writes a page of episodes; see `write_page`."""
    return write_page


@pytest.fixture(scope="session")
def episode_moments() -> Callable[..., Iterator[Moment]]:
    """`(length, ...)` -> the moments of an episode; see `moments_of`."""
    return moments_of


@pytest.fixture(scope="session")
def paint() -> Callable[..., np.ndarray]:
    """`(step, episode)` -> a picture that tells both."""
    return painted
