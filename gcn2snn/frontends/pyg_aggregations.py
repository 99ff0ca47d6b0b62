"""PyTorch Geometric's aggregations -> description: one reduction, or several side by side, inside layers and as pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.nn import MessagePassing, aggr

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.call_numbers import Number
from gcn2snn.frontends.graph_steps import add, aggregate, graph_input, linear
from gcn2snn.frontends.pyg_models import membership
from gcn2snn.frontends.reductions import (
    LinearMessages,
    Neighbours,
    OfSources,
    OnEdges,
    Reducer,
    first_linear,
    is_monotone,
    together,
)
from gcn2snn.frontends.refusal_reasons import UNKNOWN_REDUCTION
from gcn2snn.frontends.registry import REFUSED_LAYERS, follows_numbers, lowers

SINGLE: dict[type[nn.Module], str] = {
    aggr.SumAggregation: "none",
    aggr.MeanAggregation: "mean",
    aggr.MaxAggregation: "max",
    aggr.VariancePreservingAggregation: "root",
}
"""Aggregation -> norm of the matrix that computes it."""

Scaler: TypeAlias = aggr.DegreeScalerAggregation


def gathered(builder: Builder, path: str, module: nn.Module, values: Reducer) -> Ref:
    """What an aggregation makes of values; several kinds go side by side, a minimum is -max(-x)."""
    kind = type(module)
    if kind in SINGLE:
        return values.reduce(SINGLE[kind])
    if kind is aggr.MinAggregation:
        return add(builder, path, (values.reduce("max", -1.0),), (-1.0,), name="minimum")
    if isinstance(module, aggr.MultiAggregation):
        assert isinstance(module.aggrs, nn.ModuleList)
        parts = [gathered(builder, path, child, values) for child in module.aggrs]
        return _combined(builder, path, module, parts)
    if isinstance(module, aggr.DegreeScalerAggregation):
        assert isinstance(module.aggr, nn.Module)
        return _degree_scaled(builder, path, module, gathered(builder, path, module.aggr, values), values)
    return builder.refuse(path, f"aggregation {kind.__qualname__}", **REFUSED_LAYERS.get(kind, UNKNOWN_REDUCTION))


def _combined(builder: Builder, path: str, module: aggr.MultiAggregation, parts: list[Ref]) -> Ref:
    if len(parts) == 1:
        return parts[0]
    if module.mode in ("cat", "proj"):
        joined = builder.add(ir.Concat(name=f"{path}.kinds", inputs=tuple(parts)))
        return joined if module.mode == "cat" else linear(builder, f"{path}.proj", module.lin, joined, "message")
    return together(builder, path, parts, str(module.mode))


def _degree_scaled(builder: Builder, path: str, module: Scaler, x: Ref, values: Reducer) -> Ref:
    """The scalers of PNA are diagonal matrices of the degrees."""
    averages = {"amplification": module.avg_deg_log, "attenuation": module.avg_deg_log}
    averages |= {"linear": module.avg_deg_lin, "inverse_linear": module.avg_deg_lin}
    parts = []
    for scaler in module.scaler:
        if scaler == "identity":
            parts.append(x)
        elif scaler in averages:
            parts.append(values.scaled(scaler, float(averages[scaler].detach()), x))
        else:
            parts.append(builder.refuse(path, f"scaler {scaler!r}", **UNKNOWN_REDUCTION))
    return together(builder, path, parts, "cat")


def neighbours(
    builder: Builder,
    path: str,
    module: MessagePassing,
    edge_index: Operand,
    edge_weight: Operand | None,
    ends: tuple[Ref, Ref | None],
    size: tuple[int, int] | None = None,
    **options: object,
) -> Ref:
    """The values of the neighbours, by the layer's aggregation. ``options``: fields of :class:`ir.Adjacency`."""
    edges = edges_of(builder, path, module, edge_index, edge_weight, ends, size, **options)
    return gathered(builder, path, aggregation_of(module), OfSources(edges, ends[0]))


def edges_of(
    builder: Builder,
    path: str,
    module: MessagePassing,
    edge_index: Operand,
    edge_weight: Operand | None,
    ends: tuple[Ref, Ref | None],
    size: tuple[int, int] | None = None,
    **options: object,
) -> Neighbours:
    """The edges of a layer. ``ends``: values of (sources, targets); the targets are None where they have none."""
    source, target = ends
    fixed = int(size[1]) if size is not None and target is None else None
    own = source if target is None else target
    taken = {"flow": module.flow, "targets": fixed, **options}
    return Neighbours(builder, path, edge_index, source, own, edge_weight, taken)


def aggregation_of(module: MessagePassing) -> nn.Module:
    """The layer's aggregation."""
    made = module.aggr_module
    assert isinstance(made, nn.Module)
    return made


