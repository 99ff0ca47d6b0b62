"""A network in words: one row for each spiking layer, as values, as a table and in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import path, sources
from gcn2snn.kernels import PhaseCode


@dataclass(frozen=True)
class LayerRow:
    """One spiking layer: what adds up, in which population, and how that sends it on.

    Args:
        operation: names of the synapses whose weights meet in the membrane, "-" without any.
        reads: names of the populations, coders and inputs whose spikes arrive.
        population: name of the population, or of the output.
        shape: of its potentials, "*" for the batch or the nodes.
        kind: "ReLU", "signed", "rectified", or what the output means.
        code: base, time steps and group of the phase code, "" for the output.
        scale: the calibrated maximum, or the range of those of the channels, "" for the output.
        weights: numbers in the synapses.
    """

    operation: str
    reads: str
    population: str
    shape: str
    kind: str
    code: str
    scale: str
    weights: int


def layer_rows(network: ir.Network) -> list[LayerRow]:
    """A row for every population and the output, in order."""
    return [_row(network, node) for node in network if isinstance(node, ir.Neuron | ir.Output)]


def _row(network: ir.Network, node: ir.Neuron | ir.Output) -> LayerRow:
    synapses = [x for x in path(network, node) if isinstance(x, ir.Synapse)]
    shape = " x ".join("*" if size is None else str(size) for size in network.shapes[node.name])
    return LayerRow(
        operation=", ".join(x.name for x in synapses) or "-",
        reads=", ".join(sources(network, node)),
        population=node.name,
        shape=shape,
        kind=node.kind if isinstance(node, ir.Neuron) else _meaning(network),
        code=code_of(node.coding) if isinstance(node, ir.Neuron) else "",
        scale=scale_of(node.scale) if isinstance(node, ir.Neuron) else "",
        weights=sum(t.numel() for x in synapses for t in x.tensors().values()),
    )


def _meaning(network: ir.Network) -> str:
    """What the potentials of an output are."""
    return "none: potentials" if network.of(ir.Result) else "none: class = largest potential"


def readout_rows(network: ir.Network) -> list[str]:
    """A line for each step behind the outputs, which works in floats on potentials, and one for several results."""
    rows = [
        f"{node.name}: {type(node).__name__} of {', '.join(node.inputs)}, on potentials, in floats"
        for node in network.of(ir.Readout)
    ]
    if network.structure != ir.HEAD:
        pairs = zip(map(ir.told, ir.paths(network.structure)), network.heads, strict=True)
        rows.append("results: " + ", ".join(f"{way} = {name}" for way, name in pairs))
    return rows


def code_of(coding: PhaseCode) -> str:
    """``Q=1.3, T=16``: base of a time step and number of time steps; the group where it is larger than one."""
    group = f", groups of {coding.group}" if coding.group > 1 else ""
    return f"Q={coding.base**coding.group:g}, T={coding.steps}{group}"


def code_values(node: ir.Node) -> dict[str, object]:
    """Name and code of a population as JSON values; None where the node is the output."""
    code: dict[str, object] = {"name": node.name, **dict.fromkeys(("base", "timesteps", "group", "signed"))}
    if isinstance(node, ir.Neuron):
        coding = node.coding
        code |= {"base": coding.base**coding.group, "timesteps": coding.steps}
        code |= {"group": coding.group, "signed": coding.signed}
    return code


def scale_of(scale: Tensor | None) -> str:
    """One scale, or the smallest and largest of the channels."""
    if scale is None:
        return "not calibrated"
    low, high = float(scale.min()), float(scale.max())
    return f"{high:.4g}" if low == high else f"{low:.3g} to {high:.3g}"


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, as wide as their longest entry, without trailing spaces."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (columns, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def summary(network: ir.Network) -> str:
    """A table of all layers, and a line with the sums."""
    rows = layer_rows(network)
    names = [field.name for field in fields(LayerRow)]
    cells = [[f"{getattr(row, name):,}" if name == "weights" else getattr(row, name) for name in names] for row in rows]
    return "\n".join([text_table(names, cells), *readout_rows(network), headline(network)])


def headline(network: ir.Network) -> str:
    """``3 populations (2 ReLU, 1 signed), 2,304 weights, inputs x, edge_index``."""
    populations = network.of(ir.Neuron)
    kinds = [node.kind for node in populations]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    weights = sum(math.prod(t.shape) for node in network.of(ir.Synapse) for t in node.tensors().values())
    inputs = ", ".join(node.name for node in network.of(ir.Input)) or "none"
    count = f"{len(populations)} population{'s' if len(populations) != 1 else ''}"
    return f"{count} ({counts or 'none'}), {weights:,} weights, inputs {inputs}"


def layers(network: ir.Network) -> str:
    """One line for each population, short: its name, operation, shape, kind, code and scale."""
    lines = []
    for row in layer_rows(network):
        told = ", ".join(part for part in (row.kind, row.code, row.scale and f"scale {row.scale}") if part)
        lines.append(f"{row.population}: {row.operation} -> [{row.shape}] {told}")
    return "\n".join([*lines, *readout_rows(network)])
