"""Playing trained policies: episodes -> frames and panels -> window, films, pages, pictures.

In a notebook, `alf.player.show("/tmp/job")` plays a few episodes and shows them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alf.player.notebook import show

__all__ = ["show"]


def __getattr__(name: str) -> Any:
    """Import `show` when it is first used: commands look at flags here, and do without torch."""
    if name in __all__:
        return getattr(importlib.import_module("alf.player.notebook"), name)
    raise AttributeError(f"module 'alf.player' has no attribute '{name}'")
