"""Activations of PyTorch -> the activation of a population (``ir/activations.py``); those with no population are refused
in ``torch_refusals.py``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.layouts import known_sizes, layout_of, permuted, value_with, viewed
from gcn2snn.frontends.registry import follows_layouts, lowers, lowers_function

Bound = float | Tensor | Ref | None
"""An end of a clamp: a number, a tensor that holds one, or what cannot be an end; None where there is no end."""


@lowers(nn.ReLU)
@follows_layouts
def lower_relu(builder: Builder, path: str, module: nn.ReLU, input: Ref) -> Ref:
    """Y = max(X, 0): becomes a neuron population."""
    return lower_relu_function(builder, path, input)


@lowers_function(torch.relu, torch.relu_, functional.relu, functional.relu_, "relu", "relu_")
@follows_layouts
def lower_relu_function(builder: Builder, path: str, input: Ref, inplace: bool = False) -> Ref:
    """Y = max(X, 0) in its functional forms."""
    layout = layout_of(builder, builder.as_value(input))
    return value_with(builder, path, population(builder, path, layout.base, ir.RELU), layout.order)


def population(builder: Builder, path: str, x: Ref, activation: ir.Activation) -> Ref:
    """An activation of a value with rows on axis 0: neurons of channels, or of channels and pixels.

    The activation of other arrangements is that of the value they were made of, arranged alike: so channels stay on axis 1,
    where scales are measured, and neurons have two axes or four.
    """
    node = builder.nodes.get(x)
    if isinstance(node, ir.View | ir.Permute):
        before = population(builder, path, Ref(node.inputs[0]), activation)
        if isinstance(node, ir.View):
            return viewed(builder, f"{path}.view", before, node.sizes)
        return permuted(builder, f"{path}.permute", before, node.order)
    sizes = builder.shape(x)[1:]
    if len(sizes) in (1, 3) or None in sizes:
        return builder.add(ir.Relu(name=path, inputs=(x,), activation=activation))
    image = viewed(builder, f"{path}.image", x, (known_sizes(builder, x)[0], math.prod(known_sizes(builder, x)[1:]), 1))
    return viewed(
        builder,
        f"{path}.axes",
        builder.add(ir.Relu(name=path, inputs=(image,), activation=activation)),
        known_sizes(builder, x),
    )


@lowers(nn.ReLU6, nn.Hardtanh)
def lower_hardtanh(builder: Builder, path: str, module: nn.Hardtanh, input: Ref) -> Ref:
    """Y = min(max(X, 0), c): becomes a population that sends at most c. Hardtanh with another lower end than 0 is refused."""
    what = f"{type(module).__name__}({module.min_val:g}, {module.max_val:g})"
    return _clamped(builder, path, what, input, module.min_val, module.max_val)


@lowers_function(functional.relu6)
def lower_relu6_function(builder: Builder, path: str, input: Ref, inplace: bool = False) -> Ref:
    """Y = min(max(X, 0), 6)."""
    return _clamped(builder, path, "relu6", input, 0.0, 6.0)


@lowers_function(functional.hardtanh, functional.hardtanh_)
def lower_hardtanh_function(
    builder: Builder, path: str, input: Ref, min_val: Bound = -1.0, max_val: Bound = 1.0, inplace: bool = False
) -> Ref:
    """Y = min(max(X, 0), c)."""
    what = f"hardtanh({_printed(min_val)}, {_printed(max_val)})"
    return _clamped(builder, path, what, input, min_val, max_val)


@lowers_function(torch.clamp, torch.clamp_, torch.clip, torch.clip_, "clamp", "clamp_", "clip", "clip_")
def lower_clamp(builder: Builder, path: str, input: Ref, min: Bound = None, max: Bound = None) -> Ref:
    """clamp(min=0) is a ReLU, clamp(min=0, max=c) one with a cap."""
    return _clamped(builder, path, f"clamp(min={_printed(min)}, max={_printed(max)})", input, min, max)


@lowers_function(torch.clamp_min, torch.clamp_min_, "clamp_min", "clamp_min_")
def lower_clamp_min(builder: Builder, path: str, input: Ref, min: Bound) -> Ref:
    """clamp_min(0) is a ReLU."""
    return lower_clamp(builder, path, input, min)


@lowers_function(torch.clamp_max, torch.clamp_max_, "clamp_max", "clamp_max_")
def lower_clamp_max(builder: Builder, path: str, input: Ref, max: Bound) -> Ref:
    """clamp_max(c) behind a ReLU is its cap."""
    return lower_clamp(builder, path, input, None, max)


def _clamped(builder: Builder, path: str, what: str, x: Ref, low: Bound, high: Bound) -> Ref:
    """min(max(x, low), high) as a population: low is 0, or anything below where x is the result of a ReLU."""
    least, most = _number(low, -math.inf), _number(high, math.inf)
    before = builder.nodes.get(x)
    if least <= 0 and 0 < most < math.inf and isinstance(before, ir.Relu):
        # One population instead of two in a row; the first goes away if nothing else reads it.
        cap = most if before.activation.cap is None else min(most, before.activation.cap)
        return builder.add(ir.Relu(name=path, inputs=before.inputs, activation=ir.Activation(cap=cap)))
    if least == 0 and most > 0:
        activation = ir.RELU if most == math.inf else ir.Activation(cap=most)
        return population(builder, path, x, activation)
    why = "is no ReLU, with or without a cap: a neuron that fires at most once sends 0 and values up to a positive number."
    return builder.refuse(path, what, why, "Use min=0, and a positive number or nothing as max.")


def _number(bound: Bound, missing: float) -> float:
    """The end of a clamp; NaN, which equals nothing, where it is not one number that is known now."""
    if bound is None:
        return missing
    if isinstance(bound, Tensor):
        return float(bound.detach()) if bound.numel() == 1 else math.nan
    return math.nan if isinstance(bound, Ref) else float(bound)


def _printed(bound: Bound) -> str:
    if isinstance(bound, Ref):
        return "a value of the network"
    return f"tensor {list(bound.shape)}" if isinstance(bound, Tensor) and bound.numel() != 1 else str(bound)
