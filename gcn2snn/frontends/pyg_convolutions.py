"""PyTorch Geometric's convolutions -> description: message passing (dense) and aggregation (sparse) in their own order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import (
    ClusterGCNConv,
    GCNConv,
    GINConv,
    GraphConv,
    LEConv,
    MessagePassing,
    SAGEConv,
)

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import add, adjacency, aggregate, dense, linear, value_of
from gcn2snn.frontends.registry import LEAVES, lowers
from gcn2snn.kernels import CSR

LEAVES += [MessagePassing, "torch_geometric.nn.norm.", "torch_geometric.nn.aggr.", "torch_geometric.nn.pool."]

SUMS = ("add", "sum")


def gcn_operator(
    builder: Builder, path: str, module: Any, edges: Any, weight: Any, x: Ref, *, loops: bool, normalise: bool = True
) -> Ref:
    """D^-1/2 (A + I) D^-1/2 as ``gcn_norm`` makes it, or A as it is; a filled cache must hold the example's graph."""
    if module.aggr not in SUMS:
        why = "changes the normalisation that the layer is defined by."
        return builder.refuse(path, f"aggr={module.aggr!r}", why, "Use the layer's own aggr='add'.")
    options: dict[str, Any] = {"flow": module.flow}
    if normalise:
        options |= {"norm": "gcn", "loops": "remaining" if loops else "keep"}
        # gcn_norm fills in 2 for `improved` only where there are edge weights or a sparse matrix
        options |= {"loop_weight": 2.0} if getattr(module, "improved", False) else {}
    operator = adjacency(builder, path, edges, weight, x, **options)
    cached = getattr(module, "_cached_edge_index", None)
    if normalise and cached is not None and not _holds(cached, builder.example(operator), module.flow):
        why = "holds another graph than the example, and the layer would go on using it."
        return builder.refuse(
            path, "cached=True", why, "Pass the graph the model was trained on, or call reset_parameters."
        )
    return operator


def _holds(cached: tuple[Any, Any], expected: CSR | None, flow: str) -> bool:
    index, weight = cached
    if expected is None or not isinstance(index, Tensor) or index.layout is not torch.strided:
        return True
    if int(index.max()) >= expected.shape[0]:
        return False
    source, target = index if flow == "source_to_target" else (index[1], index[0])
    known = CSR.from_coo(target, source, weight, expected.shape)
    same = torch.equal(known.rowptr, expected.rowptr) and torch.equal(known.col, expected.col)
    return same and torch.allclose(known.value, expected.value, rtol=1e-4, atol=1e-6)


@lowers(GCNConv)
def lower_gcn_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = D^-1/2 (A + I) D^-1/2 X W + b: message passing, then aggregation."""
    assert isinstance(module, GCNConv)
    x, edges, weight = args
    x = value_of(builder, path, x)
    operator = gcn_operator(
        builder, path, module, edges, weight, x, loops=module.add_self_loops, normalise=module.normalize
    )
    message = dense(builder, path, x, module.lin.weight)
    return add(builder, path, (aggregate(builder, path, operator, message),), bias=module.bias, name="bias")


def neighbours(
    builder: Builder, path: str, module: Any, edges: Any, weight: Any, pair: tuple[Any, Any], size: Any, x: Ref
) -> Ref:
    """Sum, mean or maximum over the neighbours, by the layer's ``aggr``; ``x`` are the sources' messages."""
    targets = int(size[1]) if size is not None and pair[1] is None else None
    options = {"flow": module.flow, "targets": targets}
    target = pair[1] if pair[1] is not None else pair[0]
    if module.aggr in SUMS:
        return aggregate(builder, path, adjacency(builder, path, edges, weight, x, target, **options), x)
    if module.aggr == "mean":
        return aggregate(builder, path, adjacency(builder, path, edges, weight, x, target, norm="mean", **options), x)
    if module.aggr == "max" and weight is None:
        operator = adjacency(builder, path, edges, None, x, target, norm="max", **options)
        return builder.add(ir.AggregateMax(name=f"{path}.aggregation", inputs=(operator, x)))
    if module.aggr == "max":
        why = "takes a maximum over weighted messages, and the first spike wins whatever its weight."
        return builder.refuse(
            path, "aggr='max' with edge weights", why, "Leave the edge weights out, or use aggr='mean'."
        )
    what = f"aggr={module.aggr!r}"
    return builder.refuse(path, what, "is no sum, mean or maximum.", "Use aggr='add', 'mean' or 'max'.")


def pair_of(builder: Builder, path: str, x: Any) -> tuple[Ref, Ref | None]:
    """(sources, targets) from one value or a bipartite tuple."""
    if isinstance(x, tuple | list):
        return value_of(builder, path, x[0]), None if x[1] is None else value_of(builder, path, x[1])
    value = value_of(builder, path, x)
    return value, value


@lowers(GraphConv)
def lower_graph_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = (A X) W_1 + b + X W_2, A summed, averaged or maximised over the neighbours."""
    assert isinstance(module, GraphConv)
    x, edges, weight, size = args
    pair = pair_of(builder, path, x)
    result = linear(
        builder, path, module.lin_rel, neighbours(builder, path, module, edges, weight, pair, size, pair[0]), "message"
    )
    if pair[1] is None:
        return result
    return add(builder, path, (result, linear(builder, path, module.lin_root, pair[1], "root")))


