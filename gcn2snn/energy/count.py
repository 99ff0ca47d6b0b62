"""Counting what a run costs: each spike times its true fan-out, node by node."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from functools import singledispatchmethod

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.encoding import binary_spikes, encode_binary
from gcn2snn.energy.aggregation import aggregation_events
from gcn2snn.energy.effective import (
    convolution_operations,
    dense_operations,
    handed_over,
    lookup_operations,
    windows_at,
)
from gcn2snn.energy.event_driven import EventDrivenUpdates
from gcn2snn.energy.events import LayerEvents, PopulationEvents
from gcn2snn.energy.presets import preset_of
from gcn2snn.energy.report import EnergyReport
from gcn2snn.engines import Value, apply, choose_engine, dense_value, input_timesteps, matrix_value, spike_value
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes

BY_OPERATOR = (ir.Rows, ir.PickRows)
"""Wires whose first input is an operator, which carries no spikes."""


class EventCounter:
    """Counts spikes and their additions while a network runs; an observer of ``run_closed``.

    Spike counts travel through wires (sums, pooling sums, concatenation) to the next synapse; behind a synapse there
    is a potential, not spikes, until the next population. Several runs (batches) add up.

    Args:
        network: what runs.
        wait: w, for the number of updates; None is as long as the input lasts.
        sent: spikes per neuron by population, coder or one-hot, for codes that allow more than one.
        steps: with ``sent``, the updates of each neuron.
        event_driven: also count the updates of a chip that touches a neuron only when something happens to it, see
            :class:`EventDrivenUpdates`; T sparse products more for each aggregation.

    Raises:
        ConfigError: ``event_driven`` with a wait that does not hear all input.
    """

    def __init__(
        self,
        network: ir.Network,
        wait: int | None = None,
        sent: Mapping[str, Tensor] | None = None,
        steps: int = 0,
        event_driven: bool = False,
    ):
        self.network = network
        self.wait = wait
        self.sent = sent
        self.steps = steps
        if event_driven and choose_engine(network, wait, "auto") != "closed":
            raise ConfigError(
                f"event-driven updates are counted where all input arrives before a neuron decides; with wait = {wait} it does "
                f"not. Leave out the wait or the event-driven updates"
            )
        self.event_driven = EventDrivenUpdates(network) if event_driven else None
        self.rows: dict[str, LayerEvents] = {}
        self.populations: dict[str, PopulationEvents] = {}
        self.samples = 0
        self._counts: dict[str, Tensor | None] = {}
        self._matrices: dict[str, int] = {}  # bytes of the sparse operands, the largest seen of each
        self._places = {node.name: place for place, node in enumerate(network)}
        self._rows_meet = _rows_meet(network)
        self.continues = False  # the next results are further rows of a run whose first rows were seen

    @property
    def neurons(self) -> int:
        """Of all populations and runs."""
        return sum(population.neurons for population in self.populations.values())

    @property
    def updates(self) -> int:
        """How often the membranes of all populations were multiplied and compared."""
        return sum(population.updates for population in self.populations.values())

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if self.event_driven is not None:
            self.event_driven(node, args, value)
        self.see(node, args, value)

    def see(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> Tensor | None:
        """Count a node's result; the spikes that it carries, None where it is a potential or an operator."""
        if isinstance(value, CSR):
            return None
        self._counts[node.name] = self._visit(node, args, value)
        return self._counts[node.name]

    def set_counts(self, name: str, counts: Tensor | None) -> None:
        """Say what spikes the result of a node carries, which was counted elsewhere."""
        self._counts[name] = counts

    def go_on(self, network: ir.Network) -> EventCounter:
        """A counter that has seen the same nodes, for a network that goes on from here."""
        other = EventCounter(network, self.wait, self.sent, self.steps)
        other.rows, other._counts = dict(self.rows), dict(self._counts)
        other.populations, other.samples = dict(self.populations), self.samples
        other._matrices = dict(self._matrices)
        return other

    def add(self, other: EventCounter) -> None:
        """Count what another run counted, too."""
        for name, row in other.rows.items():
            self.rows[name] = self.rows[name] + row if name in self.rows else row
        for population in other.populations.values():
            self._add_population(population)
        self.samples += other.samples
        for name, size in other._matrices.items():
            self._matrices[name] = max(size, self._matrices.get(name, 0))

    def forget(self, kept: Container[str]) -> None:
        """Drop the spike counts of nodes that nothing reads any more."""
        self._counts = {name: counts for name, counts in self._counts.items() if name in kept}

    def tensors(self) -> list[Tensor]:
        """The spike counts that are held."""
        return [counts for counts in self._counts.values() if counts is not None]

    def report(self, preset: str = "fp32") -> EnergyReport:
        """Everything counted so far."""
        return EnergyReport(
            layers=tuple(sorted(self.rows.values(), key=self._place)),
            neurons=self.neurons,
            updates=self.updates,
            preset=preset_of(preset),
            populations=tuple(sorted(self.populations.values(), key=self._place)),
            footprint=_tensor_bytes(self.network) + sum(self._matrices.values()),
            samples=max(self.samples, 1),
            event_driven=None if self.event_driven is None else sum(self.event_driven.updates.values()),
        )

    def _place(self, row: LayerEvents | PopulationEvents) -> int:
        """Where a node stands in the network: runs of some rows at a time come to it in another order."""
        return self._places[row.name]

    def count_into(self, node: ir.Node) -> Tensor | None:
        """Spikes of each neuron that a node reads last, as the input of that node has them; None where it reads no spikes."""
        return self._counts[node.inputs[-1]]

    def _samples(self, value: Tensor) -> int:
        """Independent rows of a value."""
        return int(not self.continues) if self._rows_meet else value.shape[0]

    def _steps_into(self, node: ir.Node, counts: Tensor | None) -> int:
        """Time steps in which a node's spikes can arrive; values that are no spikes arrive once."""
        return 1 if counts is None else self._timesteps(node)

    def _timesteps(self, node: ir.Node) -> int:
        """Time steps in which spikes can arrive at a node."""
        return self.steps or input_timesteps(self.network, node)

    def _operand(self, node: ir.Aggregate | ir.AggregateMax, value: Value) -> CSR:
        """The sparse matrix that a node multiplies by, whose memory counts once for all nodes that share it."""
        matrix = matrix_value(value)
        size = sum(x.numel() * x.element_size() for x in (matrix.rowptr, matrix.col, matrix.value))
        self._matrices[node.inputs[0]] = max(size, self._matrices.get(node.inputs[0], 0))
        return matrix

    def _add_population(self, population: PopulationEvents) -> None:
        before = self.populations.get(population.name)
        self.populations[population.name] = population if before is None else before + population

    def _add(self, node: ir.Node, counts: Tensor | None, value: Tensor, row: LayerEvents) -> None:
        """Add a row; what all rows have in common is filled in from the spikes that arrive and the node's result."""
        samples = self._samples(value)
        row = replace(
            row,
            connections=row.connections * samples,
            missing=row.missing * samples,
            stored=row.stored * samples,
            biases=row.biases * samples,
            taps=row.taps * samples,
            input_neurons=0 if counts is None else counts.numel(),
            input_spikes=0 if counts is None else int(counts.sum(dtype=torch.float64)),
            macs=row.operations if counts is None else 0,
            outputs=value.numel(),
            samples=samples,
        )
        self.rows[node.name] = self.rows[node.name] + row if node.name in self.rows else row

    def _synapse(
        self, node: ir.Dense | ir.Conv | ir.Lookup, counts: Tensor | None, value: Tensor, row: LayerEvents, seen: Tensor
    ) -> None:
        """Add the row of a synapse with a weight tensor; ``seen`` is what it reads."""
        weight = node.table if isinstance(node, ir.Lookup) else node.weight
        missing = weight.numel() - int(torch.count_nonzero(weight))
        effective = row.events
        if missing or counts is None:
            sent = (seen != 0).double() if counts is None else counts
            if isinstance(node, ir.Conv):
                effective = convolution_operations(node, sent)
            else:
                effective = (
                    lookup_operations(node, sent) if isinstance(node, ir.Lookup) else dense_operations(node, sent)
                )
        biases = 0 if node.bias is None else node.bias.numel()
        size = weight.numel()
        row = replace(row, connections=size, missing=missing, stored=size, biases=biases)
        self._add(node, counts, value, replace(row, effective=effective, inputs=seen.numel()))

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
            slots = self.steps * counts.numel()
            fired_here = int(counts.sum(dtype=torch.float64))
            own = PopulationEvents(node.name, counts.numel(), fired_here, slots, slots, self._samples(counts))
            self._add_population(own)
            return counts
        spikes = spike_value(value)
        phase = spikes.code.abs()
        wait = input_timesteps(self.network, node) if self.wait is None else self.wait
        coding = node.coding
        by_phase = torch.bincount(phase.flatten(), minlength=1)  # 0: silent; other codes may have more phases
        last_seen = coding.step_of(torch.arange(by_phase.numel(), device=phase.device))
        last_seen[0] = coding.steps
        # every neuron of a group compares at every step, and is charged as much as one with a membrane of its own
        updates = coding.group * (wait * phase.numel() + int((by_phase * last_seen).sum()))
        fired, slots = spikes.fired.float(), phase.numel() * coding.steps
        sent = phase.numel() - int(by_phase[0])
        own = PopulationEvents(node.name, phase.numel(), sent, updates, slots, self._samples(phase))
        self._add_population(own)
        return fired

    @_visit.register
    def _lookup(self, node: ir.Lookup, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self.count_into(node)
        assert counts is not None
        events = int(counts.sum(dtype=torch.float64)) * node.table.shape[1]
        dense = value.numel() * self._steps_into(node, counts)
        row = _row(node, "synapse", value.numel(), events=events, dense=dense)
        self._synapse(node, counts, value, row, counts)

    @_visit.register
    def _dense(self, node: ir.Dense, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self.count_into(node)
        spikes = 0 if counts is None else int(counts.sum(dtype=torch.float64))
        operations = value.shape[0] * node.weight.numel()
        dense = operations * self._steps_into(node, counts)
        row = _row(node, "synapse", operations, events=spikes * node.weight.shape[0], dense=dense)
        self._synapse(node, counts, value, row, dense_value(args[0]) if counts is None else counts)

    @_visit.register
    def _conv(self, node: ir.Conv, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self.count_into(node)
        seen = dense_value(args[0]) if counts is None else counts
        windows = windows_at(node, seen.shape)
        outwards = node.weight.shape[0] // node.groups
        events = 0
        if counts is not None:
            at_pixel = counts.sum((0, 1), dtype=torch.float64).cpu()
            events = int((at_pixel * windows).sum()) * outwards
        inside = seen.shape[0] * seen.shape[1] * int(windows.sum()) * outwards
        dense = inside * self._steps_into(node, counts)
        operations = value.numel() * node.weight[0].numel()
        row = _row(node, "synapse", operations, events=events, dense=dense, shape="conv")
        taps = node.weight.shape[0] * node.weight[0, 0].numel()
        self._synapse(node, counts, value, replace(row, taps=taps), seen)

    @_visit.register
    def _aggregate(self, node: ir.Aggregate, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self.count_into(node)
        seen = dense_value(args[1]) if counts is None else counts
        self.add_aggregation(node, matrix_value(args[0]), [(slice(0, len(seen)), counts is not None, seen)])

    def add_aggregation(self, node: ir.Aggregate, matrix: CSR, parts: Iterable[tuple[slice, bool, Tensor]]) -> None:
        """Count an aggregation by the rows that it reads.

        Args:
            node, matrix: what is computed.
            parts: rows, whether what follows are spikes, and these or the values there; all rows of the operand once.
        """
        row = aggregation_events(node, self._operand(node, matrix), parts, self._timesteps(node))
        self.rows[node.name] = self.rows[node.name] + row if node.name in self.rows else row

    @_visit.register
    def _wire(self, node: ir.Wire, args: tuple[Value, ...], value: Value) -> Tensor | None:
        features = node.inputs[1:] if isinstance(node, BY_OPERATOR) else node.inputs
        counts = [self._counts[name] for name in features]
        known = [c for c in counts if c is not None]
        if isinstance(node, ir.Add):
            return self._sum(node, known, args, dense_value(value))
        if isinstance(node, ir.AvgPool):
            return self._pool(node, known, dense_value(args[0]), dense_value(value))
        if len(known) < len(counts):
            return None
        return dense_value(apply(node, *(args[:1] if isinstance(node, BY_OPERATOR) else ()), *known))

    def _sum(self, node: ir.Add, known: list[Tensor], args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        total = torch.stack(known).sum(0) if known else torch.zeros(0)
        branches, pure = len(args), len(known) == len(args)
        if branches > 1:
            # Spikes that are added to a potential are counted here; sums of spikes alone are counted at their reader.
            events = 0 if pure else int(total.sum(dtype=torch.float64)) + handed_over(self.network, node, args)
            inputs = value.numel() * branches
            row = _row(node, "sum", value.numel() * (branches - 1), events=events, shape="sum")
            self._add(node, total, value, replace(row, inputs=inputs))
        return total if pure else None

    def _pool(self, node: ir.AvgPool, known: list[Tensor], x: Tensor, value: Tensor) -> Tensor | None:
        def window_sums(x: Tensor) -> Tensor:
            around = (node.kernel, node.stride, node.padding, node.ceil_mode)
            return functional.avg_pool2d(x.double(), *around, divisor_override=1).round()

        terms = int(window_sums(torch.ones(x.shape[1:])).sum()) * x.shape[0]
        row = _row(node, "sum", terms, events=0, shape="sum")
        self._add(node, known[0] if known else torch.zeros(0), value, replace(row, inputs=x.numel()))
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
            row = _row(feed, "sum", 0, events=events, shape="sum")
            self._add(feed, counts, counts, replace(row, inputs=counts.numel()))

    @_visit.register
    def _output(self, node: ir.Output, args: tuple[Value, ...], value: Value) -> None:
        self.samples += self._samples(dense_value(value))
        self._direct(node)

    @_visit.register
    def _product(self, node: ir.Product, args: tuple[Value, ...], value: Value) -> None:
        """A product of two results: multiply-accumulates of potentials, in the spiking network as in its source."""
        a, b, result = (dense_value(x) for x in (*args, value))
        work = node.operations(a, b, result)
        weights = list(node.tensors().values())
        row = _row(node, "product", work, events=0, dense=work)
        row = replace(row, effective=work, inputs=a.numel() + b.numel(), stored=sum(w.numel() for w in weights))
        self._add(node, None, result, row)

    @_visit.register
    def _max_pool(self, node: ir.MaxPool, args: tuple[Value, ...], value: Value) -> Tensor | None:
        if self.count_into(node) is None:
            return None  # of values that are no spikes
        return value.fired.float() if isinstance(value, Spikes) else (dense_value(value) != 0).float()

    @_visit.register
    def _aggregate_max(self, node: ir.AggregateMax, args: tuple[Value, ...], value: Tensor) -> Tensor | None:
        self._operand(node, args[0])
        return None if self.count_into(node) is None else (value != 0).float()


def _row(
    node: ir.Node, kind: str, operations: int, *, events: int, dense: int = 0, shape: str = "dense"
) -> LayerEvents:
    """A row without what :meth:`EventCounter._add` fills in."""
    return LayerEvents(node.name, kind, operations, 0, 0, events, 0, 0, shape=shape, dense=dense)


def _rows_meet(network: ir.Network) -> bool:
    """Whether rows of a call depend on each other, as the nodes of a graph do."""
    return any(isinstance(node, ir.Aggregate | ir.AggregateMax | ir.OneHot | ir.Operator) for node in network)


def _tensor_bytes(network: ir.Network) -> int:
    """Bytes of the tensors of a description, each counted once."""
    found = {id(tensor): tensor for node in network for tensor in node.tensors().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in found.values())
