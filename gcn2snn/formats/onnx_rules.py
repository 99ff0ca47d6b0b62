"""What each node of a description is in standard ONNX operators: the closed form, one node after the other."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import apply
from gcn2snn.formats.onnx_graph import OnnxGraph, Sparse
from gcn2snn.kernels import PhaseCode

Named = str | Sparse
"""A value in the graph, or a sparse matrix."""


@singledispatch
def lower(node: ir.Node, graph: OnnxGraph, shape: ir.Shape, *inputs: Named) -> str:
    """Add the operators of one node.

    Args:
        node: what to compute.
        graph: grows.
        shape: of the first dense input, as far as it is known.
        inputs: names of the node's inputs; an aggregation takes its matrix first.
    """
    raise AssertionError(f"no rule for {type(node).__name__}")


@lower.register
def _coder(node: ir.Coder, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    if node.kind == "analog":
        return x
    scale = graph.tensor(node.scale, len(shape))
    if node.kind == "single":
        return graph.fired(x, scale, scale, PhaseCode(node.base, node.timesteps, signed=True))
    levels = 2.0**node.timesteps
    magnitude = graph.op("Floor", graph.op("Mul", graph.op("Abs", graph.op("Div", x, scale)), graph.constant(levels)))
    word = graph.op("Mul", graph.op("Min", magnitude, graph.constant(levels - 1)), graph.op("Sign", x))
    unit = graph.constant(2.0**-node.timesteps * node.scale.double().cpu().numpy().astype(graph.dtype))
    return graph.op("Mul", word, unit)


@lower.register
def _one_hot(node: ir.OneHot, graph: OnnxGraph, shape: ir.Shape) -> str:
    return graph.constant(1.0 - 2.0**-node.binary if node.binary else 1.0)


@lower.register
def _lookup(node: ir.Lookup, graph: OnnxGraph, shape: ir.Shape, one_hot: str) -> str:
    return _plus(graph, graph.op("Mul", graph.tensor(node.table), one_hot), node.bias, 2)


@lower.register
def _dense(node: ir.Dense, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    return _plus(graph, graph.op("MatMul", x, graph.tensor(node.weight.T)), node.bias, 2)


@lower.register
def _conv(node: ir.Conv, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    left, right, top, bottom = node.padding
    bias = [graph.tensor(node.bias.expand(node.weight.shape[0]))] if node.bias is not None else []
    weight, pads = graph.tensor(node.weight), (top, left, bottom, right)
    return graph.op(
        "Conv", x, weight, *bias, group=node.groups, strides=node.stride, dilations=node.dilation, pads=pads
    )


@lower.register
def _aggregate(node: ir.Aggregate, graph: OnnxGraph, shape: ir.Shape, matrix: Sparse, x: str) -> str:
    assert shape[1] is not None
    return graph.aggregate(matrix, x, shape[1])


@lower.register
def _aggregate_max(node: ir.AggregateMax, graph: OnnxGraph, shape: ir.Shape, matrix: Sparse, x: str) -> str:
    assert shape[1] is not None
    gathered = graph.op("Gather", x, matrix.col, axis=0)
    largest = graph.scattered(matrix, gathered, shape[1], -np.inf, "max")
    return graph.op("Where", graph.op("IsInf", largest), graph.constant(0.0), largest)


def _pads(
    node: ir.MaxPool | ir.AvgPool, shape: ir.Shape, dilation: tuple[int, int]
) -> tuple[tuple[int, ...], ir.Shape]:
    """Padding that gives the node's windows without ceil_mode, whose windows runtimes do not all see alike."""
    size = node.shape((1, *shape[1:]))
    after = []
    for axis in (0, 1):
        length, count = shape[2 + axis], size[2 + axis]
        assert length is not None
        assert count is not None
        span = (count - 1) * node.stride[axis] + dilation[axis] * (node.kernel[axis] - 1) + 1
        after.append(max(0, span - length - node.padding[axis]))
    return (*node.padding, *after), size


