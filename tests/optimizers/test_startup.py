"""Building and stepping an optimizer does not load torch's compiler."""

import subprocess
import sys

_PROGRAM = """
import sys, torch
from alf.optimizers import Adam
parameter = torch.nn.Parameter(torch.zeros(3))
optimizer = Adam(lr=0.1, gradient_clipping=1.0).build([parameter])
parameter.grad = torch.ones(3)
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""


def test_compiler_stays_unloaded():
    """It takes a second and a half that a job of ten seconds does not have."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )

    assert "False" == done.stdout.strip()
