"""Plain PyTorch layers and functions -> description."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import maximum, value_of
from gcn2snn.frontends.refusal_reasons import BATCH_STATISTICS, NO_STATISTICS, RANDOM
from gcn2snn.frontends.registry import lowers, lowers_function, parameter

Number = int | float | Tensor | Ref


@lowers(nn.Linear)
def lower_linear(builder: Builder, path: str, module: nn.Linear, input: Ref) -> Ref:
    """Y = X W^T + b."""
    return dense(builder, path, input, module.weight, module.bias)


@lowers_function(functional.linear)
def lower_linear_function(builder: Builder, path: str, input: Ref, weight: Tensor, bias: Tensor | None = None) -> Ref:
    """Y = X W^T + b with weights of the model."""
    return dense(builder, path, input, weight, bias)


def dense(builder: Builder, path: str, x: Ref, weight: Tensor, bias: Tensor | None = None) -> Ref:
    """A Dense node with copies of weight [out, in] and bias [out]."""
    if isinstance(x, Ref) and len(builder.shape(x)) != 2:
        why = f"acts on the last of {len(builder.shape(x))} axes, and values of the network have their channels on axis 1."
        return builder.refuse(path, "linear layer", why, "Pass rows [N, C], such as x.flatten(0, -2).", x)
    constant = None if bias is None else parameter(bias)
    return builder.add(ir.Dense(name=path, inputs=(x,), weight=parameter(weight), bias=constant))


@lowers(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)
def lower_dropout(
    builder: Builder, path: str, module: nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Identity, input: Ref
) -> Ref:
    """Nothing: the model is in evaluation mode."""
    if module.training and not isinstance(module, nn.Identity) and module.p > 0:
        return builder.refuse(path, f"{type(module).__qualname__} in training mode", **RANDOM)
    return input


@lowers_function(functional.dropout, functional.dropout1d, functional.dropout2d, torch.dropout)
def lower_dropout_function(
    builder: Builder, path: str, input: Ref, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Ref:
    """Nothing, unless the model drops values in evaluation mode too."""
    if training and p > 0:
        return builder.refuse(path, f"dropout(p={p}, training=True)", **RANDOM)
    return input


@lowers_function("float")
def lower_float(builder: Builder, path: str, input: Ref) -> Ref:
    """Nothing; whole numbers that the caller passes, such as the bytes of an image, become values of the network."""
    return builder.as_value(input)


@lowers_function("contiguous", "clone", "detach", torch.clone)
def lower_nothing(builder: Builder, path: str, input: Ref, *args: Any, **kwargs: Any) -> Ref:
    """Nothing: the values stay as they are."""
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
    gamma = torch.ones_like(mean) if module.weight is None else parameter(module.weight)
    beta = torch.zeros_like(mean) if module.bias is None else parameter(module.bias)
    return builder.add(ir.BatchNorm(name=path, inputs=(x,), mean=mean, var=var, gamma=gamma, beta=beta, eps=module.eps))


@lowers_function(operator.add, operator.iadd, torch.add, "add", "add_")
def lower_add(builder: Builder, path: str, input: Number, other: Number, *, alpha: float = 1.0) -> Any:
    """Y = X + alpha Z; both values meet in one membrane, a constant goes into its initial potential."""
    return weighted_sum(builder, path, (input, other), (1.0, float(alpha)))


@lowers_function(operator.sub, operator.isub, torch.sub, "sub", "sub_")
def lower_sub(builder: Builder, path: str, input: Number, other: Number, *, alpha: float = 1.0) -> Any:
    """Y = X - alpha Z."""
    return weighted_sum(builder, path, (input, other), (1.0, -float(alpha)))


@lowers_function(operator.neg, torch.neg, "neg")
def lower_neg(builder: Builder, path: str, input: Ref) -> Ref:
    """Y = -X."""
    return scaled(builder, path, input, -1.0)


@lowers_function(sum)
def lower_sum_of_list(builder: Builder, path: str, values: Sequence[Ref], start: Any = 0) -> Any:
    """Y = sum of several values, as Python's sum gives it."""
    return weighted_sum(builder, path, tuple(values), (1.0,) * len(values))


def weighted_sum(builder: Builder, path: str, values: Sequence[Number], coefficients: Sequence[float]) -> Any:
    """Y = sum_i c_i X_i; numbers and vectors of one value per channel become the bias."""
    names = [v for v in values if isinstance(v, Ref)]
    weights = tuple(c for v, c in zip(values, coefficients, strict=True) if isinstance(v, Ref))
    bias: Tensor | None = None
    for value, coefficient in zip(values, coefficients, strict=True):
        if not isinstance(value, Ref):
            vector = per_channel(builder, names[0], value)
            if vector is None:
                return _refuse_constant(builder, path, "sum", value, names[0])
            bias = coefficient * vector if bias is None else bias + coefficient * vector
    if len(names) == 1 and weights == (1.0,) and (bias is None or not bool(bias.any())):
        return names[0]
    return builder.add(ir.Add(name=path, inputs=tuple(names), coefficients=weights, bias=bias))


