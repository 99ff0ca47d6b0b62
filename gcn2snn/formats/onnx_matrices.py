"""Matrices of graphs in ONNX: computed from ``edge_index`` by standard operators where that is possible, else fixed."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value
from gcn2snn.formats.onnx_graph import OnnxGraph, Sparse
from gcn2snn.kernels import CSR

NORMS = ("none", "gcn", "mean", "max")
LOOPS = ("keep", "add", "remaining", "remove")


def fixed(graph: OnnxGraph, matrix: CSR) -> Sparse:
    """A matrix whose entries are constants of the model."""
    row, col = graph.whole(matrix.row.cpu().numpy()), graph.whole(matrix.col.long().cpu().numpy())
    value = graph.constant(matrix.value.cpu().numpy())
    return Sparse(row, col, value, graph.whole([matrix.shape[0]]), matrix.nnz)


def given(graph: OnnxGraph, node: ir.Input, example: CSR) -> Sparse:
    """A matrix that the caller of the model passes: NAME.row, NAME.col [entries] int64 and NAME.value [entries]."""
    entries = f"entries of {node.name}"
    row, col = (graph.input(f"{node.name}.{part}", [entries], whole=True) for part in ("row", "col"))
    value = graph.input(f"{node.name}.value", [entries])
    count = node.size[0]
    rows = graph.input(f"{node.name}.rows", [1], whole=True) if count is None else graph.whole([count])
    return Sparse(row, col, value, rows, example.nnz)


def why_fixed(node: ir.Operator, network: ir.Network, example: dict[str, Value]) -> str:
    """Why the matrix of a node cannot be computed from inputs of the model, "" if it can."""
    if not isinstance(node, ir.Adjacency):
        return f"{type(node).__name__} matrices are not made of standard operators here"
    if node.norm not in NORMS or node.loops not in LOOPS or node.targets is not None:
        return f"the normalisation {node.norm!r} with self-loops {node.loops!r} is not made of standard operators here"
    for name in node.inputs[: 2 if node.weighted else 1]:
        if not isinstance(network[name], ir.Input):
            return f"{name} is no argument of the network"
    edges = example[node.inputs[0]]
    if not isinstance(edges, Tensor) or edges.layout is not torch.strided or edges.is_floating_point():
        return f"{node.inputs[0]} is no edge index [2, edges]"
    return ""


def computed(
    graph: OnnxGraph, node: ir.Adjacency, edges: str, weight: str | None, targets: str, sources: str
) -> Sparse:
    """The matrix from an edge index [2, E] int64 and edge weights [E], as ``matrices/build.py`` has it.

    Args:
        targets, sources: numbers of nodes, int64 [1].
    """
    first, second = (graph.op("Gather", edges, graph.whole(place), axis=0) for place in (0, 1))
    source, target = (first, second) if node.flow == "source_to_target" else (second, first)
    if weight is not None:
        value = graph.op("Reshape", weight, graph.whole([-1]))
    else:
        value = graph.filled(graph.op("Shape", source), 1.0)
    if node.loops != "keep":
        loops = graph.filled(graph.op("Min", targets, sources), 1.0 if weight is None else node.loop_weight)
        target, source, value = _with_loops(graph, node, target, source, value, loops)
    if node.norm == "gcn":
        degree = graph.sum_at(target, value, targets)
        positive = graph.op("Greater", degree, graph.constant(0.0))
        safe = graph.op("Where", positive, degree, graph.constant(1.0))
        inverse = graph.op("Div", graph.constant(1.0), graph.op("Sqrt", safe))
        root = graph.op("Where", positive, inverse, graph.constant(0.0))
        left, right = graph.op("Gather", root, target), graph.op("Gather", root, source)
        value = graph.op("Mul", graph.op("Mul", left, value), right)
    elif node.norm == "mean":
        count = graph.sum_at(target, graph.filled(graph.op("Shape", target), 1.0), targets)
        value = graph.op("Div", value, graph.op("Gather", graph.op("Max", count, graph.constant(1.0)), target))
    return Sparse(target, source, value, targets)


def _with_loops(
    graph: OnnxGraph, node: ir.Adjacency, target: str, source: str, value: str, loops: str
) -> tuple[str, str, str]:
    """The edges with self-loops as ``with_loops`` of the matrices adds, keeps or removes them; ``loops``: weights of new ones."""
    number = graph.op("Squeeze", graph.op("Shape", loops), graph.whole([0]))
    every = graph.op("Range", graph.whole(0), number, graph.whole(1))
    if node.loops in ("remaining", "remove"):
        is_loop = graph.op("Equal", target, source)
        no_loop = graph.op("Not", is_loop)
        if node.loops == "remaining":  # a node that has a self-loop keeps the weight of it
            at = graph.op("Compress", target, is_loop, axis=0)
            loops = graph.op("ScatterElements", loops, at, graph.op("Compress", value, is_loop, axis=0), axis=0)
        target, source, value = (graph.op("Compress", each, no_loop, axis=0) for each in (target, source, value))
    if node.loops == "remove":
        return target, source, value
    joined = [(target, every), (source, every), (value, loops)]
    target, source, value = (graph.op("Concat", *pair, axis=0) for pair in joined)
    return target, source, value
