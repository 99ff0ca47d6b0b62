"""Sums, means and maxima over the axes of a value that are not its rows -> description; pooling with windows as wide as the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import add, maximum
from gcn2snn.frontends.layouts import known_sizes, layout_of, permuted, value_with, viewed
from gcn2snn.frontends.registry import follows_layouts, lowers_function
from gcn2snn.frontends.torch_shapes import lower_unsqueeze

Dims = int | Sequence[int] | None


class Largest(NamedTuple):
    """What torch gives for a maximum over one axis."""

    values: Ref
    indices: Ref


@lowers_function(torch.mean, "mean")
@follows_layouts
def lower_mean(builder: Builder, path: str, input: Ref, dim: Dims = None, keepdim: bool = False) -> Ref:
    """Mean over axes of each row's values, such as height and width."""
    return _reduced(builder, path, input, dim, keepdim, "mean")


@lowers_function(torch.sum, "sum")
@follows_layouts
def lower_sum(builder: Builder, path: str, input: Ref, dim: Dims = None, keepdim: bool = False) -> Ref:
    """Sum over axes of each row's values, such as those of a stack."""
    return _reduced(builder, path, input, dim, keepdim, "sum")


@lowers_function(torch.amax, "amax")
@follows_layouts
def lower_amax(builder: Builder, path: str, input: Ref, dim: Dims = None, keepdim: bool = False) -> Ref:
    """Largest over axes of each row's values: the earliest spike wins."""
    return _reduced(builder, path, input, dim, keepdim, "amax")


@lowers_function(torch.amin, "amin")
@follows_layouts
def lower_amin(builder: Builder, path: str, input: Ref, dim: Dims = None, keepdim: bool = False) -> Ref:
    """Smallest over axes of each row's values, as min(x) = -max(-x)."""
    layout = layout_of(builder, builder.as_value(input))
    base = add(builder, path, (layout.base,), (-1.0,), name="negative")
    turned = value_with(builder, f"{path}.negative", base, layout.order)
    least = layout_of(builder, _reduced(builder, f"{path}.max", turned, dim, keepdim, "amax"))
    return value_with(builder, path, add(builder, path, (least.base,), (-1.0,), name="minimum"), least.order)


@lowers_function(torch.maximum, "maximum", torch.max, "max")
@follows_layouts
def lower_maximum(
    builder: Builder, path: str, input: Any, other: object = None, *, dim: int | None = None, keepdim: bool = False
) -> object:
    """Y = max(X, Z) of two values or of a value and a number, by a ReLU: max(a, b) = a + ReLU(b - a); or over one axis."""
    if isinstance(other, int) and not isinstance(other, bool) and dim is None:
        dim, other = other, None
    if other is not None:
        return _larger(builder, path, input, other)
    if dim is None:
        return _reduced(builder, path, input, None, keepdim, "max")
    values = _reduced(builder, path, input, dim, keepdim, "max")
    why = "are numbers of places, which no spike carries."
    refusal = Refusal(path or "model", "indices of a maximum", why, "Use the values only: x.amax(dim).", "unknown")
    return Largest(
        values, builder.hold(f"{path}.indices", builder.shape(values), builder.rows(values), "indices", refusal)
    )


@lowers_function(torch.minimum, "minimum", torch.min, "min")
def lower_minimum(builder: Builder, path: str, input: object, other: object = None) -> Ref:
    """Y = min(X, Z) of two values: -max(-X, -Z)."""
    if not (isinstance(input, Ref) and isinstance(other, Ref)):
        why = "takes a minimum that no population knows."
        return builder.refuse(path, "minimum", why, "Use the minimum of two values, or x.amin(dim).", (input, other))
    negative = [add(builder, path, (value,), (-1.0,), name="negative") for value in (input, other)]
    return add(builder, path, (maximum(builder, path, negative),), (-1.0,), name="minimum")


def _larger(builder: Builder, path: str, input: object, other: Any) -> Ref:
    if builder.refuse_held((input, other)):
        return builder.unknown(path)
    if isinstance(input, Ref) and isinstance(other, Ref):
        return maximum(builder, path, (input, other))
    value, constant = (input, other) if isinstance(input, Ref) else (other, input)
    if not isinstance(constant, torch.Tensor) or constant.numel() != 1:
        why = "takes a maximum with a constant of several numbers, which no population knows."
        return builder.refuse(path, "maximum", why, "Use ReLU, or the maximum of two values.", value)
    return at_least(builder, path, value, float(constant))


def at_least(builder: Builder, path: str, x: Ref, number: float) -> Ref:
    """max(x, c) = ReLU(x - c) + c."""
    if number == 0:
        return builder.add(ir.Relu(name=path, inputs=(x,)))
    channels = builder.shape(x)[1]
    assert channels is not None
    shift = torch.full((channels,), number)
    relu = builder.add(ir.Relu(name=path, inputs=(add(builder, path, (x,), None, -shift, name="below"),)))
    return add(builder, path, (relu,), None, shift, name="above")


def _reduced(builder: Builder, path: str, x: Ref, dim: Dims, keepdim: bool, kind: str) -> Ref:
    layout = layout_of(builder, builder.as_value(x))
    count = len(layout.order)
    asked = range(count) if dim is None or dim == () else [dim] if isinstance(dim, int) else list(dim)
    axes = sorted(range(count)[d] for d in asked)
    gone = [layout.order[axis] for axis in axes]
    sizes = known_sizes(builder, layout.base)
    if 0 in gone:
        why = "is over the rows, so that it is one value for all nodes or samples of a call."
        instead = (
            "Use a pooling layer for the nodes of graphs (global_add_pool), or mean((2, 3)) for the pixels of images."
        )
        return builder.refuse(path, f"{kind}(dim={dim})", why, instead, x)
    window = [sizes[axis - 1] for axis in gone]
    kept = [axis for axis in layout.order if axis not in gone]
    if len(sizes) == 3 and sorted(gone) == [2, 3]:
        image, kernel = layout.base, (sizes[1], sizes[2])
    else:
        order = (0, *(axis for axis in kept if axis), *gone)
        moved = permuted(builder, f"{path}.axes", layout.base, order)
        rest = math.prod(sizes[axis - 1] for axis in kept if axis)
        image, kernel = viewed(builder, f"{path}.windows", moved, (rest, math.prod(window), 1)), (math.prod(window), 1)
    pool = ir.MaxPool if "max" in kind else ir.AvgPool
    found = (
        image
        if kernel == (1, 1)
        else builder.add(pool(name=f"{path}.{kind}", inputs=(image,), kernel=kernel, stride=kernel))
    )
    if kind == "sum":
        found = add(builder, path, (found,), (float(math.prod(window)),), name="total")
    left = [sizes[axis - 1] for axis in kept if axis]
    value = viewed(builder, path, found, left or [1])
    place = kept.index(0)
    places = list(range(1, len(left) + 1))
    result = value_with(builder, path, value, (*places[:place], 0, *places[place:]))
    for axis in axes if keepdim else ():
        result = lower_unsqueeze(builder, path, result, axis)
    return result