@lower.register
def _max_pool(node: ir.MaxPool, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    pads, _ = _pads(node, shape, node.dilation)
    return graph.op("MaxPool", x, kernel_shape=node.kernel, strides=node.stride, dilations=node.dilation, pads=pads)


@lower.register
def _avg_pool(node: ir.AvgPool, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    pads, size = _pads(node, shape, (1, 1))
    mean = graph.op("AveragePool", x, kernel_shape=node.kernel, strides=node.stride, pads=pads, count_include_pad=1)
    whole = torch.nn.functional.pad(torch.ones(1, 1, *_sizes(shape)), (pads[1], pads[3], pads[0], pads[2]))
    counted = apply(node, torch.ones(1, 1, *_sizes(shape), dtype=torch.float64))
    inside = torch.zeros_like(whole).double()
    inside[:, :, pads[0] : pads[0] + _sizes(shape)[0], pads[1] : pads[1] + _sizes(shape)[1]] = 1.0
    share = torch.nn.functional.avg_pool2d(inside, node.kernel, node.stride)[..., : size[2], : size[3]]
    assert isinstance(counted, Tensor)
    factor = counted / share.clamp(min=1e-12)  # pixels of the kernel / divisor of each window
    return mean if bool((factor == 1).all()) else graph.op("Mul", mean, graph.constant(factor.numpy()))


def _sizes(shape: ir.Shape) -> tuple[int, int]:
    height, width = shape[2], shape[3]
    assert height is not None
    assert width is not None
    return height, width


@lower.register
def _add(node: ir.Add, graph: OnnxGraph, shape: ir.Shape, *inputs: str) -> str:
    total = ""
    for coefficient, x in zip(node.coefficients, inputs, strict=True):
        term = x if coefficient == 1.0 else graph.op("Mul", x, graph.constant(coefficient))
        total = graph.op("Add", total, term) if total else term
    return _plus(graph, total, node.bias, len(shape))


@lower.register
def _concat(node: ir.Concat, graph: OnnxGraph, shape: ir.Shape, *inputs: str) -> str:
    return graph.op("Concat", *inputs, axis=1)


@lower.register
def _flatten(node: ir.Flatten, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    return graph.op("Flatten", x, axis=1)


@lower.register
def _kept(node: ir.Kept, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    own = x if node.gain is None else graph.op("Div", x, graph.tensor(node.gain, len(shape)))
    if not node.activation.rectifies:
        return own
    positive = graph.op("Relu", own)
    return positive if node.activation.cap is None else graph.op("Min", positive, graph.constant(node.activation.cap))


@lower.register
def _subsample(node: ir.Subsample, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    ends = graph.whole([np.iinfo(np.int64).max] * 2)
    kept = graph.op("Slice", x, graph.whole([0, 0]), ends, graph.whole([2, 3]), graph.whole([node.stride] * 2))
    pads = graph.whole([0, node.channels_before, 0, 0, 0, node.channels_after, 0, 0])
    return graph.op("Pad", kept, pads)


@lower.register
def _pad(node: ir.Pad, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    left, right, top, bottom = node.padding
    return graph.op("Pad", x, graph.whole([0, 0, top, left, 0, 0, bottom, right]))


@lower.register
def _rows(node: ir.Rows, graph: OnnxGraph, shape: ir.Shape, matrix: Sparse, x: str) -> str:
    return graph.op("Slice", x, graph.whole([0]), matrix.rows)


@lower.register
def _view(node: ir.View, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    return graph.op("Reshape", x, graph.whole([0, *node.sizes]))  # 0 keeps the number of rows


@lower.register
def _permute(node: ir.Permute, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    return graph.op("Transpose", x, perm=list(node.order))


@lower.register
def _take(node: ir.Take, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    return graph.op("Gather", x, graph.whole(node.index.cpu().numpy()), axis=node.axis)


@lower.register
def _pick_rows(node: ir.PickRows, graph: OnnxGraph, shape: ir.Shape, matrix: Sparse, x: str) -> str:
    return graph.op("Gather", x, matrix.col, axis=0)


@lower.register
def _neuron(node: ir.Neuron, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    dims = len(shape)
    started = x if node.start is None else graph.op("Add", x, graph.tensor(node.start, dims))
    last = None if node.horizon is None else graph.whole(node.horizon.cpu().numpy())
    scale, sent = graph.tensor(node.threshold_scale, dims), graph.tensor(node.scale, dims)
    return graph.fired(started, scale, sent, node.coding, last, name=node.name)


@lower.register
def _output(node: ir.Output, graph: OnnxGraph, shape: ir.Shape, x: str) -> str:
    if node.start is None:
        return graph.op("Identity", x, name="potentials")
    return graph.op("Add", x, graph.tensor(node.start, len(shape)), name="potentials")


def _plus(graph: OnnxGraph, x: str, bias: Tensor | None, dims: int) -> str:
    return x if bias is None else graph.op("Add", x, graph.tensor(bias, dims))
