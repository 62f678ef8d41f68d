"""Around every test: the ambient objects and the random generators are restored."""

import functools
import gc
import os
import random
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alf import schedulers, summary
from alf._config import isolated as isolated_config
from alf.device import device

torch.set_num_threads(1)

# Where Python may not keep bytecode, each of the processes that tests start compiles all of `alf`.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that starts a job in the background lets it ignore SIGINT, and its children would too.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests of whole commands: minutes of processes, while the others take milliseconds.
LONG = ("acceptance", "bin", "test_docs.py", "test_examples.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that short ones fill up what is left of a worker's time in the end."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in LONG)


def pytest_collection_finish() -> None:
    """What is imported and collected stays: no garbage is looked for in it."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _restore_ambient_state():
    """Nothing that a test configures, summarises or seeds reaches the next one."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_flush_denormal(False)  # a job that ran in this process has set it
    with isolated_config(), summary.isolated(), schedulers.isolated(), device(None):
        yield


@functools.cache
def chromium() -> str | None:
    """Where the browser is; `None` without one, or without what drives it."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return None
    return shutil.which("chromium") or shutil.which("chromium-browser")


ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser without network, of which each test opens pages of its own."""
    executable = chromium()
    if executable is None:
        pytest.skip("no Chromium here, or no playwright to drive it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")),
            executable_path=executable,
            args=ARGUMENTS,
            offline=True,
            viewport={"width": 1440, "height": 900},
        )
        context.set_default_timeout(20_000)
        yield context
        context.close()
