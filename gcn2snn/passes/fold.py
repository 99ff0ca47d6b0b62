"""ir -> ir before neurons: batch norm into weights or into threshold and initial potential; linear pieces merged."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir

Weighted = ir.Dense | ir.Conv | ir.Lookup


def fold_batch_norm(network: ir.Network, into: str = "weights") -> ir.Network:
    """The same function without BatchNorm nodes, sd = sqrt(var + eps):

    "weights":   W' = W gamma / sd,   b' = (b - mean) gamma / sd + beta
    "threshold": W' = sign(gamma) W,  v(0) = sign(gamma) (b - mean) + beta sd / |gamma|,  gain = sd / |gamma|,
                 and the neuron compares U / (s gain)

    gamma = 0 is the constant beta in both. A batch norm that is not read by exactly one ReLU is folded into weights:
    there is no threshold to hold it. Behind an aggregation, which mixes nodes but not channels, or a sum, the weights
    in front of it take the factor; a batch norm with no weights in front becomes a diagonal synapse. Both forms send
    the same spikes, but for a message population between weights and aggregation with one scale for all its channels:
    the weights in front of it hold the channels' factors in one form and not in the other.

    Source: Algorithm 1, lines 4 and 5, whose misprints are mended (docs/method.md).
    """
    for norm in network.of(ir.BatchNorm):
        network = _fold_one(network, norm, into)
    return network


def _fold_one(network: ir.Network, norm: ir.BatchNorm, into: str) -> ir.Network:
    readers = network.readers(norm.name)
    changes: dict[str, list[ir.Node]] = {}
    if into == "threshold" and len(readers) == 1 and isinstance(readers[0], ir.Relu):
        factor, shift, gain = _threshold_form(norm)
        changes[readers[0].name] = [replace(readers[0], gain=gain)]
    else:
        factor = norm.gamma / torch.sqrt(norm.var + norm.eps)
        shift = norm.beta - norm.mean * factor
    scaled = _times(network, norm.inputs[0], factor)
    if scaled is None:
        changes[norm.name] = [_diagonal(network, norm, factor, shift)]
        return network.replace(changes)
    changes |= scaled
    before = changes[norm.inputs[0]][0] if norm.inputs[0] in changes else network[norm.inputs[0]]
    if isinstance(before, Weighted | ir.Add):
        changes[before.name] = [replace(before, bias=shift if before.bias is None else before.bias + shift)]
        return network.replace(changes).rename_inputs({norm.name: before.name}).replace({norm.name: []})
    # An aggregation or pooling in between would mix the constant, so it is added behind them.
    changes[norm.name] = [ir.Add(name=norm.name, inputs=norm.inputs, coefficients=(1.0,), bias=shift)]
    return network.replace(changes)


def _threshold_form(norm: ir.BatchNorm) -> tuple[Tensor, Tensor, Tensor]:
    alive = norm.gamma != 0
    gain = torch.where(alive, torch.sqrt(norm.var + norm.eps) / norm.gamma.abs(), 1.0)
    return norm.gamma.sign(), norm.beta * gain - norm.gamma.sign() * norm.mean, gain


def _times(network: ir.Network, name: str, factor: Tensor) -> dict[str, list[ir.Node]] | None:
    """Nodes to change so that the value ``name`` is multiplied by ``factor`` per channel, down to its weights.

    None if somebody else reads a value on the way, or one of its branches has no weights before the next ReLU.
    """
    node = network[name]
    if len(network.readers(name)) != 1:
        return None
    if isinstance(node, Weighted):
        return {name: [_scaled(node, factor)]}
    if isinstance(node, ir.Aggregate | ir.AvgPool):
        return _times(network, node.inputs[-1], factor)
    if not isinstance(node, ir.Add):
        return None
    changes: dict[str, list[ir.Node]] = {name: [replace(node, bias=None if node.bias is None else node.bias * factor)]}
    for branch in node.inputs:
        below = _times(network, branch, factor)
        if below is None:
            return None
        changes |= below
    return changes


def _scaled(node: ir.Node, factor: Tensor) -> ir.Node:
    """The weighted node with its output channels multiplied by ``factor``."""
    assert isinstance(node, Weighted)
    bias = None if node.bias is None else node.bias * factor
    if isinstance(node, ir.Lookup):
        return replace(node, table=node.table * factor, bias=bias)
    weight = node.weight * factor.view(-1, *[1] * (node.weight.dim() - 1))
    return replace(node, weight=weight, bias=bias)


def _diagonal(network: ir.Network, norm: ir.BatchNorm, factor: Tensor, shift: Tensor) -> ir.Node:
    if len(network.shapes[norm.inputs[0]]) == 2:
        return ir.Dense(name=norm.name, inputs=norm.inputs, weight=torch.diag(factor), bias=shift)
    weight = factor.view(-1, 1, 1, 1)
    return ir.Conv(name=norm.name, inputs=norm.inputs, weight=weight, bias=shift, groups=factor.numel())


def merge_linear(network: ir.Network) -> ir.Network:
    """Two dense synapses with no neuron between them become one; an Add that changes nothing goes away.

    W = W2 W1, b = W2 b1 + b2. Merged only if nobody else reads the first and the product has no more weights.
    """
    for name in [node.name for node in network.of(ir.Add)]:
        node = network[name]  # an earlier pass of this loop may have changed what it reads
        if isinstance(node, ir.Add) and node.coefficients == (1.0,) and node.bias is None:
            network = network.rename_inputs({node.name: node.inputs[0]}).replace({node.name: []})
    for second in network.of(ir.Dense):
        first = network[second.inputs[0]]
        if not isinstance(first, ir.Dense) or len(network.readers(first.name)) != 1:
            continue
        weight = second.weight @ first.weight
        if weight.numel() > second.weight.numel() + first.weight.numel():
            continue
        bias = second.bias
        if first.bias is not None:
            bias = second.weight @ first.bias + (0.0 if second.bias is None else second.bias)
        merged = replace(second, weight=weight, bias=bias, inputs=first.inputs)
        network = network.replace({first.name: [], second.name: [merged]})
    return network
