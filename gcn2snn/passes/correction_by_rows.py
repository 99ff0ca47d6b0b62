"""The correction of means under a memory limit: one population's potentials are there at a time, in parts by rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import (
    ByRows,
    Panel,
    RowStore,
    Rules,
    Value,
    activate,
    code_input,
    dense_value,
    fire,
    panels,
    run_by_rows,
)
from gcn2snn.kernels import Spikes, per_channel
from gcn2snn.memory import MemoryLimit
from gcn2snn.passes.bias_correction import STEPS, SUM_UNITS, moves
from gcn2snn.passes.over_ranks import Place
from gcn2snn.passes.some_rows import some_rows

PART_VALUES = 1 << 20
"""Numbers of a part."""

Item = Mapping[str, Value]
"""The inputs of one call."""


class _Mean:
    """Mean over all but the channel axis of values that come in parts; sums in whole units, so that their order changes nothing.

    Args:
        unit: a size of the values, of which the sums are multiples of a small part.
    """

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self.total = torch.zeros(0, dtype=torch.int64)
        self.count = 0

    def add(self, x: Tensor) -> None:
        """Take a part in, [N, C, ...]."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        part = (x.sum(axes, dtype=torch.float64) * (SUM_UNITS / self.unit)).round().long()
        self.total = self.total + part if self.count else part
        self.count += x.numel() // x.shape[1]

    def value(self) -> Tensor:
        """The mean, [C], float64."""
        return self.total.double() * (self.unit / SUM_UNITS) / max(self.count, 1)


def correct_by_rows(network: ir.Network, items: Sequence[Item], source: ir.Network, limit: MemoryLimit) -> ir.Network:
    """What :func:`gcn2snn.passes.correct_means` gives, but for rounding in single precision.

    Sums are rounded to whole units in every part, so a mean may differ by a few units of 2^-24 of the population's scale.

    Args:
        network, items, source: as there.
        limit: for the potentials of one population and the spikes that are still to be read.
    """
    limit = replace(limit, size=limit.size // 2)  # one half for the run at hand, one for the spikes of those before
    outputs = tuple(node.name for node in network.of(ir.Output))
    goals, goal_outputs = _goals(source, network, items, outputs, limit)
    sent: list[dict[str, Value]] = [{} for _ in items]
    stores = [RowStore(limit) for _ in items]
    changes: dict[str, list[ir.Node]] = {}
    for node in network.of(ir.Neuron):
        if node.start is not None and node.start.dim() == 2:  # a refit is its own correction
            continue
        plain = replace(node, start=None)
        potentials = [
            _potential(network, item, own, node.inputs[0], limit) for item, own in zip(items, sent, strict=True)
        ]
        seen = [some_rows(x) for x in potentials]
        parts = [x[part] for x in seen for part in _parts(x)]
        shift = _shift(plain, goals[node.name].value(), parts)
        changes[node.name] = [replace(node, start=shift)]
        for x, own, store in zip(potentials, sent, stores, strict=True):
            own[node.name] = _fired(plain, x, shift, store)
    for name in outputs:
        own_outputs: list[Value] = [
            _potential(network, item, own, name, limit) for item, own in zip(items, sent, strict=True)
        ]
        changes[name] = [replace(_output(network, name), start=_difference(goal_outputs[name], own_outputs))]
    return network.replace(changes)


def _shift(node: ir.Neuron, wanted: Tensor, potentials: Sequence[Tensor]) -> Tensor:
    """The steps of :func:`gcn2snn.passes.correct_means`, with what one part of the potentials needs at a time."""
    gain = torch.ones_like(node.scale) if node.gain is None else node.gain
    shift = torch.zeros_like(wanted)
    active = _Mean(1.0)
    for x in potentials:
        active.add(moves(node, x))
    for _ in range(STEPS):
        sent = _Mean(float(node.scale.max()))
        for x in potentials:
            sent.add(dense_value(fire(node, x + per_channel(shift.to(x.dtype), x.dim()))))
        shift = shift + gain * (wanted - sent.value()) / active.value().clamp(min=0.05)
    limit = node.threshold_scale
    return torch.minimum(torch.maximum(shift, -limit), limit).to(potentials[0].dtype)


def _difference(goal: Sequence[Value], have: Sequence[Value]) -> Tensor:
    """Mean over rows of what an output should be and is not, [C]."""
    differences = [some_rows(dense_value(a)) - some_rows(dense_value(b)) for a, b in zip(goal, have, strict=True)]
    mean = _Mean(max(float(x.abs().max()) if x.numel() else 0.0 for x in differences) or 1.0)
    for x in differences:
        mean.add(x)
    return mean.value().to(differences[0].dtype)


def _output(network: ir.Network, name: str) -> ir.Output:
    node = network[name]
    assert isinstance(node, ir.Output)
    return node


def _goals(
    source: ir.Network, network: ir.Network, items: Sequence[Item], outputs: tuple[str, ...], limit: MemoryLimit
) -> tuple[dict[str, _Mean], dict[str, list[Value]]]:
    """Mean activation of the source in each population's place, and its outputs for each item."""
    means = {node.name: _Mean(float(node.scale.max())) for node in network.of(ir.Neuron)}

    def look(node: ir.Node, args: tuple[Value, ...], value: Value, panel: Panel) -> None:
        if node.name in means:
            means[node.name].add(some_rows(dense_value(value), Place(panel.part.start, panel.rows)))

    results: dict[str, list[Value]] = {name: [] for name in outputs}
    with torch.no_grad():
        for item in items:
            found = run_by_rows(source, item, Rules(activate, code_input, ByRows(look)), limit, wanted=outputs)
            for name in outputs:
                results[name].append(found[name])
    return means, results


def _potential(network: ir.Network, item: Item, sent: Mapping[str, Value], name: str, limit: MemoryLimit) -> Tensor:
    """The result of a node that floats reach from spikes that are known."""
    with torch.no_grad():
        return dense_value(run_by_rows(network, item, Rules(fire, code_input), limit, sent, (name,))[name])


def _parts(x: Tensor) -> list[slice]:
    return panels(x.shape[0], max(PART_VALUES * x.shape[0] // max(x.numel(), 1), 1))


def _fired(node: ir.Neuron, potential: Tensor, shift: Tensor, store: RowStore) -> Spikes:
    """What the population sends from a shifted potential."""
    for part in _parts(potential):
        x = potential[part]
        spikes = fire(node, x + per_channel(shift, x.dim()))
        kept = store.begin(node.name, potential.shape[0], spikes) if part.start == 0 else store.kept[node.name]
        kept.write(part, spikes)
    value = store.kept[node.name].value
    assert isinstance(value, Spikes)
    return value
