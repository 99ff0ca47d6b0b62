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
    draft = ir.Draft(network)
    for norm in draft.of(ir.BatchNorm):
        _fold_one(draft, norm, into, len(network.shapes[norm.name]))
    return draft.network()


def _fold_one(draft: ir.Draft, norm: ir.BatchNorm, into: str, axes: int) -> None:
    """Take one batch norm out; ``axes`` is the number of axes of its value."""
    readers = draft.readers(norm.name)
    if into == "threshold" and len(readers) == 1 and isinstance(readers[0], ir.Relu):
        factor, shift, gain = _threshold_form(norm)
        draft.put(replace(readers[0], gain=gain))
    else:
        factor = norm.gamma / torch.sqrt(norm.var + norm.eps)
        shift = norm.beta - norm.mean * factor
    scaled = _times(draft, norm.inputs[0], factor)
    if scaled is None:
        draft.put(_diagonal(norm, factor, shift, axes))
        return
    for node in scaled:
        draft.put(node)
    before = draft[norm.inputs[0]]
    if isinstance(before, Weighted | ir.Add):
        draft.put(replace(before, bias=shift if before.bias is None else before.bias + shift))
        draft.redirect(norm.name, before.name)
        draft.drop(norm.name)
    else:  # an aggregation or pooling in between would mix the constant, so it is added behind them
        draft.put(ir.Add(name=norm.name, inputs=norm.inputs, coefficients=(1.0,), bias=shift))


def _threshold_form(norm: ir.BatchNorm) -> tuple[Tensor, Tensor, Tensor]:
    alive = norm.gamma != 0
    gain = torch.where(alive, torch.sqrt(norm.var + norm.eps) / norm.gamma.abs(), 1.0)
    return norm.gamma.sign(), norm.beta * gain - norm.gamma.sign() * norm.mean, gain


def _times(draft: ir.Draft, name: str, factor: Tensor) -> list[ir.Node] | None:
    """Nodes to change so that the value ``name`` is multiplied by ``factor`` per channel, down to its weights.

    None if somebody else reads a value on the way, or one of its branches has no weights before the next ReLU.
    """
    node = draft[name]
    if len(draft.readers(name)) != 1:
        return None
    if isinstance(node, Weighted):
        return [_scaled(node, factor)]
    if isinstance(node, ir.Aggregate | ir.AvgPool):
        return _times(draft, node.inputs[-1], factor)
    if not isinstance(node, ir.Add):
        return None
    changed: list[ir.Node] = [replace(node, bias=None if node.bias is None else node.bias * factor)]
    for branch in node.inputs:
        below = _times(draft, branch, factor)
        if below is None:
            return None
        changed += below
    return changed


def _scaled(node: Weighted, factor: Tensor) -> ir.Node:
    """The weighted node with its output channels multiplied by ``factor``."""
    bias = None if node.bias is None else node.bias * factor
    if isinstance(node, ir.Lookup):
        return replace(node, table=node.table * factor, bias=bias)
    weight = node.weight * factor.view(-1, *[1] * (node.weight.dim() - 1))
    return replace(node, weight=weight, bias=bias)


def _diagonal(norm: ir.BatchNorm, factor: Tensor, shift: Tensor, axes: int) -> ir.Node:
    if axes == 2:
        return ir.Dense(name=norm.name, inputs=norm.inputs, weight=torch.diag(factor), bias=shift)
    weight = factor.view(-1, 1, 1, 1)
    return ir.Conv(name=norm.name, inputs=norm.inputs, weight=weight, bias=shift, groups=factor.numel())


def merge_linear(network: ir.Network) -> ir.Network:
    """Two dense synapses with no neuron between them become one; an Add that changes nothing goes away.

    W = W2 W1, b = W2 b1 + b2. Merged only if nobody else reads the first and the product has no more weights.
    """
    draft = ir.Draft(network)
    for node in draft.of(ir.Add):
        if node.coefficients == (1.0,) and node.bias is None:
            draft.redirect(node.name, node.inputs[0])
            draft.drop(node.name)
    for second in draft.of(ir.Dense):
        first = draft[second.inputs[0]]
        if not isinstance(first, ir.Dense) or len(draft.readers(first.name)) != 1:
            continue
        weight = second.weight @ first.weight
        if weight.numel() > second.weight.numel() + first.weight.numel():
            continue
        bias = second.bias
        if first.bias is not None:
            bias = second.weight @ first.bias + (0.0 if second.bias is None else second.bias)
        draft.put(replace(second, weight=weight, bias=bias, inputs=first.inputs))
        draft.drop(first.name)
    return draft.network()
