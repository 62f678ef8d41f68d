"""The default device: where networks are built and updates run."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from alf.errors import ConfigError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class _DefaultDevice:
    """The one owner of the choice; `None` means "the GPU if there is one"."""

    def __init__(self) -> None:
        self.name: str | None = None


_default = _DefaultDevice()


def get_default_device() -> torch.device:
    """The device that networks are built on; the GPU if there is one and none was chosen."""
    if _default.name is not None:
        return torch.device(_default.name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_default_device(name: str | None) -> None:
    """Choose the device: `"cpu"`, `"cuda"`, `"cuda:1"`, or `None` for the default choice.

    Raises:
        ConfigError: if there is no such device on this machine.
    """
    if name is not None:
        _check(name)
    _default.name = name


@contextmanager
def device(name: str | None) -> Iterator[None]:
    """Choose the device for a block; the earlier choice comes back, also after an error."""
    before = _default.name
    set_default_device(name)
    try:
        yield
    finally:
        _default.name = before


def prepare_computing() -> None:
    """Set how torch computes on the CPU, if that is the default device.

    One thread, since more of them are slower for small networks. And numbers below 1e-38 count as
    zero: the running means of Adam get there for every unit that a ReLU has switched off, and the
    processor needs a hundred times as long for each. Memory that one update frees is kept for the
    next: to give it back to the system and get it again, page by page, is slower than many a layer.
    """
    if get_default_device().type == "cpu":
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        if sys.platform == "linux":
            _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Set glibc's allocator so; another C library does as it does. See `man mallopt`."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_TRIM_THRESHOLD, 256 * 2**20)
        set_option(_M_MMAP_THRESHOLD, 32 * 2**20)


def _check(name: str) -> None:
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"{name!r} is not a device: give 'cpu', 'cuda' or 'cuda:N'") from None
    count = torch.cuda.device_count()
    if wanted.type == "cuda" and (wanted.index or 0) >= count:
        raise ConfigError(f"device {name!r} is not there: this machine has {count} CUDA device(s)")