@lowers(SAGEConv)
def lower_sage_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = (mean, sum or maximum of the neighbours) W_1 + b + X W_2: two branches meet in one membrane."""
    assert isinstance(module, SAGEConv)
    x, edges, size = args
    pair = pair_of(builder, path, x)
    if module.normalize:
        why = "divides each node by the length of its own result, which no single neuron knows."
        return builder.refuse(path, "normalize=True", why, "Use normalize=False.")
    source = pair[0]
    if module.project:
        projected = linear(builder, path, module.lin, source, "project")
        source = builder.add(ir.Relu(name=f"{path}.project.relu", inputs=(projected,)))
    gathered = neighbours(builder, path, module, edges, None, pair, size, source)
    result = linear(builder, path, module.lin_l, gathered, "message")
    if not module.root_weight or pair[1] is None:
        return result
    return add(builder, path, (result, linear(builder, path, module.lin_r, pair[1], "root")))


@lowers(GINConv)
def lower_gin_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = nn((1 + eps) X + A X): sums, then its own network."""
    assert isinstance(module, GINConv)
    x, edges, size = args
    pair = pair_of(builder, path, x)
    result = neighbours(builder, path, module, edges, None, pair, size, pair[0])
    if pair[1] is not None:
        result = add(builder, path, (result, pair[1]), (1.0, 1.0 + float(module.eps.detach())))
    assert isinstance(module.nn, nn.Module)
    return builder.module(f"{path}.nn", module.nn, (result,))


@lowers(LEConv)
def lower_le_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = A (X W_1 + b_1) - D X W_2 + X W_3 + b_3 with D the sums of A's rows."""
    assert isinstance(module, LEConv)
    x, edges, weight = args
    source, target = pair_of(builder, path, x)
    if target is None:
        return builder.refuse(path, "x = (x, None)", "the layer needs target nodes.", "Pass both.")
    flow = {"flow": module.flow}
    operator = adjacency(builder, path, edges, weight, source, target, **flow)
    degrees = adjacency(builder, f"{path}.degrees", edges, weight, source, target, norm="degree", **flow)
    gathered = aggregate(builder, path, operator, linear(builder, path, module.lin1, source, "message"))
    own = aggregate(builder, path, degrees, linear(builder, path, module.lin2, target, "own"), "own.degree")
    root = linear(builder, path, module.lin3, target, "root")
    return add(builder, path, (gathered, own, root), (1.0, -1.0, 1.0))


@lowers(ClusterGCNConv)
def lower_cluster_gcn_conv(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """X' = (A^ + lambda diag A^) X W_1 + b + X W_2 with A^ = D^-1 (A + I)."""
    assert isinstance(module, ClusterGCNConv)
    x, edges = args
    x = value_of(builder, path, x)
    if module.flow != "source_to_target":
        why = "normalises by the other end of its edges than it sums over."
        return builder.refuse(path, f"flow={module.flow!r}", why, "Use flow='source_to_target'.")
    loops = "replace" if module.add_self_loops else "keep"
    operator = adjacency(builder, path, edges, None, x, norm="cluster", loops=loops, factor=module.diag_lambda)
    gathered = aggregate(builder, path, operator, x)
    branches = (
        linear(builder, path, module.lin_out, gathered, "message"),
        linear(builder, path, module.lin_root, x, "root"),
    )
    return add(builder, path, branches)
