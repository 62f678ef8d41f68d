"""How the person who watches ends a play early."""


class StopPlaying(Exception):  # noqa: N818 - not an error: the watcher has seen enough
    """Raised by a sink when the watcher asked to stop; what was played so far counts."""
