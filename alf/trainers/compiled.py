"""The loss of a batch, its gradients and what optimizers make of them as one compiled program.

A loss is followed once, operation by operation, through the forward pass, the backward pass and the
optimizers' steps, and what was seen becomes machine code. So it takes no part of Python, whatever
the algorithm is written in, and what is written in Python between two operations is decided once
and for all: shapes, and what `Algorithm.loss_variant` tells. The program changes no parameter: it
gives the new ones, which are taken once the loss has been looked at.

See https://docs.pytorch.org/docs/stable/torch.compiler.html
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from absl import logging
from torch.nn.utils import stateless

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.distributions import flatten_params, unflatten_params
from alf.errors import ConfigError
from alf.ops.linear_maps import hide_products
from alf.ops.scalars import show_scalars_to_compiler
from alf.optimizers import BuiltOptimizer

_MOST_PROGRAMS = 8
"""Each takes seconds to compile; a job that asks for more would compile all the time."""


class Computed(NamedTuple):
    """The loss of a batch.

    Attributes:
        loss: the number that is minimised, a scalar tensor.
        loss_info: what the algorithm gave, a `LossInfo`.
        valid: bool, which steps of `loss_info.loss` count; see `mean`. `None` counts all.
        info: what the loss was computed from.
        gradients: of each parameter that an optimizer moves, in order, `None` where the loss does
            not depend on it, or where its step is computed; `()` where the backward pass through
            `loss` is still to come.
        steps: what `BuiltOptimizer.take` takes, for each optimizer, `None` where its step is still
            to be made of the gradients; `()` where all are.
    """

    loss: torch.Tensor
    loss_info: Any
    valid: torch.Tensor | None
    info: Any
    gradients: tuple[torch.Tensor | None, ...] = ()
    steps: tuple[list[torch.Tensor] | None, ...] = ()


Offered = Sequence[list[torch.Tensor] | None]
"""What each optimizer's step needs; `None` where it makes none in a program."""

LossOf = Callable[..., Computed]
"""The loss of a batch, whose nests of tensors it is called with."""


class _Program(NamedTuple):
    """A compiled loss.

    Attributes:
        run: gives for all tensors of the module and of the batch the `outputs`.
        structure: of the `Computed` without gradients.
        constants: leaves of it that are no tensors, `None` elsewhere.
        is_tensor: which leaves are tensors.
        has_gradient: whether the gradient of each parameter is among the outputs.
        step_sizes: how many tensors a step gives, for each optimizer; 0 where there is none.
    """

    run: Callable[..., Any]
    structure: Any
    constants: list[Any]
    is_tensor: list[bool]
    has_gradient: list[bool]
    step_sizes: list[int]

    def __call__(self, tensors: list[torch.Tensor]) -> Computed:
        with torch.no_grad():
            outputs = iter(self.run(*tensors))
        pairs = zip(self.constants, self.is_tensor, strict=True)
        leaves = [next(outputs) if is_tensor else constant for constant, is_tensor in pairs]
        gradients = tuple(next(outputs) if has else None for has in self.has_gradient)
        steps = tuple([next(outputs) for _ in range(size)] or None for size in self.step_sizes)
        return unflatten_params(self.structure, leaves)._replace(gradients=gradients, steps=steps)


