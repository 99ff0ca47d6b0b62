"""Plain PyTorch layers and functions -> description."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import value_of
from gcn2snn.frontends.layouts import (
    Layout,
    as_image,
    from_image,
    known_sizes,
    layout_of,
    permuted,
    value_with,
    viewed,
)
from gcn2snn.frontends.refusal_reasons import BATCH_STATISTICS, NO_STATISTICS, PRODUCT, QUOTIENT, RANDOM
from gcn2snn.frontends.registry import follows_layouts, lowers, lowers_function, parameter, refuse_pair
from gcn2snn.frontends.torch_masks import relu_by_mask
from gcn2snn.frontends.torch_potentials import product
from gcn2snn.frontends.torch_shapes import lower_unsqueeze

Number = int | float | Tensor | Ref


@lowers(nn.Linear)
@follows_layouts
def lower_linear(builder: Builder, path: str, module: nn.Linear, input: Ref) -> Ref:
    """Y = X W^T + b over the last axis; with more than two axes a convolution of one pixel."""
    return dense(builder, path, input, module.weight, module.bias)


@lowers_function(functional.linear)
@follows_layouts
def lower_linear_function(builder: Builder, path: str, input: Ref, weight: Tensor, bias: Tensor | None = None) -> Ref:
    """Y = X W^T + b with weights of the model."""
    return dense(builder, path, input, weight, bias)


def dense(builder: Builder, path: str, x: Ref, weight: Tensor, bias: Tensor | None = None) -> Ref:
    """A Dense node with copies of weight [out, in] and bias [out]; for [N, ..., C] a convolution of one pixel.

    A convolution that reads [N, C, positions, 1] multiplies each position by the same weights, and keeps the rows.
    """
    constant = None if bias is None else parameter(bias)
    layout = layout_of(builder, builder.as_value(x))
    channels = layout.order[-1]
    if channels == 0:
        why = "acts on the rows, which lie on the last axis here."
        return builder.refuse(path, "linear layer", why, "Move the axes back before.", x)
    if len(builder.shape(layout.base)) == 2:
        name = builder.add(ir.Dense(name=path, inputs=(layout.base,), weight=parameter(weight), bias=constant))
        return value_with(builder, path, name, layout.order)
    image, rest, order = as_image(builder, path, layout.base, channels)
    kernel = parameter(weight)[:, :, None, None]
    pixel = builder.add(ir.Conv(name=path, inputs=(image,), weight=kernel, bias=constant))
    return value_with(builder, path, from_image(builder, path, pixel, rest, order), layout.order)


@lowers(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.Identity)
@follows_layouts
def lower_dropout(builder: Builder, path: str, module: nn.Module, input: Ref) -> Ref:
    """Nothing: the model is in evaluation mode."""
    if module.training and getattr(module, "p", 0) > 0:
        return builder.refuse(path, f"{type(module).__qualname__} in training mode", **RANDOM)
    return input


@lowers_function(
    *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d, torch.dropout),
    *(functional.alpha_dropout, functional.feature_alpha_dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
    *(functional.feature_alpha_dropout, torch.feature_dropout),
)
@follows_layouts
def lower_dropout_function(
    builder: Builder, path: str, input: Ref, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Ref:
    """Nothing, unless the model drops values in evaluation mode too."""
    if training and p > 0:
        return builder.refuse(path, f"dropout(p={p}, training=True)", **RANDOM)
    return input


@lowers(nn.BatchNorm1d)
def lower_batch_norm(builder: Builder, path: str, module: nn.BatchNorm1d, input: Ref) -> Ref:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with running statistics."""
    return batch_norm(builder, path, input, module)


def batch_norm(builder: Builder, path: str, x: Ref, module: Any) -> Ref:
    """A BatchNorm node from a torch batch norm of any dimension; refused without running statistics."""
    if module.running_mean is None or module.running_var is None:
        return builder.refuse(path, "track_running_stats=False", **NO_STATISTICS)
    if module.training:
        return builder.refuse(path, "batch norm in training mode", **BATCH_STATISTICS)
    mean, var = parameter(module.running_mean), parameter(module.running_var)
    if len(builder.shape(x)) == 3:
        pixels = (*known_sizes(builder, x), 1)
        found = batch_norm(builder, path, viewed(builder, f"{path}.image", x, pixels), module)
        return viewed(builder, f"{path}.axes", found, pixels[:2])
    gamma = torch.ones_like(mean) if module.weight is None else parameter(module.weight)
    beta = torch.zeros_like(mean) if module.bias is None else parameter(module.bias)
    return builder.add(ir.BatchNorm(name=path, inputs=(x,), mean=mean, var=var, gamma=gamma, beta=beta, eps=module.eps))


@lowers_function(operator.add, operator.iadd, torch.add, "add", "add_")
@follows_layouts
def lower_add(builder: Builder, path: str, input: Number, other: Number, *, alpha: float = 1.0) -> object:
    """Y = X + alpha Z; both values meet in one membrane, a constant goes into its initial potential."""
    return weighted_sum(builder, path, (input, other), (1.0, float(alpha)))


