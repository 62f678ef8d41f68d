"""alf_config.py: the exact form, and that it reads back as what was written."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alf._config import (
    Override,
    configurable,
    literal,
    load_config,
    parse_overrides,
    read_recorded,
    write_alf_config,
)
from alf._config.overrides import equal
from alf._config.recording import BEGIN, END, parse_recorded, render
from alf.errors import ConfigError, RootDirError

NAMES = st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z_][A-Za-z0-9_]{0,8}){0,2}", fullmatch=True
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(f"\n{END}\n"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
CONFS = st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    [
        "import alf\n",
        '"""Doc."""\nfrom __future__ import annotations\nx = 1\n',
        "from __future__ import (\n    annotations,\n    division,\n)\r\nx: y = 1",
        f"{BEGIN}\n\nx = 1\n\n{END}\ny = 2\n",
        "\n\n\nx = 1\n",
        "# conf: '/elsewhere'\n\nx = 1\n",
    ]
)


@configurable("Recorded")
def recorded(interval: int = 1, value: object = None):
    return interval, value


def test_exact_form(tmp_path):
    """The block on top is what the documentation shows; the conf follows word for word."""
    path = tmp_path / "job/alf_config.py"
    conf = "import alf\nalf.config('Recorded', interval=5)"
    write_alf_config(path, parse_overrides(["Recorded.interval=100"]), conf, "/a/my_conf.py")

    assert path.read_text() == (
        "########### pre-configs ###########\n"
        "\n"
        "import alf\n"
        "alf.pre_config({\n"
        "    'Recorded.interval': 100,\n"
        "})\n"
        "\n"
        "########### end pre-configs ###########\n"
        "\n"
        "# conf: '/a/my_conf.py'\n"
        "\n" + conf
    )
    load_config(path)
    assert recorded() == (100, None)
    assert list(path.parent.iterdir()) == [path]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_no_overrides_no_block(tmp_path):
    """Without overrides there is only the line that tells where the conf was."""
    write_alf_config(tmp_path / "alf_config.py", {}, "x = 1\n", "/a/my_conf.py")

    assert (tmp_path / "alf_config.py").read_text() == "# conf: '/a/my_conf.py'\n\nx = 1\n"


def test_expressions_are_written_as_text_with_their_imports(tmp_path):
    """Only the modules that an expression mentions are imported; the file runs."""
    path = tmp_path / "alf_config.py"
    overrides = parse_overrides(["Recorded.value=[math.floor(2.5), partial(pow, 2)(3)]"])
    write_alf_config(path, overrides, "", "/a/c.py")
    text = path.read_text()

    assert "import alf\nimport math\nfrom functools import partial\nalf.pre_config" in text
    assert "    'Recorded.value': [math.floor(2.5), partial(pow, 2)(3)],\n" in text
    assert "torch" not in text
    load_config(path)
    assert recorded() == (1, [2, 8])


def test_future_imports_stay_legal(tmp_path):
    """from __future__ comes first in the file, whatever stands around it in the conf."""
    path = tmp_path / "alf_config.py"
    conf = '"""Doc."""\nfrom __future__ import annotations\n\nX: "not there" = 1\nY: nowhere = 2\n'
    write_alf_config(path, {"Recorded.interval": literal(3)}, conf, "/a/c.py")

    assert path.read_text().startswith("from __future__ import annotations\n#####")
    assert load_config(path).module.Y == 2
    assert read_recorded(path).conf_source == conf
    joined = "from __future__ import annotations; x = 1\n"
    with pytest.raises(ConfigError, match="a line of its own"):
        write_alf_config(path, {}, joined, "/a/c.py")


def test_a_path_that_looks_like_an_encoding(tmp_path):
    """Python reads `coding:` anywhere in the first comment as a declaration."""
    path = tmp_path / "alf_config.py"
    write_alf_config(path, {}, "X = 'é'\n", "/a/encoding=latin-1/coding:b/c.py")

    assert load_config(path).module.X == "é"
    assert read_recorded(path).conf_path == Path("/a/encoding=latin-1/coding:b/c.py")


def test_new_overrides_are_merged(tmp_path):
    """Recording a recorded conf keeps one block, in which the new values win."""
    path = tmp_path / "alf_config.py"
    write_alf_config(path, {"a": literal(1), "b": literal((1,))}, "x = 1\n", "/a/c.py")
    write_alf_config(path, {"b": literal(2), "c": literal("z")}, path.read_text(), path)
    back = read_recorded(path)

    assert {n: o.value for n, o in back.overrides.items()} == {"a": 1, "b": 2, "c": "z"}
    assert back.conf_source == "x = 1\n"
    assert back.conf_path == Path("/a/c.py")
    assert path.read_text().count("pre-configs") == 2


def test_edited_by_hand(tmp_path):
    """A value changed in the block is read; other code in it is refused with a place to put it."""
    path = tmp_path / "alf_config.py"
    write_alf_config(path, {"a": literal(1)}, "x = 1\n", "/a/c.py")
    text = path.read_text()
    path.write_text(text.replace("'a': 1,", "'a': 2,  # more\n    'b': 'new',"))

    assert {n: o.value for n, o in read_recorded(path).overrides.items()} == {"a": 2, "b": "new"}
    path.write_text(text.replace("})\n", "})\nprint(1)\n"))
    with pytest.raises(ConfigError, match="Move the rest below"):
        read_recorded(path)
    path.write_text(text.replace("########### end pre-configs ###########\n", ""))
    with pytest.raises(ConfigError, match="no closing line"):
        read_recorded(path)


def test_plain_conf_has_no_record(tmp_path):
    """A conf that was never recorded reads as itself."""
    path = tmp_path / "c.py"
    path.write_text("x = 1\n")

    assert read_recorded(path) == ({}, "x = 1\n", None)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recorded(tmp_path / "missing.py")


def test_value_that_is_not_its_text_is_refused(tmp_path):
    """An override whose text gives another value is not written, and the old file stays."""
    path = tmp_path / "alf_config.py"
    path.write_text("old")
    for wrong in (Override(2, "1"), Override(1, "1, 'b': 2"), Override(1, "1})\nx = ({")):
        with pytest.raises(ConfigError):
            write_alf_config(path, {"a": wrong}, "", "/a/c.py")
    assert path.read_text() == "old"


def test_unwritable_root_dir(tmp_path):
    """A root dir that is a file is an error about the root dir."""
    (tmp_path / "file").write_text("")

    with pytest.raises(RootDirError, match="cannot be written"):
        write_alf_config(tmp_path / "file/alf_config.py", {}, "", "/a/c.py")


@given(st.dictionaries(NAMES, VALUES, max_size=3), CONFS, st.text(min_size=1, max_size=10))
def test_reads_back_equal(values, conf, folder):
    """Any overrides, over any conf from anywhere, read back as they were."""
    overrides = {name: literal(value) for name, value in values.items()}
    assume(not conf.startswith(BEGIN) or END in conf)  # else a damaged record, tested above
    given_conf = parse_recorded(conf, "conf").conf_source
    path = Path("/", folder.replace("\0", ""), "c.py")
    back = parse_recorded(render(overrides, given_conf, path), "x")

    assert list(values) == list(back.overrides)
    assert all(equal(value, back.overrides[name].value) for name, value in values.items())
    assert back.conf_source == given_conf
    assert back.conf_path == path
