"""`alf_config.py`: what a job runs. The overrides on top, then the conf, word for word."""

import ast
import io
import os
import re
import tempfile
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from alf._config.overrides import Override, equal, names_in, parse_value
from alf.errors import ConfigError, RootDirError

BEGIN = "########### pre-configs ###########"
END = "########### end pre-configs ###########"
_CONF = "# conf: "
_MOVED = "# moved to the top: "

_FUTURE = re.compile(r"(?:from __future__ import [^\n]*\n)*")
_IMPORTS = {
    "torch": "import torch",
    "math": "import math",
    "functools": "import functools",
    "np": "import numpy as np",
    "partial": "from functools import partial",
}


class Recorded(NamedTuple):
    """What an `alf_config.py` holds.

    Args:
        overrides: name -> override.
        conf_source: the conf as it was given.
        conf_path: where the conf was; `None` if the file does not say.
    """

    overrides: dict[str, Override]
    conf_source: str
    conf_path: Path | None


def write_alf_config(
    path: str | os.PathLike[str],
    overrides: Mapping[str, Override],
    conf_source: str,
    conf_path: str | os.PathLike[str] | None,
) -> None:
    """Write what a job runs, whole or not at all.

    If the conf is itself a recorded `alf_config.py`, its overrides are kept and the new ones win.

    Args:
        path: the file to write, `<root_dir>/alf_config.py`.
        overrides: name -> override, from `parse_overrides` or `literal`.
        conf_source: the text of the conf.
        conf_path: where the conf is; relative `import_config` calls in it are looked up from there.

    Raises:
        ConfigError: the text would not read back as what was given.
        RootDirError: the file cannot be written.
    """
    earlier = parse_recorded(conf_source, str(conf_path))
    merged = {**earlier.overrides, **overrides}
    origin = earlier.conf_path or (None if conf_path is None else Path(conf_path).absolute())
    text = render(merged, earlier.conf_source, origin)
    _verify(text, merged, earlier.conf_source)
    _replace(Path(path), text.encode("utf-8"))


def read_recorded(path: str | os.PathLike[str]) -> Recorded:
    """Take an `alf_config.py` apart again.

    A conf that was never recorded has no overrides and no path.

    Raises:
        ConfigError: the file cannot be read, or its block of overrides holds more than overrides.
    """
    return parse_recorded(read_source(path), os.fspath(path))


def recorded_conf_path(path: str | os.PathLike[str]) -> Path | None:
    """The original place of the conf in an `alf_config.py`; `None` for any other file."""
    try:
        text = read_source(path)
    except ConfigError:
        return None
    _, rest = _split_block(text)
    return _take_conf_path(rest)[0]


def read_source(path: str | os.PathLike[str]) -> str:
    """The text of a conf, in the encoding that it declares, line ends as they are.

    Raises:
        ConfigError: it cannot be read or decoded.
    """
    try:
        return decode_source(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"The conf '{path}' cannot be read: {error.strerror}.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"The conf '{path}' cannot be decoded: {error}.") from error


def decode_source(source: bytes) -> str:
    """Python source as text, in the encoding that it declares.

    Raises:
        SyntaxError: the declared encoding does not exist.
        UnicodeDecodeError: the bytes are of another encoding.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return source.decode(encoding)


def render(overrides: Mapping[str, Override], conf_source: str, conf_path: Path | None) -> str:
    """The text of an `alf_config.py`."""
    futures, body = _hoist_futures(conf_source)
    parts = [f"{line}\n" for line in futures]
    if overrides:
        parts.append(_block(overrides))
    # The empty line also keeps an encoding declaration of the conf off the first two lines, where
    # it would apply to this file, which is UTF-8.
    parts.append(f"{_CONF}{_path_source(conf_path)}\n\n")
    return "".join([*parts, body])


def parse_recorded(text: str, where: str) -> Recorded:
    """Take the text of an `alf_config.py` apart; `where` stands in the messages."""
    block, rest = _split_block(text)
    conf_path, body = _take_conf_path(rest)
    if body is None:
        return Recorded({}, text, None)
    overrides = {} if block is None else _read_block(block, where)
    return Recorded(overrides, _return_futures(body), conf_path)


def _path_source(path: Path | None) -> str:
    """A literal for the first line of a file, where `coding:` would declare its encoding."""
    source = "None" if path is None else repr(str(path))
    return re.sub(r"coding(?=[:=])", r"codin\\x67", source)


def _block(overrides: Mapping[str, Override]) -> str:
    mentioned = {name for override in overrides.values() for name in names_in(override.source)}
    imports = ["import alf", *(line for name, line in _IMPORTS.items() if name in mentioned)]
    values = [f"    {name!r}: {override.source},\n" for name, override in overrides.items()]
    return (
        f"{BEGIN}\n\n"
        + "\n".join(imports)
        + "\nalf.pre_config({\n"
        + "".join(values)
        + f"}})\n\n{END}\n\n"
    )


def _hoist_futures(source: str) -> tuple[list[str], str]:
    """Move `from __future__` imports out, as these must come first in a file.

    Returns:
        The import lines, and the source where each is a comment.
    """
    if "__future__" not in source:
        return [], source
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return [], source  # executing it says what is wrong, and where
    lines = _physical_lines(source)
    futures: list[str] = []
    for node in tree.body:
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            continue
        _require_own_lines(node, tree)
        futures.append(ast.unparse(node))
        for number in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[number] = _MOVED + lines[number]
    return futures, "".join(lines)


def _require_own_lines(node: ast.stmt, tree: ast.Module) -> None:
    for other in tree.body:
        if other is not node and (
            other.lineno == node.end_lineno or other.end_lineno == node.lineno
        ):
            raise ConfigError(
                f"The conf cannot be recorded: line {node.lineno} holds a 'from __future__' import "
                "and something else. Give the import a line of its own."
            )


def _physical_lines(source: str) -> list[str]:
    """Lines as Python counts them, which is not at form feeds and the like, with their ends."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", source)


