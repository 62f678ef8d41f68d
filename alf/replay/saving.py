"""A replay buffer on disk: `replay.safetensors`, and `replay.json` with what it says of itself."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch

from alf.errors import CheckpointError
from alf.replay.record_layout import Leaf

SCHEMA_VERSION = 1
TENSORS_FILE = "replay.safetensors"
INDEX_FILE = "replay.json"
_CHUNK_BYTES = 1 << 24

# The names of dtypes in the format: https://huggingface.co/docs/safetensors/index#format
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_BY_NAME = {name: dtype for dtype, name in _DTYPES.items()}

Read = Callable[[str, range], torch.Tensor]
"""Gives rows of a tensor by its name, `[len(rows), B, ...]`; rows count from the oldest, 0."""


@dataclass(frozen=True)
class Contents:
    """What a saved buffer holds.

    Attributes:
        num_environments: `B`.
        end_position: time of the row that comes next.
        num_steps: rows, the newest one of time `end_position - 1`.
        steps: what a step consists of, in the order of the flattened nest.
        extra: tensors `[num_steps, B]` beside the steps.
        numbers: what else is to be remembered.
    """

    num_environments: int
    end_position: int
    num_steps: int
    steps: tuple[Leaf, ...] = ()
    extra: tuple[Leaf, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    def tensors(self) -> list[tuple[str, Leaf]]:
        """All tensors, by the names that they have in a file."""
        return [(step_name(leaf), leaf) for leaf in self.steps] + [(x.name, x) for x in self.extra]

    def to_json(self) -> dict[str, Any]:
        """As plain dicts and lists."""
        named = {
            kind: [{"name": x.name, "dtype": _DTYPES[x.dtype], "shape": x.shape} for x in leaves]
            for kind, leaves in (("steps", self.steps), ("extra", self.extra))
        }
        return {"schema_version": SCHEMA_VERSION, **asdict(self), **named}

    @classmethod
    def from_json(cls, data: dict[str, Any], where: str) -> "Contents":
        """What `to_json` gave.

        Args:
            data: the dict.
            where: what it was read from, for messages.

        Raises:
            CheckpointError: if it is of another version, or incomplete.
        """
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise CheckpointError(
                f"{where} has schema version {version}, and this code reads {SCHEMA_VERSION}: "
                f"open it with the code that made it"
            )
        try:
            steps, extra = (
                tuple(Leaf(x["name"], _BY_NAME[x["dtype"]], tuple(x["shape"])) for x in data[kind])
                for kind in ("steps", "extra")
            )
            return cls(
                num_environments=int(data["num_environments"]),
                end_position=int(data["end_position"]),
                num_steps=int(data["num_steps"]),
                steps=steps,
                extra=extra,
                numbers=dict(data["numbers"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{where} is damaged: {type(error).__name__}: {error}. Take another checkpoint"
            ) from None


def step_name(leaf: Leaf) -> str:
    """The name in a file of a tensor that belongs to the steps."""
    return f"steps.{leaf.name}" if leaf.name else "steps"


def write_buffer(folder: Path, contents: Contents, read: Read) -> dict[str, str]:
    """Write both files, a few rows at a time.

    Returns:
        SHA-256 of each file, by name.

    Raises:
        CheckpointError: if they cannot be written; what is there then is incomplete.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        digest = _write_tensors(folder / TENSORS_FILE, contents, read)
        index = {**contents.to_json(), "digests": {TENSORS_FILE: digest}}
        text = json.dumps(index, indent=2) + "\n"
        (folder / INDEX_FILE).write_text(text)
    except OSError as error:
        raise CheckpointError(
            f"the replay buffer could not be written to '{folder}': {error}. Free some space, "
            f"choose another --root_dir, or a smaller TrainerConfig.replay_buffer_length"
        ) from error
    return {TENSORS_FILE: digest, INDEX_FILE: hashlib.sha256(text.encode()).hexdigest()}


@contextmanager
def opened_buffer(folder: Path) -> Iterator[tuple[Contents, Read]]:
    """What the files hold, and a function that reads rows of them; the digest is checked first.

    Raises:
        CheckpointError: if a file is missing, damaged or of another version.
    """
    index_path, path = folder / INDEX_FILE, folder / TENSORS_FILE
    try:
        data = json.loads(index_path.read_text())
        recorded = data["digests"][TENSORS_FILE]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"there is no saved replay buffer in '{folder}': '{error.filename}' cannot be read: "
            f"{error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"'{index_path}' is damaged: {type(error).__name__}: {error}. Take another checkpoint"
        ) from None
    if digest != recorded:
        raise CheckpointError(
            f"'{path}' is damaged: its {path.stat().st_size} bytes are not the ones that were "
            f"saved (SHA-256 {digest[:12]}…, recorded {str(recorded)[:12]}…). "
            f"Take another checkpoint"
        )
    contents = Contents.from_json(data, f"'{index_path}'")
    try:
        with safetensors.safe_open(path, framework="pt") as tensors:
            yield contents, lambda name, rows: tensors.get_slice(name)[rows.start : rows.stop]
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"'{path}' does not hold what its index says: {error}") from None


def chunks(num_rows: int, bytes_per_row: int) -> Iterator[range]:
    """Consecutive rows, some 16 MB at a time."""
    step = max(1, _CHUNK_BYTES // max(1, bytes_per_row))
    for start in range(0, num_rows, step):
        yield range(start, min(start + step, num_rows))


def _write_tensors(path: Path, contents: Contents, read: Read) -> str:
    header: dict[str, Any] = {}
    end = 0
    outer = (contents.num_steps, contents.num_environments)
    for name, leaf in contents.tensors():
        start, end = end, end + math.prod(outer) * leaf.num_bytes
        shape = [*outer, *leaf.shape]
        header[name] = {"dtype": _DTYPES[leaf.dtype], "shape": shape, "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for block in (len(encoded).to_bytes(8, "little"), encoded):
            file.write(block)
            digest.update(block)
        for name, leaf in contents.tensors():
            # One piece of memory for all: some allocators grow if such pieces come and go.
            memory: torch.Tensor | None = None
            for rows in chunks(contents.num_steps, leaf.num_bytes * contents.num_environments):
                part = read(name, rows)
                if memory is None:
                    memory = torch.empty(part.shape, dtype=part.dtype)
                block = memory[: len(rows)].copy_(part).reshape(-1).view(torch.uint8).numpy()
                file.write(block.data)
                digest.update(block.data)
    return digest.hexdigest()
