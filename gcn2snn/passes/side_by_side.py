"""Several conversions of one network run on the same inputs at once: what they share is computed once, or in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, code_input, dense_value, evaluate_node, fire, run_closed, started
from gcn2snn.kernels import decode_into

STACKED = (ir.Dense, ir.Conv, ir.AvgPool, ir.MaxPool, ir.Concat, ir.Add, ir.Flatten, ir.Pad, ir.Subsample, ir.Kept)
"""Nodes that treat each row by itself, and are the same in every conversion."""

STACKED_ROWS = 64
"""Rows that go through a layer at once. A few images leave most of a layer's time to the call itself; of many, none."""


def run_side_by_side(networks: Sequence[ir.Network], inputs: Mapping[str, Value]) -> list[dict[str, Tensor]]:
    """The heads of each network, as the closed form gives them up to the order of sums.

    Where a network is made of layers that treat rows by themselves (no graph), the rows of several networks pass through each
    layer together, as the values that their spikes carry; where it is not, one network runs after the other.

    Args:
        networks: calibrated, with the same nodes but for the codes, scales and starts of their populations.
        inputs: by Input name.
    """
    rows = rows_alone(networks[0], inputs)
    if rows is None:
        found: list[dict[str, Tensor]] = []
        with torch.no_grad():
            for network in networks:
                found.append({})
                run_closed(network, inputs, heads=found[-1])
        return found
    size = max(1, STACKED_ROWS // max(rows, 1))
    parts = [networks[first : first + size] for first in range(0, len(networks), size)]
    return [heads for part in parts for heads in _stacked(part, inputs, rows)]


def rows_alone(network: ir.Network, inputs: Mapping[str, Value]) -> int | None:
    """How many rows every value has, where each is computed by itself; None where they are not (a graph)."""
    kinds = (*STACKED, ir.Input, ir.Coder, ir.Neuron, ir.Output)
    counts = {value.shape[0] if isinstance(value, Tensor) else None for value in inputs.values()}
    fits = all(isinstance(node, kinds) for node in network) and len(counts) == 1
    return counts.pop() if fits else None


@torch.no_grad()
def _stacked(networks: Sequence[ir.Network], inputs: Mapping[str, Value], rows: int) -> list[dict[str, Tensor]]:
    """Heads of each network; a value that all share has ``rows`` rows, else those of one network lie behind another's."""
    count = len(networks)
    values: dict[str, Tensor] = {}
    last = {name: node.name for node in networks[0] for name in node.inputs}
    for own in zip(*networks, strict=True):
        node = own[0]
        args = [values[name] for name in node.inputs]
        if isinstance(node, ir.Neuron | ir.Output):
            parts = args[0].split(rows) if args[0].shape[0] > rows else (args[0],) * count
            values[node.name] = _ended(own, parts)
        else:
            if len({arg.shape[0] for arg in args}) > 1:
                args = [arg.repeat(count, *[1] * (arg.dim() - 1)) if arg.shape[0] == rows else arg for arg in args]
            values[node.name] = dense_value(evaluate_node(node, tuple(args), inputs, fire, code_input))
        for name in set(node.inputs):
            if last[name] == node.name and name not in networks[0].heads:
                del values[name]
    parts_of = {name: values[name].split(rows) for name in networks[0].heads}
    return [{name: parts[number] for name, parts in parts_of.items()} for number in range(count)]


def _ended(nodes: Sequence[ir.Node], potentials: Sequence[Tensor]) -> Tensor:
    """What the membranes of each network give, one behind the other: values of spikes, or the potentials of an output."""
    rows = potentials[0].shape[0]
    out = potentials[0].new_empty(rows * len(nodes), *potentials[0].shape[1:])
    for node, potential, part in zip(nodes, potentials, out.split(rows) if rows else (), strict=False):
        if isinstance(node, ir.Neuron):
            decode_into(fire(node, potential), part)
        else:
            assert isinstance(node, ir.Output), "only these have membranes"
            part.copy_(started(node, potential))
    return out
