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
from torch_geometric.nn.resolver import aggregation_resolver

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import Linear, add, adjacency, aggregate, dense, linear, value_of
from gcn2snn.frontends.pyg_aggregations import neighbours
from gcn2snn.frontends.registry import CHECKS, LEAVES, lowers
from gcn2snn.kernels import CSR


def check_aggregation(module: nn.Module) -> tuple[str, str, str] | None:
    """Whether ``aggr`` was set after a layer was made: PyG goes on with the aggregation that it made then."""
    made = getattr(module, "aggr_module", None)
    if not isinstance(module, MessagePassing) or made is None or not isinstance(module.aggr, str):
        return None
    # Other aggregations than these are objects, for which PyG keeps their printed form as the name.
    if module.aggr not in ("add", "sum", "mean", "max", "min") or isinstance(
        made, type(aggregation_resolver(module.aggr))
    ):
        return None
    why = f"was set after the layer was made, and PyG goes on with {type(made).__name__}."
    return f"aggr={module.aggr!r}", why, "Make the layer with the aggregation that it is to have."


CHECKS.append(check_aggregation)
LEAVES += [MessagePassing, "torch_geometric.nn.norm.", "torch_geometric.nn.aggr.", "torch_geometric.nn.pool."]

SUMS = ("add", "sum")


def propagation(
    builder: Builder,
    path: str,
    module: MessagePassing,
    x: Operand,
    edge_index: Operand,
    edge_weight: Operand | None,
    *,
    loops: bool,
    normalise: bool = True,
) -> tuple[Ref, Ref]:
    """x as a value, and the matrix that its neighbours are weighed by.

    That is D^-1/2 (A + I) D^-1/2 as ``gcn_norm`` makes it, or A as it is; a filled cache must hold the example's graph.
    """
    value = value_of(builder, path, x)
    if module.aggr not in SUMS:
        why = "changes the normalisation that the layer is defined by."
        return value, builder.refuse(path, f"aggr={module.aggr!r}", why, "Use the layer's own aggr='add'.")
    options: dict[str, Any] = {"flow": module.flow}
    if normalise:
        options |= {"norm": "gcn", "loops": "remaining" if loops else "keep"}
        # gcn_norm fills in 2 for `improved` only where there are edge weights or a sparse matrix
        options |= {"loop_weight": 2.0} if getattr(module, "improved", False) else {}
    operator = adjacency(builder, path, edge_index, edge_weight, value, **options)
    cached = getattr(module, "_cached_edge_index", None)
    if normalise and cached is not None and not _holds(cached, builder.example(operator), module.flow):
        why = "holds another graph than the example, and the layer would go on using it."
        instead = "Pass the graph the model was trained on, or call reset_parameters."
        return value, builder.refuse(path, "cached=True", why, instead)
    return value, operator


