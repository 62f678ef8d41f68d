"""Numbers that a compiled program computes once."""

import shutil
from typing import Any

import pytest
import torch

from alf.ops.scalars import once, show_scalars_to_compiler


def test_a_number_stays_what_it_is():
    """A copy: what is done to it is not done to the other."""
    x = torch.tensor(3.0)
    copy = once(x)
    copy += 1

    assert (3.0, 4.0) == (float(x), float(copy))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch warns of itself
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(("mark", "inside"), [(once, False), (lambda x: x, True)])
def test_a_program_computes_it_before_the_loop(mark, inside, monkeypatch):
    """The power stands in the loop over the elements unless it is marked."""
    from torch._inductor import compile as compile_graph
    from torch._inductor.graph import GraphLowering
    from torch.fx.experimental.proxy_tensor import make_fx

    written = []
    monkeypatch.setattr(GraphLowering, "save_output_code", staticmethod(written.append))
    show_scalars_to_compiler()
    inputs: list[Any] = [torch.arange(1000.0), torch.tensor(2.0)]

    def scaled(x, step):
        return x * mark(3**step)

    graph = make_fx(scaled, tracing_mode="fake")(*inputs)
    run: Any = compile_graph(graph, inputs)

    torch.testing.assert_close(run(*inputs), 9 * inputs[0])
    before, _, loop = written[0].partition("for(int64_t")
    assert ("std::pow" in loop) == inside
    assert ("std::pow" in before) != inside
