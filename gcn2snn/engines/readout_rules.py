"""What each node behind the membranes computes on potentials, in floats, for every engine alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR


@apply.register
def _axes(node: ir.Axes, x: Tensor, bias: bool = True) -> Tensor:
    moved = x.squeeze(1) if len(node.order) < x.dim() else x.permute(node.order)
    return moved.squeeze() if node.loose else moved


@apply.register
def _sigmoid(node: ir.Sigmoid, x: Tensor, bias: bool = True) -> Tensor:
    return x.sigmoid()


@apply.register
def _scaled(node: ir.Scaled, x: Tensor, bias: bool = True) -> Tensor:
    return node.factor * x + node.shift


@apply.register
def _endpoints(node: ir.Endpoints, operator: CSR, x: Tensor, bias: bool = True) -> Tensor:
    return x[operator.col.long()]


@apply.register
def _hadamard(node: ir.Hadamard, a: Tensor, b: Tensor, bias: bool = True) -> Tensor:
    _check_rows(node, a, b)
    return a * b


@apply.register
def _inner_product(node: ir.InnerProduct, a: Tensor, b: Tensor, bias: bool = True) -> Tensor:
    _check_rows(node, a, b)
    return (a * b).sum(1, keepdim=node.keepdim)


@apply.register
def _gram(node: ir.Gram, a: Tensor, b: Tensor, bias: bool = True) -> Tensor:
    return a @ b.t()


@apply.register
def _bilinear(node: ir.Bilinear, a: Tensor, b: Tensor, bias: bool = True) -> Tensor:
    _check_rows(node, a, b)
    return functional.bilinear(a, b, node.weight, node.bias)


@apply.register
def _result(node: ir.Result, *heads: Value, bias: bool = True) -> Value:
    return None


def _check_rows(node: ir.Node, a: Tensor, b: Tensor) -> None:
    """Two results that are multiplied have as many rows as each other in this call."""
    if a.shape[0] != b.shape[0]:
        told = f"{node.inputs[0]} has {a.shape[0]}, {node.inputs[1]} has {b.shape[0]}"
        raise InputError(f"{node.name} needs results with the same number of rows: {told}")


def heads_of(network: ir.Network, values: Mapping[str, Value]) -> dict[str, Tensor]:
    """The heads of a network by name, from the potentials of its outputs and what does not change in time.

    Args:
        network: any.
        values: results of its outputs, inputs and operators.
    """
    known = dict(values)
    for node in network.of(ir.Readout):
        known[node.name] = apply(node, *(known[name] for name in node.inputs))
    return {name: dense_value(known[name]) for name in network.heads}


def read_out(network: ir.Network, potentials: Tensor) -> Tensor:
    """The source model's result from the potentials of one head: unchanged, or their softmax or log-softmax."""
    return head_values(network, {network.heads[0]: potentials})[0]


def head_values(network: ir.Network, heads: Mapping[str, Tensor]) -> list[Tensor]:
    """What the source model gives for each head: its potentials, or the softmax that it ends with and the network leaves out."""
    return [_as_source(network[name], potentials) for name, potentials in heads.items()]


def _as_source(node: ir.Node, potentials: Tensor) -> Tensor:
    kind = node.readout if isinstance(node, ir.Output) else ""
    if kind == "softmax":
        return torch.softmax(potentials, 1)
    return torch.log_softmax(potentials, 1) if kind == "log_softmax" else potentials
