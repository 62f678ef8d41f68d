"""Whatever stands on the command line or in a conf: an answer or a lesson, never a traceback."""

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alf._config import (
    catalogue,
    config1,
    get_all_config_names,
    isolated,
    load_config,
    parse_overrides,
    write_alf_config,
)
from alf._config.recording import read_recorded
from alf.bin import config as command
from alf.bin import train
from alf.errors import AlfError

CONF = """
import alf


@alf.configurable("Fuzzed")
def fuzzed(count: int = 1, rate: float = 0.5, sizes: tuple[int, ...] = (), it=None, name: str = ""):
    return count


alf.define_config("leaves", 3)
alf.config("Fuzzed", rate=0.25)
"""
NAMES = st.sampled_from(
    [
        *(
            "Fuzzed.count",
            "Fuzzed.rate",
            "Fuzzed.sizes",
            "Fuzzed.it",
            "Fuzzed.name",
            "it",
            "leaves",
        ),
        *("_CONFIG._USER.leaves", "Fuzed.cont", "alf", "alf.bin.config.x", "alf.errors.X.y", "_"),
        *("a b", "a.", ".a", "1a", "a..b", "ünïcode.größe", "x²", "名.前", "", " it ", "it\n"),
        "a" * 999,
    ]
)
ATOMS = [
    *("1", "-1", "1e999", "0x1f", "1_000", "07", "1j", "True", "None", "...", "'text'", "b'\\xff'"),
    *("f'{1}'", "u'x'", "'", '"""', "nan", "alf", "np", "math.pi", "partial", "partial(pow, 2)"),
    *("lambda x: x", "[i for i in range(3)]", "{}", "{1: 2}", "{1, 2}", "()", "(1,)", "1,", "*[1]"),
    *("x := 1", "x = 1", "print(1)", "int", "int('z')", "float('nan')", "1 / 0", "math.nothing"),
    *("[] + 1", "().__class__", "__import__('os')", "yield", "await x", "import os", "# no", "\\"),
    *(
        "\0",
        "\ud800",
        "\n",
        "\t1",
        "é",
        "\U0001d499",
        "\u202e",
        "/tmp/x",
        "cuda:0",
        "CartPole-v1",
        "a=b",
    ),
    *(
        "9" * 5000,
        "10 ** 5000",
        "(" * 300,
        "[" * 90 + "]" * 90,
        "-" * 5000 + "1",
        "1+" * 4000 + "1",
    ),
    *("not " * 2000 + "1", "max" + "(" * 90, "'" + "x" * 9999 + "'", "max(())", "sum(9)", "len"),
    *("alf.config", "alf.pre_config({'it': 1})", "slice(1)", "dict(a=1)", "zip([1])", "range(9)"),
]
VALUES = st.text(max_size=30) | st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map(
    " ".join
)
PARAMS = st.builds("{}={}".format, NAMES, VALUES) | st.text(max_size=20) | VALUES

SNIPPETS = [
    *(
        "x = 1",
        "x = (1,,)",
        "def f(:",
        "    y = 2",
        "'''",
        "\\",
        "x = '\\ud800'",
        "\0",
        "\f",
        "é = 1",
    ),
    *(
        "# -*- coding: latin-1 -*-",
        "# -*- coding: nowhere -*-",
        "# coding: rot13",
        "\ufeff",
        "exit()",
    ),
    *("raise SystemExit", "import sys; sys.exit('bye')", "raise ValueError", "assert 0", "1 / 0"),
    *("raise Exception('\\ud800 \\n\\n')", "import nowhere_to_be_found", "from . import x"),
    *("alf.import_config('conf')", "alf.import_config(__file__)", "alf.import_config('none.py')"),
    *("alf.import_config('other.py')", "alf.import_config(3)", "alf.import_config('~x/' * 999)"),
    *("alf.import_config('')", "alf.import_config('\\0')", "import other", "import broken"),
    *("alf.config('Fuzzed', count='x')", "alf.config('Fuzzed', {'count': 1})", "alf.config(1)"),
    *(
        "alf.config({1: 2})",
        "alf.config({'it': 1, 'Fuzzed.it': 2})",
        "alf.config()",
        "alf.config('')",
    ),
    *("alf.config('Fuzzed', it=alf)", "alf.config('Fuzzed', it=10**5000)", "alf.config(None)"),
    *("alf.config1('Fuzzed.count', 2, 3)", "alf.config1('count', 1.5)", "alf.config1(b'it', 0)"),
    *("alf.define_config('a b', 1)", "alf.define_config('leaves', 1)", "alf.define_config(1, 1)"),
    *("alf.pre_config({'it': 1})", "alf.pre_config([1])", "alf.pre_config({'x': 1})"),
    *("alf.get_config_value('it')", "alf.get_config_value(1)", "fuzzed()", "fuzzed(x=1)"),
    *("alf.configurable(3)", "alf.configurable(int)", "alf.configurable('x')(len)", "del alf"),
    "def f(): f()\nf()",
    "@alf.configurable\ndef g(a: '1 / 0' = 1, b: 'x[' = 2): pass\nalf.config('g', a=2, b=3)",
    "class E(Exception):\n    def __str__(self): raise self\nraise E",
    "class R:\n    def __repr__(self): raise OSError\nalf.config('Fuzzed', it=R())",
    "class R:\n    def __eq__(self, other): raise OSError\nalf.config('Fuzzed', it=R())",
    "__name__ = 3\nalf.config('Fuzzed', it=2)",
    "__file__ = 3\nalf.import_config('other')",
    "from __future__ import annotations",
    "from __future__ import braces",
    "########### pre-configs ###########",
    "# conf: '/elsewhere'",
    "alf.config('Fuzzed', it=alf.optimizers)",
]
TEXTS = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=20), max_size=4).map("\n".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-7", "cp037"])


def encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "replace")


