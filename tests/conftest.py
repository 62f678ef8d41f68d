"""Around every test: the ambient objects and the random generators are restored."""

import random

import numpy as np
import pytest
import torch

from alf import schedulers, summary
from alf._config import isolated as isolated_config
from alf.device import device

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _restore_ambient_state():
    """Nothing that a test configures, summarises or seeds reaches the next one."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with isolated_config(), summary.isolated(), schedulers.isolated(), device(None):
        yield
