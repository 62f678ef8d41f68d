"""Losses as compiled programs."""

import shutil
from copy import deepcopy

import pytest
import torch
from torch import nn

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import LossInfo, TimeStep
from alf.distributions import DiagNormal
from alf.errors import ConfigError
from alf.networks.layers import linear, orthogonal
from alf.networks.parallel_networks import ParallelLinear
from alf.ops.linear_maps import _Processor
from alf.optimizers import SGD, Adam, AdamW, RMSprop
from alf.schedulers import StepScheduler, isolated, update_progress
from alf.tensor_specs import TensorSpec
from alf.trainers.compiled import CompiledLoss, Computed
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import Updater

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler"
)


class Counted(Algorithm):
    """Has what losses have: parameters, one of them unused, a buffer, noise, and a turn."""

    def __init__(self):
        super().__init__(TensorSpec((3,)), TensorSpec(()))
        self.layer = nn.Linear(3, 2)
        self.unused = nn.Parameter(torch.zeros(2))
        self.seen: torch.Tensor
        self.register_buffer("seen", torch.zeros(()))
        self.newest: torch.Tensor
        self.register_buffer("newest", torch.zeros(()))
        self.turn = 1

    @property
    def loss_variant(self) -> int:
        return self.turn

    def loss(self, x: torch.Tensor, scale: dict[str, torch.Tensor]) -> Computed:
        """The batch loss."""
        with torch.no_grad():
            self.seen += x.shape[0]
        self.newest = x.detach().mean()  # another tensor in the place of the old one
        y = self.layer(x + 0.1 * torch.randn_like(x)).tanh() * scale["by"] * self.turn
        policy = DiagNormal(y, torch.ones_like(y))
        loss = -policy.log_prob(torch.zeros_like(y))
        return Computed(loss.mean(), LossInfo(loss=loss), None, policy)


def gradients_of(algorithm: Counted, computed: Computed) -> list[torch.Tensor | None]:
    """Those of the eager loss, by hand."""
    return list(torch.autograd.grad(computed.loss, list(algorithm.parameters()), allow_unused=True))


@needs_compiler
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch warns of itself
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
def test_program_computes_what_the_loss_says():
    """Loss, information, gradients, changes of buffers and random numbers are those of Python."""
    algorithm = Counted()
    compiled = CompiledLoss(algorithm, [SGD(lr=0.1).build(list(algorithm.parameters()))])
    x, scale = torch.randn(5, 3), {"by": torch.tensor(2.0)}

    for turn in (1, 3, 1):
        algorithm.turn = turn
        torch.manual_seed(7)
        expected = algorithm.loss(x, scale)
        torch.manual_seed(7)
        got = compiled(algorithm.loss, x, scale)

        torch.testing.assert_close(got.loss, expected.loss.detach())
        torch.testing.assert_close(got.loss_info.loss, expected.loss_info.loss.detach())
        torch.testing.assert_close(got.info.loc, expected.info.loc.detach())
        assert got.valid is None
        for ours, eager in zip(got.gradients, gradients_of(algorithm, expected), strict=True):
            if eager is None:
                assert ours is None
            else:
                torch.testing.assert_close(ours, eager)

    assert algorithm.seen.item() == 6 * 5  # each of the six losses counted its batch
    algorithm.newest = torch.zeros(())
    compiled(algorithm.loss, x, scale)
    torch.testing.assert_close(algorithm.newest, x.mean())
    with torch.no_grad():
        algorithm.layer.weight.zero_()  # a program reads the parameters of the moment
        algorithm.layer.bias.zero_()
    assert compiled(algorithm.loss, x, scale).info.loc.abs().max() == 0