CONFS = st.builds(encoded, TEXTS.map(lambda text: f"{CONF}{text}\n") | TEXTS, ENCODINGS) | (
    st.binary(max_size=40)
)


def run(*arguments: str) -> tuple[int, str]:
    """The command's exit code and what it prints, through streams as strict as those of a shell."""
    printed, told = io.BytesIO(), io.BytesIO()
    out = io.TextIOWrapper(printed, "utf-8", "strict")
    err = io.TextIOWrapper(told, "utf-8", "backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command.main(arguments)
        out.flush()
        err.flush()
    return code, (printed.getvalue() + told.getvalue()).decode()


def shown(folder: Path, conf: bytes, param: str | None = None) -> None:
    """Look at a conf as a user does; anything but an answer or a lesson raises."""
    path = folder / "conf.py"
    path.write_bytes(conf)
    (folder / "other.py").write_text("import alf\nalf.import_config('conf.py')\n")
    (folder / "broken.py").write_text("x = (1,,)\n")
    before = list(sys.path)
    given = [] if param is None else [f"--conf_param={param}"]
    code, text = run("show", str(path), *given)
    for name in ("other", "broken"):
        sys.modules.pop(name, None)

    assert code in (0, 2)
    assert "Traceback" not in text
    assert text.startswith(("ConfigError: ", "UsageError: ")) == (code == 2)
    assert sys.path == before


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(PARAMS)
def test_any_conf_param(text):
    """Also what is accepted is written into `alf_config.py`, and says the same there."""
    with tempfile.TemporaryDirectory() as folder:
        shown(Path(folder), CONF.encode(), text)
        with isolated():
            try:
                overrides = parse_overrides([text])
                write_alf_config(Path(folder, "alf_config.py"), overrides, CONF, "/a/conf.py")
            except AlfError:
                return
        back = read_recorded(Path(folder, "alf_config.py")).overrides
        assert {n: o.source for n, o in overrides.items()} == {n: o.source for n, o in back.items()}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CONFS)
@example(b"# coding: rot13\n")
@example(CONF.encode("utf-16"))
def test_any_conf(conf):
    """Broken syntax, wrong encodings, recursion, missing imports, wrong calls of ours."""
    with tempfile.TemporaryDirectory() as folder:
        shown(Path(folder), conf)


WRONG = [
    *("lambda: 3", "torch.relu", "int", "partial(max)", "torch.ones(3)", "np.zeros((2, 2))"),
    *("10**30", "-(10**400)", "1e999", "float('nan')", "-1", "'x'", "'\\ud800'", "b'x'", "[[]]"),
    *("{}", "(0,)", "None", "[lambda: 3]", "[torch.ones(3)]", "{'a': {'b': (1, {2})}}"),
]
LEARNING = """
from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=1)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    num_iterations=1,
    unroll_length=2,
)
"""


def test_every_parameter():
    """Each thing that can be configured takes a value, or says in words why not."""
    catalogue.import_everything()
    values = [parse_overrides([f"x={text}"])["x"].value for text in WRONG]
    for name in get_all_config_names():
        for value in values:
            with isolated(), contextlib.suppress(AlfError):
                config1(name, value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [bool, int, float])
def test_every_number_of_a_job(tmp_path, kind):
    """What is accepted for a number of a real job trains, or is refused in words."""
    conf = tmp_path / "conf.py"
    conf.write_text(LEARNING)
    with isolated() as store:
        assert run("show", str(conf), "--used")[0] == 0
        load_config(conf)
        numbers = [
            name
            for name, parameter in store.parameters.items()
            if name.startswith(
                ("alf.trainers.trainer_config", "alf.algorithms.actor_critic", "alf.opt")
            )
            and parameter.annotation is kind
            and parameter.refusal is None
        ]
    assert len(numbers) > 10
    for name in numbers:
        for text in ("lambda x: x", "torch.ones(3)", "np.zeros((2, 2))", "10**30", "10**400"):
            given = ["--root_dir", str(tmp_path / "job"), "--conf", str(conf), "--nostore_snapshot"]
            with isolated(), contextlib.redirect_stderr(io.StringIO()) as told:
                code = train.main([*given, f"--conf_param={name}={text}"])
            shutil.rmtree(tmp_path / "job", ignore_errors=True)

            assert code in (0, 2) or "TrainingError" in told.getvalue(), (name, text)


def test_every_snippet(tmp_path):
    """Each mistake alone, so that none hides behind an earlier one."""
    for text in SNIPPETS:
        shown(tmp_path, f"{CONF}{text}\n".encode("utf-8", "replace"))
    for text in ATOMS:
        shown(tmp_path, CONF.encode(), f"Fuzzed.it={text}")
        shown(tmp_path, CONF.encode(), f"Fuzzed.count={text}")
