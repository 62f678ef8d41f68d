"""The facade: what `import alf` gives, and how little it costs."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

import alf

REPOSITORY = Path(__file__).resolve().parent.parent
LAZY = sorted(alf._LAZY_MODULES | set(alf._LAZY_OBJECTS))


def run(program: str) -> None:
    """Run a program in a fresh interpreter, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def home(name: str) -> str:
    """The module that a lazy name comes from."""
    return alf._LAZY_OBJECTS.get(name, f"alf.{name}")


def test_all_is_the_namespace():
    """`__all__` names every public object, and each of them is there."""
    eager = {
        name
        for name, value in vars(alf).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    assert sorted(eager - {"TYPE_CHECKING", "Any"} | set(LAZY)) == sorted(alf.__all__)
    assert set(alf.__all__) <= set(dir(alf))


@pytest.mark.parametrize("name", [n for n in LAZY if importlib.util.find_spec(home(n))])
def test_lazy_name_resolves(name):
    """A lazy name is the object that its module has."""
    module = importlib.import_module(home(name))

    assert getattr(alf, name) is (module if name in alf._LAZY_MODULES else getattr(module, name))


def test_lazy_names_resolve_in_a_fresh_process():
    """Each lazy name works as the first thing that a program uses."""
    names = [name for name in LAZY if importlib.util.find_spec(home(name))]
    run(f"import alf\nfor name in {names!r}: getattr(alf, name)")


def test_import_is_cheap():
    """`import alf` imports neither torch nor numpy, nor anything else that is big."""
    run(
        "import sys, alf\n"
        "big = {'torch', 'numpy', 'gymnasium', 'cv2', 'PIL', 'absl', 'rich', 'dulwich', 'optree'}\n"
        "assert not big & set(sys.modules), big & set(sys.modules)\n"
    )


def test_import_of_a_submodule_by_its_dotted_name():
    """The import that the documentation shows works."""
    run("import alf.summary.render as render; import alf; assert alf.summary.render is render")


def test_config_is_a_function_and_stays_one():
    """`alf.config` is the function, also after every part of the package is imported."""
    run("import alf, alf._config.settings; alf.summary; assert callable(alf.config)")


def test_unknown_name_is_an_attribute_error():
    """A name that is not there fails like any other attribute."""
    with pytest.raises(AttributeError, match="module 'alf' has no attribute 'nothing'"):
        getattr(alf, "nothing")  # noqa: B009


def test_version_is_the_packaged_one():
    """`alf.__version__` is the version in pyproject.toml."""
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert project["version"] == alf.__version__
