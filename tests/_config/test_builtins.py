"""Lazily imported parts of `alf` are configurable right after `import alf`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from alf._config import config1, get_all_config_names
from alf._config.builtins import MODULES, import_modules_for, modules_for
from alf.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_entry_resolves(name):
    """Importing an entry's module defines a configurable of that name."""
    import_modules_for(f"{name}.anything")

    assert [n for n in get_all_config_names() if f".{n.rpartition('.')[0]}".endswith(f".{name}")]


def test_every_configurable_has_an_entry():
    """A conf can name any configurable of ours right after `import alf`; see `MODULES`."""
    short_names = {name.rpartition(".")[2] for name in MODULES}
    left_out = [
        f"{file.relative_to(REPOSITORY)}: {node.name}"
        for file in sorted((REPOSITORY / "alf").rglob("*.py"))
        if "examples" not in file.parts
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and any("configurable" in ast.unparse(mark) for mark in node.decorator_list)
        and node.name not in short_names
    ]

    assert [] == left_out


def test_modules_for_a_name():
    """The owner is found by its short name, as an ending, and by the path of its module."""
    assert modules_for("TrainerConfig.x") == ["alf.trainers.trainer_config"]
    assert modules_for("MyTrainerConfig.x") == []
    assert modules_for("alf.errors.Some.x") == ["alf.errors"]
    assert modules_for("alf.nowhere.Some.x") == []
    assert modules_for("x") == []


def test_conf_can_configure_what_is_not_imported():
    """alf.config works on a lazy part as the first line of a conf."""
    run(
        "import alf\n"
        "alf.config('TrainerConfig', num_iterations=77)\n"
        "assert alf.get_config_value('TrainerConfig.num_iterations') == 77\n"
    )


def test_pre_config_of_a_lazy_part_waits():
    """An override of a lazy part imports nothing until it is needed, and is applied then."""
    run(
        "import sys, alf\n"
        "from alf._config import validate_pre_configs\n"
        "alf.pre_config({'TrainerConfig.num_iterations': 77})\n"
        "assert 'alf.trainers' not in sys.modules and 'torch' not in sys.modules\n"
        "validate_pre_configs()\n"
        "assert alf.get_config_value('TrainerConfig.num_iterations') == 77\n"
    )


def test_misspelt_lazy_part_is_suggested():
    """A misspelt name of a part that is not imported yet is answered with the real one."""
    run(
        "import alf\n"
        "try:\n"
        "    alf.config('TrainerConfg', num_iterations=77)\n"
        "except Exception as error:\n"
        "    assert \"Did you mean 'TrainerConfig.num_iterations'\" in str(error), error\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )


def test_unknown_parameter_of_a_lazy_part():
    """A wrong parameter of a right part lists what it has."""
    with pytest.raises(ConfigError, match=r"'TrainerConfig' has: .*num_iterations|Did you mean"):
        config1("TrainerConfig.num_iteration", 3)
