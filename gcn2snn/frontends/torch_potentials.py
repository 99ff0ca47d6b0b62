"""What models do with the results of their last layers -> nodes behind the outputs: products of two embeddings, a sigmoid.

None of it becomes spikes. Each step is a stand-in (``Builder.read_out``) that belongs to the model's result or is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.layouts import Layout, is_value, layout_of
from gcn2snn.frontends.refusal_reasons import PRODUCT, SATURATES
from gcn2snn.frontends.registry import (
    FUNCTIONS,
    follows_layouts,
    lowers,
    lowers_function,
    parameter,
    reads_potentials,
    refuse_pair,
)

ARRANGING = (
    *("squeeze", "view", "reshape", "flatten", "unsqueeze"),
    *(torch.squeeze, torch.reshape, torch.flatten, torch.unsqueeze),
)
"""Steps that make a vector of a column of scores, or a column of a vector."""


@lowers(nn.Sigmoid)
@follows_layouts
def lower_sigmoid(builder: Builder, path: str, module: nn.Sigmoid, input: Ref) -> Ref:
    """Y = 1 / (1 + exp(-X)) of potentials at the very end; refused elsewhere."""
    return lower_sigmoid_function(builder, path, input)


@reads_potentials(torch.sigmoid, functional.sigmoid, "sigmoid")
@lowers_function(torch.sigmoid, functional.sigmoid, "sigmoid")
@follows_layouts
def lower_sigmoid_function(builder: Builder, path: str, input: Ref) -> Ref:
    """Y = 1 / (1 + exp(-X)) of potentials at the very end; refused elsewhere."""
    if builder.held(input) is not None and not isinstance(builder.held(input), Layout):
        builder.refuse_held(input)
        return builder.unknown(path)
    refusal = Refusal(path or "model", "sigmoid", SATURATES["why"], SATURATES["instead"], "impossible")
    return builder.read_out(ir.Sigmoid(name=path, inputs=(input,)), refusal)


def product(builder: Builder, path: str, node: type[ir.Product], a: object, b: object, **fields: object) -> Ref | None:
    """A product of two results; None where one of them is none."""
    ends = [_end(builder, path, x) for x in (a, b)]
    if ends[0] is None or ends[1] is None:
        return None
    shapes = [builder.shape(end) for end in ends if end is not None]
    same = shapes[0][1:] == shapes[1][1:] and None not in shapes[0][1:]
    if any(len(shape) != 2 for shape in shapes) or (node is not ir.Bilinear and not same):
        return None
    refusal = Refusal(path or "model", _called(node), PRODUCT["why"], PRODUCT["instead"], "impossible")
    inputs = (ends[0], ends[1])
    return builder.read_out(node(name=path, inputs=inputs, **fields), refusal, builder.rows(ends[0]))


def _called(node: type[ir.Product]) -> str:
    return "matrix product" if node is ir.Gram else "multiplication"


def _end(builder: Builder, path: str, x: object) -> Ref | None:
    """A result to be multiplied: rows picked out of a value are picked out of its potentials instead."""
    if not isinstance(x, Ref) or builder.is_unknown(x):
        return None
    if builder.readout(x) is not None:
        return None if isinstance(builder.readout(x), ir.Output) else x
    if builder.held(x) is not None or not is_value(builder, x):
        return None
    node = builder.nodes.get(x)
    if not isinstance(node, ir.PickRows):
        return x
    picking, base = Ref(node.inputs[0]), Ref(node.inputs[1])
    refusal = Refusal(path or "model", "multiplication", PRODUCT["why"], PRODUCT["instead"], "impossible")
    ends = ir.Endpoints(name=f"{x}.ends", inputs=(picking, base))
    return builder.read_out(ends, refusal, builder.rows(picking))


@lowers(nn.Bilinear)
def lower_bilinear(builder: Builder, path: str, module: nn.Bilinear, input1: Ref, input2: Ref) -> Ref:
    """Y_k = A W_k B + b_k of two results at the very end, on their potentials; refused elsewhere."""
    bias = None if module.bias is None else parameter(module.bias)
    found = product(builder, path, ir.Bilinear, input1, input2, weight=parameter(module.weight), bias=bias)
    return refuse_pair(builder, path, "Bilinear", (input1, input2), PRODUCT) if found is None else found


@lowers_function(functional.bilinear)
def lower_bilinear_function(
    builder: Builder, path: str, input1: Ref, input2: Ref, weight: Tensor, bias: Tensor | None = None
) -> Ref:
    """Y_k = A W_k B + b_k of two results at the very end."""
    constant = None if bias is None else parameter(bias)
    found = product(builder, path, ir.Bilinear, input1, input2, weight=parameter(weight), bias=constant)
    return refuse_pair(builder, path, "bilinear", (input1, input2), PRODUCT) if found is None else found


@reads_potentials(operator.mul, torch.mul, "mul")
def multiply_late(builder: Builder, path: str, input: Any, other: object) -> Ref:
    """A result times a number of the model, or times another result."""
    if isinstance(input, Ref) and isinstance(other, Ref):
        return product(builder, path, ir.Hadamard, input, other) or _early(builder, path, input, other)
    return _scaled(builder, path, *((input, other) if isinstance(input, Ref) else (other, input)))


@reads_potentials(operator.truediv, torch.div, "div")
def divide_late(builder: Builder, path: str, input: object, other: Any) -> Ref:
    """A result divided by a number of the model."""
    if not isinstance(input, Ref) or _number(other) is None:
        return _early(builder, path, input, other)
    return _scaled(builder, path, input, 1.0 / other)


@reads_potentials(operator.add, torch.add, "add")
def add_late(builder: Builder, path: str, input: Any, other: Any) -> Ref:
    """A result and a number of the model."""
    value, constant = (input, other) if isinstance(input, Ref) else (other, input)
    return _scaled(builder, path, value, 1.0, constant)


@reads_potentials(operator.sub, torch.sub, "sub")
def subtract_late(builder: Builder, path: str, input: object, other: Any) -> Ref:
    """A result less a number of the model."""
    if not isinstance(input, Ref) or _number(other) is None:
        return _early(builder, path, input, other)
    return _scaled(builder, path, input, 1.0, -other)


def _number(value: object) -> float | None:
    single = isinstance(value, Tensor) and value.numel() == 1 and value.dim() < 2
    return float(value) if isinstance(value, int | float) or single else None  # type: ignore[arg-type]


def _scaled(builder: Builder, path: str, x: Ref, factor: object, shift: object = 0.0) -> Ref:
    by, more = _number(factor), _number(shift)
    if by is None or more is None:
        return _early(builder, path, x, factor, shift)
    return builder.read_out(ir.Scaled(name=path, inputs=(x,), factor=by, shift=more), _refusal_of(builder, x))


@reads_potentials(torch.sum, "sum")
def sum_late(builder: Builder, path: str, input: Ref, dim: object = None, keepdim: bool = False) -> Ref:
    """The sum over the channels of a product: the inner product of each pair of rows."""
    node = builder.readout(input)
    axis = dim[0] if isinstance(dim, Sequence) and len(dim) == 1 else dim
    if not isinstance(node, ir.Hadamard) or axis not in (1, -1):
        return _early(builder, path, input)
    inner = ir.InnerProduct(name=path, inputs=node.inputs, keepdim=keepdim)
    return builder.read_out(inner, _refusal_of(builder, input), builder.rows(input))


@reads_potentials(*ARRANGING)
def arrange_late(builder: Builder, path: str, input: Ref, *args: object, **kwargs: object) -> Ref:
    """Scores as a vector [N] or a column [N, 1]; a sigmoid or a number changes nothing in that."""
    node, refusal = builder.readout(input), _refusal_of(builder, input)
    name = path.rsplit(".", 1)[-1].rstrip("_0123456789")
    if isinstance(node, ir.Sigmoid | ir.Scaled):
        inner = Ref(node.inputs[0])
        handler = arrange_late if builder.readout(inner) is not None else FUNCTIONS[name]
        moved = handler(builder, path, inner, *args, **kwargs)
        return builder.read_out(replace(node, inputs=(moved,)), refusal, builder.rows(input))
    given = args[0] if len(args) == 1 and isinstance(args[0], Sequence) else (*args, *kwargs.values())
    shape = _arranged(name, tuple(given), isinstance(node, ir.InnerProduct) and node.keepdim)
    if not isinstance(node, ir.InnerProduct) or shape is None:
        return _early(builder, path, input)
    scores = builder.read_out(replace(node, keepdim=shape == "column"), refusal, builder.rows(input))
    if shape != "loose":
        return scores
    return builder.read_out(ir.Axes(name=path, inputs=(scores,), order=(0,), loose=True), refusal, builder.rows(input))


def _arranged(name: str, given: tuple[object, ...], column: bool) -> str | None:
    """What a step makes of scores: a "vector", a "column" or a "loose" vector; None where it is another step."""
    if name in ("view", "reshape"):
        return "vector" if given == (-1,) else "column" if given == (-1, 1) else None
    if name == "flatten":
        return None if given else "vector"
    if name == "squeeze" and not given:
        return "loose"
    if given not in ((1,), (-1,)) or column != (name == "squeeze"):
        return None
    return "vector" if name == "squeeze" else "column"


@reads_potentials("detach", "contiguous", "clone", "cpu", torch.clone, torch.detach)
def keep_late(builder: Builder, path: str, input: Ref, *args: object, **kwargs: object) -> Ref:
    """The result itself."""
    return input


def _refusal_of(builder: Builder, x: Ref) -> Refusal:
    return builder.refusal_of_readout(x) or Refusal(x, "product", PRODUCT["why"], PRODUCT["instead"], "impossible")


def _early(builder: Builder, path: str, *values: object) -> Ref:
    """What is done with a result is not known, so its own refusal is noted."""
    builder.refuse_early_readouts([value for value in values if isinstance(value, Ref)])
    return builder.unknown(path)


def gram(builder: Builder, path: str, a: object, b: object) -> Ref | None:
    """A B^T where B^T is a stand-in for turned axes; None for any other product."""
    layout = layout_of(builder, b) if isinstance(b, Ref) and builder.held(b) is not None else None
    return None if layout is None or layout.order != (1, 0) else product(builder, path, ir.Gram, a, layout.base)
