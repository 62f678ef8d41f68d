"""Which files count as the user's code, from what was imported."""

import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from alf.snapshot.evidence import (
    LoadedModule,
    find_sources,
    import_root,
    is_installed,
    is_pip_target,
    loaded_modules,
)


def module(name: str, file: Path | str | None, path: list[Path] | None = None) -> ModuleType:
    made = ModuleType(name)
    if file is not None:
        made.__file__ = str(file)
        if isinstance(file, Path):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    if path is not None:
        made.__path__ = [str(p) for p in path]
    return made


def sources(modules: dict[str, ModuleType], path: list[Path], files: list[Path] | None = None):
    found = find_sources(modules, files or [], [str(p) for p in path])
    return {s.name: (s.kind, [str(r) for r in s.roots], [p.name for p in s.only]) for s in found}


def test_import_root():
    """The root is where the top-level name lies, for modules, packages and extensions."""
    cases = {
        ("a", "/x/a.py"): "/x",
        ("a", "/x/a/__init__.py"): "/x",
        ("a.b", "/x/a/b.py"): "/x",
        ("a.b", "/x/a/b/__init__.py"): "/x",
        ("a.b", "/x/a/b.cpython-311-x86_64-linux-gnu.so"): "/x",
        ("a.b", "/x/c/b.py"): None,
        ("conf_123", "/x/my_conf.py"): None,
        ("a", "/x/b/__init__.py"): None,
    }

    found = {case: import_root(LoadedModule(case[0], Path(case[1]))) for case in cases}

    assert {case: root and Path(root) for case, root in cases.items()} == found


def test_python_and_installed_packages_are_not_evidence():
    """The standard library and site-packages of any environment are installed."""
    stdlib = Path(sysconfig.get_path("stdlib"))

    assert is_installed(stdlib / "json" / "__init__.py")
    assert is_installed(Path(sysconfig.get_path("purelib")) / "numpy" / "__init__.py")
    assert is_installed(Path("/other/venv/lib/python3.12/site-packages/x.py"))
    assert is_installed(Path("/usr/lib/python3/dist-packages/x.py"))
    assert not is_installed(Path("/home/me/project/x.py"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_package_linked_into_site_packages_is_a_working_folder(tmp_path):
    """A link from site-packages to a repository is somebody's own code."""
    repository = tmp_path / "repo" / "mine"
    repository.mkdir(parents=True)
    (repository / "__init__.py").touch()
    installed = tmp_path / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "mine").symlink_to(repository)
    (installed / "theirs").mkdir()

    assert not is_installed(installed / "mine" / "__init__.py")
    assert is_installed(installed / "theirs" / "__init__.py")


def test_made_up_modules_are_ignored():
    """Built-in, frozen, zipped and synthetic modules have no file to take."""
    modules = {
        "builtin": module("builtin", None),
        "frozen": module("frozen", "<frozen importlib>"),
        "zipped": module("zipped", "/x/lib.zip/zipped.py"),
        "odd": module("odd", None),
    }
    modules["odd"].__file__ = 3  # pyright: ignore[reportAttributeAccessIssue]

    assert [] == loaded_modules(modules)


def test_the_program_itself(tmp_path):
    """`__main__` has the name of its module, or of its script."""
    script = module("__main__", tmp_path / "start.py")
    script.__spec__ = None
    run = module("__main__", tmp_path / "tool" / "__main__.py")
    run.__spec__ = ModuleSpec("tool.__main__", None)

    assert "start" == loaded_modules({"__main__": script})[0].name
    assert "tool.__main__" == loaded_modules({"__main__": run})[0].name
    assert {"start.py": ("module", [str(tmp_path)], ["start.py"])} == sources(
        {"__main__": script}, [tmp_path]
    )


def test_console_script_with_the_name_of_a_package(tmp_path):
    """The script `alf` in somebody's ~/.local/bin is a file, and no module called alf."""
    script = module("__main__", tmp_path / "bin" / "alf")
    script.__spec__ = None
    package = module("alf", tmp_path / "src" / "alf" / "__init__.py")

    assert sources({"__main__": script, "alf": package}, [tmp_path / "bin"]) == {
        "alf": ("package", [str(tmp_path / "src")], []),
        "bin": ("files", [str(tmp_path / "bin")], ["alf"]),
    }


def test_module_files_need_the_import_path(tmp_path):
    """A single file is a module if an import would find it; loaded by path it is just a file."""
    modules = {
        "tool": module("tool", tmp_path / "on_path" / "tool.py"),
        "conf": module("conf", tmp_path / "confs" / "conf.py"),
    }

    assert sources(modules, [tmp_path / "on_path"]) == {
        "tool.py": ("module", [str(tmp_path / "on_path")], ["tool.py"]),
        "confs": ("files", [str(tmp_path / "confs")], ["conf.py"]),
    }


def test_namespace_over_a_home_folder(tmp_path, monkeypatch):
    """A namespace package that is somebody's home contributes its imported files alone."""
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    file = tmp_path / "me" / "exp" / "run.py"
    modules = {"me": module("me", None, [tmp_path / "me"]), "me.exp.run": module("r", file)}

    assert sources(modules, [tmp_path]) == {"me": ("package", [str(tmp_path)], ["run.py"])}


def test_roots_of_a_namespace_have_its_order(tmp_path):
    """The folder that the package searches first comes first, whatever was imported first."""
    modules = {
        "ns": module("ns", None, [tmp_path / "b" / "ns", tmp_path / "a" / "ns"]),
        "ns.x": module("ns.x", tmp_path / "a" / "ns" / "x.py"),
        "ns.y": module("ns.y", tmp_path / "b" / "ns" / "y.py"),
    }

    assert sources(modules, []) == {
        "ns": ("package", [str(tmp_path / "b"), str(tmp_path / "a")], [])
    }


def test_pip_target_folders_are_installed(tmp_path):
    """What `pip install --target` placed is recorded by its version, not captured."""
    (tmp_path / "lib-1.0.dist-info").mkdir()
    (tmp_path / "lib-1.0.dist-info" / "RECORD").write_text("lib/__init__.py,,\nsolo.py,,\n")
    modules = {
        "lib": module("lib", tmp_path / "lib" / "__init__.py"),
        "own": module("own", tmp_path / "own" / "__init__.py"),
    }

    assert is_pip_target(tmp_path, "solo")
    assert {"own"} == set(sources(modules, [tmp_path]))


def test_compiled_leftovers_are_not_code(tmp_path):
    """Files that a compiler generated in a cache are not taken."""
    modules = {"cabc": module("x", tmp_path / "torchinductor_me" / "ab" / "cabc.py")}

    assert {} == sources(modules, [])


def test_a_file_is_taken_once(tmp_path):
    """A conf that is both loaded and named, or lies in a captured package, is taken once."""
    package = tmp_path / "pkg"
    conf = tmp_path / "c" / "my_conf.py"
    modules = {
        "pkg": module("pkg", package / "__init__.py"),
        "loaded": module("loaded", conf),
    }
    (package / "in_conf.py").touch()

    assert sources(modules, [tmp_path], [conf, package / "in_conf.py"]) == {
        "pkg": ("package", [str(tmp_path)], []),
        "c": ("files", [str(tmp_path / "c")], ["my_conf.py"]),
    }
