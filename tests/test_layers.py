"""Imports point down: a module imports from its own package and from lower layers only."""

import ast
from pathlib import Path

import pytest

ALF = Path(__file__).resolve().parent.parent / "alf"

# Lowest first. Packages in one row do not import each other.
LAYERS: list[tuple[str, ...]] = [
    ("errors", "failures", "module", "process"),
    ("_config", "snapshot"),
    ("nest",),
    ("tensor_specs",),
    ("data_structures", "device"),
    ("summary",),
    ("ops", "distributions", "schedulers"),
    ("optimizers", "replay"),
    ("environments", "networks", "transforms", "metrics"),
    ("algorithms",),
    ("player",),
    ("trainers",),
    ("search",),
    ("bin", "examples", "testing", "__main__"),
    ("__init__",),
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
SOURCES = sorted(ALF.rglob("*.py"))


def package_of(path: Path) -> str:
    """The first component below `alf` that a file belongs to."""
    return path.relative_to(ALF).parts[0].removesuffix(".py")


def imported_names(tree: ast.AST) -> list[tuple[int, str]]:
    """Every `alf…` name that an import statement mentions, wherever it stands."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return [(line, name) for line, name in found if name.split(".")[0] == "alf"]


def target_package(name: str) -> str:
    parts = name.split(".")
    if len(parts) == 1:
        return "__init__"
    return parts[1] if parts[1] in RANK else "__init__"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ALF)))
def test_imports_point_down(path: Path):
    """No import goes to a higher layer, and only examples use the facade."""
    own = package_of(path)
    assert own in RANK, f"{own} has no layer: add it to LAYERS and to docs/architecture.md"

    wrong = []
    for line, name in imported_names(ast.parse(path.read_text())):
        target = target_package(name)
        is_own = own in (target, "__init__")
        is_conf = own == "examples" and target == "__init__"
        if not is_own and not is_conf and RANK[target] >= RANK[own]:
            wrong.append(f"{path.relative_to(ALF)}:{line} imports {name}")

    assert [] == wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ALF)))
def test_file_says_what_it_holds(path: Path):
    """No drawer modules, and no file past its budget."""
    lines = len(path.read_text().splitlines())

    assert path.stem not in BANNED_NAMES
    assert lines <= 600, f"{lines} lines: split it by topic"


def test_low_layers_do_not_import_torch():
    """The config store and the snapshot start in milliseconds."""
    wrong = []
    for path in SOURCES:
        if package_of(path) in ("errors", "process", "_config", "snapshot"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                else:
                    continue
                wrong += [
                    f"{path.relative_to(ALF)}:{node.lineno}"
                    for name in names
                    if name.split(".")[0] == "torch"
                ]

    assert [] == wrong
