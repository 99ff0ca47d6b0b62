"""What DGL models hold besides convolutions -> description: readouts of batched graphs, frames, blocks."""

from __future__ import annotations

from collections.abc import Sequence

import dgl
from dgl.nn import pytorch as dgl_nn
from torch import nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.dgl_convolutions import graph_operator
from gcn2snn.frontends.frames import read_frame
from gcn2snn.frontends.graph_steps import aggregate, graph_input
from gcn2snn.frontends.reductions import together
from gcn2snn.frontends.refusal_reasons import GATES
from gcn2snn.frontends.registry import lowers, lowers_function
from gcn2snn.frontends.torch_picks import TargetRows

KINDS: dict[type[nn.Module], str] = {dgl_nn.SumPooling: "sum", dgl_nn.AvgPooling: "mean", dgl_nn.MaxPooling: "max"}


@lowers(dgl_nn.SumPooling, dgl_nn.AvgPooling, dgl_nn.MaxPooling)
def lower_pooling(
    builder: Builder,
    path: str,
    module: dgl_nn.SumPooling | dgl_nn.AvgPooling | dgl_nn.MaxPooling,
    graph: Operand,
    feat: Ref,
) -> Ref:
    """Sum, mean or maximum over the nodes of each graph of a batch."""
    return _pool(builder, path, graph, feat, KINDS[type(module)])


@lowers_function(dgl.sum_nodes)
def lower_sum_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Sum of a node frame over each graph of a batch."""
    return _pool(builder, path, graph, read_frame(builder, graph, "ndata", feat), "sum")


@lowers_function(dgl.mean_nodes)
def lower_mean_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Mean of a node frame over each graph of a batch."""
    return _pool(builder, path, graph, read_frame(builder, graph, "ndata", feat), "mean")


@lowers_function(dgl.max_nodes)
def lower_max_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Maximum of a node frame over each graph of a batch: the first spike wins."""
    return _pool(builder, path, graph, read_frame(builder, graph, "ndata", feat), "max")


@lowers_function(dgl.readout_nodes)
def lower_readout_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, op: str = "sum", ntype: None = None
) -> Ref:
    """Sum, mean or maximum of a node frame over each graph of a batch."""
    if op not in ("sum", "mean", "max"):
        return builder.refuse(path, f"readout op={op!r}", "is no sum, mean or maximum.", "Use one of these.")
    return _pool(builder, path, graph, read_frame(builder, graph, "ndata", feat), op)


def _pool(builder: Builder, path: str, graph: Operand, x: Ref, kind: str) -> Ref:
    inputs = (graph_input(builder, path, graph), builder.rows(x))
    operator = builder.operator(ir.Membership(name=f"{path}.graphs", inputs=inputs, mean=kind == "mean"))
    if kind == "max":
        return builder.add(ir.AggregateMax(name=f"{path}.pool", inputs=(operator, x)))
    return aggregate(builder, path, operator, x, "pool")


@lowers(dgl_nn.JumpingKnowledge)
def lower_jumping_knowledge(
    builder: Builder, path: str, module: dgl_nn.JumpingKnowledge, feat_list: Sequence[Ref]
) -> Ref:
    """Layers side by side ("cat"), or their maximum by ReLUs: max(a, b) = a + ReLU(b - a)."""
    if module.mode in ("cat", "max"):
        return together(builder, path, feat_list, module.mode)
    return builder.refuse(path, "mode='lstm'", GATES["why"], "Use mode='cat' or 'max'.")


@lowers(dgl_nn.Sequential)
def lower_sequential(
    builder: Builder, path: str, module: dgl_nn.Sequential, graph: Ref | list[Ref], feats: tuple[object, ...]
) -> object:
    """Layers one after the other, on one graph or on one each."""
    graphs = graph if isinstance(graph, list) else [graph] * len(module)
    for (name, child), one in zip(module._modules.items(), graphs, strict=False):  # as many layers as there are graphs
        assert child is not None
        result = builder.module(f"{path}.{name}", child, (one, *feats))
        feats = result if isinstance(result, tuple) else (result,)
    return feats[0] if len(feats) == 1 else feats


@lowers(dgl_nn.EdgeWeightNorm)
def lower_edge_weight_norm(
    builder: Builder, path: str, module: dgl_nn.EdgeWeightNorm, graph: Operand, edge_weight: Operand
) -> Ref:
    """Weights of the edges for a layer that reads them, divided by (roots of) their sums at the ends of each edge."""
    inputs = (graph_input(builder, path, graph), graph_input(builder, f"{path}.weight", edge_weight))
    return builder.operator(ir.EdgeWeights(name=path, inputs=inputs, norm=module._norm, eps=float(module._eps)))


@lowers_function("local_scope")
def lower_local_scope(builder: Builder, path: str, graph: Ref) -> Ref:
    """Nothing: what is written to a frame never reaches the caller's graph."""
    return graph


@lowers_function("num_dst_nodes", "number_of_dst_nodes")
def lower_num_dst_nodes(builder: Builder, path: str, graph: Ref) -> TargetRows:
    """As the end of a slice, ``x[:block.num_dst_nodes()]``: the rows of the target nodes."""
    return TargetRows(lambda x: graph_operator(builder, path, graph, x))
