"""What `_gather_compiled.c` holds."""

from typing import Any

from numpy.typing import NDArray

def gather(records: NDArray[Any], slots: NDArray[Any], out: NDArray[Any], /) -> None: ...
