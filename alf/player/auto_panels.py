"""Panels for any policy, without a line of code in it.

What a moment holds anyway, its action, reward and observation, and what the policy's info tells (a
distribution, a value, values of actions), is drawn beside the images that the policy leaves itself.
Which panels there are is decided by the first moment, and their axes stand still.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alf._config import configurable
from alf.errors import ConfigError
from alf.nest import map_structure_with_path
from alf.player.episodes import Moment
from alf.player.history import History
from alf.player.observation_panels import ObservationPanels
from alf.player.thoughts import Thoughts, read_thoughts
from alf.summary import render
from alf.summary.render.axes import GrowingRange
from alf.summary.render.image import Image

KINDS = (
    "action",
    "distribution",
    "action_values",
    "value",
    "entropy",
    "reward",
    "return",
    "observation",
)
"""What can be drawn, in the order in which it is shown."""

_OWN = ("action", "distribution")
"""What a policy that leaves images is taken to draw itself."""
_FIRST_STEPS = 50.0
_MOST_LEAVES = 6
_MOST_CURVES = 8

Images = dict[str, Image]
"""The panels of one moment, by their names."""


@configurable
@dataclass(frozen=True)
class PanelSettings:
    """How `play --alg_render` draws. Set it by `--conf_param PanelSettings.theme="'dark'"`.

    Attributes:
        kinds: which panels are drawn without being asked for, out of `KINDS`; `()` for those of
            the policy alone.
        size: side of such a panel in pixels.
        theme: colours of all panels, the policy's own too: `"light"` or `"dark"`.
    """

    kinds: Sequence[str] = KINDS
    size: int = 300
    theme: str = "light"

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise ConfigError(
                f"PanelSettings.kinds has {', '.join(map(repr, unknown))}; there are "
                f"{', '.join(KINDS)}."
            )


@dataclass
class AutoPanels:
    """Draws the panels of moments, one after the other; keeps the history of one episode.

    Attributes:
        action_spec: nest of specs of the environment's action.
        observation_spec: nest of specs of the environment's observation.
        settings: how.
        report: gets one line that tells which panels there are, and what is not known.
    """

    action_spec: Any
    observation_spec: Any
    settings: PanelSettings = field(default_factory=PanelSettings)
    report: Callable[[str], None] | None = None
    _kinds: tuple[str, ...] | None = field(default=None, init=False)
    _missing: tuple[str, ...] = field(default=(), init=False)
    _specs: dict[str, Any] = field(default_factory=dict[str, Any], init=False)

    def __post_init__(self) -> None:
        map_structure_with_path(
            lambda path, spec: self._specs.update({path or "action": spec}), self.action_spec
        )
        self._observation = ObservationPanels(self.observation_spec, self.settings.size)
        self._histories: dict[str, History] = {}
        self._ranges: dict[str, GrowingRange] = {
            "entropy": GrowingRange(),
            "reward": GrowingRange(),
            "return": GrowingRange(),
        }
        self._steps = GrowingRange(0.0, _FIRST_STEPS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is drawn; decided by the first moment."""
        return self._kinds or ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What was asked for and the policy does not tell; decided by the first moment."""
        return self._missing

    def draw(self, moment: Moment) -> Images:
        """The panels of the next moment by name; a moment of step 0 begins an episode.

        Those that the policy left itself are not among them.
        """
        if self._kinds == ():
            return {}
        thoughts = read_thoughts(moment.alg_step)
        if self._kinds is None:
            self._decide(moment, thoughts)
        if moment.step == 0:
            self._histories.clear()
        panels: Images = {}
        with render.rendering():
            if "action" in self.kinds:
                panels |= self._actions(moment)
            if "distribution" in self.kinds:
                panels |= self._distributions(thoughts)
            panels |= self._values(moment, thoughts)
            panels |= self._pair(moment, thoughts, "value", "entropy")
            panels |= self._pair(moment, thoughts, "reward", "return")
            if "observation" in self.kinds:
                panels |= self._observation.draw(moment.time_step.observation)
        return panels

    def _decide(self, moment: Moment, thoughts: Thoughts) -> None:
        told = {
            "distribution": bool(thoughts.distributions),
            "action_values": thoughts.action_values is not None,
            "value": thoughts.value is not None,
            "entropy": thoughts.entropy is not None,
            "observation": self._observation.can_draw,
        }
        wanted = [kind for kind in KINDS if kind in self.settings.kinds]
        absent = tuple(kind for kind in wanted if not told.get(kind, True))
        left_out = (*_OWN, *absent) if moment.panels else absent
        # Either of the two tells what else could have been done.
        alike = ("distribution", "action_values")
        known = any(told[kind] for kind in alike)
        self._missing = tuple(kind for kind in absent if not (known and kind in alike))
        self._kinds = tuple(kind for kind in wanted if kind not in left_out)
        if self.report is not None:
            self.report(self._told(len(moment.panels)))

    def _told(self, own: int) -> str:
        """What there is to see, for the user."""
        parts = [f"{own} of the policy's own"] if own else []
        parts += [kind.replace("_", " ") for kind in self.kinds]
        told = ", ".join(parts) or "none: the policy leaves no image, and PanelSettings.kinds none"
        if self.missing:
            unknown = ", ".join(kind.replace("_", " ") for kind in self.missing)
            told += f" (this policy tells no {unknown})"
        return f"panels    {told}"

    # What was done, and what could have been ------------------------------------------------------

    def _actions(self, moment: Moment) -> Images:
        panels: Images = {}
        alone = not self._is_nested

        def draw(path: str, leaf: Any) -> Any:
            spec = self._specs.get(path or "action")
            if spec is not None and len(panels) < _MOST_LEAVES:
                name = "action" if alone else f"action/{path}"
                panels[name] = render.render_action(name, leaf, spec, **self._size())
            return leaf

        map_structure_with_path(draw, moment.alg_step.output)
        return panels

    def _distributions(self, thoughts: Thoughts) -> Images:
        panels: Images = {}
        for path, distribution in list(thoughts.distributions.items())[:_MOST_LEAVES]:
            spec = self._specs.get(path)
            if spec is None:
                continue
            name = f"action distribution/{path}" if self._is_nested else "action distribution"
            panels[name] = render.render_action_distribution(
                name, distribution, spec, **self._size()
            )
        return panels

    def _values(self, moment: Moment, thoughts: Thoughts) -> Images:
        """Values of the choices of a discrete action, now and over time."""
        values = thoughts.action_values
        if "action_values" not in self.kinds or values is None:
            return {}
        ends = self._range("action_values").include(values)
        first = self._first_choice(thoughts)
        labels = [str(first + i) for i in range(len(values))]
        best = int(np.nanargmax(values)) if np.isfinite(values).any() else None
        panels: Images = {
            "action values": _drawn(
                render.render_meters(
                    "action values", values, labels, *ends, marked=best, **self._size()
                )
            )
        }
        if len(values) > _MOST_CURVES:
            return panels
        for i, value in enumerate(values):
            self._history(f"action_values {i}").append(moment.step, float(value))
        histories = [self._history(f"action_values {i}") for i in range(len(values))]
        panels["action values over time"] = _drawn(
            render.render_time_series(
                "action values over time",
                *_aligned(histories),
                x_range=self._steps.include(moment.step),
                y_range=ends,
                legends=labels,
                **self._size(),
            )
        )
        return panels

    @property
    def _is_nested(self) -> bool:
        return list(self._specs) != ["action"]

    def _first_choice(self, thoughts: Thoughts) -> int:
        """The number of the choice that stands first; the spec knows it best."""
        for spec in self._specs.values():
            if spec.is_discrete and hasattr(spec, "minimum"):
                return int(np.min(spec.minimum))
        return thoughts.first_action

    # Over time ------------------------------------------------------------------------------------

    def _pair(self, moment: Moment, thoughts: Thoughts, *kinds: str) -> Images:
        """Series of the episode below each other, as one panel."""
        shown = [kind for kind in kinds if kind in self.kinds]
        now: Mapping[str, float | None] = {
            "value": thoughts.value,
            "entropy": thoughts.entropy,
            "reward": moment.reward if moment.step else None,
            "return": moment.ret,
        }
        strips: list[Image] = []
        for kind in shown:
            value = now[kind]
            value = float("nan") if value is None else value
            history = self._history(kind)
            history.append(moment.step, value)
            ranged = self._range(kind)
            # Their ranges hold 0: how far from it they are is what they tell.
            known = np.array([0.0, value]) if kind != "value" else np.array([value])
            strips.append(
                _drawn(
                    render.render_time_series(
                        kind,
                        history.values,
                        history.steps,
                        x_range=self._steps.include(moment.step),
                        y_range=ranged.include(known),
                        **self._size(1 / len(shown)),
                    )
                )
            )
        if not strips:
            return {}
        return {" and ".join(shown): Image.stack_images(strips, horizontal=False)}

    def _history(self, name: str) -> History:
        return self._histories.setdefault(name, History())

    def _range(self, name: str) -> GrowingRange:
        return self._ranges.setdefault(name, GrowingRange())

    def _size(self, part: float = 1.0) -> dict[str, Any]:
        """The size of a panel that takes a part of a panel's height."""
        side = self.settings.size
        return {
            "img_width": side,
            "img_height": round(side * part),
            "figsize": (2.0, 2.0 * part),
        }


def _aligned(histories: Sequence[History]) -> tuple[np.ndarray, np.ndarray]:
    """Values `[M, N]` and steps `[N]` of histories that were thinned each by itself."""
    steps = np.unique(np.concatenate([history.steps for history in histories]))
    values = [
        np.interp(steps, history.steps, history.values, left=np.nan, right=np.nan)
        for history in histories
    ]
    return np.stack(values), steps


def _drawn(image: Image | None) -> Image:
    assert image is not None, "rendering is on"
    return image