def _holds(cached: tuple[Tensor, Tensor], expected: CSR | None, flow: str) -> bool:
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
def lower_gcn_conv(
    builder: Builder, path: str, module: GCNConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = D^-1/2 (A + I) D^-1/2 X W + b: message passing, then aggregation."""
    x, operator = propagation(
        builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops, normalise=module.normalize
    )
    message = dense(builder, path, x, module.lin.weight)
    return add(builder, path, (aggregate(builder, path, operator, message),), bias=module.bias, name="bias")


Pair = tuple[Ref, Ref | None]
"""(sources, targets) of a layer; the targets are None where they have no values of their own."""


def pair_of(builder: Builder, path: str, x: Operand | tuple[Operand, Operand | None]) -> Pair:
    """(sources, targets) from one value or a bipartite tuple."""
    if isinstance(x, tuple | list):
        return value_of(builder, path, x[0]), None if x[1] is None else value_of(builder, path, x[1])
    value = value_of(builder, path, x)
    return value, value


@lowers(GraphConv)
def lower_graph_conv(
    builder: Builder,
    path: str,
    module: GraphConv,
    x: Operand | tuple[Operand, Operand | None],
    edge_index: Operand,
    edge_weight: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = (A X) W_1 + b + X W_2, A summed, averaged or maximised over the neighbours."""
    source, target = pair_of(builder, path, x)
    gathered = neighbours(builder, path, module, edge_index, edge_weight, (source, target), size)
    return _with_root(
        builder, path, linear(builder, path, module.lin_rel, gathered, "message"), module.lin_root, target
    )


def _with_root(builder: Builder, path: str, message: Ref, root: Linear, target: Ref | None) -> Ref:
    """The messages plus what the layer makes of the target nodes themselves: both meet in one membrane."""
    if target is None:
        return message
    return add(builder, path, (message, linear(builder, path, root, target, "root")))


@lowers(SAGEConv)
def lower_sage_conv(
    builder: Builder,
    path: str,
    module: SAGEConv,
    x: Operand | tuple[Operand, Operand | None],
    edge_index: Operand,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = (mean, sum or maximum of the neighbours) W_1 + b + X W_2: two branches meet in one membrane."""
    source, target = pair_of(builder, path, x)
    if module.normalize:
        why = "divides each node by the length of its own result, which no single neuron knows."
        return builder.refuse(path, "normalize=True", why, "Use normalize=False.")
    message = source
    if module.project:
        projected = linear(builder, path, module.lin, source, "project")
        message = builder.add(ir.Relu(name=f"{path}.project.relu", inputs=(projected,)))
    gathered = neighbours(builder, path, module, edge_index, None, (message, target), size)
    result = linear(builder, path, module.lin_l, gathered, "message")
    return _with_root(builder, path, result, module.lin_r, target) if module.root_weight else result


@lowers(GINConv)
def lower_gin_conv(
    builder: Builder,
    path: str,
    module: GINConv,
    x: Operand | tuple[Operand, Operand | None],
    edge_index: Operand,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = nn((1 + eps) X + A X): sums, then its own network."""
    source, target = pair_of(builder, path, x)
    result = neighbours(builder, path, module, edge_index, None, (source, target), size)
    if target is not None:
        result = add(builder, path, (result, target), (1.0, 1.0 + float(module.eps.detach())))
    assert isinstance(module.nn, nn.Module)
    return builder.module(f"{path}.nn", module.nn, (result,))


@lowers(LEConv)
def lower_le_conv(
    builder: Builder,
    path: str,
    module: LEConv,
    x: Operand | tuple[Operand, Operand | None],
    edge_index: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = A (X W_1 + b_1) - D X W_2 + X W_3 + b_3 with D the sums of A's rows."""
    source, target = pair_of(builder, path, x)
    if target is None:
        return builder.refuse(path, "x = (x, None)", "the layer needs target nodes.", "Pass both.")
    flow = {"flow": module.flow}
    operator = adjacency(builder, path, edge_index, edge_weight, source, target, **flow)
    degrees = adjacency(builder, f"{path}.degrees", edge_index, edge_weight, source, target, norm="degree", **flow)
    gathered = aggregate(builder, path, operator, linear(builder, path, module.lin1, source, "message"))
    own = aggregate(builder, path, degrees, linear(builder, path, module.lin2, target, "own"), "own.degree")
    root = linear(builder, path, module.lin3, target, "root")
    return add(builder, path, (gathered, own, root), (1.0, -1.0, 1.0))


@lowers(ClusterGCNConv)
def lower_cluster_gcn_conv(builder: Builder, path: str, module: ClusterGCNConv, x: Operand, edge_index: Operand) -> Ref:
    """X' = (A^ + lambda diag A^) X W_1 + b + X W_2 with A^ = D^-1 (A + I)."""
    x = value_of(builder, path, x)
    if module.flow != "source_to_target":
        why = "normalises by the other end of its edges than it sums over."
        return builder.refuse(path, f"flow={module.flow!r}", why, "Use flow='source_to_target'.")
    loops = "replace" if module.add_self_loops else "keep"
    operator = adjacency(builder, path, edge_index, None, x, norm="cluster", loops=loops, factor=module.diag_lambda)
    gathered = aggregate(builder, path, operator, x)
    branches = (
        linear(builder, path, module.lin_out, gathered, "message"),
        linear(builder, path, module.lin_root, x, "root"),
    )
    return add(builder, path, branches)
