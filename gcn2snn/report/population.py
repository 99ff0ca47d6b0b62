"""What each spiking population does while a network runs: phases, silent neurons, error, cost by node degree."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, dense_value, matrix_value, spike_value, started
from gcn2snn.kernels import CSR, Spikes, decode, per_channel

BINS = 96
"""Bins of each side of a scatter: millions of neurons become at most 96 x 96 cells."""

SAMPLE = 40
"""Neurons of a population in the raster."""


@dataclass(frozen=True)
class Degrees:
    """One class of nodes by the entries of their column: low to high, and the additions of an aggregation there."""

    low: int
    high: int
    nodes: int
    operations: int
    events: int


@dataclass
class Population:
    """One population, over the batches seen so far.

    Args:
        node: its description.
        neurons, spikes: how many, and how many fired.
        positive, negative: spikes at each phase, [T].
        quiet: silent neurons whose input asks for no spike: zero, or negative where there is no negative spike.
        underflow: neurons whose input is too small for phase T.
        cut: neurons that reach a threshold, but only behind their horizon (or not in time, with a short wait).
        saturated: neurons whose input is beyond the largest value by more than rounding: z >= Q threshold_1.
        squared_error, squared_size: sums of (spike value - source activation)^2 and of activation^2.
        cells: neurons by source activation (row) and spike value (column), both in units of the scale, [BINS, BINS].
        low, high: range of both axes, of the first batch; what lies beyond in a later one counts at the edge.
        sample: codes of at most :data:`SAMPLE` neurons of the first batch, evenly drawn, for the raster.
        degrees: additions of the aggregations that read it, by the power of two of the node degree.
    """

    node: ir.Neuron
    neurons: int = 0
    spikes: int = 0
    positive: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    quiet: int = 0
    underflow: int = 0
    cut: int = 0
    saturated: int = 0
    squared_error: float = 0.0
    squared_size: float = 0.0
    cells: Tensor = field(default_factory=lambda: torch.zeros(BINS, BINS, dtype=torch.int64))
    low: float = 0.0
    high: float = 0.0
    sample: Tensor | None = None
    degrees: dict[int, Degrees] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Root mean square of spike value - source activation, as a share of the activation's."""
        return float((self.squared_error / max(self.squared_size, 1e-60)) ** 0.5)

    @property
    def by_degree(self) -> list[Degrees]:
        """Lowest degree first; empty where no aggregation reads the population."""
        return [own for _, own in sorted(self.degrees.items())]

    def see(self, potential: Tensor, activation: Tensor, spikes: Spikes) -> None:
        """Add a batch: what the neurons were fed, what the source has there, and what they sent."""
        self._count(potential, spikes)
        value = decode(spikes, activation.dtype)
        self.squared_size += float(activation.double().square().sum())
        self.squared_error += float((value - activation).double().square().sum())
        scale = per_channel(self.node.scale.to(activation.dtype), activation.dim())
        x, y = activation / scale, value / scale
        if not bool(self.cells.any()):
            both = torch.stack([*torch.aminmax(x), *torch.aminmax(y)])
            self.low, self.high = float(both.min()), float(both.max())
        cells = torch.bincount(self._bins(x) * BINS + self._bins(y), minlength=BINS * BINS)
        self.cells += cells.view(BINS, BINS)

    def _bins(self, z: Tensor) -> Tensor:
        span = max(self.high - self.low, 1e-30)
        return ((z - self.low) * (BINS / span)).clamp_(0, BINS - 1).long().flatten()

    def _count(self, potential: Tensor, spikes: Spikes) -> None:
        node = self.node
        z = started(node, potential) / per_channel(node.threshold_scale.to(potential.dtype), potential.dim())
        magnitude = z.abs() if node.coding.signed else z.clamp(min=0)
        thresholds = node.coding.thresholds(z.dtype, z.device)
        fired, reached = spikes.fired, magnitude >= thresholds[-1]
        code = spikes.code.long()
        if self.sample is None:
            places = torch.linspace(0, code.numel() - 1, min(SAMPLE, code.numel())).round().long()
            self.sample = code.flatten()[places.to(code.device)].cpu()
        steps = node.coding.timesteps
        at = torch.bincount((code + steps).flatten(), minlength=2 * steps + 1).tolist()
        self.neurons += code.numel()
        self.spikes += int(fired.sum())
        self.positive = _sum(self.positive, at[steps + 1 :])
        self.negative = _sum(self.negative, at[:steps][::-1])
        self.quiet += int(((magnitude == 0) & ~fired).sum())
        self.underflow += int(((magnitude > 0) & ~reached & ~fired).sum())
        self.cut += int((reached & ~fired).sum())
        self.saturated += int((magnitude >= thresholds[0] * node.coding.base).sum())

    def see_degrees(self, matrix: CSR, spikes: Spikes) -> None:
        """Add what one aggregation of these spikes costs."""
        degree = matrix.column_counts.long()
        octave = torch.where(degree > 0, degree.clamp(min=1).double().log2().floor().long(), -1)
        events = degree * spikes.fired.sum(1)
        for power in octave.unique().tolist():
            own = octave == power
            before = self.degrees.get(power)
            operations, done = int(degree[own].sum()) * spikes.code.shape[1], int(events[own].sum())
            if before is not None:
                operations, done = operations + before.operations, done + before.events
            low, high = (0, 0) if power < 0 else (2**power, 2 ** (power + 1) - 1)
            self.degrees[power] = Degrees(low, high, int(own.sum()), operations, done)


def _sum(before: list[int], more: list[int]) -> list[int]:
    return [a + b for a, b in zip(before, more, strict=True)] if before else more


@dataclass
class View:
    """Sees runs of a network, batch after batch, and keeps what each population did.

    Args:
        activations: of the source on this batch, by population; taken out as they are looked at.
        populations: what was seen so far.
        fired: neurons that fired on this batch, by population.
    """

    activations: dict[str, Tensor] = field(default_factory=dict)
    populations: dict[str, Population] = field(default_factory=dict)
    fired: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            spikes = spike_value(value)
            self.fired[node.name] = spikes.fired
            own = self.populations.setdefault(node.name, Population(node))
            own.see(dense_value(args[0]), self.activations.pop(node.name), spikes)
        elif isinstance(node, ir.Aggregate) and isinstance(args[1], Spikes) and node.inputs[1] in self.populations:
            self.populations[node.inputs[1]].see_degrees(matrix_value(args[0]), args[1])
