"""Executing confs from real files: once, in order, with errors that point at the line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alf._config import (
    Override,
    config,
    configurable,
    import_config,
    isolated,
    load_config,
    loaded_confs,
    reset_configs,
    write_alf_config,
)
from alf.errors import AlfError, ConfigError, EnvError

REPOSITORY = Path(__file__).resolve().parents[2]


@configurable("Model")
def model(size: int = 1, depth: int = 1):
    return size, depth


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_conf_by_path_runs_once(tmp_path):
    """A conf sets values; loading it again gives the same module and does not run it."""
    path = write(tmp_path / "a_conf.py", "import alf\nalf.config('Model', size=5)\nCOUNT = [0]\n")
    first = load_config(path)
    again = load_config(str(tmp_path / ".." / tmp_path.name / "a_conf.py"))

    assert model() == (5, 1)
    assert again is first
    assert first.source == path.read_bytes()
    assert first.path == str(path.resolve())
    assert sys.modules[first.module.__name__] is first.module
    assert loaded_confs() == [first]


def test_conf_on_the_import_path_is_that_module(tmp_path, monkeypatch):
    """A conf that can be imported has its dotted name, and an import does not run it twice."""
    write(tmp_path / "loadpkg/__init__.py", "")
    inner = write(tmp_path / "loadpkg/inner_conf.py", "import alf\nalf.config('Model', size=7)\n")
    outer = write(
        tmp_path / "loadpkg/outer_conf.py",
        "import alf\nfrom loadpkg import inner_conf as c\nalf.config('Model', depth=c.alf and 2)\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load_config(inner)
    load_config(outer)

    assert loaded.module.__name__ == "loadpkg.inner_conf"
    assert sys.modules["loadpkg.inner_conf"] is loaded.module
    assert model() == (7, 2)


def test_imported_first_then_loaded(tmp_path, monkeypatch):
    """A conf that another one imported is not executed again when it is loaded by path."""
    inner = write(tmp_path / "first_inner.py", "import alf\nalf.define_config('once', 1)\n")
    outer = write(tmp_path / "first_outer.py", "import first_inner\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_config(outer)
    module = load_config(inner).module

    assert module is sys.modules["first_inner"]


def test_settings_made_by_an_import_survive_a_reset(tmp_path, monkeypatch):
    """After a reset or in isolation, importing a conf makes its settings again."""
    write(tmp_path / "again/__init__.py", "")
    write(tmp_path / "again/base_conf.py", "import alf\nalf.config('Model', size=3)\n")
    write(tmp_path / "again/middle_conf.py", "from again import base_conf\n")
    outer = write(tmp_path / "again/outer_conf.py", "from again import middle_conf\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_config(outer)
    before = sys.modules["again.base_conf"]
    assert model() == (3, 1)

    with isolated():
        assert model() == (1, 1)
    with isolated():
        load_config(outer)
        assert model() == (3, 1)
        assert sys.modules["again.base_conf"] is not before
    assert sys.modules["again.base_conf"] is before
    assert sys.modules["again"].base_conf is before
    reset_configs()
    load_config(outer)
    assert model() == (3, 1)


def test_folder_of_the_conf_is_last_on_the_path(tmp_path):
    """A module beside the conf can be imported and shadows nothing; the path is restored."""
    write(tmp_path / "lone_helper_module.py", "SIZE = 4\n")
    write(tmp_path / "json.py", "raise RuntimeError('shadowed')\n")
    path = write(
        tmp_path / "x_conf.py",
        "import json, alf\nfrom lone_helper_module import SIZE\nalf.config('Model', size=SIZE)\n",
    )
    before = list(sys.path)
    with isolated():
        load_config(path)
        assert model() == (4, 1)
        assert sys.path[-1] == str(tmp_path)
    assert before == sys.path
    del sys.modules["lone_helper_module"]


def test_two_confs_of_one_name(tmp_path):
    """Confs of one file name in two folders are two modules."""
    a = load_config(write(tmp_path / "a/same_conf.py", "X = 'a'\n"))
    b = load_config(write(tmp_path / "b/same_conf.py", "X = 'b'\n"))

    assert (a.module.X, b.module.X) == ("a", "b")


def test_syntax_error_shows_the_line(tmp_path):
    """A conf that is not Python is shown with its line and a caret."""
    path = write(tmp_path / "bad_conf.py", "import alf\nx = (1,,)\n")

    with pytest.raises(ConfigError) as error:
        load_config(path)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{path}:2: invalid syntax"
    assert lines[1:] == ["    x = (1,,)", "           ^"]


def test_error_inside_a_conf_points_at_its_line(tmp_path):
    """What a conf's own code raises becomes a ConfigError with the line in the conf, chained."""
    path = write(tmp_path / "raising_conf.py", "def f():\n    return 1 / 0\n\nf()\n")

    with pytest.raises(ConfigError, match=r"raising_conf\.py:2: ZeroDivisionError") as error:
        load_config(path)
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert loaded_confs() == []