@lowers_function(operator.sub, operator.isub, torch.sub, "sub", "sub_")
@follows_layouts
def lower_sub(builder: Builder, path: str, input: Number, other: Number, *, alpha: float = 1.0) -> object:
    """Y = X - alpha Z."""
    return weighted_sum(builder, path, (input, other), (1.0, -float(alpha)))


@lowers_function(operator.neg, torch.neg, "neg")
@follows_layouts
def lower_neg(builder: Builder, path: str, input: Ref) -> Ref:
    """Y = -X."""
    return _times(builder, path, input, -1.0)


@lowers_function(sum)
def lower_sum_of_list(builder: Builder, path: str, values: Sequence[Ref], start: object = 0) -> object:
    """Y = sum of several values, as Python's sum gives it."""
    return weighted_sum(builder, path, tuple(values), (1.0,) * len(values))


def weighted_sum(builder: Builder, path: str, values: Sequence[Number], coefficients: Sequence[float]) -> object:
    """Y = sum_i c_i X_i; numbers, and constants that are the same for each row, become the bias."""
    layouts = [layout_of(builder, v) for v in values if isinstance(v, Ref)]
    weights = tuple(c for v, c in zip(values, coefficients, strict=True) if isinstance(v, Ref))
    order = layouts[0].order
    if any(layout.order != order for layout in layouts[1:]):
        builder.refuse_held([v for v in values if isinstance(v, Ref)])
        return builder.unknown(path)
    names = [layout.base for layout in layouts]
    constants = [(c, v) for v, c in zip(values, coefficients, strict=True) if not isinstance(v, Ref)]
    sizes: list[int] | None = None
    first = next(v for v in values if isinstance(v, Ref))
    bias = _bias(builder, first, constants, constant_of_channel)
    if constants and bias is None:
        bias = _bias(builder, first, constants, lambda b, x, c: constant_of_row(b, layout_of(b, x), c))
        if bias is None:
            return _refuse_constant(builder, path, "sum", constants[0][1], first)
        sizes = known_sizes(builder, names[0])
        names = [viewed(builder, f"{path}.flat", name, (bias.numel(),)) for name in names]
    if len(names) == 1 and weights == (1.0,) and (bias is None or not bool(bias.any())):
        return first
    found = builder.add(ir.Add(name=path, inputs=tuple(names), coefficients=weights, bias=bias))
    return value_with(builder, path, found if sizes is None else viewed(builder, path, found, sizes), order)


def _bias(
    builder: Builder,
    x: Ref,
    constants: Sequence[tuple[float, int | float | Tensor]],
    read: Callable[[Builder, Ref, int | float | Tensor], Tensor | None],
) -> Tensor | None:
    """The sum of constants as ``read`` gives them; None where there are none, or one of them is no such constant."""
    total: Tensor | None = None
    for coefficient, value in constants:
        vector = read(builder, x, value)
        if vector is None:
            return None
        total = coefficient * vector if total is None else total + coefficient * vector
    return total


def constant_of_channel(builder: Builder, x: Ref, constant: int | float | Tensor) -> Tensor | None:
    """As :func:`per_channel`; only numbers for values whose rows are elsewhere."""
    if builder.held(x) is None:
        return per_channel(builder, x, constant)
    base = layout_of(builder, x).base
    return per_channel(builder, base, constant) if torch.as_tensor(constant).numel() == 1 else None


def constant_of_row(builder: Builder, layout: Layout, constant: int | float | Tensor) -> Tensor | None:
    """A constant that is the same for each row, as one number for each value of a row [values]; None if it is not that."""
    try:
        sizes = known_sizes(builder, layout.base)
        shape = [1 if axis == 0 else sizes[axis - 1] for axis in layout.order]
        whole = torch.as_tensor(constant).detach().expand(shape)
    except (LookupError, RuntimeError):
        return None
    whole = whole if whole.is_floating_point() else whole.to(torch.get_default_dtype())
    back = sorted(range(len(shape)), key=lambda axis: layout.order[axis])
    return whole.permute(back).reshape(-1).clone()


@lowers_function(operator.mul, operator.imul, torch.mul, "mul", "mul_")
@follows_layouts
def lower_mul(builder: Builder, path: str, input: Number, other: Number) -> object:
    """Y = c X with a number c, or constants that are the same for each row; x * (x > 0) is a ReLU; of two results see
    ``torch_potentials.py``."""
    if (relu := relu_by_mask(builder, path, input, other)) is not None:
        return relu
    value, factor = (input, other) if isinstance(input, Ref) else (other, input)
    if isinstance(factor, Ref):
        late = product(builder, path, ir.Hadamard, value, factor)
        return refuse_pair(builder, path, "multiplication", (value, factor), PRODUCT) if late is None else late
    assert isinstance(value, Ref)
    return _times(builder, path, value, factor)


