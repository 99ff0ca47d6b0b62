"""Everything a report shows of one network, measured in a handful of runs on the whole input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EnergyReport
from gcn2snn.errors import DataError
from gcn2snn.evaluation import Evaluation, score_labels
from gcn2snn.events import EventCounter
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, Spikes, decode
from gcn2snn.kernels.reference import per_channel
from gcn2snn.network import SpikingNetwork, bind
from gcn2snn.runs import call
from gcn2snn.spiking import choose_engine, code_input, run, run_closed, run_float, started
from gcn2snn.synapse import Value, dense_value

BINS = 96
"""Bins of each side of a scatter: millions of neurons become at most 96 x 96 cells."""


@dataclass(frozen=True)
class Subject:
    """What a network is looked at on.

    Args:
        args: the call's arguments.
        labels: class of each output row, [N].
        rows: output rows that count, [N], bool.
        class_names: one per class.
    """

    args: tuple[Any, ...]
    labels: Tensor
    rows: Tensor
    class_names: tuple[str, ...]


def subject_of(graph: Graph) -> Subject:
    """A graph's test nodes.

    Raises:
        DataError: there are none.
    """
    if not bool(graph.test_mask.any()):
        raise DataError(f"{graph.source.get('dataset', 'the graph')} has no test nodes to report on")
    return Subject(call(graph), graph.labels, graph.test_mask, graph.class_names)


@dataclass(frozen=True)
class Degrees:
    """One class of nodes by the entries of their column: low to high, and the additions of an aggregation there."""

    low: int
    high: int
    nodes: int
    operations: int
    events: int


@dataclass(frozen=True)
class Population:
    """One population in this run.

    Args:
        node: its description.
        neurons, spikes: how many, and how many fired.
        positive, negative: spikes at each phase, [T].
        quiet: neurons whose input asks for no spike: zero, or negative where there is no negative spike.
        underflow: neurons whose input is too small for phase T.
        cut: neurons that reach a threshold, but only behind their horizon (or not in time, with a short wait).
        saturated: neurons whose input is beyond the largest value by more than rounding: z >= Q threshold_1.
        error: root mean square of spike value - source activation, as a share of the activation's.
        cells: neurons by source activation (row) and spike value (column), both in units of the scale, [BINS, BINS].
        low, high: range of both axes.
        degrees: additions of the aggregations that read it, by node degree; empty where none does.
    """

    node: ir.Neuron
    neurons: int
    spikes: int
    positive: list[int]
    negative: list[int]
    quiet: int
    underflow: int
    cut: int
    saturated: int
    error: float
    cells: Tensor
    low: float
    high: float
    degrees: tuple[Degrees, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A network beside its source.

    Args:
        evaluation: scores and energy, as ``gcn2snn evaluate`` gives them.
        populations: in order.
        skipping: energy of a source model that skips its own zeros.
        masked_accuracy: percent, of a source model in which every neuron that is silent in the network is 0 as well.
        confusion: test rows by true and predicted class of the network, [classes, classes].
        both, only_ann, only_snn, neither: test rows by who is right.
        class_names: one per class.
    """

    evaluation: Evaluation
    populations: tuple[Population, ...]
    skipping: EnergyReport
    masked_accuracy: float
    confusion: Tensor
    both: int
    only_ann: int
    only_snn: int
    neither: int
    class_names: tuple[str, ...]