def test_errors_of_alf_pass_unchanged(tmp_path):
    """A ConfigError inside a conf names the line of the call; other errors keep their class."""
    path = write(tmp_path / "wrong_conf.py", "import alf\n\nalf.config('Model', size='x')\n")
    with pytest.raises(ConfigError, match=r"wrong_conf\.py:3: .*takes int"):
        load_config(path)
    text = "from alf.errors import EnvError\nraise EnvError('no')\n"
    with pytest.raises(EnvError):
        load_config(write(tmp_path / "env_conf.py", text))


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_no_such_conf(tmp_path, name):
    """A missing conf and a folder are refused with the place that was looked at."""
    with pytest.raises(ConfigError, match="looked at"):
        load_config(tmp_path / name)


def test_import_config_relative_and_by_environment(tmp_path, monkeypatch):
    """import_config looks beside the caller, then in ALF_CONFIG_PATH, and gives the module."""
    write(tmp_path / "base.py", "import alf\nSIZE = 6\nalf.config('Model', size=SIZE)\n")
    write(tmp_path / "shared/other.py", "import alf\nalf.config('Model', depth=3)\n")
    monkeypatch.setenv("ALF_CONFIG_PATH", os.pathsep.join(["", str(tmp_path / "shared")]))
    text = "import alf\nbase = alf.import_config('base.py')\nalf.import_config('other')\n"
    conf = load_config(write(tmp_path / "top_conf.py", text))

    assert conf.module.base.SIZE == 6
    assert model() == (6, 3)
    assert [Path(c.path).name for c in loaded_confs()] == ["top_conf.py", "base.py", "other.py"]
    with pytest.raises(
        ConfigError, match=r"test_loading\.py:\d+: .*'nothing'(.|\n)*ALF_CONFIG_PATH"
    ):
        import_config("nothing")


def test_confs_that_import_each_other(tmp_path):
    """A circle ends: the second visit finds the module that is running."""
    write(tmp_path / "b.py", "import alf\na = alf.import_config('a.py')\n")
    conf = load_config(write(tmp_path / "a.py", "import alf\nb = alf.import_config('b.py')\n"))

    assert conf.module.b.a is conf.module


@pytest.mark.parametrize("snapshot", [False, True])
def test_recorded_conf_finds_its_neighbours(tmp_path, monkeypatch, snapshot):
    """alf_config.py finds relative confs at the original place; in a snapshot, only in the copy."""
    original = tmp_path / "project/confs"
    root = tmp_path / "job"
    write(original / "base.py", "import alf\nalf.config('Model', size=1000)\n")
    write(root / "project/confs/base.py", "import alf\nalf.config('Model', size=2000)\n")
    text = "import alf\nalf.import_config('base.py')\n"
    one = {"Model.depth": Override(8, "8")}
    write_alf_config(root / "alf_config.py", one, text, original / "my_conf.py")
    if snapshot:
        monkeypatch.setenv("ALF_SNAPSHOT", str(root))
    else:
        monkeypatch.delenv("ALF_SNAPSHOT", raising=False)
    load_config(root / "alf_config.py")

    assert model() == (2000 if snapshot else 1000, 8)


def test_recorded_conf_falls_back_to_the_copy(tmp_path):
    """If the original folder is gone, the captured copy is used."""
    root = tmp_path / "job"
    write(root / "confs/base.py", "import alf\nalf.config('Model', size=2000)\n")
    text = "import alf\nalf.import_config('base')\n"
    write_alf_config(root / "alf_config.py", {}, text, "/gone/confs/my_conf.py")
    load_config(root / "alf_config.py")

    assert model() == (2000, 1)


def test_other_encodings(tmp_path):
    """A conf in a declared encoding runs, and its record too."""
    path = tmp_path / "latin_conf.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nWORD = 'é'\n".encode("latin-1"))
    from alf._config import read_source

    write_alf_config(tmp_path / "alf_config.py", {}, read_source(path), path)

    assert load_config(path).module.WORD == "é"
    assert load_config(tmp_path / "alf_config.py").module.WORD == "é"


def test_no_torch():
    """Loading a conf that needs no torch imports no torch."""
    program = (
        "import sys, alf, pathlib, tempfile\n"
        "path = pathlib.Path(tempfile.mkdtemp(), 'c.py'); path.write_text('import alf')\n"
        "alf.load_config(path); assert not {'torch', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_user_error_classes():
    """Configuration errors exit with 2, as usage errors."""
    assert issubclass(ConfigError, AlfError)
    assert ConfigError.exit_code == 2
    with pytest.raises(ConfigError):
        config("Model", nothing=1)


def test_recorded_conf_imports_what_lies_beside_the_original(tmp_path, monkeypatch):
    """A job that goes on with today's code does not see the copies in its root dir."""
    monkeypatch.delenv("ALF_SNAPSHOT", raising=False)
    original, root_dir = tmp_path / "original", tmp_path / "job"
    for folder, number in ((original, 1), (root_dir, 2)):
        folder.mkdir()
        (folder / "neighbour_of_conf.py").write_text(f"NUMBER = {number}\n")
    conf = "import neighbour_of_conf\nNUMBER = neighbour_of_conf.NUMBER\n"
    write_alf_config(root_dir / "alf_config.py", {}, conf, original / "my_conf.py")

    loaded = load_config(root_dir / "alf_config.py")

    assert 1 == loaded.module.NUMBER
