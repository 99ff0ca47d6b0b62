"""Energy of a converted network: Eq. 6, exact events, and a total with neuron updates and memory traffic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import singledispatchmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.encoding import binary_spikes, encode_binary
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.spiking import input_timesteps
from gcn2snn.synapse import Value, apply


@dataclass(frozen=True)
class EnergyPreset:
    """Joules per operation in 45 nm CMOS.

    Args:
        mac: one multiply-accumulate of the source model.
        add: one addition of a spike's weight.
        weight_bytes: size of a weight; potentials and activations are 4 bytes.
        byte: moving one byte to or from a 32 KB memory (20 pJ for 8 bytes).

    Source: Horowitz, ISSCC 2014, as used by the paper: 4.6 / 0.9 pJ (FP32, Section IV-C), 0.2 / 0.03 pJ (INT8,
    Section V-A). Table VI mixes 0.2 and 0.23 pJ; both presets are kept.
    """

    mac: float
    add: float
    weight_bytes: int
    byte: float = 2.5e-12

    @property
    def multiply(self) -> float:
        """One multiplication: what a MAC costs above an addition."""
        return self.mac - self.add


PRESETS = {
    "fp32": EnergyPreset(4.6e-12, 0.9e-12, 4),
    "int8-paper": EnergyPreset(0.2e-12, 0.03e-12, 1),
    "int8-horowitz": EnergyPreset(0.23e-12, 0.03e-12, 1),
}


def preset_of(name: str) -> EnergyPreset:
    """A preset by name.

    Raises:
        ConfigError: unknown name.
    """
    if name not in PRESETS:
        raise ConfigError(f"energy preset {name!r} is unknown; allowed are {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class LayerEvents:
    """What one synapse (or sum) costs.

    Args:
        name: node.
        kind: "synapse" (multiply-accumulates in the source model) or "sum" (additions in both).
        operations: OP_l, MACs of the source model; nnz * columns for a sparse product, N * columns for an identity.
        input_neurons, input_spikes: neurons that feed it and the spikes they sent.
        additions: spike_rate * operations (Eq. 6).
        events: each spike times its true fan-out.
        macs: operations on values that are not spikes (``message="fused"``, ``input="analog"``).
        outputs: potentials it adds to.
    """

    name: str
    kind: str
    operations: int
    input_neurons: int
    input_spikes: int
    events: int
    macs: int
    outputs: int

    @property
    def spike_rate(self) -> float:
        """Mean spikes of each input neuron."""
        return self.input_spikes / self.input_neurons if self.input_neurons else 0.0

    @property
    def additions(self) -> float:
        return 0.0 if self.macs else self.spike_rate * self.operations


@dataclass(frozen=True)
class EnergyReport:
    """Per-layer counts and the three efficiencies; each can be worked out again from ``layers`` and ``updates``.

    alpha_eq6    = E_mac sum OP_l / (E_add sum SpikeRate_l OP_l + E_mac sum macs_l), over synapses        (Eq. 6)
    alpha_events = (E_mac sum OP_l + E_add sum OP_sums) / (E_add sum events_l + E_mac sum macs_l), over all rows
    alpha_total  = the same with neuron updates and memory traffic on both sides
    """

    layers: tuple[LayerEvents, ...]
    neurons: int
    updates: int
    preset: EnergyPreset

    @property
    def _synapses(self) -> list[LayerEvents]:
        return [layer for layer in self.layers if layer.kind == "synapse"]

    @property
    def ann_joules(self) -> float:
        """Arithmetic of the source model."""
        sums = sum(layer.operations for layer in self.layers if layer.kind == "sum")
        return self.preset.mac * sum(layer.operations for layer in self._synapses) + self.preset.add * sums

    @property
    def snn_joules(self) -> float:
        """Additions of the spiking network, by exact events."""
        return sum(self.preset.add * layer.events + self.preset.mac * layer.macs for layer in self.layers)

    @property
    def ann_total_joules(self) -> float:
        """Arithmetic, one weight and one activation read per MAC, one write per output."""
        operations = sum(layer.operations for layer in self._synapses)
        outputs = sum(layer.outputs for layer in self.layers)
        traffic = operations * (self.preset.weight_bytes + 4) + outputs * 4
        return self.ann_joules + self.preset.byte * traffic

    @property
    def snn_total_joules(self) -> float:
        """Additions (weight read, potential read and written) and updates (multiply, compare, potential read and written)."""
        adds = sum(layer.events + layer.macs for layer in self.layers)
        traffic = adds * (self.preset.weight_bytes + 8) + self.updates * 8
        return self.snn_joules + self.updates * (self.preset.multiply + self.preset.add) + self.preset.byte * traffic

    @property
    def alpha_eq6(self) -> float:
        spent = sum(self.preset.add * layer.additions + self.preset.mac * layer.macs for layer in self._synapses)
        return _ratio(self.preset.mac * sum(layer.operations for layer in self._synapses), spent)

    @property
    def alpha_events(self) -> float:
        return _ratio(self.ann_joules, self.snn_joules)

    @property
    def alpha_total(self) -> float:
        return _ratio(self.ann_total_joules, self.snn_total_joules)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: alphas, joules, and a row per layer."""
        rows = [asdict(x) | {"spike_rate": x.spike_rate, "additions": x.additions} for x in self.layers]
        return {
            "alpha": {"eq6": self.alpha_eq6, "events": self.alpha_events, "total": self.alpha_total},
            "joules": {
                "ann": self.ann_joules,
                "snn": self.snn_joules,
                "ann_with_memory": self.ann_total_joules,
                "snn_with_memory": self.snn_total_joules,
            },
            "neurons": self.neurons,
            "updates": self.updates,
            "preset": asdict(self.preset),
            "layers": rows,
        }


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("inf")


