"""Showing moments: from the generator of episodes to the sinks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from alf.player.auto_panels import AutoPanels
from alf.player.episodes import Moment
from alf.player.film import Film
from alf.player.layout import Layout
from alf.player.results import TERMINATED, EpisodeResult
from alf.player.sinks import Sink, StopPlaying
from alf.summary.render.image import Image

FACTS: tuple[str, ...] = ("episode", "step", "reward", "return", "status")


def show(
    moments: Iterable[Moment],
    sinks: Sequence[Sink],
    *,
    last_step_repeats: int = 0,
    append_blank_frames: int = 0,
    on_result: Callable[[Moment], None] | None = None,
    auto_panels: AutoPanels | None = None,
) -> list[EpisodeResult]:
    """Plays moments into sinks until they end or the watcher has seen enough.

    Args:
        moments: from `alf.player.episodes.episodes`.
        sinks: what takes the frames; may be empty.
        last_step_repeats: how often the last frame of each episode is shown again.
        append_blank_frames: blank frames after each episode.
        on_result: called with the last moment of each episode.
        auto_panels: draws what the policy does not draw itself; `None` shows the policy's own
            images alone.

    Returns:
        The results of the episodes that were played to their end.
    """
    results: list[EpisodeResult] = []
    film: Film | None = None
    try:
        for moment in moments:
            if moment.result is not None:
                results.append(moment.result)
                if on_result is not None:
                    on_result(moment)
            if sinks:
                panels = all_panels(moment, auto_panels)
                if film is None:
                    layout = make_layout(moment, panels)
                    film = Film(sinks, layout, last_step_repeats, append_blank_frames)
                film.show(moment, panels, facts(moment))
    except StopPlaying:
        pass
    finally:
        if film is not None:
            film.finish()
    return results


def all_panels(moment: Moment, auto_panels: AutoPanels | None = None) -> dict[str, Image]:
    """The policy's own panels of a moment, then those that are drawn for it."""
    if auto_panels is None:
        return moment.panels
    drawn = auto_panels.draw(moment)
    return moment.panels | {name: i for name, i in drawn.items() if name not in moment.panels}


def make_layout(moment: Moment, panels: Mapping[str, Image] | None = None) -> Layout:
    """The layout of a recording, decided by its first moment.

    Args:
        moment: the first one.
        panels: what is shown beside its frame; `None` for the moment's own panels.
    """
    size = None if moment.frame is None else (moment.frame.shape[0], moment.frame.shape[1])
    panels = moment.panels if panels is None else panels
    sizes = {name: (image.shape[0], image.shape[1]) for name, image in panels.items()}
    return Layout(size, sizes, FACTS)


def facts(moment: Moment) -> dict[str, str]:
    """What the line of facts says of a moment.

    `status` labels the first and the last frame of an episode, and is empty in between.
    """
    return {
        "episode": f"{moment.episode + 1} / {moment.num_episodes}",
        "step": str(moment.step),
        "reward": number(moment.reward) if moment.step else "",
        "return": number(moment.ret),
        "status": status(moment),
    }


def status(moment: Moment) -> str:
    """`start` at what `reset` gave, `ended` or `time limit` at the last frame, else nothing."""
    if moment.result is not None:
        return "ended" if moment.result.ended == TERMINATED else "time limit"
    return "" if moment.step else "start"


def number(value: float) -> str:
    """A number in few characters, mostly as many as last time: `12.50`, `1,234`, `-7.1e-6`."""
    size = abs(value)
    if math.isfinite(size) and (size >= 1e6 or 0 < size < 0.005):
        digits, _, exponent = f"{value:.1e}".partition("e")
        return f"{digits}e{int(exponent)}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.2f}"
