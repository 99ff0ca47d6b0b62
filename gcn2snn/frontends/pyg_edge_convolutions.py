"""PyTorch Geometric's convolutions whose messages depend on both ends of an edge, or on its values -> description."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv, GENConv, GeneralConv, GINEConv, MessagePassing, PNAConv, PointNetConv

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import add, dense, linear, value_of
from gcn2snn.frontends.pyg_aggregations import aggregation_of, edges_of, gathered, messages
from gcn2snn.frontends.pyg_convolutions import pair_of
from gcn2snn.frontends.reductions import LinearMessages, Neighbours, OfSources, OnEdges, first_linear, together
from gcn2snn.frontends.refusal_reasons import ATTENTION, NORMALISATION
from gcn2snn.frontends.registry import lowers

Features = Operand | tuple[Operand, Operand | None]
"""Values of the nodes, or of (sources, targets)."""


@lowers(EdgeConv)
def lower_edge_conv(builder: Builder, path: str, module: EdgeConv, x: Features, edge_index: Operand) -> Ref:
    """X'_i = max, sum, ... over j of nn(x_i, x_j - x_i); a linear layer at first is (W_1 - W_2) x_i + W_2 x_j + b."""
    source, target = pair_of(builder, path, x)
    assert target is not None
    edges = edges_of(builder, path, module, edge_index, None, (source, target))
    found = first_linear(module.nn)
    if found is None:
        return _from_edges(builder, path, module, edges, module.nn, "nn", _differences(edges, source, target, own=True))
    own, near = found[0].weight.detach().chunk(2, dim=1)
    message = LinearMessages(edges, [(source, near)], [(target, own - near)], bias=_bias(found[0]))
    return messages(builder, path, module.nn, message, aggregation_of(module))


def _bias(module: nn.Linear) -> Tensor | None:
    return None if module.bias is None else module.bias.detach()


@lowers(PointNetConv)
def lower_point_net_conv(
    builder: Builder,
    path: str,
    module: PointNetConv,
    x: Operand | tuple[Operand | None, Operand | None] | None,
    pos: Operand | tuple[Operand, Operand],
    edge_index: Operand,
) -> Ref:
    """X'_i = global(max over j of local(x_j, p_j - p_i)); the positions are values like any other."""
    near = x[0] if isinstance(x, tuple | list) else x
    places, centres = pair_of(builder, path, pos)
    assert centres is not None
    dimensions = builder.shape(places)[1]
    if dimensions is None:
        return builder.refuse(path, "pos", "has an unknown number of axes.", "Pass positions [nodes, axes].")
    terms = [value_of(builder, path, near)] if near is not None else []
    widths = [int(builder.shape(value)[1] or 0) for value in terms]
    found = first_linear(module.local_nn)
    loops = "replace" if module.add_self_loops else "keep"
    edges = edges_of(builder, path, module, edge_index, None, (places, centres), loops=loops)
    if module.local_nn is not None and found is None:
        parts = [edges.at_edges("source", x) for x in terms] + _differences(edges, places, centres, own=False)
        value = _from_edges(builder, path, module, edges, module.local_nn, "local_nn", parts)
        return value if module.global_nn is None else _network(builder, f"{path}.global_nn", module.global_nn, value)
    weight = torch.eye(sum(widths) + dimensions) if found is None else found[0].weight.detach()
    of_values, of_places = weight[:, : sum(widths)], weight[:, sum(widths) :]
    message = LinearMessages(
        edges,
        [*((value, of_values) for value in terms), (places, of_places)],
        [(centres, -of_places)],
        bias=None if found is None else _bias(found[0]),
    )
    value = messages(builder, path, module.local_nn, message, aggregation_of(module), "local_nn")
    return value if module.global_nn is None else _network(builder, f"{path}.global_nn", module.global_nn, value)