class EventCounter:
    """Counts spikes and their additions while a network runs; an observer of ``run_closed``.

    Spike counts travel through wires (sums, pooling sums, concatenation) to the next synapse; behind a synapse there
    is a potential, not spikes, until the next population. Several runs (batches) add up.
    """

    def __init__(self, network: ir.Network, wait: int | None = None):
        self.network = network
        self.wait = wait
        self.rows: dict[str, dict[str, Any]] = {}
        self.neurons = 0
        self.updates = 0
        self._counts: dict[str, Tensor | None] = {}
        self._graph: dict[str, Value] = {}

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(value, CSR):
            self._graph[node.name] = value
        else:
            self._counts[node.name] = self._visit(node, args, value)

    def report(self, preset: str = "fp32") -> EnergyReport:
        """Everything counted so far."""
        layers = tuple(LayerEvents(name=name, **row) for name, row in self.rows.items())
        return EnergyReport(layers, self.neurons, self.updates, preset_of(preset))

    def _count_of(self, node: ir.Node) -> Tensor | None:
        return self._counts[node.inputs[-1]]

    def _add(self, node: ir.Node, kind: str, operations: int, counts: Tensor | None, events: int, outputs: int) -> None:
        new = {
            "operations": operations,
            "input_neurons": 0 if counts is None else counts.numel(),
            "input_spikes": 0 if counts is None else int(counts.sum(dtype=torch.float64)),
            "events": events,
            "macs": operations if counts is None else 0,
            "outputs": outputs,
        }
        row = self.rows.setdefault(node.name, {"kind": kind} | dict.fromkeys(new, 0))
        for key, number in new.items():
            row[key] += number

    @singledispatchmethod
    def _visit(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> Tensor | None:
        return None

    @_visit.register
    def _one_hot(self, node: ir.OneHot, args: tuple[Value, ...], value: Value) -> Tensor:
        return torch.full((node.count,), float(max(node.binary, 1)))

    @_visit.register
    def _coder(self, node: ir.Coder, args: tuple[Value, ...], value: Value) -> Tensor | None:
        if node.kind == "analog":
            return None
        if isinstance(value, Spikes):
            return value.fired.float()
        assert node.scale is not None
        return binary_spikes(encode_binary(args[0], node.scale, node.timesteps)).float()

    @_visit.register
    def _neuron(self, node: ir.Neuron, args: tuple[Value, ...], value: Spikes) -> Tensor:
        phase = value.code.abs()
        wait = input_timesteps(self.network, node) if self.wait is None else self.wait
        self.neurons += phase.numel()
        steps = torch.where(phase == 0, node.coding.timesteps, phase)
        self.updates += wait * phase.numel() + int(steps.sum(dtype=torch.int64))
        return value.fired.float()

    @_visit.register
    def _lookup(self, node: ir.Lookup, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        assert counts is not None
        columns = node.table.shape[1]
        self._add(node, "synapse", value.numel(), counts, int(counts.sum()) * columns, value.numel())

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
            # One output channel per group with all weights 1 collects each spike once per output position it reaches.
            ones = torch.ones(node.groups, *node.weight.shape[1:])
            padded = functional.pad(counts.cpu(), node.padding)
            reached = functional.conv2d(padded, ones, None, node.stride, 0, node.dilation, node.groups)
            events = int(reached.sum(dtype=torch.float64)) * (node.weight.shape[0] // node.groups)
        self._add(node, "synapse", value.numel() * per_output, counts, events, value.numel())

    @_visit.register
    def _aggregate(self, node: ir.Aggregate, args: tuple[Value, ...], value: Tensor) -> None:
        counts = self._count_of(node)
        matrix: CSR = args[0]
        events = 0
        if counts is not None:
            events = int((matrix.column_counts.double() @ counts.to(torch.float64)).sum())
        self._add(node, "synapse", matrix.nnz * value.shape[1], counts, events, value.numel())

    @_visit.register
    def _wire(self, node: ir.Wire, args: tuple[Value, ...], value: Value) -> Tensor | None:
        features = node.inputs[1:] if isinstance(node, ir.Rows) else node.inputs
        counts = [self._counts[name] for name in features]
        known = [c for c in counts if c is not None]
        if isinstance(node, ir.Add) and known:
            return self._sum(node, known, len(counts), value)
        if len(known) < len(counts):
            return None
        if isinstance(node, ir.AvgPool):
            return functional.avg_pool2d(
                known[0], node.kernel, node.stride, node.padding, node.ceil_mode, divisor_override=1
            )
        return apply(node, *(args[:1] if isinstance(node, ir.Rows) else ()), *known)

    def _sum(self, node: ir.Add, known: list[Tensor], branches: int, value: Tensor) -> Tensor | None:
        total = torch.stack(known).sum(0)
        if branches > 1:  # potentials of other branches are in the membrane already; spikes are added to it
            spikes = int(total.sum(dtype=torch.float64))
            self._add(node, "sum", value.numel() * (branches - 1), total, spikes, value.numel())
        return total if len(known) == branches else None

    @_visit.register
    def _max_pool(self, node: ir.MaxPool, args: tuple[Value, ...], value: Value) -> Tensor:
        counts = self._count_of(node)
        assert counts is not None
        return value.fired.float() if isinstance(value, Spikes) else (value != 0).float()

    @_visit.register
    def _aggregate_max(self, node: ir.AggregateMax, args: tuple[Value, ...], value: Tensor) -> Tensor:
        return (value != 0).float()
