"""The API reference is complete: a page hides what has no docstring, so that all need one."""

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import alf
from alf._config import catalogue
from alf._config.settled import Settled
from alf._config.store import current

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "api").glob("*.md"))
NAMED = [
    line.removeprefix("::: ").strip()
    for page in PAGES
    for line in page.read_text(encoding="utf-8").splitlines()
    if line.startswith("::: ")
]


def public(module: ModuleType) -> dict[str, Any]:
    """What a page of a module shows: what it exports, or else what it defines itself."""
    exported = getattr(module, "__all__", None)
    if exported is not None:
        return {name: getattr(module, name) for name in exported}
    own = {n: x for n, x in vars(module).items() if getattr(x, "__module__", "") == module.__name__}
    return {name: it for name, it in own.items() if not name.startswith("_") and _is_code(it)}


def _is_code(it: object) -> bool:
    return inspect.isclass(it) or inspect.isfunction(it)


def undocumented(name: str, it: Any) -> Iterator[str]:
    """The name of an object, and of each of its members, that a page would hide."""
    if not (inspect.getdoc(it) if inspect.isfunction(it) else it.__doc__):
        yield name
    if not inspect.isclass(it):
        return
    for attribute, member in vars(it).items():
        inner = getattr(member, "__func__", getattr(member, "fget", member))
        if attribute.startswith("_") or not inspect.isfunction(inner):
            continue
        if not inspect.getdoc(getattr(it, attribute)):  # an override has the words of its base
            yield f"{name}.{attribute}"


def constants(module: ModuleType) -> Iterator[tuple[str, bool]]:
    """Each public value that a module assigns, and whether text below it says what it is."""
    body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    for statement, after in zip(body, [*body[1:], None], strict=True):
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        if isinstance(targets[0], ast.Name) and not targets[0].id.startswith("_"):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            yield targets[0].id, is_text


@pytest.mark.parametrize("module", sorted(set(NAMED)))
def test_what_a_page_shows_has_a_docstring(module: str) -> None:
    """Modules, classes, functions, methods, properties and constants."""
    shown = importlib.import_module(module)
    found = [] if shown.__doc__ else [module]
    for name, it in public(shown).items():
        if _is_code(it):
            found += undocumented(f"{module}.{name}", it)
    found += [f"{module}.{name}" for name, is_said in constants(shown) if not is_said]

    assert found == []


def unsaid(name: str, it: Any) -> Iterator[str]:
    """Each parameter that neither the docstring mentions nor that of a base; settled ones apart."""
    kinds = inspect.getmro(it) if inspect.isclass(it) else (it,)
    said = " ".join(kind.__doc__ or "" for kind in kinds)
    for parameter in inspect.signature(it).parameters.values():
        is_many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_many or parameter.name.startswith("_") or isinstance(parameter.annotation, Settled):
            continue
        if not re.search(rf"\b{parameter.name}\b", said):
            yield f"{name}({parameter.name})"


def test_a_page_says_what_each_parameter_of_a_class_is() -> None:
    """Those of the constructors of all classes that are shown, and of what can be configured."""
    found: list[str] = []
    for module in sorted({*NAMED} - {"alf._config"}):
        for name, it in public(importlib.import_module(module)).items():
            is_error = inspect.isclass(it) and issubclass(it, BaseException | enum.Enum)
            if inspect.isclass(it) and not is_error:
                found += unsaid(f"{module}.{name}", it)

    assert found == []


def test_what_a_conf_can_set_is_on_a_page() -> None:
    """Each configurable of the package, and each part that `import alf` gives."""
    catalogue.import_everything()
    modules = [importlib.import_module(name) for name in NAMED]
    shown = {
        (it.__module__, it.__qualname__)
        for module in modules
        for it in public(module).values()
        if _is_code(it)
    }
    identities = [one.identity for one in current().definitions.values()]
    hidden = [
        (module, name)
        for module, name in identities
        if module.startswith("alf.") and not module.startswith(("alf.examples", "alf.testing"))
        if (module, name.partition(".")[0]) not in shown
    ]
    without = [part for part in alf._LAZY_MODULES if not _is_on_a_page(f"alf.{part}")]

    assert hidden == []
    assert without == []


def _is_on_a_page(package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in NAMED)


def test_a_name_without_a_docstring_is_found() -> None:
    """The check itself: a class, a method and a property that say nothing."""

    class Silent:
        def method(self) -> None: ...

        @property
        def value(self) -> int:
            return 3

    assert [*undocumented("Silent", Silent)] == ["Silent", "Silent.method", "Silent.value"]
