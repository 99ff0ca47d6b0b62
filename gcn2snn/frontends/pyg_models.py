"""What PyTorch Geometric models hold besides convolutions -> description: pools, norms, jumping knowledge; refusals."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch_geometric import nn as pyg
from torch_geometric import utils
from torch_geometric.nn import aggr
from torch_geometric.utils import scatter

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.graph_steps import aggregate, graph_input, linear, maximum
from gcn2snn.frontends.registry import lowers, lowers_function, refuses
from gcn2snn.frontends.torch_layers import batch_norm


@lowers(pyg.Linear)
def lower_pyg_linear(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """Y = X W^T + b."""
    return linear(builder, path, module, args[0], "")


@lowers(pyg.BatchNorm)
def lower_pyg_batch_norm(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with running statistics."""
    assert isinstance(module, pyg.BatchNorm)
    return batch_norm(builder, path, args[0], module.module)


@lowers(pyg.JumpingKnowledge)
def lower_jumping_knowledge(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """Layers side by side ("cat"), or their maximum by ReLUs: max(a, b) = a + ReLU(b - a)."""
    assert isinstance(module, pyg.JumpingKnowledge)
    if module.mode == "cat":
        return builder.add(ir.Concat(name=path, inputs=tuple(args[0])))
    if module.mode == "max":
        return maximum(builder, path, args[0])
    return builder.refuse(
        path, "mode='lstm'", "has gates that multiply values with values.", "Use mode='cat' or 'max'."
    )


@lowers_function(pyg.global_add_pool)
def lower_add_pool(builder: Builder, path: str, x: Ref, batch: Any, size: int | None = None) -> Ref:
    """Sum over the nodes of each graph."""
    return aggregate(builder, path, membership(builder, path, x, batch, size), x, "pool")


@lowers_function(pyg.global_mean_pool)
def lower_mean_pool(builder: Builder, path: str, x: Ref, batch: Any, size: int | None = None) -> Ref:
    """Mean over the nodes of each graph."""
    return aggregate(builder, path, membership(builder, path, x, batch, size, mean=True), x, "pool")


@lowers_function(pyg.global_max_pool)
def lower_max_pool(builder: Builder, path: str, x: Ref, batch: Any, size: int | None = None) -> Ref:
    """Maximum over the nodes of each graph: the first spike wins."""
    return builder.add(ir.AggregateMax(name=f"{path}.pool", inputs=(membership(builder, path, x, batch, size), x)))


@lowers_function(scatter)
def lower_scatter(
    builder: Builder, path: str, src: Ref, index: Any, dim: int = 0, dim_size: int | None = None, reduce: str = "sum"
) -> Ref:
    """Sum, mean or maximum over the nodes of each graph."""
    pools = {"sum": lower_add_pool, "add": lower_add_pool, "mean": lower_mean_pool, "max": lower_max_pool}
    if dim % len(builder.shape(src)) != 0 or reduce not in pools:
        return builder.refuse(
            path, f"scatter(dim={dim}, reduce={reduce!r})", "is no pool over nodes.", "Use global_add_pool."
        )
    return pools[reduce](builder, path, src, index, dim_size)


@lowers(aggr.SumAggregation, aggr.MeanAggregation, aggr.MaxAggregation)
def lower_aggregation(builder: Builder, path: str, module: nn.Module, args: tuple[Any, ...]) -> Ref:
    """Sum, mean or maximum over the nodes of each graph."""
    x, index, ptr, size, dim = args[:5]
    if ptr is not None or dim % 2 != 0:
        return builder.refuse(path, "ptr or dim", "is no pool over rows by index.", "Pass index, and leave dim out.")
    pools = {aggr.SumAggregation: lower_add_pool, aggr.MeanAggregation: lower_mean_pool}
    return pools.get(type(module), lower_max_pool)(builder, path, x, index, size)


@lowers_function(utils.dropout_edge)
def lower_dropout_edge(
    builder: Builder,
    path: str,
    edge_index: Any,
    p: float = 0.5,
    force_undirected: bool = False,
    training: bool = True,
) -> tuple[Any, None]:
    """Nothing, unless the model drops edges in evaluation mode too."""
    if training and p > 0:
        why = "is active in evaluation mode, so the model's result is random."
        builder.refuse(path, f"dropout_edge(p={p}, training=True)", why, "Pass training=self.training.")
    return edge_index, None


def membership(builder: Builder, path: str, x: Ref, batch: Any, size: Any = None, *, mean: bool = False) -> Ref:
    """The operator [graphs, nodes] of a pool over graphs; all nodes are one graph without ``batch``."""
    inputs = (builder.rows(x),) if batch is None else (graph_input(builder, path, batch), builder.rows(x))
    graphs = size if isinstance(size, int) and not isinstance(size, bool) else None
    node = ir.Membership(name=f"{path}.graphs", inputs=inputs, mean=mean, batched=batch is not None, graphs=graphs)
    return builder.operator(node)


refuses(
    *(pyg.GATConv, pyg.GATv2Conv, pyg.TransformerConv, pyg.AGNNConv, pyg.SuperGATConv, pyg.FAConv, pyg.GMMConv),
    *(pyg.RGATConv, pyg.HGTConv, pyg.HANConv, pyg.SplineConv, pyg.NNConv, pyg.CGConv, pyg.GPSConv),
    why="weighs its edges by the values themselves, and a spike only adds its weight.",
    instead="Use fixed edge weights: GCNConv, SAGEConv, GINConv and others in the support table.",
)
refuses(
    *(aggr.SoftmaxAggregation, aggr.PowerMeanAggregation, aggr.AttentionalAggregation, aggr.MedianAggregation),
    *(aggr.QuantileAggregation, aggr.SortAggregation, aggr.MinAggregation, aggr.MulAggregation),
    *(aggr.VarAggregation, aggr.StdAggregation, aggr.MultiAggregation),
    why="is no sum, mean or maximum of the nodes.",
    instead="Use global_add_pool, global_mean_pool or global_max_pool; several of them go side by side by torch.cat.",
)
refuses(
    *(utils.add_self_loops, utils.remove_self_loops, utils.add_remaining_self_loops, utils.to_undirected),
    *(utils.degree, utils.softmax, utils.to_dense_batch, utils.to_dense_adj, utils.subgraph, utils.k_hop_subgraph),
    why="changes the graph, or computes with it, inside the model.",
    instead="Do it before the model is called, and use layers of the support table.",
)
refuses(
    *(pyg.GatedGraphConv, pyg.ResGatedGraphConv),
    why="has gates that multiply values with values.",
    instead="Use feed-forward layers: GCNConv, SAGEConv, GINConv and others in the support table.",
)
refuses(
    *(
        pyg.LayerNorm,
        pyg.GraphNorm,
        pyg.InstanceNorm,
        pyg.PairNorm,
        pyg.GraphSizeNorm,
        pyg.MessageNorm,
        pyg.DiffGroupNorm,
    ),
    *(pyg.MeanSubtractionNorm,),
    why="divides by a statistic of its own input, which no single neuron knows.",
    instead="Use BatchNorm, which is constant after training.",
)