def _return_futures(body: str) -> str:
    return "".join(line.removeprefix(_MOVED) for line in _physical_lines(body))


def _split_block(text: str) -> tuple[str | None, str]:
    """The block of overrides, if there is one on top, and what follows it."""
    start = _end_of_futures(text)
    if not text.startswith(BEGIN, start):
        return None, text[start:]
    # The last line of the block: an override's text may hold the same words.
    end = text.find(f"\n{END}\n", start)
    if end < 0:
        raise ConfigError(
            f"The block of overrides has no closing line '{END}'. Put it back below the block."
        )
    return text[start + len(BEGIN) : end], text[end + len(END) + 2 :].lstrip("\n")


def _end_of_futures(text: str) -> int:
    match = _FUTURE.match(text)
    return match.end() if match is not None else 0


def _take_conf_path(rest: str) -> tuple[Path | None, str | None]:
    """The recorded path, and the conf below it; the conf is `None` in a file never recorded."""
    line, newline, body = rest.partition("\n")
    if not line.startswith(_CONF):
        return None, None
    try:
        path = ast.literal_eval(line.removeprefix(_CONF))
    except (ValueError, SyntaxError):
        return None, None
    return (None if path is None else Path(str(path))), body.removeprefix("\n") if newline else ""


def _read_block(block: str, where: str) -> dict[str, Override]:
    """The overrides in a block; only imports and one call of `alf.pre_config` are understood."""
    try:
        statements = ast.parse(block).body
    except SyntaxError as error:
        raise ConfigError(f"{where}: the block of overrides is not Python: {error}.") from error
    found: dict[str, Override] = {}
    for statement in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        table = _pre_config_table(statement)
        if table is None:
            raise ConfigError(
                f"{where}: the block of overrides holds more than one alf.pre_config({{...}}). "
                f"Move the rest below the line '{END}'."
            )
        for key, value in zip(table.keys, table.values, strict=True):
            assert isinstance(key, ast.Constant)
            source = ast.get_source_segment(block, value, padded=False)
            assert source is not None
            found[str(key.value)] = parse_value(str(key.value), source)
    return found


def _pre_config_table(statement: ast.stmt) -> ast.Dict | None:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return None
    call = statement.value
    if ast.unparse(call.func) != "alf.pre_config" or len(call.args) != 1 or call.keywords:
        return None
    table = call.args[0]
    if not isinstance(table, ast.Dict):
        return None
    plain = all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in table.keys)
    return table if plain else None


def _verify(text: str, overrides: Mapping[str, Override], conf_source: str) -> None:
    """Read back what is about to be written."""
    back = parse_recorded(text, "alf_config.py")
    if back.conf_source != conf_source:
        raise ConfigError(
            f"The conf cannot be recorded word for word: a line in it starts with {_MOVED!r}. "
            "Change that comment."
        )
    for name, override in overrides.items():
        read = back.overrides.get(name)
        if read is None or read.source != override.source:
            raise ConfigError(f"The override '{name}', {override.source!r}, does not read back.")
        if not names_in(override.source) and not equal(read.value, override.value):
            raise ConfigError(f"The override '{name}' reads back as {read.value!r}.")


def _replace(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RootDirError(f"'{path}' cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp gives it to the owner alone
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise RootDirError(f"'{path}' cannot be written: {error.strerror}.") from error
