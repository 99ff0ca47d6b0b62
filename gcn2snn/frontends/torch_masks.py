"""ReLUs in other words -> description: where(x > 0, x, 0), x * (x > 0), threshold(x, 0, 0), leaky_relu(x, 0), and constants
in the shape of a value."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.axis_reductions import at_least
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import add
from gcn2snn.frontends.refusal_reasons import NOT_RELU
from gcn2snn.frontends.registry import follows_layouts, lowers, lowers_function


@dataclass(frozen=True)
class Mask:
    """Where a value is above 0, or below; what it says at 0 itself changes nothing."""

    value: Ref
    above: bool


def _comparison(builder: Builder, path: str, x: Any, other: object, above: bool) -> Ref:
    if not isinstance(x, Ref):
        x, other, above = other, x, not above
    if builder.refuse_held((x, other)):
        return builder.unknown(path)
    why = "compares values of the network, which no spike carries on."
    instead = "Use ReLU; known are also torch.where(x > 0, x, 0) and x * (x > 0)."
    refusal = Refusal(path or "model", "comparison", why, instead, "unknown")
    if _is_zero(builder, other):
        return builder.hold(path, builder.shape(x), builder.rows(x), Mask(builder.as_value(x), above), refusal)
    return builder.refuse(path, refusal.what, why, instead, (x, other))


@lowers_function(operator.gt, operator.ge, torch.gt, torch.ge, torch.greater, torch.greater_equal, "gt", "ge")
@follows_layouts
def lower_above(builder: Builder, path: str, input: object, other: object) -> Ref:
    """Where a value is above 0, for a ReLU in other words."""
    return _comparison(builder, path, input, other, True)


@lowers_function(operator.lt, operator.le, torch.lt, torch.le, torch.less, torch.less_equal, "lt", "le")
@follows_layouts
def lower_below(builder: Builder, path: str, input: object, other: object) -> Ref:
    """Where a value is below 0, for a ReLU in other words."""
    return _comparison(builder, path, input, other, False)


def _is_zero(builder: Builder, value: object) -> bool:
    """Whether something is 0 everywhere, in every call."""
    if isinstance(value, Ref):
        node = builder.nodes.get(value)
        return isinstance(node, ir.Add) and not any(node.coefficients) and node.bias is None
    if isinstance(value, Tensor):
        return value.numel() == 1 and not bool(value.any())
    return isinstance(value, int | float) and value == 0


@lowers_function(torch.where)
@follows_layouts
def lower_where(builder: Builder, path: str, condition: object, input: object = None, other: object = None) -> Ref:
    """where(x > 0, x, 0) is a ReLU."""
    mask = builder.held(condition)
    if isinstance(mask, Mask):
        kept, rest = (input, other) if mask.above else (other, input)
        if isinstance(kept, Ref) and kept == mask.value and _is_zero(builder, rest):
            return builder.add(ir.Relu(name=path, inputs=(mask.value,)))
    why = "chooses between values by a condition, which no neuron does but its own threshold."
    return builder.refuse(path, "where", why, "Use ReLU; where(x > 0, x, 0) is one.", kind="unknown")


@lowers_function("where")
@follows_layouts
def lower_where_method(builder: Builder, path: str, input: object, condition: object, other: object) -> Ref:
    """x.where(x > 0, 0) is a ReLU."""
    return lower_where(builder, path, condition, input, other)


@lowers_function(torch.masked_fill, "masked_fill", "masked_fill_")
@follows_layouts
def lower_masked_fill(builder: Builder, path: str, input: object, mask: object, value: object) -> Ref:
    """x.masked_fill(x < 0, 0) is a ReLU."""
    return lower_where(builder, path, mask, value, input)


def relu_by_mask(builder: Builder, path: str, first: object, second: object) -> Ref | None:
    """x * (x > 0) as a ReLU; None for any other product."""
    for value, condition in ((first, second), (second, first)):
        mask = builder.held(condition)
        if isinstance(mask, Mask) and mask.above and isinstance(value, Ref) and value == mask.value:
            return builder.add(ir.Relu(name=path, inputs=(value,)))
    return None


@lowers_function(functional.threshold, torch.threshold, functional.threshold_, torch.threshold_)  # type: ignore[attr-defined]
def lower_threshold_function(
    builder: Builder, path: str, input: Ref, threshold: float, value: float, inplace: bool = False
) -> Ref:
    """threshold(x, c, c) = max(x, c); with 0 a ReLU."""
    if threshold != value:
        why = "jumps at its threshold; a population sends max(x, 0)."
        return builder.refuse(path, f"threshold({threshold}, {value})", why, "Use one number for both, or ReLU.", input)
    return at_least(builder, path, input, float(value))


@lowers(nn.Threshold)
def lower_threshold(builder: Builder, path: str, module: nn.Threshold, input: Ref) -> Ref:
    """max(x, c) where threshold and value are one number c; with 0 a ReLU."""
    return lower_threshold_function(builder, path, input, module.threshold, module.value)


@lowers_function(functional.leaky_relu, functional.leaky_relu_)
def lower_leaky_relu_function(
    builder: Builder, path: str, input: Ref, negative_slope: float = 0.01, inplace: bool = False
) -> Ref:
    """A ReLU where the slope is 0; refused otherwise."""
    if negative_slope != 0:
        return builder.refuse(path, f"leaky_relu({negative_slope})", **NOT_RELU)
    return builder.add(ir.Relu(name=path, inputs=(input,)))


@lowers(nn.LeakyReLU)
def lower_leaky_relu(builder: Builder, path: str, module: nn.LeakyReLU, input: Ref) -> Ref:
    """A ReLU where the slope is 0; refused otherwise."""
    if module.negative_slope != 0:
        return builder.refuse(path, "LeakyReLU", **NOT_RELU)
    return builder.add(ir.Relu(name=path, inputs=(input,)))


@lowers_function(torch.zeros_like, torch.ones_like, torch.full_like)
def lower_constant_like(
    builder: Builder, path: str, input: Ref, fill_value: float | None = None, **more: object
) -> Ref:
    """A constant in the shape of a value: nothing of the value, and the constant as a bias."""
    number = float(("ones" in path.rsplit(".", 1)[-1]) if fill_value is None else fill_value)
    channels = builder.shape(builder.as_value(input))[1]
    assert channels is not None
    bias = None if number == 0 else torch.full((channels,), number)
    return add(builder, path, (input,), (0.0,), bias, name="constant")
