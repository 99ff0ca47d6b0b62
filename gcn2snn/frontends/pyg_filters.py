"""PyTorch Geometric's filters of several hops -> description: chains of aggregations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import APPNP, ARMAConv, ChebConv, GCN2Conv, MixHopConv, SGConv, SSGConv, TAGConv

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.graph_steps import (
    activation,
    add,
    aggregate,
    chebyshev,
    dense,
    graph_input,
    linear,
    powers,
    propagated,
    value_of,
)
from gcn2snn.frontends.pyg_convolutions import propagation
from gcn2snn.frontends.registry import lowers


@lowers(SGConv)
def lower_sg_conv(
    builder: Builder, path: str, module: SGConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = A^K X W + b: K aggregations, then message passing."""
    x, operator = propagation(builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops)
    for hop in powers(builder, path, operator, x, module.K):
        x = hop
    return linear(builder, path, module.lin, x, "message")


@lowers(SSGConv)
def lower_ssg_conv(
    builder: Builder, path: str, module: SSGConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = (alpha X + (1 - alpha) / K sum_k A^k X) W + b."""
    x, operator = propagation(builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops)
    hops = powers(builder, path, operator, x, module.K)
    shares = (module.alpha, *[(1 - module.alpha) / module.K] * len(hops))
    return linear(builder, path, module.lin, add(builder, path, (x, *hops), shares), "message")


@lowers(TAGConv)
def lower_tag_conv(
    builder: Builder, path: str, module: TAGConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = sum_k A^k X W_k + b, all hops in one membrane."""
    x, operator = propagation(
        builder, path, module, x, edge_index, edge_weight, loops=False, normalise=module.normalize
    )
    hops = [x, *powers(builder, path, operator, x, module.K)]
    terms = [
        linear(builder, path, lin, hop, f"message{k}")
        for k, (lin, hop) in enumerate(zip(module.lins, hops, strict=True))
    ]
    return add(builder, path, terms, bias=module.bias)


@lowers(APPNP)
def lower_appnp(
    builder: Builder, path: str, module: APPNP, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """Z_k = (1 - alpha) A Z_{k-1} + alpha X, K times."""
    x, operator = propagation(
        builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops, normalise=module.normalize
    )
    return propagated(builder, path, operator, x, module.K, module.alpha)


@lowers(ChebConv)
def lower_cheb_conv(
    builder: Builder,
    path: str,
    module: ChebConv,
    x: Operand,
    edge_index: Operand,
    edge_weight: Operand | None = None,
    batch: Operand | None = None,
    lambda_max: Operand | float | None = None,
) -> Ref:
    """X' = sum_k T_k(L) X W_k + b with the signed Laplacian L scaled to [-1, 1]."""
    x = value_of(builder, path, x)
    if module.flow != "source_to_target":
        why = "normalises by the other end of its edges than it sums over."
        return builder.refuse(path, f"flow={module.flow!r}", why, "Use flow='source_to_target'.")
    inputs = [graph_input(builder, path, edge_index)]
    inputs += [] if edge_weight is None else [graph_input(builder, path, edge_weight)]
    fixed = None if lambda_max is None or isinstance(lambda_max, Tensor | Ref) else float(lambda_max)
    given = isinstance(lambda_max, Tensor | Ref)
    inputs += [graph_input(builder, path, lambda_max)] if isinstance(lambda_max, Tensor | Ref) else []
    inputs += [graph_input(builder, path, batch)] if given and batch is not None else []
    rows = builder.rows(x)
    node = ir.Laplacian(
        name=f"{path}.laplacian",
        inputs=(*inputs, rows),
        norm=module.normalization or "none",
        weighted=edge_weight is not None,
        given=given,
        batched=given and batch is not None,
        lambda_max=fixed,
    )
    operator = builder.operator(node, rows)
    terms = chebyshev(builder, path, operator, x, len(module.lins))
    parts = [
        linear(builder, path, lin, t, f"message{k}") for k, (lin, t) in enumerate(zip(module.lins, terms, strict=True))
    ]
    return add(builder, path, parts, bias=module.bias)


@lowers(MixHopConv)
def lower_mixhop_conv(
    builder: Builder, path: str, module: MixHopConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = [A^p X W_p for p in powers] + b, side by side."""
    x, operator = propagation(builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops)
    hops = [x, *powers(builder, path, operator, x, len(module.lins) - 1)]
    parts = [linear(builder, path, module.lins[p], hops[p], f"message{p}") for p in module.powers]
    joined = builder.add(ir.Concat(name=f"{path}.hops", inputs=tuple(parts)))
    return add(builder, path, (joined,), bias=module.bias, name="bias")


@lowers(GCN2Conv)
def lower_gcn2_conv(
    builder: Builder,
    path: str,
    module: GCN2Conv,
    x: Operand,
    x_0: Operand,
    edge_index: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = ((1 - alpha) A X + alpha X_0) ((1 - beta) I + beta W), with its own W for X_0 if they are not shared."""
    x, operator = propagation(
        builder, path, module, x, edge_index, edge_weight, loops=module.add_self_loops, normalise=module.normalize
    )
    initial = value_of(builder, path, x_0)
    gathered = aggregate(builder, path, operator, x)
    identity = torch.eye(module.channels, dtype=module.weight1.dtype, device=module.weight1.device)
    weights = [
        ((1 - module.beta) * identity + module.beta * w.detach()).t()
        for w in (module.weight1, module.weight2)
        if w is not None
    ]
    shares = (1.0 - module.alpha, module.alpha)
    if len(weights) == 1:
        return dense(builder, path, add(builder, path, (gathered, initial), shares), weights[0])
    branches = (
        dense(builder, path, gathered, shares[0] * weights[0]),
        dense(builder, path, initial, shares[1] * weights[1], name="initial"),
    )
    return add(builder, path, branches)


@lowers(ARMAConv)
def lower_arma_conv(
    builder: Builder, path: str, module: ARMAConv, x: Operand, edge_index: Operand, edge_weight: Operand | None = None
) -> Ref:
    """X' = mean over stacks of X_T, X_{t+1} = ReLU(A X_t W_t + X_0 V_t + b_t)."""
    x, operator = propagation(builder, path, module, x, edge_index, edge_weight, loops=False)
    stacks = []
    for k in range(module.num_stacks):
        value = x
        for t in range(module.num_layers):
            here = f"{path}.stack{k}.layer{t}"
            own = 0 if module.shared_weights else t
            step = module.init_weight[k] if t == 0 else module.weight[0 if module.shared_weights else t - 1, k]
            gathered = aggregate(builder, here, operator, dense(builder, here, value, step.t()))
            root = dense(builder, here, x, module.root_weight[own, k].t(), name="root")
            bias = None if module.bias is None else module.bias[own, k, 0]
            value = activation(builder, here, module.act, add(builder, here, (gathered, root), bias=bias))
        stacks.append(value)
    return add(builder, path, stacks, (1.0 / len(stacks),) * len(stacks), name="mean")
