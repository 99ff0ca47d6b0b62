"""What PyTorch Geometric models hold besides convolutions -> description: pools, norms, jumping knowledge; refusals."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.utils import scatter

from gcn2snn import ir
from gcn2snn.lower_graph import aggregate, graph_input, linear, maximum
from gcn2snn.lower_torch import batch_norm
from gcn2snn.lowering import Builder, Ref, lowers, lowers_function, refuses


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
