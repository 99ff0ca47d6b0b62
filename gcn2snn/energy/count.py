"""Counting what a run costs: each spike times its true fan-out, node by node."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from functools import singledispatchmethod

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.encoding import binary_spikes, encode_binary
from gcn2snn.energy.presets import preset_of
from gcn2snn.energy.report import EnergyReport, LayerEvents
from gcn2snn.engines import Value, apply, dense_value, input_timesteps, matrix_value, spike_value
from gcn2snn.kernels import CSR, Spikes

BY_OPERATOR = (ir.Rows, ir.PickRows)
"""Wires whose first input is an operator, which carries no spikes."""


def _reach(length: int, padding: tuple[int, int], kernel: int, stride: int, dilation: int) -> Tensor:
    """How many windows along one axis hold each of ``length`` pixels, [length]."""
    windows = (length + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    taps = torch.arange(windows)[:, None] * stride + torch.arange(kernel) * dilation - padding[0]
    inside = taps[(taps >= 0) & (taps < length)]
    return torch.bincount(inside, minlength=length).double()


class EventCounter:
    """Counts spikes and their additions while a network runs; an observer of ``run_closed``.

    Spike counts travel through wires (sums, pooling sums, concatenation) to the next synapse; behind a synapse there
    is a potential, not spikes, until the next population. Several runs (batches) add up.

    Args:
        network: what runs.
        wait: w, for the number of updates; None is as long as the input lasts.
        sent: spikes per neuron by population, coder or one-hot, for codes that allow more than one.
        steps: with ``sent``, the updates of each neuron.
    """

    def __init__(
        self,
        network: ir.Network,
        wait: int | None = None,
        sent: Mapping[str, Tensor] | None = None,
        steps: int = 0,
    ):
        self.network = network
        self.wait = wait
        self.sent = sent
        self.steps = steps
        self.rows: dict[str, LayerEvents] = {}
        self.neurons = 0
        self.updates = 0
        self._counts: dict[str, Tensor | None] = {}

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if not isinstance(value, CSR):
            self._counts[node.name] = self._visit(node, args, value)

    def go_on(self, network: ir.Network) -> EventCounter:
        """A counter that has seen the same nodes, for a network that goes on from here."""
        other = EventCounter(network, self.wait, self.sent, self.steps)
        other.rows, other._counts = dict(self.rows), dict(self._counts)
        other.neurons, other.updates = self.neurons, self.updates
        return other

    def add(self, other: EventCounter) -> None:
        """Count what another run counted, too."""
        for name, row in other.rows.items():
            self.rows[name] = self.rows[name] + row if name in self.rows else row
        self.neurons += other.neurons
        self.updates += other.updates

    def forget(self, kept: Container[str]) -> None:
        """Drop the spike counts of nodes that nothing reads any more."""
        self._counts = {name: counts for name, counts in self._counts.items() if name in kept}

    def tensors(self) -> list[Tensor]:
        """The spike counts that are held."""
        return [counts for counts in self._counts.values() if counts is not None]

    def report(self, preset: str = "fp32") -> EnergyReport:
        """Everything counted so far."""
        return EnergyReport(tuple(self.rows.values()), self.neurons, self.updates, preset_of(preset))

    def _count_of(self, node: ir.Node) -> Tensor | None:
        return self._counts[node.inputs[-1]]

    def _add(self, node: ir.Node, kind: str, operations: int, counts: Tensor | None, events: int, outputs: int) -> None:
        row = LayerEvents(
            name=node.name,
            kind=kind,
            operations=operations,
            input_neurons=0 if counts is None else counts.numel(),
            input_spikes=0 if counts is None else int(counts.sum(dtype=torch.float64)),
            events=events,
            macs=operations if counts is None else 0,
            outputs=outputs,
        )
        self.rows[node.name] = self.rows[node.name] + row if node.name in self.rows else row

    @singledispatchmethod
    def _visit(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> Tensor | None:
        return None

    @_visit.register
    def _one_hot(self, node: ir.OneHot, args: tuple[Value, ...], value: Value) -> Tensor:
        if self.sent is not None and node.name in self.sent:
            return self.sent[node.name]
        return torch.full((node.count,), float(max(node.binary, 1)))

    @_visit.register
    def _coder(self, node: ir.Coder, args: tuple[Value, ...], value: Value) -> Tensor | None:
        if node.kind == "analog":
            return None
        if self.sent is not None:
            return self.sent[node.name]
        if isinstance(value, Spikes):
            return value.fired.float()
        return binary_spikes(encode_binary(dense_value(args[0]), node.scale, node.timesteps)).float()

    @_visit.register
    def _neuron(self, node: ir.Neuron, args: tuple[Value, ...], value: Value) -> Tensor:
        self._direct(node)
        if self.sent is not None:
            counts = self.sent[node.name]
            self.neurons += counts.numel()
            self.updates += self.steps * counts.numel()
            return counts
        spikes = spike_value(value)
        phase = spikes.code.abs()
        wait = input_timesteps(self.network, node) if self.wait is None else self.wait
        self.neurons += phase.numel()
        coding = node.coding
        steps = coding.step_of(torch.where(phase == 0, coding.timesteps, phase.int()))
        # every neuron of a group compares at every step, and is charged as much as one with a membrane of its own
        self.updates += coding.group * (wait * phase.numel() + int(steps.sum(dtype=torch.int64)))
        return spikes.fired.float()

    @_visit.register
    def _lookup(self, node: ir.Lookup, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        assert counts is not None
        spikes = int(counts.sum(dtype=torch.float64))
        self._add(node, "synapse", value.numel(), counts, spikes * node.table.shape[1], value.numel())

    @_visit.register
    def _dense(self, node: ir.Dense, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        spikes = 0 if counts is None else int(counts.sum(dtype=torch.float64))
        operations = value.shape[0] * node.weight.numel()
        self._add(node, "synapse", operations, counts, spikes * node.weight.shape[0], value.numel())

    @_visit.register
    def _conv(self, node: ir.Conv, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        per_output = node.weight[0].numel()
        events = 0
        if counts is not None:
            left, right, top, bottom = node.padding
            kernel = node.weight.shape[2:]
            rows = _reach(counts.shape[2], (top, bottom), kernel[0], node.stride[0], node.dilation[0])
            columns = _reach(counts.shape[3], (left, right), kernel[1], node.stride[1], node.dilation[1])
            at_pixel = counts.sum((0, 1), dtype=torch.float64).cpu()
            events = int((at_pixel * rows[:, None] * columns).sum()) * (node.weight.shape[0] // node.groups)
        self._add(node, "synapse", value.numel() * per_output, counts, events, value.numel())

    @_visit.register
    def _aggregate(self, node: ir.Aggregate, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        matrix = matrix_value(args[0])
        events = 0
        if counts is not None:
            events = int((matrix.column_counts.double() @ counts.to(torch.float64)).sum())
        self._add(node, "synapse", matrix.nnz * value.shape[1], counts, events, value.numel())

    @_visit.register
    def _wire(self, node: ir.Wire, args: tuple[Value, ...], value: Value) -> Tensor | None:
        features = node.inputs[1:] if isinstance(node, BY_OPERATOR) else node.inputs
        counts = [self._counts[name] for name in features]
        known = [c for c in counts if c is not None]
        if isinstance(node, ir.Add):
            return self._sum(node, known, len(counts), dense_value(value))
        if isinstance(node, ir.AvgPool):
            return self._pool(node, known, dense_value(args[0]), dense_value(value))
        if len(known) < len(counts):
            return None
        return dense_value(apply(node, *(args[:1] if isinstance(node, BY_OPERATOR) else ()), *known))

    def _sum(self, node: ir.Add, known: list[Tensor], branches: int, value: Tensor) -> Tensor | None:
        total = torch.stack(known).sum(0) if known else torch.zeros(0)
        pure = len(known) == branches
        if branches > 1:
            # Spikes that are added to a potential are counted here; sums of spikes alone are counted at their reader.
            events = 0 if pure else int(total.sum(dtype=torch.float64))
            self._add(node, "sum", value.numel() * (branches - 1), total, events, value.numel())
        return total if pure else None

    def _pool(self, node: ir.AvgPool, known: list[Tensor], x: Tensor, value: Tensor) -> Tensor | None:
        def window_sums(x: Tensor) -> Tensor:
            around = (node.kernel, node.stride, node.padding, node.ceil_mode)
            return functional.avg_pool2d(x.double(), *around, divisor_override=1).round()

        terms = int(window_sums(torch.ones(x.shape[1:])).sum()) * x.shape[0]
        self._add(node, "sum", terms, known[0] if known else torch.zeros(0), 0, value.numel())
        return window_sums(known[0]) if known else None

    def _direct(self, node: ir.Node) -> None:
        """Spikes that enter a membrane through wires alone: one addition each."""
        counts = self._counts.get(node.inputs[0])
        if counts is None:
            return
        feed = self.network[node.inputs[0]]
        events = int(counts.sum(dtype=torch.float64))
        if feed.name in self.rows and isinstance(feed, ir.Add | ir.AvgPool):
            row = self.rows[feed.name]
            self.rows[feed.name] = replace(row, events=row.events + events)
        else:
            self._add(feed, "sum", 0, counts, events, counts.numel())

    @_visit.register
    def _output(self, node: ir.Output, args: tuple[Value, ...], value: Value) -> None:
        self._direct(node)

    @_visit.register
    def _max_pool(self, node: ir.MaxPool, args: tuple[Value, ...], value: Value) -> Tensor:
        counts = self._count_of(node)
        assert counts is not None
        return value.fired.float() if isinstance(value, Spikes) else (dense_value(value) != 0).float()

    @_visit.register
    def _aggregate_max(self, node: ir.AggregateMax, args: tuple[Value, ...], value: Tensor) -> Tensor:
        return (value != 0).float()
