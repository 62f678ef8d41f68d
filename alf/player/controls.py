"""What the keys of the window do, known without one: pause, steps, speed, panels that are seen."""

from dataclasses import dataclass, field

HELP: tuple[tuple[str, str], ...] = (
    ("space", "pause, go on"),
    ("right", "one step (with shift: 10)"),
    ("left", "one frame back (with shift: 10)"),
    ("up  +", "twice as fast"),
    ("down  -", "half as fast"),
    ("1 to 9", "that panel on, off"),
    ("p", "all panels on, off"),
    ("?  h", "this help"),
    ("q  Esc", "quit"),
)
MIN_SPEED, MAX_SPEED = 1 / 16, 64.0
_MANY = 10
_SPEEDS = {"up": 2.0, "+": 2.0, "=": 2.0, "down": 0.5, "-": 0.5}


@dataclass
class Controls:
    """What the keys have set.

    Attributes:
        paused: no step is taken.
        steps: how many are taken although paused.
        speed: factor on the frame rate, between 1/16 and 64.
        back: how many frames before the newest one is seen; 0 is the newest.
        kept: how many frames there are to look back at.
        panels: names of the panels, in the order in which they are shown.
        hidden: names of those that are not seen.
        help: the help is shown.
        quit: the watcher has seen enough.
    """

    paused: bool = False
    steps: int = 0
    speed: float = 1.0
    back: int = 0
    kept: int = 0
    panels: tuple[str, ...] = ()
    hidden: set[str] = field(default_factory=set[str])
    help: bool = False
    quit: bool = False

    def press(self, key: str, *, shift: bool = False) -> None:
        """Follows a key.

        Args:
            key: pygame's name of it, or the character that it types.
            shift: whether shift is held.
        """
        many = _MANY if shift else 1
        if key == "space":
            self.paused, self.back, self.steps = not self.paused, 0, 0
        elif key == "right":
            self._forward(many)
        elif key == "left":
            self.paused, self.steps = True, 0
            self.back = min(self.back + many, self.kept)
        elif key in _SPEEDS:
            self.speed = min(max(self.speed * _SPEEDS[key], MIN_SPEED), MAX_SPEED)
        elif key == "p" or (len(key) == 1 and key in "123456789"):
            self._toggle_panels(key)
        elif key in ("?", "h"):
            self.help = not self.help
        elif key in ("q", "escape"):
            self.quit = True

    def took_step(self) -> None:
        """A new frame is there."""
        self.steps = max(self.steps - 1, 0)
        self.back = 0

    @property
    def goes_on(self) -> bool:
        """Whether the next step is to be taken."""
        return not self.paused or self.steps > 0

    @property
    def remark(self) -> str:
        """What the watcher has to know of the frame that is seen; empty where it just plays."""
        if self.back:
            return f"paused, {self.back} back"
        if self.paused:
            return "paused"
        return "" if self.speed == 1 else f"x{self.speed:g}"

    def _forward(self, many: int) -> None:
        """Through what is kept first; what is missing then is played."""
        self.paused = True
        seen = min(self.back, many)
        self.back -= seen
        self.steps += many - seen

    def _toggle_panels(self, key: str) -> None:
        if key == "p":
            self.hidden = set() if self.hidden else set(self.panels)
        elif int(key) <= len(self.panels):
            self.hidden ^= {self.panels[int(key) - 1]}