def _differences(edges: Neighbours, source: Ref, target: Ref, *, own: bool) -> list[Ref]:
    """x_j - x_i of each edge, after x_i if ``own``."""
    near, centre = edges.at_edges("source", source), edges.at_edges("target", target)
    difference = add(edges.builder, edges.path, (near, centre), (1.0, -1.0), name="difference")
    return [centre, difference] if own else [difference]


def _from_edges(
    builder: Builder, path: str, module: MessagePassing, edges: Neighbours, network: object, name: str, parts: list[Ref]
) -> Ref:
    """A whole network on values of single edges, then the layer's aggregation."""
    value = _network(builder, f"{path}.{name}", network, together(builder, path, parts, "cat"))
    return gathered(builder, path, aggregation_of(module), OnEdges(edges, value))


def _network(builder: Builder, path: str, network: object, x: Ref) -> Ref:
    if isinstance(network, nn.Module):
        result: Ref = builder.module(path, network, (x,))
        return result
    return builder.refuse(path, type(network).__name__, "is no module, so its weights are not known.", "Use nn.Module.")


@lowers(GINEConv)
def lower_gine_conv(
    builder: Builder,
    path: str,
    module: GINEConv,
    x: Features,
    edge_index: Operand,
    edge_attr: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X'_i = nn((1 + eps) x_i + sum over j of ReLU(x_j + e_ij)), with one neuron an edge and channel."""
    source, target = pair_of(builder, path, x)
    if edge_attr is None:
        return builder.refuse(path, "edge_attr=None", "has no values of the edges.", "Pass edge_attr, or use GINConv.")
    along = value_of(builder, path, edge_attr)
    along = along if module.lin is None else linear(builder, path, module.lin, along, "edges")
    edges = edges_of(builder, path, module, edge_index, None, (source, target), size)
    message = add(builder, path, (edges.at_edges("source", source), along), name="messages")
    spikes = builder.add(ir.Relu(name=f"{path}.messages.relu", inputs=(message,)))
    value = gathered(builder, path, aggregation_of(module), OnEdges(edges, spikes))
    if target is not None:
        value = add(builder, path, (value, target), (1.0, 1.0 + float(module.eps.detach())))
    return _network(builder, f"{path}.nn", module.nn, value)


@lowers(GENConv)
def lower_gen_conv(
    builder: Builder,
    path: str,
    module: GENConv,
    x: Features,
    edge_index: Operand,
    edge_attr: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X'_i = mlp(x_i + aggregation over j of ReLU(x_j + e_ij) + eps); softmax and power means are refused."""
    source, target = pair_of(builder, path, x)
    if hasattr(module, "msg_norm"):
        builder.refuse(path, "msg_norm=True", **NORMALISATION)
    if hasattr(module, "lin_src"):
        source = linear(builder, path, module.lin_src, source, "source")
    edges = edges_of(builder, path, module, edge_index, None, (source, target), size)
    message = source
    if edge_attr is not None:
        along = value_of(builder, path, edge_attr)
        along = linear(builder, path, module.lin_edge, along, "edges") if hasattr(module, "lin_edge") else along
        message = add(builder, path, (edges.at_edges("source", source), along), name="messages")
    message = builder.add(ir.Relu(name=f"{path}.messages.relu", inputs=(message,)))
    channels = builder.shape(message)[1]
    message = add(builder, path, (message,), bias=torch.full((int(channels or 1),), float(module.eps)), name="eps")
    values = OfSources(edges, message) if edge_attr is None else OnEdges(edges, message)
    value = gathered(builder, path, aggregation_of(module), values)
    if hasattr(module, "lin_aggr_out"):
        value = linear(builder, path, module.lin_aggr_out, value, "aggregated")
    if target is not None:
        target = linear(builder, path, module.lin_dst, target, "root") if hasattr(module, "lin_dst") else target
        value = add(builder, path, (value, target))
    return _network(builder, f"{path}.mlp", module.mlp, value)


@lowers(GeneralConv)
def lower_general_conv(
    builder: Builder,
    path: str,
    module: GeneralConv,
    x: Features,
    edge_index: Operand,
    edge_attr: Operand | None = None,
    size: tuple[int, int] | None = None,
) -> Ref:
    """X'_i = mean over heads of the aggregated W_1 x_j + W_2 x_i + W_3 e_ij + b, plus W_4 x_i, without attention."""
    source, target = pair_of(builder, path, x)
    if module.attention:
        return builder.refuse(path, "attention=True", **ATTENTION)
    if module.normalize_l2:
        return builder.refuse(path, "l2_normalize=True", **NORMALISATION)
    if target is None or module.heads > 1:
        # a maximum of each head is no maximum of their mean
        what = "x = (x, None)" if target is None else f"heads={module.heads} without attention"
        return builder.refuse(path, what, "is not known to the layer's handler.", "Pass both, and use one head.")
    own, along, bias = [], [], _bias(module.lin_msg)
    if not module.directed_msg:
        own = [(target, module.lin_msg_i.weight.detach())]
        bias = None if bias is None else bias + module.lin_msg_i.bias.detach()
    if edge_attr is not None:
        along = [(value_of(builder, path, edge_attr), module.lin_edge.weight.detach())]
        bias = None if bias is None else bias + module.lin_edge.bias.detach()
    edges = edges_of(builder, path, module, edge_index, None, (source, target), size)
    message = LinearMessages(edges, [(source, module.lin_msg.weight.detach())], own, along, bias)
    value = messages(builder, path, None, message, aggregation_of(module))
    root = builder.module(f"{path}.lin_self", module.lin_self, (target,))
    return add(builder, path, (value, root))


@lowers(PNAConv)
def lower_pna_conv(
    builder: Builder,
    path: str,
    module: PNAConv,
    x: Operand,
    edge_index: Operand,
    edge_attr: Operand | None = None,
) -> Ref:
    """X' = lin(towers side by side), each post(x_i, aggregations of pre(x_i, x_j, e_ij)); deviations are refused."""
    value = value_of(builder, path, x)
    edges = edges_of(builder, path, module, edge_index, None, (value, value))
    along = None
    if edge_attr is not None and module.edge_dim is not None:
        along = linear(builder, path, module.edge_encoder, value_of(builder, path, edge_attr), "edges")
    towers: list[Any] = []
    width, total = module.F_in, module.in_channels
    for k, (pre, post) in enumerate(zip(module.pre_nns, module.post_nns, strict=True)):
        here = f"{path}.tower{k}"
        start = k * width if module.divide_input else 0
        before, after = first_linear(pre), first_linear(post)
        assert before is not None
        assert after is not None
        own, near, rest = before[0].weight.detach().tensor_split((width, 2 * width), dim=1)
        message = LinearMessages(
            replace(edges, path=here),
            [(value, _placed(near, start, total))],
            [(value, _placed(own, start, total))],
            [] if along is None else [(along, rest)],
            _bias(before[0]),
        )
        found = messages(builder, here, pre, message, aggregation_of(module), "pre")
        if builder.is_refused(found):
            towers.append(found)
            continue
        root, gathered_part = after[0].weight.detach().tensor_split((width,), dim=1)
        result = add(
            builder,
            here,
            (
                dense(builder, here, value, _placed(root, start, total), after[0].bias, "root"),
                dense(builder, here, found, gathered_part, name="gathered"),
            ),
        )
        for suffix, child in after[1]:
            result = builder.module(f"{here}.post{suffix}", child, (result,))
        towers.append(result)
    joined = towers[0] if len(towers) == 1 else builder.add(ir.Concat(name=f"{path}.towers", inputs=tuple(towers)))
    return linear(builder, path, module.lin, joined, "mix")


def _placed(weight: Tensor, start: int, total: int) -> Tensor:
    """Weights [out, width] as weights [out, total] that read the channels from ``start`` on."""
    placed = weight.new_zeros(weight.shape[0], total)
    placed[:, start : start + weight.shape[1]] = weight
    return placed
