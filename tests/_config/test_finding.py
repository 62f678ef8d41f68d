"""Where `import_config` looks, in a job's own process and in that of its snapshot."""

from pathlib import Path

import pytest

from alf._config import configurable, isolated, load_config, write_alf_config
from alf.errors import ConfigError


@configurable("Found")
def found(place: str = "nowhere"):
    return place


def write(path: Path, place: str, *more: str) -> Path:
    """A conf that says where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["import alf", *more, f"alf.config('Found', place={place!r})", ""]))
    return path


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose conf imports `lib_conf`: (line of its conf) -> its `alf_config.py`."""
    monkeypatch.delenv("ALF_SNAPSHOT", raising=False)
    monkeypatch.delenv("ALF_CONFIG_PATH", raising=False)
    root = tmp_path / "job"
    (root / "snapshots.git").mkdir(parents=True)
    (tmp_path / "project/confs").mkdir(parents=True)

    def make(line: str = "alf.import_config('lib_conf')") -> Path:
        conf = tmp_path / "project/confs/my_conf.py"
        write_alf_config(root / "alf_config.py", {}, f"import alf\nimport os\n{line}\n", conf)
        return root / "alf_config.py"

    return make


def where(path: Path) -> str:
    with isolated():
        load_config(path)
        return found()


def test_what_was_in_the_config_path_is_found_in_the_root_dir(job, tmp_path, monkeypatch):
    """A job goes on without the variable; with it, today's file counts; a snapshot has its own."""
    write(tmp_path / "lib/lib_conf.py", "today")
    kept = write(tmp_path / "job/lib/lib_conf.py", "kept")
    assert where(job()) == "kept"
    monkeypatch.setenv("ALF_CONFIG_PATH", str(tmp_path / "lib"))
    assert where(job()) == "today"
    monkeypatch.setenv("ALF_SNAPSHOT", str(tmp_path / "job"))
    assert where(job()) == "kept"
    write(tmp_path / "job/other/lib_conf.py", "frozen")
    monkeypatch.setenv("ALF_CONFIG_PATH", str(tmp_path / "job/other"))
    assert where(job()) == "frozen"
    assert kept.is_file()


def test_a_kept_conf_finds_those_that_it_builds_on(job, tmp_path):
    """Which lie beside it, or where the root dir keeps modules."""
    write(tmp_path / "job/lib/lib_conf.py", "kept", "alf.import_config('deeper')")
    write(tmp_path / "job/deeper.py", "deeper")

    assert where(job()) == "kept"


def test_two_kept_confs_of_one_name(job, tmp_path, monkeypatch):
    """Equal ones are one; of those that differ none is taken, and the way out is said."""
    first = write(tmp_path / "job/a/lib_conf.py", "same")
    second = write(tmp_path / "job/b/lib_conf.py", "same")
    assert where(job()) == "same"
    write(second, "other")
    with pytest.raises(ConfigError) as error:
        where(job())

    assert str(error.value).endswith(
        f"the root dir keeps several confs 'lib_conf' that differ:\n    {first}\n    {second}\n"
        "Name the folder of the right one in the environment variable ALF_CONFIG_PATH."
    )
    monkeypatch.setenv("ALF_CONFIG_PATH", str(second.parent))
    assert where(job()) == "other"


@pytest.mark.parametrize("folder", ["", "../base/"])
def test_a_path_made_of_file(job, tmp_path, monkeypatch, folder):
    """`__file__` of a recorded conf is in the root dir; what it meant is beside the original."""
    line = f"alf.import_config(os.path.join(os.path.dirname(__file__), '{folder}base_conf.py'))"
    write(tmp_path / "project/confs" / folder / "base_conf.py", "today")
    if folder:
        write(tmp_path / "job" / folder / "base_conf.py", "not meant")
    assert where(job(line)) == "today"
    write(tmp_path / "job/confs" / folder / "base_conf.py", "kept")
    monkeypatch.setenv("ALF_SNAPSHOT", str(tmp_path / "job"))
    assert where(job(line)) == "kept"


def test_todays_file_wins_over_a_copy_in_the_root_dir(job, tmp_path, monkeypatch):
    """Also over one right beside `alf_config.py`, where modules are kept."""
    write(tmp_path / "project/confs/lib_conf.py", "today")
    write(tmp_path / "job/lib_conf.py", "kept")

    assert where(job()) == "today"
    monkeypatch.setenv("ALF_SNAPSHOT", str(tmp_path / "job"))
    assert where(job()) == "kept"


def test_an_absolute_path(job, tmp_path, monkeypatch):
    """Today's file for a job, its copy for the snapshot."""
    file = write(tmp_path / "project/confs/base_conf.py", "today")
    write(tmp_path / "job/confs/base_conf.py", "kept")
    line = f"alf.import_config({str(file)!r})"

    assert where(job(line)) == "today"
    monkeypatch.setenv("ALF_SNAPSHOT", str(tmp_path / "job"))
    assert where(job(line)) == "kept"


def test_confs_from_other_folders(tmp_path, monkeypatch):
    """By path up and down, by module of a package elsewhere, by the variable, each one deeper."""
    monkeypatch.delenv("ALF_SNAPSHOT", raising=False)
    monkeypatch.setenv("ALF_CONFIG_PATH", str(tmp_path / "lib"))
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    write(tmp_path / "packages/shared_of_finding/__init__.py", "package")
    write(
        tmp_path / "packages/shared_of_finding/by_module.py",
        "module",
        "from shared_of_finding import deeper",
    )
    write(tmp_path / "packages/shared_of_finding/deeper.py", "deeper")
    write(tmp_path / "base/up.py", "up", "alf.import_config('down/more')")
    write(tmp_path / "base/down/more.py", "more")
    write(tmp_path / "lib/of_lib.py", "lib", "alf.import_config('beside')")
    write(tmp_path / "lib/beside.py", "beside")
    for line, last in (
        ("from shared_of_finding import by_module", "module"),
        ("alf.import_config('../base/up.py')", "up"),
        ("alf.import_config('of_lib')", "lib"),
    ):
        conf = tmp_path / f"jobs/{last}_conf.py"
        conf.parent.mkdir(exist_ok=True)
        conf.write_text(f"import alf\n{line}\n")
        assert where(conf) == last
