"""Values from the command line: `--conf_param NAME=VALUE`, as text, checked and evaluated."""

import ast
import builtins
import functools
import importlib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, EllipsisType
from typing import Any, cast

from alf._config import allowed, lessons
from alf._config.allowed import MODULES
from alf.errors import ConfigError

_PLAIN_FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        abs, bool, bytes, complex, dict, float, frozenset, int, len, list, max, min, pow, range,
        round, set, slice, sorted, str, sum, tuple, zip,
    )
}  # fmt: skip
KNOWN_NAMES = frozenset({*MODULES, "partial", *_PLAIN_FUNCTIONS})

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_BARE_WORD = re.compile(r"[^\s'\"()\[\]{}=,;\\]+")


@dataclass(frozen=True, slots=True)
class Override:
    """A value and the Python text that gives it again.

    Args:
        value: the value.
        source: a Python expression; its names are among `KNOWN_NAMES`.
    """

    value: Any
    source: str


def parse_overrides(texts: Iterable[str]) -> dict[str, Override]:
    """Read `NAME=VALUE` texts.

    VALUE is a Python literal or one expression over `alf`, `torch`, `math`, `functools`,
    `partial`, `np` and plain builtins, of which it may use what computes or builds. A word that is
    no Python at all, such as `/tmp/x` or `cuda:0`, stands for itself as text.

    Args:
        texts: as given on the command line, in order.

    Returns:
        name -> override, in the order given.

    Raises:
        ConfigError: a text is not of this form, gives a name twice, or its expression cannot be
            evaluated.
    """
    found: dict[str, Override] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ConfigError(
                f"--conf_param {lessons.shown(text)} is not NAME=VALUE. "
                'Write it like --conf_param="TrainerConfig.num_iterations=100".'
            )
        if name in found:
            raise ConfigError(f"--conf_param gives '{name}' twice. Give it once.")
        found[name] = parse_value(name, value.strip())
    return found


