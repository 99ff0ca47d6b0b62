"""DGL's layers for several kinds of edges or nodes -> description: each relation is a matrix of its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from dgl.nn import pytorch as dgl_nn
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.dgl_convolutions import ends, graph_operator
from gcn2snn.frontends.example_inputs import part
from gcn2snn.frontends.graph_steps import activation, add, aggregate, dense, linear, value_of
from gcn2snn.frontends.reductions import together
from gcn2snn.frontends.refusal_reasons import NORMALISATION, UNKNOWN_REDUCTION
from gcn2snn.frontends.registry import lowers


@lowers(dgl_nn.RelGraphConv)
def lower_rel_graph_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.RelGraphConv,
    g: Operand,
    feat: Operand,
    etypes: Operand,
    norm: Operand | None = None,
    *,
    presorted: bool = False,
) -> Ref:
    """X' = f(sum_r A_r X W_r + X W + b) over the relations r, with a number for each edge if ``norm`` is given."""
    if module.layer_norm:
        return builder.refuse(path, "layer_norm=True", **NORMALISATION)
    if not isinstance(etypes, Ref | Tensor):
        what = f"etypes of type {type(etypes).__name__}"
        return builder.refuse(path, what, "is no relation for each edge.", "Pass a tensor [edges].")
    x, parts = value_of(builder, path, feat), []
    for relation, weight in enumerate(_relation_weights(module)):
        name = f"{path}.relation{relation}"
        operator = graph_operator(builder, name, g, x, norm, types=etypes, relation=relation)
        parts.append(aggregate(builder, name, operator, dense(builder, name, x, weight.t())))
    if module.self_loop:
        target = ends(builder, path, x, graph_operator(builder, path, g, x))[1]
        parts.append(dense(builder, path, target, module.loop_weight.t(), name="root"))
    value = add(builder, path, parts, bias=module.h_bias if module.bias else None)
    result: Ref = builder.module(
        f"{path}.dropout", module.dropout, (activation(builder, path, module.activation, value),)
    )
    return result


def _relation_weights(module: dgl_nn.RelGraphConv) -> list[Tensor]:
    """The weights [in, out] of each relation, from bases or blocks where the layer has these."""
    typed = module.linear_r
    weight = typed.get_weight().detach()
    if typed.regularizer != "bdd":
        return list(weight)
    blocks = weight.view(typed.num_types, typed.num_bases, typed.submat_in, typed.submat_out)
    return [torch.block_diag(*block) for block in blocks]


@lowers(dgl_nn.HeteroGraphConv)
def lower_hetero_graph_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.HeteroGraphConv,
    g: Ref,
    inputs: Mapping[str, Operand] | Sequence[Mapping[str, Operand]],
    mod_args: Mapping[str, Sequence[object]] | None = None,
    mod_kwargs: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, Ref]:
    """A layer for each relation, then the sum, mean, maximum or minimum over the relations into each kind of nodes."""
    graph: Any = builder.example(g)
    found: dict[str, list[Ref]] = {kind: [] for kind in graph.dsttypes}
    paired = isinstance(inputs, tuple | list)
    sources = inputs[0] if isinstance(inputs, tuple | list) else inputs
    targets = inputs[1] if isinstance(inputs, tuple | list) else inputs
    for relation in graph.canonical_etypes:
        source, name, target = relation
        if source not in sources or (target not in targets and (paired or graph.is_block)):
            continue
        edges: Ref = part(builder, g, "item", relation)
        near = value_of(builder, path, sources[source])
        own = value_of(builder, path, targets[target])
        if graph.is_block and not paired:
            operator = graph_operator(builder, path, edges, near)
            own = builder.add(ir.Rows(name=f"{path}.targets", inputs=(operator, own)))
        child = module._get_module(relation)
        given = ((near, own), *(mod_args or {}).get(name, ()))
        here = f"{path}.mods.{name}"
        found[target].append(builder.module(here, child, (edges, *given), (mod_kwargs or {}).get(name, {})))
    mode = _mode(module.agg_fn)
    if mode is None:
        builder.refuse(path, "aggregate with a function of its own", **UNKNOWN_REDUCTION)
    return {kind: together(builder, path, parts, mode or "sum") for kind, parts in found.items() if parts}


def _mode(function: object) -> str | None:
    """What DGL makes of aggregate="sum" and the like; None for functions of the model, and for "stack"."""
    if not isinstance(function, functools.partial):
        return None
    name = getattr(function.keywords.get("fn"), "__name__", "")
    return {f"_{mode}_reduce_func": mode for mode in ("sum", "mean", "max", "min")}.get(name)


@lowers(dgl_nn.HeteroLinear)
def lower_hetero_linear(
    builder: Builder, path: str, module: dgl_nn.HeteroLinear, feat: Mapping[str, Ref]
) -> dict[str, Ref]:
    """Y = X W^T + b with weights for each kind of nodes."""
    return {
        kind: linear(builder, f"{path}.linears.{kind}", module.linears[str(kind)], value, "message")
        for kind, value in feat.items()
    }
