"""DGL's convolutions -> description: message passing (dense) and aggregation (sparse) in their own order.

The number of target nodes comes from the graph, so that one description serves whole graphs and sampled blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from dgl.nn import pytorch as dgl_nn
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import (
    activation,
    add,
    adjacency,
    aggregate,
    chebyshev,
    dense,
    graph_input,
    linear,
    powers,
    propagated,
    value_of,
)
from gcn2snn.frontends.reductions import Neighbours
from gcn2snn.frontends.refusal_reasons import GATES
from gcn2snn.frontends.registry import LEAVES, lowers

LEAVES.append("dgl.nn.")


Features = Operand | tuple[Operand, Operand]
"""Values of the nodes, or of (sources, targets)."""


def graph_operator(
    builder: Builder, path: str, graph: Operand, x: Ref, weight: Operand | None = None, **options: Any
) -> Ref:
    """[targets, sources] of a DGL graph or block; ``options``: see ``graph_steps.adjacency``."""
    return adjacency(builder, path, graph, weight, x, own_rows=True, **options)


def edges_of(builder: Builder, path: str, graph: Operand, x: Ref, weight: Operand | None = None) -> Neighbours:
    """The edges of a DGL graph or block between sources with values ``x`` and the targets that the graph counts."""
    return Neighbours(builder, path, graph, x, None, weight, {"own_rows": True})


def propagation(
    builder: Builder, path: str, graph: Operand, feat: Operand, edge_weight: Operand | None, norm: str
) -> tuple[Ref, Ref]:
    """feat as a value, and the matrix that its neighbours are weighed by.

    DGL normalises by numbers of edges (``norm``) without edge weights, and by their sums with them.
    """
    x = value_of(builder, path, feat)
    return x, graph_operator(builder, path, graph, x, edge_weight, norm=norm if edge_weight is None else "weights")


def ends(builder: Builder, path: str, feat: Features, operator: Ref | None = None) -> tuple[Ref, Ref]:
    """(sources, targets) from a pair, or from one value whose first rows are the targets."""
    if isinstance(feat, tuple | list):
        return value_of(builder, path, feat[0]), value_of(builder, path, feat[1])
    x = value_of(builder, path, feat)
    return x, x if operator is None else builder.add(ir.Rows(name=f"{path}.targets", inputs=(operator, x)))


@lowers(dgl_nn.GraphConv)
def lower_graph_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.GraphConv,
    graph: Operand,
    feat: Features,
    weight: Operand | None = None,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = A X W + b, A by ``norm``; message passing first if it makes the features fewer, else aggregation."""
    x, _ = ends(builder, path, feat)
    matrix = module.weight if weight is None else weight
    if isinstance(matrix, Ref):
        why = "is an argument, and message passing has constant weights."
        return builder.refuse(path, "weight", why, "Keep the weights in the layer.")
    operator = graph_operator(builder, path, graph, x, edge_weight, norm=module._norm)
    if matrix is None:
        value = add(builder, path, (aggregate(builder, path, operator, x),), bias=module.bias, name="bias")
    elif module._in_feats > module._out_feats:
        gathered = aggregate(builder, path, operator, dense(builder, path, x, matrix.t()))
        value = add(builder, path, (gathered,), bias=module.bias, name="bias")
    else:
        value = dense(builder, path, aggregate(builder, path, operator, x), matrix.t(), module.bias)
    return activation(builder, path, module._activation, value)