@lowers_function(operator.truediv, operator.itruediv, torch.div, "div", "div_")
@follows_layouts
def lower_div(builder: Builder, path: str, input: Number, other: Number) -> object:
    """Y = X / c."""
    if isinstance(other, Ref):
        return refuse_pair(builder, path, "division", (input, other), QUOTIENT)
    assert isinstance(input, Ref)
    return _times(builder, path, input, 1.0 / other)


def _times(builder: Builder, path: str, x: Ref, factor: int | float | Tensor) -> Any:
    layout = layout_of(builder, x)
    if not isinstance(factor, Tensor) or factor.numel() == 1:
        number = factor.detach() if isinstance(factor, Tensor) else factor
        return value_with(builder, path, scaled(builder, path, layout.base, float(number)), layout.order)
    vector = per_channel(builder, x, factor)
    base = layout.base
    if vector is None or len(builder.shape(x)) not in (2, 4):
        vector = constant_of_row(builder, layout, factor)
        if vector is None:
            return _refuse_constant(builder, path, "multiplication", factor, x)
        base = viewed(builder, f"{path}.flat", base, (vector.numel(), 1, 1))
    zero, one = torch.zeros_like(vector), torch.ones_like(vector)
    found = builder.add(
        ir.BatchNorm(name=path, inputs=(base,), mean=zero, var=one, gamma=vector, beta=zero.clone(), eps=0.0)
    )
    return value_with(builder, path, viewed(builder, path, found, known_sizes(builder, layout.base)), layout.order)


def scaled(builder: Builder, path: str, x: Ref, factor: float) -> Ref:
    """Y = c X; the value itself for c = 1."""
    return x if factor == 1.0 else builder.add(ir.Add(name=path, inputs=(x,), coefficients=(factor,)))


def per_channel(builder: Builder, x: Ref, constant: int | float | Tensor) -> Tensor | None:
    """A constant as one number per channel of x [C], or None if it is not that."""
    shape = builder.shape(x)
    channels = shape[1]
    if channels is None:
        return None
    vector = torch.as_tensor(constant)
    vector = vector.detach().to(torch.get_default_dtype()) if not vector.is_floating_point() else vector.detach()
    wanted = [channels if axis == 1 else 1 for axis in range(len(shape))]
    padded = [1] * (len(shape) - vector.dim()) + list(vector.shape)
    if vector.numel() != 1 and padded != wanted:
        return None
    return vector.reshape(-1).expand(channels).clone()


def _refuse_constant(builder: Builder, path: str, what: str, constant: object, value: Ref) -> Ref:
    size = list(constant.shape) if isinstance(constant, Tensor) else type(constant).__name__
    return builder.refuse(path, what, f"has a constant of {size}.", "Use a number, or one number per channel.", value)


@lowers_function(torch.cat, torch.concat, torch.concatenate)
@follows_layouts
def lower_cat(builder: Builder, path: str, tensors: Sequence[Operand], dim: int = 0, *, axis: int | None = None) -> Ref:
    """Channels, or pixels, side by side; tensors of the model, such as learned node features, among them."""
    where = dim if axis is None else axis
    tables = [t for t in tensors if not isinstance(t, Ref)]
    if any(table.dim() != 2 for table in tables):
        return builder.refuse(path, "cat", "puts an image of the model beside the channels.", "Use vectors.", tensors)
    values = [builder.as_value(value_of(builder, f"{path}.constant", t)) for t in tensors]
    layouts = [layout_of(builder, value) for value in values]
    order = layouts[0].order
    if any(layout.order != order for layout in layouts[1:]):
        builder.refuse_held(values)
        return builder.unknown(path)
    along = order[range(len(order))[where]]
    if along == 0:
        return builder.refuse(path, f"cat(dim={where})", "joins rows, not channels.", "Use dim=1.", tensors)
    forth = tuple({1: along, along: 1}.get(axis, axis) for axis in range(len(builder.shape(layouts[0].base))))
    parts = tuple(permuted(builder, f"{path}.{k}", layout.base, forth) for k, layout in enumerate(layouts))
    joined = builder.add(ir.Concat(name=path, inputs=parts))
    return value_with(builder, path, permuted(builder, path, joined, forth), order)


@lowers_function(torch.hstack)
@follows_layouts
def lower_hstack(builder: Builder, path: str, tensors: Sequence[Operand]) -> Ref:
    """Channels side by side."""
    return lower_cat(builder, path, tensors, 1)


@lowers_function(torch.stack)
@follows_layouts
def lower_stack(builder: Builder, path: str, tensors: Sequence[Operand], dim: int = 0) -> Ref:
    """Several values along an axis of their own, to be added up or compared along it."""
    values = [value_of(builder, f"{path}.constant", t) for t in tensors]
    dims = len(builder.shape(values[0])) + 1
    axis = range(dims)[dim]
    return lower_cat(
        builder, path, [lower_unsqueeze(builder, f"{path}.{k}", v, axis) for k, v in enumerate(values)], axis
    )
