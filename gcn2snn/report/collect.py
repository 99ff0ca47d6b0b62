"""Everything a report shows of one network, measured in a handful of runs on each batch of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy import EnergyReport, EventCounter
from gcn2snn.engines import Value, activate, bind, choose_engine, dense_value, replay, run, run_closed, run_float
from gcn2snn.errors import DataError
from gcn2snn.evaluation import Evaluation, score_labels
from gcn2snn.graph import Graph
from gcn2snn.prediction import RowPredictions
from gcn2snn.report.population import Population, View
from gcn2snn.report.samples import Describe, of_graph
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import call


@dataclass(frozen=True)
class Batch:
    """One call of the network.

    Args:
        args: the call's arguments.
        labels: class of each output row, [N].
        rows: output rows that count, [N], bool.
    """

    args: tuple[object, ...]
    labels: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Subject:
    """The data that a report measures a network on.

    Args:
        batches: gives the batches, anew at each call.
        class_names: one per class.
        unit: what is classified, in the plural: "test nodes".
        extent: what the counts of energy and spikes are about: "one run on the whole graph".
        source: what the data are (JSON values), None for what the network keeps of its origin.
        describe: rows by number, counted over all batches, as people see them; None where only numbers are known.
    """

    batches: Callable[[], Iterable[Batch]]
    class_names: tuple[str, ...]
    unit: str
    extent: str
    source: dict[str, object] | None = None
    describe: Describe | None = None


def subject_of(graph: Graph) -> Subject:
    """A graph's test nodes.

    Raises:
        DataError: there are none.
    """
    if not bool(graph.test_mask.any()):
        raise DataError(f"{graph.source.get('dataset', 'the graph')} has no test nodes to report on")
    whole = Batch(call(graph), graph.labels, graph.test_mask)
    unit, extent = "test documents" if graph.vocabulary else "test nodes", "one run on the whole graph"
    return Subject(lambda: [whole], graph.class_names, unit, extent, describe=of_graph(graph))


@dataclass(frozen=True)
class Measured:
    """A network beside its source.

    Args:
        evaluation: scores and energy, as ``gcn2snn evaluate`` gives them.
        populations: in order.
        skipping: energy of a source model that skips its own zeros.
        masked_accuracy: percent, of a source model in which every neuron that is silent in the network is 0 as well.
        confusion: test rows by true and predicted class of the network, [classes, classes].
        both, only_ann, only_snn, neither: test rows by which of the two networks is right.
        rows: what both say of each row.
        subject: what it was measured on.
        network: what was measured.
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
    rows: RowPredictions
    subject: Subject
    network: ir.Network


@torch.no_grad()
def measure(snn: SpikingNetwork, subject: Subject, preset: str = "fp32") -> Measured:
    """Run a network and its source, and look at every population.

    Raises:
        DataError: the network gives another number of rows or classes than the subject has.
    """
    engine = choose_engine(snn.network, snn.config.wait, "auto")
    view, counter = View(), EventCounter(snn.network, snn.config.wait)
    skipping = _ZeroSkipping(snn.network)
    parts = zip(*_outputs(snn, subject, engine, view, counter, skipping), strict=True)
    numbers, labels, source, scores, masked = (torch.cat(part) for part in parts)
    classes = len(subject.class_names)
    if scores.shape[1] != classes:
        raise DataError(
            f"the network has {scores.shape[1]} classes and the data have {classes}. Use the data that it comes from"
        )
    ann, spiking = source.argmax(1), scores.argmax(1)
    right, own = ann == labels, spiking == labels
    return Measured(
        evaluation=Evaluation(
            score_labels(source, labels),
            score_labels(scores, labels),
            100 * float((ann == spiking).double().mean()),
            labels.numel(),
            counter.report(preset),
            engine,
        ),
        populations=tuple(view.populations.values()),
        skipping=skipping.counter.report(preset),
        masked_accuracy=score_labels(masked, labels).accuracy,
        confusion=torch.bincount(labels * classes + spiking, minlength=classes * classes).view(classes, classes),
        both=int((right & own).sum()),
        only_ann=int((right & ~own).sum()),
        only_snn=int((~right & own).sum()),
        neither=int((~right & ~own).sum()),
        rows=RowPredictions.of(numbers, labels, source, scores),
        subject=subject,
        network=snn.network,
    )


def _outputs(
    snn: SpikingNetwork, subject: Subject, engine: str, view: View, counter: EventCounter, skipping: _ZeroSkipping
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Numbers of the rows, labels, and the scores of the source, the network, and the source without the network's silent neurons."""
    network = snn.network

    def source_seen(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            view.activations[node.name] = dense_value(value)
        skipping(node, args, value)

    def seen(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        counter(node, args, value)
        view(node, args, value)

    before = 0  # rows of the batches that were seen
    for batch in subject.batches():
        inputs = bind(network, batch.args, {})
        source = run_float(network, inputs, source_seen)
        if engine == "closed":
            scores = run_closed(network, inputs, seen)
        else:
            scores, sent = snn(*batch.args), snn.spikes(*batch.args)
            replay(network, inputs, sent, seen)
        masked = run(network, inputs, _masked(view.fired), lambda node, x: x)
        rows = batch.rows
        if source.shape[0] != rows.numel():
            raise DataError(f"the data have {rows.numel()} labels; the network gives {source.shape[0]} rows for them")
        yield rows.nonzero().flatten() + before, batch.labels[rows], source[rows], scores[rows], masked[rows]
        before += rows.numel()


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
        return torch.where(fired[node.name], activate(node, potential), 0.0)

    return population
