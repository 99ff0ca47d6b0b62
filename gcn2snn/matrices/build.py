"""Graph inputs -> sparse operands: what an ``ir.Operator`` computes when a graph comes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.cache import MATRICES
from gcn2snn.matrices.contents import contents
from gcn2snn.matrices.dense_norms import weigh_dense
from gcn2snn.matrices.edge_matrices import (
    edge_weights,
    hyperedges,
    incidence,
    of_degree,
    of_graphs,
    reversed_index,
    source_nodes,
)
from gcn2snn.matrices.edges import (
    coordinates,
    count_rows,
    edges_of,
    of_relation,
    plain,
    sum_at,
    with_loops,
)
from gcn2snn.matrices.normalisation import NORMS, unscaled
from gcn2snn.matrices.rows import row_index, row_slice


def build_operand(node: ir.Operator, *inputs: object) -> Any:
    """The operand of a node: a CSR matrix, or for :class:`ir.Part` what the caller passed.

    A matrix is built once for one graph, and again when the graph holds something else, whoever wrote to its memory. To see
    that, each call reads the graph's tensors: 0.6 ms for a million edges on one CPU core, 1 % of a small network's call.

    Raises:
        InputError: indices out of range, sizes that do not meet, or weights that the normalisation forbids.
        InputTypeError: an index that is not of whole numbers, or an object that is no graph.
    """
    if isinstance(node, ir.Part):
        return _part(node, inputs[0])
    try:
        key = _key(node, inputs)
        if key is None:
            return _matrix(node, *inputs)
        return MATRICES.get(inputs[0], key, lambda: _matrix(node, *inputs))
    except (InputError, InputTypeError) as error:
        raise type(error)(f"{node.inputs[0]}: {error}" if node.inputs else str(error)) from None


def _part(node: ir.Part, whole: Any) -> object:
    try:
        _refuse_other_relations(node, whole)
        value = whole[node.key] if node.by == "item" else getattr(whole, str(node.key))
        value = value() if node.by == "call" else value
    except (AttributeError, KeyError, IndexError) as error:
        raise InputError(f"the input has no {node.name.split('.', 1)[-1]!r}, which the example had ({error})") from None
    if value is None and node.by == "attribute" and node.key == "batch":
        value = _one_graph(whole)
    if value is None:
        raise InputError(f"the input has no {node.name.split('.', 1)[-1]!r}, which the example had (it is None)")
    return value


def _one_graph(data: object) -> Tensor | None:
    """The ``batch`` of PyG data that hold a single graph, which leave it None: every node belongs to graph 0."""
    nodes = getattr(data, "num_nodes", None)
    edges = getattr(data, "edge_index", None)
    device = edges.device if isinstance(edges, Tensor) else None
    return torch.zeros(nodes, dtype=torch.long, device=device) if isinstance(nodes, int) else None


def _refuse_other_relations(node: ir.Part, whole: object) -> None:
    """DGL answers a relation that a graph lacks with one that it has: look before asking.

    Raises:
        KeyError: the graph has no such relation.
    """
    relations = getattr(whole, "canonical_etypes", None)
    if relations is not None and isinstance(node.key, tuple) and node.key not in relations:
        raise KeyError(f"its relations are {relations}")


def _number_type(value: Any) -> tuple[Hashable, ...]:
    return (value.dtype, value.device) if hasattr(value, "dtype") else ()


def _key(node: ir.Operator, inputs: tuple[object, ...]) -> Hashable | None:
    """All that the matrix depends on: options of the node, contents of the graph, sizes of what only counts rows.

    None for matrices that are not kept: those without a graph, and of objects whose contents are not known.
    """
    split = len(inputs) - min(node.row_inputs, len(inputs)) - (isinstance(node, ir.Membership) and node.counted)
    graph = [contents(value) for value in inputs[:split]]
    if not inputs or None in graph:
        return None
    options = tuple(getattr(node, f.name) for f in fields(node) if f.name not in ("name", "inputs"))
    counted = tuple((count_rows(value), *_number_type(value)) for value in inputs[split:])
    return (type(node), options, tuple(graph), counted)


@singledispatch
def _matrix(node: ir.Operator, *inputs: object) -> Any:
    raise AssertionError(f"no rule for {type(node).__name__}")


@_matrix.register
def _fixed(node: ir.Fixed) -> Tensor:
    return node.value


@_matrix.register
def _fixed_matrix(node: ir.FixedMatrix) -> CSR:
    return CSR(node.rowptr, node.col, node.value, node.num_cols)


@_matrix.register
def _given(node: ir.Matrix, matrix: object, *rest: Any) -> CSR:
    return to_csr(matrix) if node.norm == "none" else weigh_dense(to_csr(matrix), node.norm, *rest)


_matrix.register(ir.Reversed, reversed_index)
_matrix.register(ir.SourceNodes, source_nodes)
_matrix.register(ir.EdgeWeights, edge_weights)
_matrix.register(ir.Incidence, incidence)
_matrix.register(ir.Hyperedges, hyperedges)
_matrix.register(ir.OfDegree, of_degree)
_matrix.register(ir.OfGraphs, of_graphs)
_matrix.register(ir.RowIndex, row_index)
_matrix.register(ir.RowSlice, row_slice)


def to_csr(matrix: object) -> CSR:
    """A sparse or dense tensor as CSR; stored zeros of a sparse one are kept.

    Raises:
        InputTypeError: it is something else.
    """
    if isinstance(matrix, CSR):
        return matrix
    if not isinstance(matrix, Tensor):
        raise InputTypeError(f"an adjacency is {type(matrix).__name__}; pass a sparse or dense tensor, or a CSR")
    if matrix.dim() != 2:
        raise InputError(f"an adjacency has shape {list(matrix.shape)}; [targets, sources] is needed")
    if matrix.layout is torch.strided:
        return CSR.from_dense(matrix)
    target, source, weight = coordinates(matrix)
    return CSR.from_coo(target, source, weight, (matrix.shape[0], matrix.shape[1]))


@_matrix.register
def _adjacency(node: ir.Adjacency, edges: object, *rest: Any) -> CSR:
    weight = rest[0] if node.weighted else None
    targets, sources = (count_rows(value) for value in rest[-2:])
    if not rest[-1].dtype.is_floating_point:
        raise InputTypeError(f"the nodes' features have dtype {rest[-1].dtype}; floating numbers are needed: x.float()")
    found = edges_of(edges, weight, node.flow, targets if node.targets is None else node.targets, sources)
    if node.relation is not None:
        found = of_relation(found, rest[-3], node.relation)
    return NORMS[node.norm](with_loops(found, node.loops, node.loop_weight), rest[-1].dtype, node.factor)


@_matrix.register
def _laplacian(node: ir.Laplacian, edges: Any, *rest: Any) -> CSR:
    rows = rest[-1]
    count, dtype = count_rows(rows), rows.dtype
    values = list(rest[:-1])
    weight = values.pop(0) if node.weighted else None
    largest = values.pop(0) if node.given else node.lambda_max
    batch = values.pop(0) if node.batched else None
    found = edges_of(edges, weight, "source_to_target", count, count)
    every = torch.arange(count, device=found.target.device)
    entries, diagonal = unscaled(found, node.norm, dtype, count)
    if largest is None:
        largest = 2.0 if node.norm == "dgl" else 2.0 * float(torch.cat([entries[1], diagonal]).max())
    largest = torch.as_tensor(largest, dtype=dtype, device=diagonal.device).reshape(-1)
    if not bool((largest > 0).all()):
        raise InputError(
            f"lambda_max is {float(largest.min()):g}; the Laplacian can only be scaled by a positive number. "
            "A graph without edges has none: pass lambda_max"
        )
    if node.norm == "dgl" and largest.numel() > 1:
        batch = torch.repeat_interleave(torch.arange(largest.numel()), edges.batch_num_nodes())
    at_source = largest[batch.long()][entries[0].source] if batch is not None and largest.numel() > 1 else largest
    at_node = largest[batch.long()] if batch is not None and largest.numel() > 1 else largest
    row, col = torch.cat([entries[0].target, every]), torch.cat([entries[0].source, every])
    value = torch.cat([2.0 * entries[1] / at_source, 2.0 * diagonal / at_node - 1.0])
    return CSR.from_coo(row, col, torch.where(torch.isinf(value), 0.0, value), (count, count))


@_matrix.register
def _membership(node: ir.Membership, *inputs: Any) -> CSR:
    rows = inputs[-1]
    count = count_rows(rows)
    if not node.batched:
        batch, graphs = torch.zeros(count, dtype=torch.int64, device=rows.device), 1
    elif isinstance(inputs[0], Tensor):
        batch = plain(inputs[0])
        if batch.dim() != 1 or batch.is_floating_point():
            raise InputTypeError(
                f"batch is of {batch.dtype} and shape {list(batch.shape)}; the whole number of its graph is needed for each node"
            )
        batch = batch.long()
        if batch.numel() != count:
            raise InputError(f"batch has {batch.numel()} entries for {count} nodes; one each is needed")
        found = int(batch.max()) + 1 if count else 0
        graphs = found if node.graphs is None else node.graphs
        graphs = count_rows(inputs[1]) if node.counted else graphs
        if graphs < found or (count and int(batch.min()) < 0):
            raise InputError(
                f"batch holds graphs {int(batch.min())} to {found - 1}, but the pool is for {graphs} graphs, which are "
                f"counted from 0. Pass the number of graphs in this batch"
            )
    elif not hasattr(inputs[0], "batch_num_nodes"):
        raise InputTypeError(
            f"batch is {type(inputs[0]).__name__}; pass the graph of each node, or a batched DGL graph"
        )
    else:
        sizes = inputs[0].batch_num_nodes()
        graphs = sizes.numel()
        batch = torch.repeat_interleave(torch.arange(graphs, device=sizes.device), sizes)
    value = torch.ones(count, dtype=rows.dtype, device=rows.device)
    if node.mean:
        value = value / sum_at(batch, value, graphs).clamp(min=1)[batch]
    return CSR.from_coo(batch, torch.arange(count, device=rows.device), value, (graphs, count))
