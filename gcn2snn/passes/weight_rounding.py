"""ir -> ir: weights rounded to 8 bits, one step size per output channel; spikes and potentials stay exact."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir

LARGEST = 127
"""Largest magnitude of a signed 8-bit weight; -128 is not used, so that the code is symmetric."""


def round_weights(network: ir.Network) -> ir.Network:
    """The network with every weight a whole multiple of its output channel's step.

    W'_o = step_o round(W_o / step_o),  step_o = max |W_o| / 127                                  (o: output channel)

    Biases sit in the initial potential and stay as they are; edge weights of a graph belong to the graph, not to the
    network, and stay too.

    Source: Section V-A, Table VI; the rounding rule is the customary symmetric one.
    """
    changes: dict[str, list[ir.Node]] = {}
    for node in network:
        if isinstance(node, ir.Dense | ir.Conv):
            changes[node.name] = [replace(node, weight=round_rows(node.weight))]
        elif isinstance(node, ir.Lookup):  # table [count, out]
            changes[node.name] = [replace(node, table=round_rows(node.table.t()).t().contiguous())]
    return network.replace(changes)


def round_rows(weight: Tensor) -> Tensor:
    """weight [out, ...] on a grid of 255 values per row."""
    step = weight.abs().flatten(1).amax(1) / LARGEST
    step = torch.where(step > 0, step, 1.0).view(-1, *[1] * (weight.dim() - 1))
    return torch.round(weight / step) * step
