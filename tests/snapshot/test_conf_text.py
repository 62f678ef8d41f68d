"""Which configuration a process that runs a snapshot's code reads."""

from pathlib import Path

import pytest

from alf.snapshot import Store, take
from alf.snapshot.conf_text import conf_is_edited, conf_to_run
from alf.snapshot.launch import ROOT_VARIABLE
from alf.snapshot.working_copy import export_files


@pytest.fixture
def root_dir(tmp_path) -> Path:
    """A job with two snapshots, whose configurations say `old` and `new`."""
    root_dir = tmp_path / "job"
    root_dir.mkdir()
    for word in ("old", "new"):
        (root_dir / "alf_config.py").write_text(f"# {word}\n")
        take(root_dir, conf_text_path=root_dir / "alf_config.py", modules={})
    return root_dir


@pytest.fixture
def old_code(root_dir, tmp_path) -> Path:
    """The files of the first snapshot, as they are written out to be run."""
    folder = tmp_path / "old code"
    with Store(root_dir) as store:
        export_files(store, store.entries()[0], folder)
    return folder


def test_today_s_code_reads_the_root_dir_s(root_dir, monkeypatch):
    """A process that runs no snapshot, edits or not."""
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)

    assert conf_to_run(root_dir) == root_dir / "alf_config.py"


def test_the_newest_code_reads_the_root_dir_s(root_dir, monkeypatch):
    """The copy in the root dir runs what lies beside it, however the path is written."""
    monkeypatch.setenv(ROOT_VARIABLE, str(root_dir / ".." / root_dir.name))

    assert conf_to_run(root_dir) == root_dir / "alf_config.py"


def test_older_code_reads_its_own(root_dir, old_code, monkeypatch):
    """The newest configuration may name what the old code does not know."""
    monkeypatch.setenv(ROOT_VARIABLE, str(old_code))

    conf = conf_to_run(root_dir)
    assert conf == old_code / "alf_config.py"
    assert conf.read_text() == "# old\n"


def test_an_edit_wins_over_older_code_s_own(root_dir, old_code, monkeypatch):
    """What somebody has written by hand is meant, for every snapshot."""
    monkeypatch.setenv(ROOT_VARIABLE, str(old_code))
    (root_dir / "alf_config.py").write_text("# by hand\n")

    assert conf_to_run(root_dir) == root_dir / "alf_config.py"


def test_older_code_without_a_configuration_reads_the_root_dir_s(root_dir, old_code, monkeypatch):
    """There is nothing else."""
    monkeypatch.setenv(ROOT_VARIABLE, str(old_code))
    (old_code / "alf_config.py").unlink()

    assert conf_to_run(root_dir) == root_dir / "alf_config.py"


def test_an_edit_is_told_from_what_was_recorded(root_dir, tmp_path):
    """Other bytes than the newest snapshot's, or none; without a snapshot nothing can be said."""
    conf = root_dir / "alf_config.py"
    assert not conf_is_edited(root_dir)

    conf.write_text("# old\n")
    assert conf_is_edited(root_dir)
    conf.unlink()
    assert conf_is_edited(root_dir)
    assert not conf_is_edited(tmp_path)