class Wide(Counted):
    """Has layers whose products are worth another library."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Sequential(linear(3, 256, orthogonal(1.0)), nn.Tanh())
        self.pair = ParallelLinear([linear(256, 256, orthogonal(1.0)) for _ in range(2)])

    def loss(self, x: torch.Tensor, scale: dict[str, torch.Tensor]) -> Computed:
        """The batch loss."""
        y = self.pair(self.wide(x)).square() * scale["by"]
        return Computed(y.mean(), LossInfo(loss=y), None, y)


@needs_compiler
@pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN"
)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
def test_program_takes_the_faster_products(monkeypatch):
    """What oneDNN multiplies is called from a program too, and gives the same gradients."""
    monkeypatch.setattr(_Processor, "is_mkl_slow", True)
    algorithm = Wide()
    compiled = CompiledLoss(algorithm, [SGD(lr=0.1).build(list(algorithm.parameters()))])
    x, scale = torch.randn(64, 3), {"by": torch.tensor(2.0)}

    expected = algorithm.loss(x, scale)
    got = compiled(algorithm.loss, x, scale)

    torch.testing.assert_close(got.loss, expected.loss.detach())
    for ours, eager in zip(got.gradients, gradients_of(algorithm, expected), strict=True):
        assert (ours is None) == (eager is None)
        if ours is not None:
            torch.testing.assert_close(ours, eager, rtol=1e-3, atol=1e-6)


SPECS = {
    "adam": Adam(lr=0.05, gradient_clipping=0.1, clip_by_global_norm=True),
    "each clipped": AdamW(lr=0.05, gradient_clipping=0.1),
    "schedule": RMSprop(lr=StepScheduler("iterations", [(2, 0.05), (9, 0.01)])),
    "all of it": RMSprop(lr=0.05, momentum=0.5, centered=True, weight_decay=0.1),
    "momentum": SGD(lr=0.05, momentum=0.9, nesterov=True),
}


@needs_compiler
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
def test_program_makes_the_steps(spec):
    """Two optimizers, compiled and not: equal parameters; what is saved goes on either way."""
    torch.manual_seed(0)
    algorithms = [Pair(spec), Pair(spec)]
    algorithms[1].load_state_dict(algorithms[0].state_dict())
    updaters = [
        Updater(algorithm, TrainerConfig(root_dir="", algorithm_ctor=Pair, compile=compiles))
        for algorithm, compiles in zip(algorithms, (False, True), strict=True)
    ]
    steps: list[tuple] = []
    with isolated():
        for step in range(5):
            update_progress("iterations", step)
            x = torch.randn(6, 3)
            for algorithm, updater in zip(algorithms, updaters, strict=True):
                with summary.record_if(False):
                    before = [p.detach().clone() for p in algorithm.parameters()]
                    computed = updater.compute(algorithm.loss, x)
                    for p, old in zip(algorithm.parameters(), before, strict=True):
                        assert torch.equal(p, old)  # the loss may still turn out to be broken
                    updater.apply(computed, TimeStep())
                    steps.append(computed.steps)
            if step == 2:  # each goes on where the other one stands
                states = [deepcopy(updater.state_dict()) for updater in updaters]
                for updater, state in zip(updaters, reversed(states), strict=True):
                    updater.load_state_dict(state)

            for one, other in zip(*(a.parameters() for a in algorithms), strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert () == steps[-2]
    assert all(steps[-1])


class Pair(Algorithm):
    """Has two optimizers."""

    def __init__(self, spec):
        super().__init__(TensorSpec((3,)), TensorSpec(()))
        self.first, self.second = nn.Linear(3, 2), nn.Linear(2, 2)
        self.spec = spec

    def optimizers(self):
        """One for each layer."""
        layers = {"first": self.first, "second": self.second}
        return {name: (self.spec, list(layer.parameters())) for name, layer in layers.items()}

    def loss(self, x: torch.Tensor) -> Computed:
        """The batch loss."""
        loss = (self.second(self.first(x).tanh()) - 1).square().sum(-1)
        return Computed(loss.mean(), LossInfo(loss=loss), None, x)


class Deciding(Counted):
    """A loss that looks at a value."""

    def loss(self, x: torch.Tensor, scale: dict[str, torch.Tensor]) -> Computed:
        """The batch loss."""
        return super().loss(x if x.sum() > 0 else -x, scale)


def test_loss_that_decides_by_values_is_refused_with_the_reason():
    """A program would always go the way of the first batch."""
    algorithm = Deciding()
    compiled = CompiledLoss(algorithm, [SGD(lr=0.1).build(list(algorithm.parameters()))])

    with pytest.raises(ConfigError, match=r"compile is on.*Deciding cannot be compiled"):
        compiled(algorithm.loss, torch.ones(2, 3), {"by": torch.tensor(1.0)})
