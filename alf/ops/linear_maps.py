"""Linear maps, each product of matrices by the faster of the ways that torch has for it.

Torch multiplies float32 matrices by MKL, which keeps away from the widest instructions (AVX-512) on
processors that are not Intel's. OneDNN uses them there, and takes half the time for all but small
matrices. And there MKL takes up to ten times as long for a product with few columns as for its
transpose, and for a batch of them; single layers are laid out so that they have none
(`alf.networks.layers.linear`). Which way is taken follows from the processor and the sizes
alone, never from a measurement, so that runs on one kind of machine repeat bit by bit.

See https://github.com/uxlfoundation/oneDNN
"""

import functools
import importlib
import platform
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

LARGE = 2**22
"""Multiplications from which on oneDNN's preparations pay."""

FEW_ROWS = 16
"""Inputs below which nothing pays, however large the layer: acting is as quick as it was."""

NARROW = 8
"""Columns of a product up to which its transpose is computed instead."""

NARROW_ROWS = 2**16
"""Elements of the other, wide matrix from which on that pays."""

_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """`x W' + b`, as `torch.nn.functional.linear`.

    Args:
        x: `[..., in]`.
        weight: `[out, in]`.
        bias: `[out]`, or `None`.

    Returns:
        `[..., out]`.
    """
    if (
        _Processor.is_mkl_slow
        and x.size(0) >= FEW_ROWS
        and x.dim() == 2
        and x.size(0) * weight.numel() >= LARGE
        and _is_usual(x, weight)
    ):
        return _apply(_Linear, x, weight, bias)
    return F.linear(x, weight, bias)


def parallel_linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`R` linear maps side by side.

    Args:
        x: `[R, B, in]`.
        weight: `[R, in, out]`.
        bias: `[R, 1, out]`, or `None`.

    Returns:
        `[R, B, out]`.
    """
    if _Processor.is_mkl_slow:
        batch, (_, ins, outs) = x.shape[1], weight.shape
        is_narrow = min(ins, outs) <= NARROW and batch * max(ins, outs) >= NARROW_ROWS
        if (is_narrow or batch * ins * outs >= LARGE) and _is_usual(x, weight):
            return _apply(_ParallelLinear, x, weight, bias)
    if bias is None:
        return torch.bmm(x, weight)
    return torch.baddbmm(bias, x, weight)


def is_mkl_slow() -> bool:
    """Whether this is a processor on which torch has faster ways than MKL's usual one."""
    return (
        _HAS_ONEDNN
        and torch.backends.mkl.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and "GenuineIntel" not in _processor_name()
    )


def _processor_name() -> str:
    """What the system says of the processor; its maker is among it."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        return described.read_text(errors="replace")[:4096]
    return platform.processor()


class _Processor:
    """The one owner of what was found out."""

    is_mkl_slow = is_mkl_slow()


def _is_usual(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether the operands are of the one kind that the ways below take."""
    return (
        x.dtype == weight.dtype == torch.float32
        and x.is_cpu
        and weight.is_cpu
        and not torch.is_autocast_enabled("cpu")
    )


def _apply(
    function: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    if torch.is_grad_enabled():
        return function.apply(x, weight, bias)
    return function.forward(None, x, weight, bias)


def _by_onednn(
    left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`left @ right' + bias`; the gradient is not recorded."""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


def _product(
    left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`left @ right + bias` for matrices of any strides; the gradient is not recorded."""
    (rows, inner), columns = left.shape, right.shape[1]
    if rows * inner * columns >= LARGE:
        return _by_onednn(left, right.t(), bias)
    if columns <= NARROW < rows:
        transposed = right.t() @ left.t()
        return transposed.t() if bias is None else transposed.t() + bias
    return left @ right if bias is None else torch.addmm(bias, left, right)


def _recorded_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The same for gradients of gradients: torch knows those of `@`."""
    return left @ right


def hide_products(graph: torch.fx.GraphModule) -> None:
    """Have a traced program call oneDNN as it is, for a compiler that knows constant weights alone.

    Args:
        graph: is changed.
    """
    if not _HAS_ONEDNN:
        return
    _show_products_to_compiler()
    for node in graph.graph.nodes:
        if node.target is torch.ops.mkldnn._linear_pointwise.default:
            node.target = torch.ops.alf.linear_product.default
            node.args = node.args[:3]
    graph.recompile()


@functools.cache
def _show_products_to_compiler() -> None:
    """Let compiled programs make the call themselves, which is quicker than through Python."""
    # The compiler is loaded when it is needed.
    lowering: Any = importlib.import_module("torch._inductor.lowering")
    ir: Any = importlib.import_module("torch._inductor.ir")
    mkldnn_ir: Any = importlib.import_module("torch._inductor.mkldnn_ir")

    def lowered(x: Any, weight: Any, bias: Any) -> Any:
        # The compiler's own way to this node takes constant weights, and lays them out anew.
        operands = [each for each in (x, weight, bias) if each is not None]
        size = [x.get_size()[0], weight.get_size()[0]]
        node = mkldnn_ir.LinearUnary(
            layout=ir.FixedLayout(device=x.get_device(), dtype=x.get_dtype(), size=size),
            inputs=[ir.ExternKernel.realize_input(operand) for operand in operands],
            constant_args=[*([None] if bias is None else []), "none", [-1], ""],
        )
        return ir.TensorBox.create(mkldnn_ir._create_output_node(node))

    product = torch.ops.alf.linear_product.default
    lowering.register_lowering(product, type_promotion_kind=None)(lowered)


def _linear_product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _linear_product_shape(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    return x.new_empty(len(x), len(weight))


_LIBRARY: Any = torch.library.Library("alf", "FRAGMENT")
_LIBRARY.define("linear_product(Tensor x, Tensor weight, Tensor? bias) -> Tensor")
_LIBRARY.impl("linear_product", _linear_product, "CPU")
_LIBRARY.impl("linear_product", _linear_product_shape, "Meta")


class _Linear(torch.autograd.Function):
    """`x W' + b`, with all its products by oneDNN: they are of one size."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if ctx is not None:
            ctx.save_for_backward(x, weight)
        return _by_onednn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        (gradient,) = grad_outputs
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        # Of gradients of gradients, torch knows how to record those of its own function.
        product = F.linear if torch.is_grad_enabled() else _by_onednn
        weight_gradient = None
        if for_weight:  # laid out as the weight is, so that nobody has to copy it
            is_transposed = weight.stride(0) == 1
            weight_gradient = (
                product(x.t(), gradient.t()).t() if is_transposed else product(gradient.t(), x.t())
            )
        return (
            product(gradient, weight.t()) if for_x else None,
            weight_gradient,
            gradient.sum(0) if for_bias else None,
        )


class _ParallelLinear(torch.autograd.Function):
    """`parallel_linear`, one map after the other, with all products by `_product`."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if ctx is not None:
            ctx.save_for_backward(x, weight)
        biases = [None] * len(weight) if bias is None else bias.squeeze(1)
        return torch.stack([_product(*each) for each in zip(x, weight, biases, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        (gradient,) = grad_outputs
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        product = _recorded_product if torch.is_grad_enabled() else _product
        each = list(zip(gradient, x, weight, strict=True))
        return (
            torch.stack([product(g, w.t()) for g, _, w in each]) if for_x else None,
            torch.stack([product(a.t(), g) for g, a, _ in each]) if for_weight else None,
            gradient.sum(1, keepdim=True) if for_bias else None,
        )