def parse_value(name: str, text: str) -> Override:
    """Read one value.

    Args:
        name: what it is for; stands in the messages.
        text: the Python text, or a bare word.

    Raises:
        ConfigError: the text is neither, or evaluating it fails.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if _BARE_WORD.fullmatch(text):
            return Override(text, repr(text))
        raise ConfigError(
            f"--conf_param '{name}': {lessons.shown(text)} is no Python value ({_reason(error)}). "
            f"{_advice(name, text)}"
        ) from error
    _refuse_dangerous(name, text, tree)
    value = _evaluate(name, text, tree)
    try:
        return Override(value, _insertable(text, tree))
    except (RecursionError, MemoryError) as error:  # just not too deep to be parsed
        raise ConfigError(
            f"--conf_param '{name}': {lessons.shown(text)} is nested too deeply to be recorded. "
            "Put it into the conf."
        ) from error


def _insertable(text: str, tree: ast.Expression) -> str:
    """The expression without comments around it, such that it can stand as a value in a dict."""
    source = ast.get_source_segment(text, tree.body) or text
    try:
        table = ast.parse(f"{{0: {source}}}", mode="eval").body
        same = isinstance(table, ast.Dict) and ast.dump(table.values[0]) == ast.dump(tree.body)
    except SyntaxError:
        same = False
    return source if same else f"({source})"  # e.g. a tuple without its parentheses


def literal(value: Any) -> Override:
    """The override that gives `value` again.

    Args:
        value: numbers, text, bytes, `None`, and tuples, lists, dicts and sets of these, exactly of
            these types.

    Raises:
        ConfigError: the value cannot be written so that it reads back equal.
    """
    try:
        source = _source(value)
        same = equal(parse_value("value", source).value, value)
    except (ValueError, RecursionError) as error:  # e.g. an integer of more than 4300 digits
        raise ConfigError(f"{type(value).__name__} value cannot be written: {error}") from error
    if not same:
        raise ConfigError(
            f"{lessons.shown(value)} does not read back equal from {lessons.shown(source)}."
        )
    return Override(value, source)


def equal(first: Any, second: Any) -> bool:
    """Equality of values and types: `1` is not `True`, `0.0` is not `-0.0`, `nan` equals `nan`.

    Only what `literal` can write is equal to anything.
    """
    try:
        return _source(first) == _source(second)
    except ConfigError:
        return False


def names_in(source: str) -> set[str]:
    """Names that an expression mentions.

    Raises:
        ConfigError: the text is not one expression.
    """
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"{lessons.shown(source)} is not one Python expression: {_reason(error)}."
        ) from error
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def shell_example(name: str, value_source: str) -> str:
    """A `--conf_param` argument as it can be pasted into a shell."""
    quoted = re.sub(r'([\\"$`])', r"\\\1", f"{name}={value_source}")
    return f'--conf_param="{quoted}"'


def _reason(error: Exception) -> str:
    """Why Python does not read it, in a few words."""
    text = str(error.msg if isinstance(error, SyntaxError) else error)
    return lessons.cut(" ".join(text.split()) or type(error).__name__, 120)


def _advice(name: str, text: str) -> str:
    if len(text) > 200:
        return "If text is meant, quote it."
    return f"If text is meant, quote it: {shell_example(name, repr(text))}"


def _refuse_dangerous(name: str, text: str, tree: ast.Expression) -> None:
    """Refuse names that are not known, and the ways around the list of known ones."""
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
            raise ConfigError(
                f"--conf_param '{name}': {lessons.shown(text)} is more than one plain expression."
            )
        word = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if word.startswith("__"):
            raise ConfigError(
                f"--conf_param '{name}': {lessons.shown(text)} uses '{word}'. Names with two "
                "underscores are not for overrides: put this into the conf."
            )
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    used = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    unknown = list(dict.fromkeys(n for n in used if n not in bound and n not in KNOWN_NAMES))
    if unknown:
        words = " and ".join(map(lessons.quoted, unknown[:4]))
        advice = _advice(name, text)
        if any(isinstance(node, ast.Call) for node in nodes):
            advice = f"What needs more belongs into the conf: alf.config1('{name}', ...). {advice}"
        raise ConfigError(
            f"--conf_param '{name}': in {lessons.shown(text)}, {words} "
            f"{'is no name' if len(unknown) == 1 else 'are no names'} that an override knows "
            f"({', '.join([*MODULES, 'partial'])}). {advice}"
        )


def _refuse_unlisted(name: str, text: str, tree: ast.Expression) -> None:
    """Refuse what the known modules hold besides functions that compute and classes."""
    try:
        word = allowed.refused(tree)
    except (AttributeError, ImportError) as error:
        raise _failed(name, text, error) from error
    except RecursionError as error:
        raise ConfigError(
            f"--conf_param '{name}': {lessons.shown(text)} is nested too deeply. Put it into the "
            "conf."
        ) from error
    if word is not None:
        raise ConfigError(
            f"--conf_param '{name}': {lessons.shown(text)} uses '{lessons.cut(word, 80)}'. An "
            "override may use functions and classes of math, np, torch and alf that compute or "
            "build, and methods of plain values and tensors. Put anything else into the conf."
        )


def _failed(name: str, text: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"--conf_param '{name}': evaluating {lessons.shown(text)} failed: "
        f"{lessons.cut(f'{type(error).__name__}: {error}', 300)}"
    )


def _evaluate(name: str, text: str, tree: ast.Expression) -> Any:
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass  # not a literal: an expression
    _refuse_unlisted(name, text, tree)
    # The one place in the package that evaluates text: from a command line, from the block that we
    # wrote from one, or from a search file, which may be anybody's.
    run: Callable[[CodeType, dict[str, Any]], Any] = eval
    try:
        return run(compile(tree, f"--conf_param {name}", "eval"), _names_for(tree))
    except ConfigError:
        raise
    except Exception as error:
        raise _failed(name, text, error) from error


def _names_for(tree: ast.Expression) -> dict[str, Any]:
    """The known names that an expression mentions; modules are imported only for this."""
    # The builtins are out of reach, since no name but the known ones was let through. They are here
    # for code in C, such as torch's, that imports by the `__import__` of whoever calls it.
    names: dict[str, Any] = {"__builtins__": builtins}
    for word in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
        if word in MODULES:
            names[word] = importlib.import_module(MODULES[word])
        elif word == "partial":
            names[word] = functools.partial
        elif word in _PLAIN_FUNCTIONS:
            names[word] = _PLAIN_FUNCTIONS[word]
    return names


def _source(value: Any) -> str:
    """Python text for a value; like `repr`, but right for infinities, `nan` and empty sets."""
    # By exact type: an enum, or a subclass of `int`, would read back as less than it is.
    writer = _WRITERS.get(cast("type[object]", type(value)))
    if writer is None:
        raise ConfigError(
            f"{lessons.shown(value)} of type {type(value).__name__} cannot be written into a conf "
            "so that it reads back equal. Use numbers, text, tuples, lists and dicts, or an "
            "expression; what is none, such as an open file, is made by the conf."
        )
    return writer(value)


def _int_source(value: int) -> str:
    # Python refuses to write numbers of thousands of digits, since that takes long; not in base 16.
    return repr(value) if value.bit_length() < 10_000 else hex(value)


def _float_source(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float('{value}')"


def _complex_source(value: complex) -> str:
    return f"complex({_source(value.real)}, {_source(value.imag)})"


def _list_source(value: list[Any]) -> str:
    return f"[{', '.join(map(_source, value))}]"


def _tuple_source(value: tuple[Any, ...]) -> str:
    return f"({', '.join(map(_source, value))}{',' if len(value) == 1 else ''})"


def _dict_source(value: dict[Any, Any]) -> str:
    return f"{{{', '.join(f'{_source(key)}: {_source(item)}' for key, item in value.items())}}}"


def _set_source(value: set[Any] | frozenset[Any]) -> str:
    return f"{type(value).__name__}([{', '.join(sorted(map(_source, value)))}])"


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: repr,
    int: _int_source,
    str: repr,
    bytes: repr,
    type(None): repr,
    EllipsisType: lambda value: "...",
    float: _float_source,
    complex: _complex_source,
    list: _list_source,
    tuple: _tuple_source,
    dict: _dict_source,
    set: _set_source,
    frozenset: _set_source,
}
