"""What a snapshot recorded of its surroundings, and what differs from it here."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.errors import SnapshotError
from alf.snapshot.exact_env.interpreter import find_interpreter, probe
from alf.snapshot.exact_env.pip_install import candidates, pip_program
from alf.snapshot.exact_env.record import (
    Difference,
    Distribution,
    differences,
    parse_distribution,
    recorded,
    told,
)
from alf.snapshot.records import Manifest, Package

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9][A-Za-z0-9.!+_]{0,12}", fullmatch=True)
ORIGINS = st.sampled_from(["", "file:///work/x", "https://host/x-1.0-py3-none-any.whl#ab12cd3"])

ALF = Package("alf", "package", "/work/alf_checkout", 1, 1)


def record(distributions, *packages, python=None, machine="x86_64"):
    surroundings = {
        "python": {
            "version": python or platform.python_version(),
            "implementation": platform.python_implementation(),
        },
        "platform": {"system": "Linux", "machine": machine},
        "distributions": distributions,
    }
    return recorded("abcdef012345", Manifest((ALF, *packages), (), surroundings))


@given(NAMES, VERSIONS, ORIGINS, st.booleans())
def test_a_distribution_is_read_as_it_was_written(name, version, origin, editable):
    """Version, origin and kind of every recorded line come back."""
    item = Distribution(name, version, origin, editable)

    assert item == parse_distribution(name, item.recorded)


@pytest.mark.parametrize(
    ("name", "text"),
    [("~umpy", "1.26.4"), ("numpy", "1.0\n--index-url=http://evil"), ("numpy", ""), ("-r", "1.0")],
)
def test_what_is_no_distribution_is_passed_over(name, text):
    """Leftovers of pip, and lines that would be options of pip, are never installed."""
    assert parse_distribution(name, text) is None


def test_what_the_snapshot_holds_is_not_installed():
    """`alf` and editable projects come from the snapshot; an editable one nobody took is told."""
    found = record(
        {
            "alf": "0.1.0",
            "by-folder": "1.0 @ file:///work/by%20folder (editable)",
            "by-name": "2.0 @ file:///elsewhere (editable)",
            "never-imported": "3.0 @ file:///work/never (editable)",
            "from-a-folder": "4.0 @ file:///work/built",
            "numpy": "1.26.4",
        },
        Package("taken", "package", "/work/by folder/src", 1, 1),
        Package("by_name", "package", "/job", 1, 1),
        Package("notes", "files", "/work/never", 1, 1),
    )

    assert ["alf", "by-folder", "by-name"] == sorted(found.held)
    assert ["from-a-folder", "numpy"] == sorted(found.installed)
    assert ("never-imported",) == found.left_out


@pytest.mark.parametrize("distributions", [None, {}, "numpy"])
def test_a_snapshot_without_a_record(distributions):
    """A snapshot that did not record packages is refused, with what to do instead."""
    with pytest.raises(SnapshotError, match="Leave out --exact_env"):
        record(distributions)


def test_the_digest_names_the_content():
    """Equal environments have one digest, whoever wants them; any version changes it."""
    base = {"numpy": "1.26.4", "alf": "0.1.0 @ file:///a (editable)"}
    same = record({"alf": "0.1.0 @ file:///b (editable)", "numpy": "1.26.4"}, ALF, machine="arm64")

    assert record(base).digest == same.digest
    for other in (
        record({**base, "numpy": "1.26.3"}),
        record({**base, "numpy": "1.26.4 @ https://host/numpy.whl"}),
        record({**base, "rich": "15.0"}),
        record({**base, "alf": "0.2.0"}),
        record(base, python="3.11.0"),
    ):
        assert record(base).digest != other.digest


def test_differences_begin_with_what_matters():
    """Python, torch and numpy stand first, whatever their names; origins do not count."""
    found = differences(
        record({"absl-py": "1", "numpy": "1.26.4", "torch": "2.4", "rich": "15"}, python="3.10.1"),
        {"absl-py": "2", "numpy": "2.0 @ file:///x", "rich": "15 @ file:///y", "more": "1"},
    )

    here = platform.python_version()
    assert [
        f"Python 3.10.1 (here {here})",
        "torch 2.4 (not here)",
        "numpy 1.26.4 (here 2.0)",
        "absl-py 1 (here 2)",
    ] == [str(item) for item in found]


def test_five_differences_are_told_and_the_rest_counted():
    """A long list is cut after five."""
    seven = [Difference(f"p{i}", "1", "2") for i in range(7)]

    assert told(seven[:5]) == ", ".join(f"p{i} 1 (here 2)" for i in range(5))
    assert told(seven).endswith("p4 1 (here 2) and 2 more in other versions")


def test_ways_to_get_a_distribution(tmp_path):
    """Exact first: its URL while that leads somewhere, the version, then without its label."""

    def ways(version, origin=""):
        return [c.requirement for c in candidates(Distribution("tiny", version, origin))]

    gone = (tmp_path / "gone.whl").as_uri()
    assert ["tiny===1.0"] == ways("1.0")
    assert ["tiny==2012_b"] == ways("2012_b")
    assert ["tiny===1.0+x", "tiny===1.0"] == ways("1.0+x")
    assert ["tiny===1.0"] == ways("1.0", gone)
    assert [f"tiny @ {tmp_path.as_uri()}", "tiny===1.0"] == ways("1.0", tmp_path.as_uri())
    assert ways("1.0", "https://host/tiny.git#0123abc")[0] == (
        "tiny @ git+https://host/tiny.git@0123abc"
    )


def test_ways_that_are_not_as_recorded_say_so():
    """Only the way that gives what was recorded has no remark."""
    label = candidates(Distribution("tiny", "1.0+x"))
    moved = candidates(Distribution("tiny", "1.0", "https://host/tiny.whl"))

    assert ["", "tiny 1.0 stands in for 1.0+x, which cannot be had"] == [c.remark for c in label]
    assert moved[0].remark == ""
    assert "recorded from https://host/tiny.whl" in moved[1].remark


def test_pip_comes_with_python_where_it_is_not_installed(monkeypatch):
    """In an environment without pip, as uv makes them, the one that Python brings is run."""
    path = [entry for entry in sys.path if not Path(entry, "pip").is_dir()]
    monkeypatch.setattr(sys, "path", path)

    program = pip_program()

    assert program[-1].endswith("pip")
    done = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True)
    assert ".whl" in done.stdout  # and not from an environment


def test_the_python_of_this_process_is_taken():
    """Where nothing else was recorded, it is this one."""
    answer = probe(find_interpreter(record({"numpy": "1"})))

    assert answer is not None
    assert platform.python_version() == answer.version


def test_a_python_that_is_not_there_is_named():
    """The message names the missing version, this one, and how to get it."""
    with pytest.raises(SnapshotError, match=r"CPython 3\.4\.77, .*uv python install 3\.4\.77") as e:
        find_interpreter(record({"numpy": "1"}, python="3.4.77"))

    assert platform.python_version() in str(e.value)


def test_a_python_on_path_is_found(tmp_path, monkeypatch):
    """Programs on PATH are asked for their version; one that fails or lies in wait is passed by."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "no_pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "no_uv"))
    broken, other = tmp_path / "broken", tmp_path / "other"
    for folder, text in (
        (broken, "#!/bin/sh\nexit 3\n"),
        (
            other,
            '#!/bin/sh\necho \'{"version": "3.4.77", "implementation": "CPython", "paths": {}}\'\n',
        ),
    ):
        folder.mkdir()
        (folder / "python3.4").write_text(text)
        (folder / "python3.4").chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}:{other}:{sys.prefix}")

    assert other / "python3.4" == find_interpreter(record({"numpy": "1"}, python="3.4.77"))
