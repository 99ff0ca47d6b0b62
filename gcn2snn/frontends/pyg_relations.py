"""PyTorch Geometric's layers for several kinds of edges -> description: each relation is a matrix of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.nn import DirGNNConv, FastRGCNConv, RGCNConv, SignedConv
from torch_geometric.nn.conv.hetero_conv import group

from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import add, dense, linear, reversed_edges, value_of
from gcn2snn.frontends.pyg_aggregations import aggregation_of, gathered, neighbours
from gcn2snn.frontends.pyg_convolutions import pair_of
from gcn2snn.frontends.reductions import Neighbours, OfSources, together
from gcn2snn.frontends.registry import lowers, lowers_function

Given = Operand | None
"""Values of nodes; None where the layer has a row of weights for each node instead."""


@lowers(RGCNConv, FastRGCNConv)
def lower_rgcn_conv(
    builder: Builder,
    path: str,
    module: RGCNConv,
    x: Given | tuple[Given, Given],
    edge_index: Operand,
    edge_type: Operand | None = None,
) -> Ref:
    """X' = sum_r A_r X W_r + X W + b over the relations r, A_r averaged, summed or maximised over their edges."""
    source, target = (x[0], x[1]) if isinstance(x, tuple | list) else (x, x)
    if edge_type is None:
        return builder.refuse(path, "edge_type=None", "reads the relations off a SparseTensor.", "Pass edge_type.")
    for value in (source, target):
        example = builder.example(value) if isinstance(value, Ref) else value
        if isinstance(example, Tensor) and not example.is_floating_point():
            why = "looks up rows of weights by numbers that come with the call."
            return builder.refuse(path, "x of node numbers", why, "Pass x=None for all nodes in order, or features.")
    weights, root, parts = _relation_weights(module), module.root, []
    own = _rooted(builder, path, target, root)
    for relation, weight in enumerate(weights):
        name = f"{path}.relation{relation}"
        value = value_of(builder, name, weight if source is None else source)
        options = {"flow": module.flow, "types": edge_type, "relation": relation}
        edges = Neighbours(builder, name, edge_index, value, _ends(value, target, own), options=options)
        found = gathered(builder, name, aggregation_of(module), OfSources(edges, value))
        parts.append(found if source is None else dense(builder, name, found, weight.t()))
    parts += [] if own is None else [own]
    return add(builder, path, parts, bias=module.bias)


def _relation_weights(module: RGCNConv) -> list[Tensor]:
    """The weights [in, out] of each relation, from bases or blocks where the layer has these."""
    weight = module.weight.detach()
    if module.num_bases is not None:
        weight = torch.einsum("rb,bio->rio", module.comp.detach(), weight)
    if module.num_blocks is not None:
        return [torch.block_diag(*blocks) for blocks in weight]
    return list(weight)


def _rooted(builder: Builder, path: str, target: Given, root: Tensor | None) -> Ref | None:
    if root is None:
        return None
    if target is None:
        return value_of(builder, f"{path}.root", root)
    return dense(builder, path, value_of(builder, path, target), root.t(), name="root")


def _ends(value: Ref, target: Given, own: Ref | None) -> Ref:
    """A value with one row a target."""
    if isinstance(target, Ref):
        return target
    return value if own is None else own


@lowers(SignedConv)
def lower_signed_conv(
    builder: Builder,
    path: str,
    module: SignedConv,
    x: Operand | tuple[Operand, Operand],
    pos_edge_index: Operand,
    neg_edge_index: Operand,
) -> Ref:
    """X' = [friends W_1 + X V_1, foes W_2 + X V_2]: the means over two kinds of edges, crossed after the first layer."""
    source, target = pair_of(builder, path, x)
    assert target is not None
    friends = neighbours(builder, f"{path}.positive", module, pos_edge_index, None, (source, target))
    foes = neighbours(builder, f"{path}.negative", module, neg_edge_index, None, (source, target))
    if module.first_aggr:
        plans = ((friends, module.lin_pos_l, module.lin_pos_r), (foes, module.lin_neg_l, module.lin_neg_r))
        sides = [
            add(
                builder,
                path,
                (linear(builder, path, left, seen, "message"), linear(builder, path, right, target, "root")),
            )
            for seen, left, right in plans
        ]
        return together(builder, path, sides, "cat")
    halves = []
    for own, left, right in ((0, module.lin_pos_l, module.lin_pos_r), (1, module.lin_neg_l, module.lin_neg_r)):
        first, second = left.weight.detach().chunk(2, dim=1)
        # the positive half reads friends of friends and foes of foes, the negative one friends of foes and foes of friends
        terms = (
            dense(builder, path, friends, _half(first, own), name="message"),
            dense(builder, path, foes, _half(second, 1 - own), name="message"),
            dense(builder, path, target, _half(right.weight.detach(), own), right.bias, "root"),
        )
        halves.append(add(builder, path, terms))
    return together(builder, path, halves, "cat")


def _half(weight: Tensor, side: int) -> Tensor:
    """Weights that read one half of the channels only."""
    nothing = torch.zeros_like(weight)
    return torch.cat([weight, nothing] if side == 0 else [nothing, weight], dim=1)


@lowers(DirGNNConv)
def lower_dir_gnn_conv(builder: Builder, path: str, module: DirGNNConv, x: Operand, edge_index: Operand) -> Ref:
    """X' = (1 - alpha) conv(X, A) + alpha conv(X, A^T) + X W + b."""
    value = value_of(builder, path, x)
    back = reversed_edges(builder, path, edge_index)
    inward = builder.module(f"{path}.conv_in", module.conv_in, (value, edge_index))
    outward = builder.module(f"{path}.conv_out", module.conv_out, (value, back))
    both = add(builder, path, (outward, inward), (module.alpha, 1.0 - module.alpha), name="directions")
    if module.lin is None:
        return both
    return add(builder, path, (both, linear(builder, path, module.lin, value, "root")))


@lowers_function(group)
def lower_group(builder: Builder, path: str, xs: Sequence[Ref], aggr: str | None) -> Ref | None:
    """What HeteroConv makes of the results of several relations: their sum, mean, maximum, or side by side."""
    if not xs:
        return None
    if aggr is None:
        why = "stacks the relations along an axis of their own."
        return builder.refuse(path, "aggr=None", why, "Use aggr='sum', 'mean', 'max', 'min' or 'cat'.")
    return together(builder, path, xs, aggr)
