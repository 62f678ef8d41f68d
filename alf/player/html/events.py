"""What is worth a look in an episode: where it failed, where the policy erred or wavered.

Each event stands at the step whose observation the policy saw when it happened. What the policy
says of an observation after which nothing follows is no expectation of anything, so the last step
of an episode that ended by itself takes no part in the events that values tell.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

FAILURE = "failure"
LOWEST_VALUE = "lowest value"
BLUNDER = "blunder"
LARGEST_DROP = "largest drop"
HIGHEST_ENTROPY = "highest entropy"
NEAR_TIE = "near-tie"

KINDS: tuple[str, ...] = (
    FAILURE,
    BLUNDER,
    LARGEST_DROP,
    LOWEST_VALUE,
    HIGHEST_ENTROPY,
    NEAR_TIE,
)

STANDS_OUT = 1.5
"""The largest drop of the value is a blunder from this many times its mean change on: where all
that happens is that less time is left, it falls a little at every step."""

MATTERS = 0.05
"""And from this fraction of the largest value, in size, of the episode: that of a policy which is
sure of its case only trembles."""

NEAR = 0.1
"""A lead of this fraction of all probability, or of the mean lead in values, is a near-tie."""

SUCCESS_NAMES = ("success", "is_success")

Row = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: one of `KINDS`.
        step: where.
        facts: what there is to say of it, in numbers: names and values differ by kind.
    """

    kind: str
    step: int
    facts: dict[str, float] = field(default_factory=dict[str, float])

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, which knows no infinity: `None` stands for it."""
        facts = {name: x if math.isfinite(x) else None for name, x in self.facts.items()}
        return {"kind": self.kind, "step": self.step, "facts": facts}


@dataclass
class Rewards:
    """What must be remembered of an episode's rewards to tell how its end was meant."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    last: float = 0.0

    def add(self, reward: float) -> None:
        """Takes the next reward; `least` and `most` are those of the rewards before it."""
        if self.count:
            self.least, self.most = min(self.least, self.last), max(self.most, self.last)
        self.count += 1
        self.total += reward
        self.last = reward

    def tell_failure(self) -> bool:
        """Whether an end by the task itself was a failure.

        An environment that does not say so is judged by what it pays. A last reward that is
        positive and above all others is the goal's; one that is negative and below all others
        punishes. Where the last reward is like the others, an end that stops income (a fallen
        pole), or one of an episode that earned nothing, is a failure; one that stops costs (a
        reached top) is not.
        """
        if self.count and self.last > max(self.most, 0.0):
            return False
        if self.count and self.last < min(self.least, 0.0):
            return True
        return self.total >= 0


class EventFinder:
    """Finds the events of one episode while it is played; remembers a few numbers only.

    Give it the rows of the episode in order, then ask for `events`.
    """

    def __init__(self) -> None:
        self._step = -1
        self._value = math.nan
        self._runner_up = math.nan
        self._lead = math.nan
        self._entropy = math.nan
        self._action = math.nan
        self._rewards = Rewards()
        self._lowest: Event | None = None
        self._drop: Event | None = None
        self._highest: Event | None = None
        self._tie: Event | None = None
        self._leads = 0
        self._sum_of_leads = 0.0
        self._has_probabilities = False
        self._changes = 0
        self._sum_of_changes = 0.0
        self._largest_size = 0.0

    def add(self, row: Row) -> None:
        """Takes the numbers of the next step.

        Args:
            row: from `alf.player.numbers.row_of`.
        """
        # The policy decided at the step before: something follows it.
        self._decided()
        value, reward = _single(row, "value"), _single(row, "reward")
        if self._step >= 0:
            self._rewards.add(reward)
        ended = _single(row, "ended") == 1
        if not ended:
            self._note_drop(value, reward)
            if not math.isnan(value) and (
                self._lowest is None or value < self._lowest.facts["value"]
            ):
                self._lowest = Event(LOWEST_VALUE, self._step + 1, {"value": value})
        self._step += 1
        self._value = value
        self._largest_size = max(self._largest_size, abs(value))  # in this order, NaN never wins
        self._entropy = _single(row, "entropy")
        self._runner_up = _single(row, "runner_up")
        self._lead = _single(row, "lead")
        self._has_probabilities = "probabilities" in row
        self._action = _only_action(row)

    def events(self, terminated: bool, success: bool | None = None) -> list[Event]:
        """What was found, in the order of `KINDS`.

        Args:
            terminated: whether the episode ended by the task itself.
            success: what the environment says of its end; `None` if it says nothing.
        """
        failed = not success if success is not None else self._rewards.tell_failure()
        failure = None
        if terminated and failed and self._step > 0:
            failure = Event(FAILURE, self._step, {"reward": self._rewards.last})
        found = (failure, self._judged_drop(), self._lowest, self._highest, self._near_tie())
        return [event for event in found if event is not None]

    def _decided(self) -> None:
        entropy, lead = self._entropy, self._lead
        if not math.isnan(entropy) and (
            self._highest is None or entropy > self._highest.facts["entropy"]
        ):
            self._highest = Event(HIGHEST_ENTROPY, self._step, {"entropy": entropy})
        if math.isnan(lead):
            return
        self._leads += 1
        self._sum_of_leads += lead
        if self._tie is None or lead < self._tie.facts["lead"]:
            self._tie = Event(NEAR_TIE, self._step, {"lead": lead} | self._choice())

    def _note_drop(self, value: float, reward: float) -> None:
        drop = self._value - value
        if math.isnan(drop):
            return
        self._changes += 1
        self._sum_of_changes += abs(drop)
        if drop <= 0:
            return
        if self._drop is None or drop > self._drop.facts["drop"]:
            facts = {"before": self._value, "after": value, "drop": drop, "reward": reward}
            if not math.isnan(self._lead):
                facts["lead"] = self._lead
            self._drop = Event(BLUNDER, self._step, facts | self._choice())

    def _choice(self) -> dict[str, float]:
        facts = {"action": self._action, "runner_up": self._runner_up}
        return {name: number for name, number in facts.items() if not math.isnan(number)}

    def _judged_drop(self) -> Event | None:
        """The largest drop, under the name that it deserves."""
        if self._drop is None:
            return None
        usual = self._sum_of_changes / self._changes
        if self._drop.facts["drop"] >= max(STANDS_OUT * usual, MATTERS * self._largest_size):
            return self._drop
        return replace(self._drop, kind=LARGEST_DROP)

    def _near_tie(self) -> Event | None:
        """The narrowest decision, if it was narrow."""
        if self._tie is None:
            return None
        scale = 1.0 if self._has_probabilities else self._sum_of_leads / self._leads
        return self._tie if self._tie.facts["lead"] <= NEAR * scale else None


def told_success(env_info: Any) -> bool | None:
    """What an environment says of an episode's end, or `None` if it says nothing.

    Args:
        env_info: of the last time step, batch of one.
    """
    if isinstance(env_info, Mapping):
        for name in SUCCESS_NAMES:
            if name in env_info:
                return bool(np.asarray(env_info[name]).reshape(-1)[0])
    return None


def _single(row: Row, name: str) -> float:
    numbers = row.get(name)
    return math.nan if numbers is None else float(numbers[0])


def _only_action(row: Row) -> float:
    """The number of the action, where the action is one number and one choice of several."""
    actions = [numbers for name, numbers in row.items() if name.startswith("action/")]
    one = len(actions) == 1 and len(actions[0]) == 1 and not math.isnan(_single(row, "runner_up"))
    return float(actions[0][0]) if one else math.nan
