"""PyTorch Geometric's convolutions without weights, with tables, hypergraphs and degrees of their own -> description."""

from __future__ import annotations

from torch_geometric.nn import HypergraphConv, LGConv, MFConv, SimpleConv, WLConvContinuous
from torch_geometric.nn.models.linkx import SparseLinear

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import add, adjacency, aggregate, graph_input, linear, value_of
from gcn2snn.frontends.pyg_aggregations import neighbours
from gcn2snn.frontends.pyg_convolutions import SUMS, pair_of, propagation
from gcn2snn.frontends.reductions import together
from gcn2snn.frontends.refusal_reasons import ATTENTION
from gcn2snn.frontends.registry import lowers

Features = Operand | tuple[Operand, Operand | None]
"""Values of the nodes, or of (sources, targets)."""


@lowers(LGConv)
def lower_lg_conv(
    builder: Builder, path: str, module: LGConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = D^-1/2 A D^-1/2 X: an aggregation alone."""
    value, operator = propagation(
        builder, path, module, x, edge_index, edge_weight, loops=False, normalise=module.normalize
    )
    return aggregate(builder, path, operator, value)


@lowers(SimpleConv)
def lower_simple_conv(
    builder: Builder,
    path: str,
    module: SimpleConv,
    x: Features,
    edge_index: Operand,
    edge_weight: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = what the layer's aggregation makes of the neighbours, alone, plus X, or beside X."""
    ends = pair_of(builder, path, x)
    loops = "add" if module.combine_root == "self_loop" else "keep"
    gathered = neighbours(builder, path, module, edge_index, edge_weight, ends, size, loops=loops)
    if ends[1] is None or module.combine_root not in ("sum", "cat"):
        return gathered
    return together(builder, path, (ends[1], gathered), module.combine_root)


@lowers(WLConvContinuous)
def lower_wl_conv_continuous(
    builder: Builder,
    path: str,
    module: WLConvContinuous,
    x: Features,
    edge_index: Operand,
    edge_weight: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = (X + D^-1 A X) / 2 with D the sums of A's rows."""
    source, target = pair_of(builder, path, x)
    if module.flow != "source_to_target":
        why = "normalises by the other end of its edges than it sums over."
        return builder.refuse(path, f"flow={module.flow!r}", why, "Use flow='source_to_target'.")
    targets = int(size[1]) if size is not None and target is None else None
    operator = adjacency(builder, path, edge_index, edge_weight, source, target, norm="rows", targets=targets)
    gathered = aggregate(builder, path, operator, source)
    return gathered if target is None else add(builder, path, (target, gathered), (0.5, 0.5))


@lowers(SparseLinear)
def lower_sparse_linear(
    builder: Builder, path: str, module: SparseLinear, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = A W + b with a row of W for each node (LINKX)."""
    table = value_of(builder, path, module.weight)
    operator = adjacency(builder, path, edge_index, edge_weight, table, flow=module.flow)
    return add(builder, path, (aggregate(builder, path, operator, table),), bias=module.bias, name="bias")


@lowers(HypergraphConv)
def lower_hypergraph_conv(
    builder: Builder,
    path: str,
    module: HypergraphConv,
    x: Operand,
    hyperedge_index: Operand,
    hyperedge_weight: Operand | None = None,
    hyperedge_attr: Operand | None = None,
    num_edges: int | None = None,
) -> Ref:
    """X' = D^-1 H B^-1 H^T X W + b: to the hyperedges by means, and back."""
    if module.use_attention:
        return builder.refuse(path, "use_attention=True", **ATTENTION)
    if module.aggr not in SUMS:
        why = "changes the normalisation that the layer is defined by."
        return builder.refuse(path, f"aggr={module.aggr!r}", why, "Use the layer's own aggr='add'.")
    value = value_of(builder, path, x)
    rows, index = builder.rows(value), graph_input(builder, path, hyperedge_index)
    weights = () if hyperedge_weight is None else (graph_input(builder, f"{path}.weight", hyperedge_weight),)
    to_edges = builder.operator(ir.Hyperedges(name=f"{path}.hyperedges", inputs=(index, rows), count=num_edges))
    back = ir.Hyperedges(
        name=f"{path}.nodes", inputs=(index, *weights, rows), onto_nodes=True, weighted=bool(weights), count=num_edges
    )
    message = linear(builder, path, module.lin, value, "message")
    means = aggregate(builder, path, to_edges, message, "hyperedges.mean")
    gathered = aggregate(builder, path, builder.operator(back, rows), means)
    return add(builder, path, (gathered,), bias=module.bias, name="bias")


@lowers(MFConv)
def lower_mf_conv(
    builder: Builder,
    path: str,
    module: MFConv,
    x: Features,
    edge_index: Operand,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X' = (A X) W_d + b_d + X V_d with weights for each degree d: one diagonal matrix each picks its nodes."""
    source, target = pair_of(builder, path, x)
    gathered = neighbours(builder, path, module, edge_index, None, (source, target), size)
    rows = (builder.rows(source if target is None else target), builder.rows(source))
    fixed = int(size[1]) if size is not None and target is None else None
    edges, parts = graph_input(builder, path, edge_index), []
    for degree, (left, right) in enumerate(zip(module.lins_l, module.lins_r, strict=True)):
        name = f"{path}.degree{degree}"
        value = linear(builder, name, left, gathered, "message")
        if target is not None:
            value = add(builder, name, (value, linear(builder, name, right, target, "root")))
        node = ir.OfDegree(
            name=f"{name}.nodes",
            inputs=(edges, *rows),
            degree=degree,
            cap=module.max_degree,
            flow=module.flow,
            targets=fixed,
        )
        operator = builder.operator(node, rows[0] if fixed is None else None)
        parts.append(aggregate(builder, name, operator, value, "picked"))
    return add(builder, path, parts)