class CompiledLoss:
    """Computes the losses of one algorithm by programs, each compiled when it is first needed.

    Args:
        algorithm: whose parameters and buffers the losses are computed with.
        optimizers: move some of the parameters.

    Attributes:
        makes_steps: whether to compute the optimizers' steps, where they can be, or gradients.
    """

    def __init__(self, algorithm: Algorithm, optimizers: Sequence[BuiltOptimizer]):
        self._algorithm = algorithm
        self._optimizers = list(optimizers)
        self.makes_steps = True
        named = dict(algorithm.named_parameters())
        self._names = [*named, *(name for name, _ in algorithm.named_buffers())]
        self._parameters: list[torch.Tensor] = list(named.values())
        # Where buffers are looked up: a module may put another tensor in the place of one.
        self._buffers = [_place_of(algorithm, name) for name in self._names[len(named) :]]
        places = {id(parameter): i for i, parameter in enumerate(self._parameters)}
        self._trained = [[places[id(p)] for p in each.params] for each in self._optimizers]
        self._programs: dict[Any, _Program] = {}

    def __call__(self, loss_of: LossOf, *batch: Any) -> Computed:
        """What `loss_of(*batch)` gives, up to rounding, and the steps or the gradients.

        Args:
            loss_of: the same function at each call.
            batch: nests of tensors.

        Raises:
            ConfigError: it cannot be compiled.
        """
        leaves, structure = flatten_params(batch)
        offered = [
            each.stepped_tensors() if self.makes_steps else None for each in self._optimizers
        ]
        kinds = tuple((leaf.shape, leaf.stride(), leaf.dtype) for leaf in leaves)
        steps = tuple(tensors is not None for tensors in offered)
        key = (self._algorithm.loss_variant, structure, kinds, steps)
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._compile(loss_of, structure, leaves, offered)
        return program([*self._tensors(), *leaves, *_joined(offered)])

    def _tensors(self) -> list[torch.Tensor]:
        """Parameters and buffers as they are now."""
        return [*self._parameters, *(buffers[name] for buffers, name in self._buffers)]

    def _compile(
        self, loss_of: LossOf, structure: Any, leaves: list[torch.Tensor], offered: Offered
    ) -> _Program:
        name = type(self._algorithm).__name__
        if len(self._programs) == _MOST_PROGRAMS:
            raise ConfigError(
                f"TrainerConfig.compile is on, and the batches of {name} have more than "
                f"{_MOST_PROGRAMS} different shapes; each would be compiled anew: turn it off"
            )
        logging.info("Compiling the update of %s.", name)
        start = time.perf_counter()
        states = torch.get_rng_state()
        try:
            program = self._traced(loss_of, structure, leaves, offered)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(
                f"TrainerConfig.compile is on, and the update of {name} cannot be compiled: "
                f"{reason}\nIt needs a C++ compiler (g++ or clang++), and a loss that decides "
                f"nothing by the values of tensors (no `if x > 0`, no `.item()`). Install the "
                f"compiler, change the loss, or turn compile off"
            ) from error
        torch.set_rng_state(states)
        logging.info("Compiled the update of %s in %.1f s.", name, time.perf_counter() - start)
        return program

    def _traced(
        self, loss_of: LossOf, structure: Any, leaves: list[torch.Tensor], offered: Offered
    ) -> _Program:
        # Loaded here, since that takes a second, and most jobs do without.
        from torch._inductor import compile as compile_graph
        from torch.fx.experimental.proxy_tensor import make_fx

        found: list[Any] = []
        count = len(self._names)

        def flat(*tensors: torch.Tensor) -> list[torch.Tensor]:
            of_module = dict(zip(self._names, tensors[:count], strict=True))
            with _in_place_of(self._algorithm, of_module):
                computed = loss_of(*unflatten_params(structure, tensors[count:][: len(leaves)]))
            for name, tensor in zip(self._names, tensors[:count], strict=True):
                if of_module[name] is not tensor:  # the loss put a new one there
                    tensor.detach().copy_(of_module[name].detach())
            gradients, steps = self._steps(computed.loss, tensors, offered)
            results, given = flatten_params(computed)
            is_tensor = [isinstance(x, torch.Tensor) for x in results]
            constants = [None if isinstance(x, torch.Tensor) else x for x in results]
            has_gradient = [x is not None for x in gradients]
            found[:] = [given, constants, is_tensor, has_gradient, [len(step) for step in steps]]
            tensors_alone = [x.detach() for x in results if isinstance(x, torch.Tensor)]
            given_gradients = [x for x in gradients if x is not None]
            return [*tensors_alone, *given_gradients, *(x for step in steps for x in step)]

        inputs: list[Any] = [*self._tensors(), *leaves, *_joined(offered)]
        with summary.record_if(False), torch.enable_grad():
            graph = make_fx(flat, tracing_mode="fake", _allow_non_fake_inputs=True)(*inputs)
        hide_products(graph)
        show_scalars_to_compiler()
        # Random numbers come from torch's own generator, as they do without the compiler.
        options: dict[str, Any] = {
            "fallback_random": True,
            "cpp.threads": torch.get_num_threads(),
            # Whatever is between the kernels in C++, too: two seconds more to compile it.
            "cpp_wrapper": all(x.is_cpu for x in inputs),
        }
        with torch.no_grad():
            run: Any = compile_graph(graph, inputs, options=options)
        return _Program(run, *found)

    def _steps(
        self, loss: torch.Tensor, tensors: Sequence[torch.Tensor], offered: Offered
    ) -> tuple[list[torch.Tensor | None], list[list[torch.Tensor]]]:
        """The gradients of parameters that no step is computed of, and the steps.

        A parameter that the loss does not depend on has no gradient, and its optimizer is left to
        step the others alone.
        """
        trained = [tensors[i] for places in self._trained for i in places]
        of_all = iter(torch.autograd.grad(loss, trained, allow_unused=True))
        left = iter(tensors[len(tensors) - len(_joined(offered)) :])
        gradients: list[torch.Tensor | None] = []
        steps: list[list[torch.Tensor]] = []
        for optimizer, given in zip(self._optimizers, offered, strict=True):
            own = [next(of_all) for _ in optimizer.params]
            of_step = [next(left) for _ in given or ()]
            there = [x for x in own if x is not None]
            if given is None or len(there) < len(own):
                gradients += own
                steps.append([])
                continue
            gradients += [None] * len(own)
            with torch.no_grad():
                steps.append(optimizer.stepped(of_step, there))
        return gradients, steps


def _joined(offered: Offered) -> list[torch.Tensor]:
    return [tensor for tensors in offered for tensor in tensors or ()]


def _place_of(module: torch.nn.Module, name: str) -> tuple[dict[str, Any], str]:
    """Where a buffer is kept: the dict and the key."""
    path, _, key = name.rpartition(".")
    return module.get_submodule(path)._buffers, key


def _in_place_of(module: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Any:
    """Have a module compute with other tensors, by name, for a block."""
    return stateless._reparametrize_module(  # pyright: ignore[reportPrivateUsage]
        module, tensors, tie_weights=True
    )
