"""Which `alf_config.py` a model is played with: the root dir's, or that of an older snapshot."""

import os
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot.capture import CONF_TEXT_NAME
from alf.snapshot.launch import ROOT_VARIABLE
from alf.snapshot.store import Store


def conf_to_run(root_dir: Path | str) -> Path:
    """The configuration that this process is to play a job with.

    It is `<root_dir>/alf_config.py`, also after a user has edited it. Only a process that runs an
    older snapshot's code takes that snapshot's own, since the newest one may name what the old
    code does not know; an edit of the root dir's file wins over both.

    Args:
        root_dir: the job's folder.
    """
    in_root = Path(root_dir) / CONF_TEXT_NAME
    code = os.environ.get(ROOT_VARIABLE)
    if not code or Path(code).resolve() == Path(root_dir).resolve():
        return in_root
    own = Path(code) / CONF_TEXT_NAME
    return own if own.is_file() and not conf_is_edited(root_dir) else in_root


def conf_is_edited(root_dir: Path | str) -> bool:
    """Whether `alf_config.py` is not the one that the newest snapshot holds.

    False where there is no snapshot, or none with a configuration.
    """
    try:
        with Store(root_dir) as store:
            blob = store.files(store.resolve(None).tree).get(CONF_TEXT_NAME)
            return blob is not None and store.read(blob.id) != _text(Path(root_dir))
    except SnapshotError:
        return False


def _text(root_dir: Path) -> bytes | None:
    try:
        return (root_dir / CONF_TEXT_NAME).read_bytes()
    except OSError:
        return None