@torch.no_grad()
def measure(snn: SpikingNetwork, subject: Subject, preset: str = "fp32") -> Measured:
    """Run a network and its source, and look at every population."""
    network, rows = snn.network, subject.rows
    inputs = bind(network, subject.args, {})
    labels = subject.labels[rows]
    activations: dict[str, Tensor] = {}
    skipping = _ZeroSkipping(network)

    def source_seen(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            activations[node.name] = value
        skipping(node, args, value)

    source = run_float(network, inputs, source_seen)
    engine = choose_engine(network, snn.config.wait, "auto")
    view = _View(activations)
    counter = EventCounter(network, snn.config.wait)

    def seen(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        counter(node, args, value)
        view(node, args, value)

    if engine == "closed":
        scores = run_closed(network, inputs, seen)
    else:
        scores, sent = snn(*subject.args), snn.spikes(*subject.args)
        run(network, inputs, lambda node, potential: sent[node.name], code_input, seen)
    masked = run(network, inputs, _masked(view.fired), lambda node, x: x)
    ann, spiking = source.argmax(1)[rows], scores.argmax(1)[rows]
    evaluation = Evaluation(
        score_labels(source[rows], labels),
        score_labels(scores[rows], labels),
        100 * float((ann == spiking).double().mean()),
        int(rows.sum()),
        counter.report(preset),
        engine,
    )
    right, own = ann == labels, spiking == labels
    classes = len(subject.class_names)
    return Measured(
        evaluation=evaluation,
        populations=view.populations(),
        skipping=skipping.counter.report(preset),
        masked_accuracy=score_labels(masked[rows], labels).accuracy,
        confusion=torch.bincount(labels * classes + spiking, minlength=classes * classes).view(classes, classes),
        both=int((right & own).sum()),
        only_ann=int((right & ~own).sum()),
        only_snn=int((~right & own).sum()),
        neither=int((~right & ~own).sum()),
        class_names=subject.class_names,
    )


class _ZeroSkipping:
    """Counts the multiplications of a source model that skips activations which are exactly 0."""

    def __init__(self, network: ir.Network):
        self.sent: dict[str, Tensor] = {}
        self.counter = EventCounter(network, sent=self.sent)

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron | ir.Coder):
            self.sent[node.name] = (dense_value(value) != 0).float()
        elif isinstance(node, ir.OneHot):
            self.sent[node.name] = torch.ones(node.count)
        self.counter(node, args, value)


def _masked(fired: dict[str, Tensor]) -> Callable[[ir.Neuron, Value], Value]:
    """The source model's activation where the network fires, 0 where it is silent."""

    def population(node: ir.Neuron, potential: Value) -> Tensor:
        x = dense_value(potential)
        if node.gain is not None:
            x = x / per_channel(node.gain, x.dim())
        return torch.where(fired[node.name], torch.relu(x) if node.activation == "relu" else x, 0.0)

    return population


@dataclass
class _View:
    """Sees a run of the network, and keeps what each population did."""

    activations: dict[str, Tensor]
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    fired: dict[str, Tensor] = field(default_factory=dict)
    degrees: dict[str, dict[int, Degrees]] = field(default_factory=dict)

    def __call__(self, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            self.fired[node.name] = value.fired
            counts = _counts(node, dense_value(args[0]), value)
            self.found[node.name] = {"node": node} | counts | _scatter(node, self.activations.pop(node.name), value)
        elif isinstance(node, ir.Aggregate) and isinstance(args[1], Spikes):
            self._by_degree(node.inputs[1], args[0], args[1])

    def populations(self) -> tuple[Population, ...]:
        return tuple(
            Population(**found, degrees=tuple(own for _, own in sorted(self.degrees.get(name, {}).items())))
            for name, found in self.found.items()
        )

    def _by_degree(self, population: str, matrix: CSR, spikes: Spikes) -> None:
        degree = matrix.column_counts.long()
        octave = torch.where(degree > 0, degree.clamp(min=1).double().log2().floor().long(), -1)
        events = degree * spikes.fired.sum(1)
        kept = self.degrees.setdefault(population, {})
        for power in octave.unique().tolist():
            own = octave == power
            before = kept.get(power)
            operations, done = int(degree[own].sum()) * spikes.code.shape[1], int(events[own].sum())
            if before is not None:
                operations, done = operations + before.operations, done + before.events
            low, high = (0, 0) if power < 0 else (2**power, 2 ** (power + 1) - 1)
            kept[power] = Degrees(low, high, int(own.sum()), operations, done)


def _counts(node: ir.Neuron, potential: Tensor, spikes: Spikes) -> dict[str, Any]:
    assert node.scale is not None
    scale = node.scale if node.gain is None else node.scale * node.gain
    z = started(node, potential) / per_channel(scale.to(potential.dtype), potential.dim())
    magnitude = z.abs() if node.coding.signed else z.clamp(min=0)
    thresholds = node.coding.thresholds(z.dtype, z.device)
    fired, reached = spikes.fired, magnitude >= thresholds[-1]
    code = spikes.code.long()
    steps = node.coding.timesteps
    at = torch.bincount((code + steps).flatten(), minlength=2 * steps + 1).tolist()
    return {
        "neurons": code.numel(),
        "spikes": int(fired.sum()),
        "positive": at[steps + 1 :],
        "negative": at[:steps][::-1],
        "quiet": int((magnitude == 0).sum()),
        "underflow": int(((magnitude > 0) & ~reached & ~fired).sum()),
        "cut": int((reached & ~fired).sum()),
        "saturated": int((magnitude >= thresholds[0] * node.coding.base).sum()),
    }


def _scatter(node: ir.Neuron, activation: Tensor, spikes: Spikes) -> dict[str, Any]:
    assert node.scale is not None
    value = decode(spikes, activation.dtype)
    size = float(activation.double().square().mean().sqrt())
    error = float((value - activation).double().square().mean().sqrt()) / max(size, 1e-30)
    scale = per_channel(node.scale.to(activation.dtype), activation.dim())
    x, y = activation / scale, value / scale
    low, high = (float(bound) for bound in torch.aminmax(torch.stack([*torch.aminmax(x), *torch.aminmax(y)])))
    span = max(high - low, 1e-30)

    def bins(z: Tensor) -> Tensor:
        return ((z - low) * (BINS / span)).long().clamp_(0, BINS - 1).flatten()

    cells = torch.bincount(bins(x) * BINS + bins(y), minlength=BINS * BINS).view(BINS, BINS)
    return {"error": error, "cells": cells, "low": low, "high": high}
