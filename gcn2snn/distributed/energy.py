"""Counts of all ranks together: the same numbers as one process counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gcn2snn import ir
from gcn2snn.distributed.communicator import COUNTS, Communicator
from gcn2snn.distributed.network import HaloRows, LocalNetwork, replicated_bytes
from gcn2snn.energy import EnergyReport, EventCounter, LayerEvents, PopulationEvents, preset_of
from gcn2snn.engines import Value

ONCE = ("connections", "missing", "stored", "biases", "taps")
"""Counts of weights that every rank has whole."""


class RankCounter:
    """An observer that counts what a rank's rows do; :meth:`report` joins the counts of all ranks.

    Args:
        local: what runs.
        ranks: that run it.
        wait: w, None for as long as the input lasts.
    """

    def __init__(self, local: LocalNetwork, ranks: Communicator, wait: int | None = None):
        self.local, self.ranks = local, ranks
        self.counter = EventCounter(local.network, wait)
        self._arriving: dict[str, tuple[int, int]] = {}  # own neurons and their spikes, by the halo that sends them

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        with self.ranks.counted_as(COUNTS):
            if isinstance(node, HaloRows):
                counts = self.counter.count_into(node)
                self._arriving[node.name] = (0, 0) if counts is None else (counts.numel(), int(counts.double().sum()))
            self.counter(node, args, value)

    def report(self, preset: str = "fp32") -> EnergyReport:
        """Everything counted so far on all ranks, on every rank."""
        own = self.counter.report(preset)
        shares = self.ranks.everywhere(_Share(own, self._arriving))
        rows = [self._layer(name, [share.layer(name) for share in shares], shares) for name in self.counter.rows]
        populations = [
            _joined(list(each)) for each in zip(*(share.report.populations for share in shares), strict=True)
        ]
        again = (self.ranks.size - 1) * (replicated_bytes(self.local) + 4 * self._matrices())
        return EnergyReport(
            layers=tuple(rows),
            neurons=sum(share.report.neurons for share in shares),
            updates=sum(share.report.updates for share in shares),
            preset=preset_of(preset),
            populations=tuple(populations),
            footprint=sum(share.report.footprint for share in shares) - again,
            samples=own.samples,
        )

    def _matrices(self) -> int:
        """Matrices in the footprint: each rank's row pointers have one number more than it has rows."""
        return len({node.inputs[0] for node in self.local.network if isinstance(node, ir.Aggregate | ir.AggregateMax)})

    def _layer(self, name: str, rows: Sequence[LayerEvents], shares: Sequence[_Share]) -> LayerEvents:
        total = rows[0]
        for row in rows[1:]:
            total = total + row
        node = self.local.network[name]
        total = replace(total, samples=rows[0].samples)
        if isinstance(node, ir.Aggregate):
            return self._aggregation(node, total, shares)
        if isinstance(node, ir.Lookup):  # its table is shared out
            return replace(total, biases=rows[0].biases)
        return replace(total, **{count: getattr(rows[0], count) for count in ONCE})

    def _aggregation(self, node: ir.Aggregate, total: LayerEvents, shares: Sequence[_Share]) -> LayerEvents:
        """Rows that several ranks read are neurons once, and all pairs of nodes are pairs, those of two ranks too."""
        arriving = [share.arriving[node.inputs[1]] for share in shares]
        pairs = self.local.partition.rows**2
        zeros = total.missing - total.connections + total.stored
        return replace(
            total,
            input_neurons=sum(neurons for neurons, _ in arriving),
            input_spikes=sum(spikes for _, spikes in arriving),
            inputs=total.outputs,
            connections=pairs,
            missing=pairs - total.stored + zeros,
        )


@dataclass(frozen=True)
class _Share:
    """What one rank counted."""

    report: EnergyReport
    arriving: dict[str, tuple[int, int]]

    def layer(self, name: str) -> LayerEvents:
        return next(layer for layer in self.report.layers if layer.name == name)


def _joined(populations: list[PopulationEvents]) -> PopulationEvents:
    total = populations[0]
    for population in populations[1:]:
        total = total + population
    return replace(total, samples=populations[0].samples)
