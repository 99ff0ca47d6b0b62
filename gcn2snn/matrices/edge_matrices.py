"""Operands of single edges, hyperedges and degrees. i is a target, j a source, e an edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.edges import Edges, count_rows, edges_of, plain, sum_at, with_loops
from gcn2snn.matrices.normalisation import NORMS


def reversed_index(node: ir.Reversed, edges: object) -> Tensor:
    """(j, i) for each (i, j).

    Raises:
        InputTypeError: the graph is no edge index.
    """
    if not isinstance(edges, Tensor) or edges.layout is not torch.strided:
        raise InputTypeError("only an edge index [2, edges] can be turned round; pass one in place of a sparse tensor")
    return plain(edges).flip(0)


def source_nodes(node: ir.SourceNodes, graph: Any, rows: Any) -> Tensor:
    """An empty tensor with one row a source node."""
    return torch.empty(int(graph.num_src_nodes()), 0, dtype=rows.dtype, device=rows.device)


def edge_weights(node: ir.EdgeWeights, graph: Any, weight: Any) -> Tensor:
    """Weights of the edges of a DGL graph, as :class:`gcn2snn.ir.EdgeWeights` defines them.

    Raises:
        InputError: "both" with a weight that is not positive.
    """
    sources, targets = int(graph.num_src_nodes()), int(graph.num_dst_nodes())
    edges = edges_of(graph, weight, "source_to_target", targets, sources)
    value = edges.weights(weight.dtype)
    if node.norm == "both" and bool((value <= 0).any()):
        raise InputError("an edge weight is 0 or less; this normalisation needs positive edge weights")
    if node.norm == "none":
        return value
    into = (sum_at(edges.target, value, targets) + node.eps)[edges.target]
    if node.norm == "right":
        return value / into
    out = (sum_at(edges.source, value, sources) + node.eps)[edges.source]
    return value * out.rsqrt() * into.rsqrt()


def incidence(node: ir.Incidence, edges: object, *rest: Any) -> CSR:
    """[E, nodes]: w_e where node j is the end of e that is read. [targets, E]: edges into i, weighed by ``norm``."""
    targets, sources = (count_rows(value) for value in rest[-2:])
    dtype = rest[-1].dtype
    weight = rest[0] if node.weighted else None
    found = edges_of(edges, weight, node.flow, targets if node.targets is None else node.targets, sources)
    found = with_loops(found, node.loops)
    count = found.target.numel()
    number = torch.arange(count, device=found.target.device)
    if not node.onto_nodes:
        ends, size = (found.source, sources) if node.end == "source" else (found.target, found.targets)
        return CSR.from_coo(number, ends, found.weights(dtype), (count, size))
    each = replace(found, source=number, sources=count, weight=None, sparse=False)
    return NORMS[node.norm](each, dtype, 0.0)


def hyperedges(node: ir.Hyperedges, index: object, *rest: Any) -> CSR:
    """Means over the nodes of a hyperedge, or over the hyperedges of a node."""
    nodes, dtype = count_rows(rest[-1]), rest[-1].dtype
    if not isinstance(index, Tensor) or index.dim() != 2 or index.shape[0] != 2:
        raise InputTypeError("a hypergraph is an index [2, memberships] of nodes and hyperedges")
    count = node.count
    if count is None:
        count = int(index[1].max()) + 1 if index.numel() else 0
    found: Edges = edges_of(index, None, "source_to_target", count, nodes)
    if not node.onto_nodes:
        value = torch.ones(found.source.shape, dtype=dtype, device=found.source.device)
        value = value / sum_at(found.target, value, count).clamp(min=1)[found.target]
        return CSR.from_coo(found.target, found.source, value, (count, nodes))
    weight = (
        rest[0].to(dtype).reshape(-1) if node.weighted else torch.ones(count, dtype=dtype, device=found.source.device)
    )
    if weight.numel() < count:
        raise InputError(f"there are {weight.numel()} weights for {count} hyperedges; one each is needed")
    total = sum_at(found.source, weight[found.target], nodes)
    value = torch.where(total != 0, 1.0 / total, 0.0)[found.source]
    return CSR.from_coo(found.source, found.target, value, (nodes, count))


def of_graphs(node: ir.OfGraphs, *inputs: Any) -> CSR:
    """What hands the value of a graph to its nodes, or divides nodes by the root of their number.

    Raises:
        InputError: another number of graph numbers than of nodes.
    """
    rows = inputs[-1]
    count = count_rows(rows)
    every = torch.arange(count, device=rows.device)
    batch = plain(inputs[0]).long() if node.batched else torch.zeros_like(every)
    if batch.numel() != count:
        raise InputError(f"batch has {batch.numel()} entries for {count} nodes; one each is needed")
    graphs = int(batch.max()) + 1 if count else 0
    value = torch.ones(count, dtype=rows.dtype, device=rows.device)
    if node.root_size:
        return CSR.from_coo(every, every, sum_at(batch, value, graphs)[batch].rsqrt(), (count, count))
    return CSR.from_coo(every, batch, value, (count, graphs if node.batched else 1))


def of_degree(node: ir.OfDegree, edges: object, *rest: Any) -> CSR:
    """1 on the diagonal for each target of this degree."""
    targets, sources = (count_rows(value) for value in rest)
    found = edges_of(edges, None, node.flow, targets if node.targets is None else node.targets, sources)
    degree = sum_at(found.target, torch.ones_like(found.target), found.targets).clamp(max=node.cap)
    every = (degree == node.degree).nonzero().view(-1)
    value = torch.ones(every.shape, dtype=rest[-1].dtype, device=every.device)
    return CSR.from_coo(every, every, value, (found.targets, found.targets))
