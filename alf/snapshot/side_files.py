"""Side files of a store: what is remembered to save time, as compressed JSON.

They are the only files of a store that are read without a digest, and may come with a root dir
from elsewhere: so they are data of limited size, and whatever is wrong with one makes it count as
not there.
"""

import json
import zlib
from pathlib import Path
from typing import Any, cast

# A hundred times what the largest job has; what is larger was made to fill the memory.
_MOST_BYTES = 1 << 28


def read_side_file(path: Path) -> dict[str, Any]:
    """What a side file holds; empty where it is missing, damaged or too large."""
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(path.read_bytes(), _MOST_BYTES)
        # RecursionError: brackets in brackets without end.
        data = json.loads(text) if stream.eof else None
    except (OSError, ValueError, RecursionError, zlib.error):
        return {}
    return cast(dict[str, Any], data) if isinstance(data, dict) else {}


def write_form(data: dict[str, Any]) -> bytes:
    """The bytes of a side file that holds `data`."""
    return zlib.compress(json.dumps(data).encode("ascii"), 6)
