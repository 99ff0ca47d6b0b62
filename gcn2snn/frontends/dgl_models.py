"""What DGL models hold besides convolutions -> description: readouts of batched graphs, frames, blocks; refusals."""

from __future__ import annotations

from typing import Any

import dgl
from dgl.nn import pytorch as dgl_nn
from torch import nn

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.dgl_convolutions import graph_operator
from gcn2snn.frontends.example_inputs import part
from gcn2snn.frontends.graph_steps import aggregate, graph_input
from gcn2snn.frontends.registry import lowers, lowers_function, refuses
from gcn2snn.frontends.torch_shapes import TargetRows

KINDS: dict[Any, str] = {dgl_nn.SumPooling: "sum", dgl_nn.AvgPooling: "mean", dgl_nn.MaxPooling: "max"}


@lowers(dgl_nn.SumPooling, dgl_nn.AvgPooling, dgl_nn.MaxPooling)
def lower_pooling(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """Sum, mean or maximum over the nodes of each graph of a batch."""
    return _pool(builder, path, args[0], args[1], KINDS[type(module)])


@lowers_function(dgl.sum_nodes)
def lower_sum_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Sum of a node frame over each graph of a batch."""
    return _pool(builder, path, graph, _frame(builder, graph, feat), "sum")


@lowers_function(dgl.mean_nodes)
def lower_mean_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Mean of a node frame over each graph of a batch."""
    return _pool(builder, path, graph, _frame(builder, graph, feat), "mean")


@lowers_function(dgl.max_nodes)
def lower_max_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, ntype: None = None
) -> Ref:
    """Maximum of a node frame over each graph of a batch: the first spike wins."""
    return _pool(builder, path, graph, _frame(builder, graph, feat), "max")


@lowers_function(dgl.readout_nodes)
def lower_readout_nodes(
    builder: Builder, path: str, graph: Ref, feat: str, weight: None = None, *, op: str = "sum", ntype: None = None
) -> Ref:
    """Sum, mean or maximum of a node frame over each graph of a batch."""
    if op not in ("sum", "mean", "max"):
        return builder.refuse(path, f"readout op={op!r}", "is no sum, mean or maximum.", "Use one of these.")
    return _pool(builder, path, graph, _frame(builder, graph, feat), op)


def _frame(builder: Builder, graph: Ref, key: str) -> Ref:
    """What the model wrote to ``graph.ndata[key]``, or what the caller's graph holds there."""
    frame = part(builder, graph, "attribute", "ndata")
    return builder.frames[frame, key] if (frame, key) in builder.frames else part(builder, frame, "item", key)


def _pool(builder: Builder, path: str, graph: Ref, x: Ref, kind: str) -> Ref:
    inputs = (graph_input(builder, path, graph), builder.rows(x))
    operator = builder.operator(ir.Membership(name=f"{path}.graphs", inputs=inputs, mean=kind == "mean"))
    if kind == "max":
        return builder.add(ir.AggregateMax(name=f"{path}.pool", inputs=(operator, x)))
    return aggregate(builder, path, operator, x, "pool")


@lowers_function("local_scope")
def lower_local_scope(builder: Builder, path: str, graph: Ref) -> Ref:
    """Nothing: what is written to a frame never reaches the caller's graph."""
    return graph


@lowers_function("num_dst_nodes", "number_of_dst_nodes")
def lower_num_dst_nodes(builder: Builder, path: str, graph: Ref) -> TargetRows:
    """As the end of a slice, ``x[:block.num_dst_nodes()]``: the rows of the target nodes."""
    return TargetRows(lambda x: graph_operator(builder, path, graph, x))


refuses(
    *(dgl_nn.GATConv, dgl_nn.GATv2Conv, dgl_nn.EdgeGATConv, dgl_nn.DotGatConv, dgl_nn.AGNNConv, dgl_nn.HGTConv),
    *(dgl_nn.GlobalAttentionPooling, dgl_nn.SetTransformerEncoder, dgl_nn.SetTransformerDecoder, dgl_nn.NNConv),
    why="weighs its edges by the values themselves, and a spike only adds its weight.",
    instead="Use fixed edge weights: GraphConv, SAGEConv, GINConv and others in the support table.",
)
refuses(
    *("update_all", "apply_edges", "send_and_recv", "pull", "push", "apply_nodes"),
    why="runs functions of its own along the edges.",
    instead="Use the layers of dgl.nn in the support table.",
)
refuses(
    *(dgl.add_self_loop, dgl.remove_self_loop, dgl.to_bidirected, dgl.to_simple, dgl.reverse, dgl.add_reverse_edges),
    why="changes the graph inside the model.",
    instead="Do it before the model is called.",
)
refuses(
    *(dgl_nn.GatedGraphConv, dgl_nn.Set2Set),
    why="has gates that multiply values with values.",
    instead="Use feed-forward layers: GraphConv, SAGEConv, GINConv and others in the support table.",
)
