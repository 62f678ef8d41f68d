"""Around every test: the ambient objects and the random generators are restored."""

import random
import signal
import threading

import numpy as np
import pytest
import torch

from alf import schedulers, summary
from alf._config import isolated as isolated_config
from alf.device import device

torch.set_num_threads(1)

# A shell that starts a job in the background lets it ignore SIGINT, and its children would too.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _restore_ambient_state():
    """Nothing that a test configures, summarises or seeds reaches the next one."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_flush_denormal(False)  # a job that ran in this process has set it
    with isolated_config(), summary.isolated(), schedulers.isolated(), device(None):
        yield