@lowers_function(torch.maximum, "maximum", torch.max, "max")
def lower_maximum(builder: Builder, path: str, input: Ref, other: Any = None, **reduced: Any) -> Ref:
    """Y = max(X, Z) of two values, by a ReLU: max(a, b) = a + ReLU(b - a)."""
    if not isinstance(other, Ref | Tensor) or reduced:
        why = "reduces over an axis in a way no handler knows."
        instead = "Use a pooling layer (global_max_pool, nn.MaxPool2d), or the maximum of two values."
        return builder.refuse(path, "max", why, instead, input)
    if not (isinstance(input, Ref) and isinstance(other, Ref)):
        why = "takes a maximum with a constant, which no population knows."
        return builder.refuse(path, "maximum", why, "Use ReLU, or the maximum of two values.")
    return maximum(builder, path, (input, other))


@lowers_function(operator.mul, operator.imul, torch.mul, "mul", "mul_")
def lower_mul(builder: Builder, path: str, input: Number, other: Number) -> Any:
    """Y = c X with a number c, or one number per channel."""
    value, factor = (input, other) if isinstance(input, Ref) else (other, input)
    if isinstance(factor, Ref):
        why = "multiplies two values of the network; a spike only adds its weight."
        return builder.refuse(path, "multiplication", why, "Multiply by constants only.", kind="impossible")
    assert isinstance(value, Ref)
    return _times(builder, path, value, factor)


@lowers_function(operator.truediv, operator.itruediv, torch.div, "div", "div_")
def lower_div(builder: Builder, path: str, input: Number, other: Number) -> Any:
    """Y = X / c."""
    if isinstance(other, Ref):
        why, instead = "divides by a value of the network.", "Divide by constants only."
        return builder.refuse(path, "division", why, instead, kind="impossible")
    assert isinstance(input, Ref)
    return _times(builder, path, input, 1.0 / other)


def _times(builder: Builder, path: str, x: Ref, factor: int | float | Tensor) -> Any:
    if not isinstance(factor, Tensor) or factor.numel() == 1:
        number = factor.detach() if isinstance(factor, Tensor) else factor
        return scaled(builder, path, x, float(number))
    vector = per_channel(builder, x, factor)
    if vector is None:
        return _refuse_constant(builder, path, "multiplication", factor, x)
    zero, one = torch.zeros_like(vector), torch.ones_like(vector)
    return builder.add(
        ir.BatchNorm(name=path, inputs=(x,), mean=zero, var=one, gamma=vector, beta=zero.clone(), eps=0.0)
    )


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


def _refuse_constant(builder: Builder, path: str, what: str, constant: Any, value: Ref) -> Ref:
    size = list(constant.shape) if isinstance(constant, Tensor) else type(constant).__name__
    return builder.refuse(path, what, f"has a constant of {size}.", "Use a number, or one number per channel.", value)


@lowers_function(torch.cat, torch.concat, torch.concatenate)
def lower_cat(builder: Builder, path: str, tensors: Sequence[Operand], dim: int = 0, *, axis: int | None = None) -> Ref:
    """Channels side by side; tensors of the model, such as learned node features, among them."""
    where = dim if axis is None else axis
    dims = len(builder.shape(tensors[0])) if isinstance(tensors[0], Ref) else tensors[0].dim()
    if where % dims != 1:
        return builder.refuse(path, f"cat(dim={where})", "joins rows, not channels.", "Use dim=1.", tensors)
    tables = [t for t in tensors if not isinstance(t, Ref)]
    if any(table.dim() != 2 for table in tables):
        return builder.refuse(path, "cat", "puts an image of the model beside the channels.", "Use vectors.", tensors)
    return builder.add(ir.Concat(name=path, inputs=tuple(value_of(builder, f"{path}.constant", t) for t in tensors)))


@lowers_function(torch.flatten, "flatten")
def lower_flatten_function(builder: Builder, path: str, input: Ref, start_dim: int = 0, end_dim: int = -1) -> Ref:
    """[N, C, ...] -> [N, C * ...]."""
    dims = len(builder.shape(input))
    if start_dim != 1 or end_dim % dims != dims - 1:
        why = "does not keep the batch axis and flatten all others."
        return builder.refuse(path, f"flatten({start_dim}, {end_dim})", why, "Use flatten(x, 1).", input)
    return input if dims == 2 else builder.add(ir.Flatten(name=path, inputs=(input,)))


@lowers(nn.Flatten)
def lower_flatten(builder: Builder, path: str, module: nn.Flatten, input: Ref) -> Ref:
    """[N, C, ...] -> [N, C * ...]."""
    return lower_flatten_function(builder, path, input, module.start_dim, module.end_dim)