@lowers(dgl_nn.SAGEConv)
def lower_sage_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.SAGEConv,
    graph: Operand,
    feat: Features,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = (mean, "gcn" mean or maximum of the neighbours) W_1 + X W_2 + b: two branches meet in one membrane."""
    kind = module._aggre_type
    x, _ = ends(builder, path, feat)
    if kind == "lstm":
        return builder.refuse(path, "aggregator_type='lstm'", GATES["why"], "Use 'mean', 'gcn' or 'pool'.")
    if kind == "pool":
        return _after_sage(builder, path, module, *_pooled(builder, path, module, graph, feat, x, edge_weight))
    if kind == "gcn" and isinstance(feat, tuple | list):
        return builder.refuse(path, "a pair of features", "needs another sum.", "Use aggregator_type='mean'.")
    loops = "add" if kind == "gcn" else "keep"
    operator = graph_operator(builder, path, graph, x, edge_weight, norm="mean", loops=loops)
    if module._in_src_feats > module._out_feats:
        gathered = aggregate(builder, path, operator, linear(builder, path, module.fc_neigh, x, "message"))
    else:
        gathered = linear(builder, path, module.fc_neigh, aggregate(builder, path, operator, x), "message")
    return _after_sage(
        builder, path, module, gathered, None if kind == "gcn" else ends(builder, path, feat, operator)[1]
    )


def _pooled(
    builder: Builder,
    path: str,
    module: dgl_nn.SAGEConv,
    graph: Operand,
    feat: Features,
    x: Ref,
    edge_weight: Operand | None,
) -> tuple[Ref, Ref]:
    pool = builder.add(ir.Relu(name=f"{path}.pool.relu", inputs=(linear(builder, path, module.fc_pool, x, "pool"),)))
    edges = edges_of(builder, path, graph, x, edge_weight)
    gathered, operator = edges.reduced("max", pool), edges.matrix("max", weighted=False)
    return linear(builder, path, module.fc_neigh, gathered, "message"), ends(builder, path, feat, operator)[1]


def _after_sage(builder: Builder, path: str, module: dgl_nn.SAGEConv, gathered: Ref, target: Ref | None) -> Ref:
    if target is None:
        value = add(builder, path, (gathered,), bias=module.bias, name="bias")
    else:
        value = add(builder, path, (linear(builder, path, module.fc_self, target, "root"), gathered))
    value = activation(builder, path, module.activation, value)
    return activation(builder, f"{path}.norm", module.norm, value)


@lowers(dgl_nn.GINConv)
def lower_gin_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.GINConv,
    graph: Operand,
    feat: Features,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = f((1 + eps) X + sum, mean or maximum of the neighbours)."""
    kind = module._aggregator_type
    x, _ = ends(builder, path, feat)
    edges = edges_of(builder, path, graph, x, edge_weight)
    gathered = edges.reduced({"sum": "none"}.get(kind, kind), x)
    operator = edges.matrix("none", weighted=False)
    target = ends(builder, path, feat, operator)[1]
    value = add(builder, path, (gathered, target), (1.0, 1.0 + float(module.eps.detach())))
    value = activation(builder, f"{path}.apply_func", module.apply_func, value)
    return activation(builder, path, module.activation, value)


@lowers(dgl_nn.SGConv)
def lower_sg_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.SGConv,
    graph: Operand,
    feat: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = A^k X W + b: k aggregations, then message passing."""
    x, operator = propagation(builder, path, graph, feat, edge_weight, "in")
    for hop in powers(builder, path, operator, x, module._k):
        x = hop
    return linear(builder, path, module.fc, activation(builder, f"{path}.norm", module.norm, x), "message")


@lowers(dgl_nn.TAGConv)
def lower_tag_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.TAGConv,
    graph: Operand,
    feat: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = sum_k A^k X W_k + b, all hops in one membrane."""
    x, operator = propagation(builder, path, graph, feat, edge_weight, "in")
    value = _side_by_side(builder, path, module.lin, [x, *powers(builder, path, operator, x, module._k)])
    return activation(builder, path, module._activation, value)


def _side_by_side(builder: Builder, path: str, module: nn.Linear, values: list[Ref]) -> Ref:
    """[X_0, X_1, ...] W + b as one message passing for each X_k, so that each keeps a scale of its own."""
    parts: tuple[Tensor, ...] = torch.chunk(module.weight, len(values), dim=1)
    terms = [dense(builder, path, x, w, name=f"message{k}") for k, (x, w) in enumerate(zip(values, parts, strict=True))]
    return add(builder, path, terms, bias=module.bias)


@lowers(dgl_nn.APPNPConv)
def lower_appnp_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.APPNPConv,
    graph: Operand,
    feat: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """Z_k = (1 - alpha) A Z_{k-1} + alpha X, k times."""
    x, operator = propagation(builder, path, graph, feat, edge_weight, "both")
    return propagated(builder, path, operator, x, module._k, module._alpha)


@lowers(dgl_nn.ChebConv)
def lower_cheb_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.ChebConv,
    graph: Operand,
    feat: Operand,
    lambda_max: Operand | Sequence[float] | None = None,
) -> Ref:
    """X' = f([T_0(L) X, ..., T_{k-1}(L) X] W + b) with the signed Laplacian L scaled to [-1, 1]."""
    x = value_of(builder, path, feat)
    if isinstance(lambda_max, list | tuple) and not any(isinstance(value, Ref) for value in lambda_max):
        lambda_max = torch.tensor(lambda_max)
    given = () if lambda_max is None else (graph_input(builder, f"{path}.lambda_max", lambda_max),)
    inputs = (graph_input(builder, path, graph), *given, builder.rows(x))
    node = ir.Laplacian(name=f"{path}.laplacian", inputs=inputs, norm="dgl", given=bool(given))
    terms = chebyshev(builder, path, builder.operator(node, builder.rows(x)), x, module._k)
    return activation(builder, path, module.activation, _side_by_side(builder, path, module.linear, terms))