def messages(
    builder: Builder, path: str, network: object, message: LinearMessages, module: nn.Module, name: str = "nn"
) -> Ref:
    """Linear messages through the rest of a network that starts with them, then an aggregation.

    Neurons of single edges are needed only where the network goes on, or where edges have values of their own.
    """
    found = first_linear(network)
    rest = [] if found is None else found[1]
    before = not message.along and (not rest or (type(module) is aggr.MaxAggregation and is_monotone(rest)))
    value = gathered(builder, path, module, message) if before else message.on_edges()
    for suffix, child in rest:
        value = builder.module(f"{path}.{name}{suffix}", child, (value,))
    return value if before else gathered(builder, path, module, OnEdges(message.neighbours, value))


@dataclass(frozen=True)
class _Members:
    """Values of nodes, to be reduced over each graph."""

    builder: Builder
    path: str
    x: Ref
    index: Operand | None
    size: int | Number | None

    def reduce(self, kind: str, sign: float = 1.0) -> Ref:
        builder, path = self.builder, self.path
        if kind == "root":
            what = "VariancePreservingAggregation as a pool"
            return builder.refuse(path, what, **UNKNOWN_REDUCTION)
        value = add(builder, path, (self.x,), (sign,), name="negative")
        operator = membership(builder, path, value, self.index, self.size, mean=kind == "mean")
        if kind == "max":
            return builder.add(ir.AggregateMax(name=f"{path}.pool", inputs=(operator, value)))
        return aggregate(builder, path, operator, value, "pool")

    def scaled(self, kind: str, factor: float, x: Ref) -> Ref:
        return self.builder.refuse(self.path, f"scaler {kind!r} in a pool", **UNKNOWN_REDUCTION)


@lowers(aggr.SumAggregation, aggr.MeanAggregation, aggr.MaxAggregation, aggr.MinAggregation, aggr.MultiAggregation)
@follows_numbers
def lower_aggregation(
    builder: Builder,
    path: str,
    module: aggr.Aggregation,
    x: Ref,
    index: Operand | None = None,
    ptr: Operand | None = None,
    dim_size: int | Number | None = None,
    dim: int = -2,
) -> Ref:
    """Sum, mean, maximum or minimum over the nodes of each graph, or several of these."""
    if ptr is not None or dim % 2 != 0:
        return builder.refuse(path, "ptr or dim", "is no pool over rows by index.", "Pass index, and leave dim out.")
    return gathered(builder, path, module, _Members(builder, path, x, index, dim_size))


@lowers(aggr.DeepSetsAggregation)
@follows_numbers
def lower_deep_sets(
    builder: Builder,
    path: str,
    module: aggr.DeepSetsAggregation,
    x: Ref,
    index: Operand | None = None,
    ptr: Operand | None = None,
    dim_size: int | Number | None = None,
    dim: int = -2,
) -> Ref:
    """global(sum over the nodes of each graph of local(x))."""
    if ptr is not None or dim % 2 != 0:
        return builder.refuse(path, "ptr or dim", "is no pool over rows by index.", "Pass index, and leave dim out.")
    before = module.local_nn if module.local_mlp is None else module.local_mlp
    after = module.global_nn if module.global_mlp is None else module.global_mlp
    x = x if before is None else builder.module(f"{path}.local", before, (x,))
    x = _Members(builder, path, x, index, dim_size).reduce("none")
    return x if after is None else builder.module(f"{path}.global", after, (x,))


@lowers(pyg.GraphSizeNorm)
def lower_graph_size_norm(
    builder: Builder,
    path: str,
    module: pyg.GraphSizeNorm,
    x: Ref,
    batch: Operand | None = None,
    batch_size: int | None = None,
) -> Ref:
    """X' = X / sqrt(number of nodes of the graph): a diagonal matrix."""
    return aggregate(builder, path, _of_graphs(builder, path, x, batch, root_size=True), x)


@lowers(pyg.MeanSubtractionNorm)
def lower_mean_subtraction_norm(
    builder: Builder,
    path: str,
    module: pyg.MeanSubtractionNorm,
    x: Ref,
    batch: Operand | None = None,
    dim_size: int | None = None,
) -> Ref:
    """X' = X - mean over the nodes of the graph: there and back by two matrices."""
    means = _Members(builder, path, x, batch, None).reduce("mean")
    back = aggregate(builder, path, _of_graphs(builder, path, x, batch), means, "back")
    return add(builder, path, (x, back), (1.0, -1.0))


def _of_graphs(builder: Builder, path: str, x: Ref, batch: Operand | None, *, root_size: bool = False) -> Ref:
    rows = builder.rows(x)
    batches = () if batch is None else (graph_input(builder, path, batch),)
    node = ir.OfGraphs(name=f"{path}.nodes", inputs=(*batches, rows), root_size=root_size, batched=bool(batches))
    return builder.operator(node, rows)
