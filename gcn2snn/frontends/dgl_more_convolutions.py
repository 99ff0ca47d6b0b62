"""DGL's layers with initial residuals, values of edges, or a whole adjacency matrix -> description."""

from __future__ import annotations

import torch
from dgl.nn import pytorch as dgl_nn
from torch import Tensor

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Operand, Ref
from gcn2snn.frontends.dgl_convolutions import Features, edges_of, ends, propagation
from gcn2snn.frontends.graph_steps import (
    activation,
    add,
    aggregate,
    chebyshev,
    dense,
    graph_input,
    linear,
    value_of,
)
from gcn2snn.frontends.reductions import LinearMessages, OnEdges
from gcn2snn.frontends.registry import lowers


@lowers(dgl_nn.GCN2Conv)
def lower_gcn2_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.GCN2Conv,
    graph: Operand,
    feat: Operand,
    feat_0: Operand,
    edge_weight: Operand | None = None,
) -> Ref:
    """X' = f(((1 - alpha) A X + alpha X_0) ((1 - beta) I + beta W) + b), with its own W for X_0 if they are not shared."""
    x, operator = propagation(builder, path, graph, feat, edge_weight, "in")
    initial = value_of(builder, path, feat_0)
    gathered = aggregate(builder, path, operator, x)
    identity = torch.eye(module._in_feats, dtype=module.weight1.dtype, device=module.weight1.device)
    weights = [
        ((1.0 - module.beta) * identity + module.beta * w.detach()).t()
        for w in (module.weight1, module.weight2)
        if w is not None
    ]
    shares = (1.0 - module.alpha, module.alpha)
    if len(weights) == 1:
        value = dense(builder, path, add(builder, path, (gathered, initial), shares), weights[0], module.bias)
    else:
        own = dense(builder, path, initial, shares[1] * weights[1], name="initial")
        value = add(builder, path, (dense(builder, path, gathered, shares[0] * weights[0]), own), bias=module.bias)
    return activation(builder, path, module._activation, value)


@lowers(dgl_nn.EdgeConv)
def lower_edge_conv(builder: Builder, path: str, module: dgl_nn.EdgeConv, g: Operand, feat: Features) -> Ref:
    """X'_i = max over j of theta (x_i - x_j) + phi x_i: (theta + phi) x_i - theta x_j + b, the first spike wins."""
    x, _ = ends(builder, path, feat)
    edges = edges_of(builder, path, g, x)
    target = ends(builder, path, feat, edges.matrix("none"))[1]
    theta, phi = module.theta.weight.detach(), module.phi.weight.detach()
    bias = module.theta.bias.detach() + module.phi.bias.detach()
    message = LinearMessages(edges, [(x, -theta)], [(target, theta + phi)], bias=bias)
    if not module.batch_norm:
        return message.reduce("max")
    values = builder.module(f"{path}.bn", module.bn, (message.on_edges(),))
    return OnEdges(edges, values).reduce("max")


@lowers(dgl_nn.GINEConv)
def lower_gine_conv(
    builder: Builder, path: str, module: dgl_nn.GINEConv, graph: Operand, node_feat: Features, edge_feat: Operand
) -> Ref:
    """X'_i = f((1 + eps) x_i + sum over j of ReLU(x_j + e_ij)), with one neuron an edge and channel."""
    x, _ = ends(builder, path, node_feat)
    edges = edges_of(builder, path, graph, x)
    message = add(builder, path, (edges.at_edges("source", x), value_of(builder, path, edge_feat)), name="messages")
    spikes = builder.add(ir.Relu(name=f"{path}.messages.relu", inputs=(message,)))
    gathered = OnEdges(edges, spikes).reduce("none")
    target = ends(builder, path, node_feat, edges.matrix("none"))[1]
    value = add(builder, path, (gathered, target), (1.0, 1.0 + float(module.eps.detach())))
    return activation(builder, f"{path}.apply_func", module.apply_func, value)


@lowers(dgl_nn.DenseGraphConv)
def lower_dense_graph_conv(
    builder: Builder, path: str, module: dgl_nn.DenseGraphConv, adj: Operand, feat: Operand
) -> Ref:
    """X' = f(A X W + b) with a whole adjacency matrix, weighed by ``norm``."""
    x, operator = value_of(builder, path, feat), whole_matrix(builder, path, adj, module._norm)
    if module._in_feats > module._out_feats:
        gathered = aggregate(builder, path, operator, dense(builder, path, x, module.weight.t()))
        value = add(builder, path, (gathered,), bias=module.bias, name="bias")
    else:
        value = dense(builder, path, aggregate(builder, path, operator, x), module.weight.t(), module.bias)
    return activation(builder, path, module._activation, value)


@lowers(dgl_nn.DenseSAGEConv)
def lower_dense_sage_conv(
    builder: Builder, path: str, module: dgl_nn.DenseSAGEConv, adj: Operand, feat: Features
) -> Ref:
    """X' = f((mean of a node and its neighbours) W + b) with a whole adjacency matrix."""
    if isinstance(feat, tuple | list):
        return builder.refuse(path, "a pair of features", "needs another sum.", "Pass the features of all nodes.")
    dropped: Ref = builder.module(f"{path}.feat_drop", module.feat_drop, (value_of(builder, path, feat),))
    operator = whole_matrix(builder, path, adj, "mean_with_self")
    value = linear(builder, path, module.fc, aggregate(builder, path, operator, dropped), "message")
    value = activation(builder, path, module.activation, value)
    return activation(builder, f"{path}.norm", module._norm, value)


@lowers(dgl_nn.DenseChebConv)
def lower_dense_cheb_conv(
    builder: Builder,
    path: str,
    module: dgl_nn.DenseChebConv,
    adj: Operand,
    feat: Operand,
    lambda_max: Operand | float | None = None,
) -> Ref:
    """X' = sum_k T_k(L) X W_k + b with the signed Laplacian L of a whole adjacency matrix."""
    x, operator = value_of(builder, path, feat), whole_matrix(builder, path, adj, "chebyshev", lambda_max)
    terms = chebyshev(builder, path, operator, x, module._k)
    parts = [
        dense(builder, path, term, weight.t(), name=f"message{k}")
        for k, (term, weight) in enumerate(zip(terms, module.W, strict=True))
    ]
    return add(builder, path, parts, bias=module.bias)


def whole_matrix(builder: Builder, path: str, adj: Operand, norm: str, largest: Operand | float | None = None) -> Ref:
    """The operator of a matrix [targets, sources] that the caller passes; see :class:`ir.Matrix`."""
    inputs = [graph_input(builder, path, adj)]
    if largest is not None:
        given = largest if isinstance(largest, Ref | Tensor) else torch.tensor(float(largest))
        inputs.append(graph_input(builder, f"{path}.lambda_max", given))
    node = ir.Matrix(name=f"{path}.matrix", inputs=tuple(inputs), norm=norm, given=len(inputs) == 2)
    return builder.operator(node)
