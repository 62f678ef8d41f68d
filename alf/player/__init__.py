"""Playing trained policies: episodes -> frames and panels -> window, films, pages, pictures.

In a notebook, `alf.player.show("/tmp/job")` plays a few episodes and shows them.
"""

# There is a module of this name too. It is imported first: whoever imports it later finds it, and
# the name `show` of this package stays the function.
import alf.player.show  # noqa: F401
from alf.player.notebook import show

__all__ = ["show"]
