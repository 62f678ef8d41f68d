"""The player in a notebook: `alf.player.show("/tmp/job")` in a cell."""

import html
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from alf.errors import RenderError


class Player:
    """A recorded page that notebooks show in place.

    Args:
        page: the whole page, HTML.
        height: of the frame that it is shown in, in pixels.
    """

    def __init__(self, page: str, height: int = 860):
        self.page = page
        self.height = height

    def _repr_html_(self) -> str:
        """What IPython shows for it: the page in a frame of its own, apart from the notebook."""
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{self.height}" '
            'style="border: 0" allow="clipboard-write"></iframe>'
        )

    def save(self, path: str | Path) -> Path:
        """Writes the page to a file of its own; returns where.

        Raises:
            RenderError: it cannot be written.
        """
        target = Path(path).expanduser()
        try:
            target.write_text(self.page, "utf-8")
        except OSError as error:
            raise RenderError(f"The page {target} cannot be written: {error.strerror}.") from error
        return target


def show(
    root_dir: str | Path,
    *,
    num_episodes: int = 3,
    checkpoint_step: int | None = None,
    random_seed: int | None = None,
    alg_render: bool = False,
    use_alf_snapshot: bool = False,
    height: int = 860,
) -> Player:
    """Plays a few episodes of a trained job, and shows them in a notebook.

    They are played by the command `play` in a process of its own: what the notebook has configured
    stays as it is, and the model may run with the code that trained it.

    Args:
        root_dir: the job's folder.
        num_episodes: how many episodes to play; each takes some room in the notebook.
        checkpoint_step: training iterations of the checkpoint; `None` for the newest.
        random_seed: of the first episode; `None` draws one.
        alg_render: whether to show panels beside the frame.
        use_alf_snapshot: whether to run the code that trained the checkpoint.
        height: of the player, in pixels.

    Returns:
        What a notebook shows, if it is the last line of a cell; `save` writes it to a file.

    Raises:
        RenderError: it cannot be played; the message ends with what the command said.
    """
    with tempfile.TemporaryDirectory(prefix="alf_show_") as folder:
        target = Path(folder) / f"{Path(root_dir).expanduser().absolute().name}.html"
        command = [sys.executable, "-m", "alf.bin.play", "--norender"]
        command += ["--root_dir", str(root_dir), "--num_episodes", str(num_episodes)]
        command += ["--record_file", str(target)]
        command += ["--alg_render"] if alg_render else []
        command += ["--use_alf_snapshot"] if use_alf_snapshot else []
        if checkpoint_step is not None:
            command += ["--checkpoint_step", str(checkpoint_step)]
        if random_seed is not None:
            command += ["--random_seed", str(random_seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-8:])
            raise RenderError(
                f"{root_dir} cannot be played (exit code {done.returncode}):\n{told}\n"
                f"Try it in a terminal: {shlex.join(command)}"
            )
        return Player(target.read_text("utf-8"), height)
