"""What PyTorch Geometric models hold besides convolutions -> description: pools, norms, jumping knowledge."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric import nn as pyg
from torch_geometric import utils
from torch_geometric.utils import scatter

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.call_numbers import Number
from gcn2snn.frontends.graph_steps import aggregate, graph_input, linear
from gcn2snn.frontends.reductions import together
from gcn2snn.frontends.refusal_reasons import GATES, RANDOM
from gcn2snn.frontends.registry import follows_numbers, lowers, lowers_function
from gcn2snn.frontends.torch_layers import batch_norm


@lowers(pyg.Linear)
def lower_pyg_linear(builder: Builder, path: str, module: pyg.Linear, x: Ref) -> Ref:
    """Y = X W^T + b."""
    return linear(builder, path, module, x, "")


@lowers(pyg.BatchNorm)
def lower_pyg_batch_norm(builder: Builder, path: str, module: pyg.BatchNorm, x: Ref) -> Ref:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with running statistics."""
    return batch_norm(builder, path, x, module.module)


@lowers(pyg.JumpingKnowledge)
def lower_jumping_knowledge(builder: Builder, path: str, module: pyg.JumpingKnowledge, xs: Sequence[Ref]) -> Ref:
    """Layers side by side ("cat"), or their maximum by ReLUs: max(a, b) = a + ReLU(b - a)."""
    if module.mode in ("cat", "max"):
        return together(builder, path, xs, module.mode)
    return builder.refuse(path, "mode='lstm'", GATES["why"], "Use mode='cat' or 'max'.")


@lowers_function(pyg.global_add_pool)
@follows_numbers
def lower_add_pool(builder: Builder, path: str, x: Ref, batch: Operand | None, size: int | Number | None = None) -> Ref:
    """Sum over the nodes of each graph."""
    return aggregate(builder, path, membership(builder, path, x, batch, size), x, "pool")


@lowers_function(pyg.global_mean_pool)
@follows_numbers
def lower_mean_pool(
    builder: Builder, path: str, x: Ref, batch: Operand | None, size: int | Number | None = None
) -> Ref:
    """Mean over the nodes of each graph."""
    return aggregate(builder, path, membership(builder, path, x, batch, size, mean=True), x, "pool")


@lowers_function(pyg.global_max_pool)
@follows_numbers
def lower_max_pool(builder: Builder, path: str, x: Ref, batch: Operand | None, size: int | Number | None = None) -> Ref:
    """Maximum over the nodes of each graph: the first spike wins."""
    return builder.add(ir.AggregateMax(name=f"{path}.pool", inputs=(membership(builder, path, x, batch, size), x)))


@lowers_function(scatter)
@follows_numbers
def lower_scatter(
    builder: Builder,
    path: str,
    src: Ref,
    index: Operand,
    dim: int = 0,
    dim_size: int | Number | None = None,
    reduce: str = "sum",
) -> Ref:
    """Sum, mean or maximum over the nodes of each graph."""
    pools = {"sum": lower_add_pool, "add": lower_add_pool, "mean": lower_mean_pool, "max": lower_max_pool}
    if dim % len(builder.shape(src)) != 0 or reduce not in pools:
        return builder.refuse(
            path, f"scatter(dim={dim}, reduce={reduce!r})", "is no pool over nodes.", "Use global_add_pool."
        )
    return pools[reduce](builder, path, src, index, dim_size)


@lowers_function(utils.dropout_edge)
def lower_dropout_edge(
    builder: Builder,
    path: str,
    edge_index: Operand,
    p: float = 0.5,
    force_undirected: bool = False,
    training: bool = True,
) -> tuple[Operand, None]:
    """Nothing, unless the model drops edges in evaluation mode too."""
    if training and p > 0:
        builder.refuse(path, f"dropout_edge(p={p}, training=True)", **RANDOM)
    return edge_index, None


def membership(
    builder: Builder, path: str, x: Ref, batch: Operand | None, size: int | Number | None = None, *, mean: bool = False
) -> Ref:
    """The operator [graphs, nodes] of a pool over graphs; all nodes are one graph without ``batch``."""
    batches = () if batch is None else (graph_input(builder, path, batch),)
    counts = (size.ref,) if isinstance(size, Number) and size.axis == 0 and batches else ()
    graphs = int(size) if size is not None and not counts and batches else None
    node = ir.Membership(
        name=f"{path}.graphs",
        inputs=(*batches, *counts, builder.rows(x)),
        mean=mean,
        batched=bool(batches),
        counted=bool(counts),
        graphs=graphs,
    )
    return builder.operator(node)
