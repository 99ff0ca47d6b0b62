"""Accuracy of a network and of its source, side by side, with spikes and energy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from gcn2snn.energy import EnergyReport
from gcn2snn.errors import DataError
from gcn2snn.graph import Graph
from gcn2snn.spiking_network import SpikingNetwork


@dataclass(frozen=True)
class Scores:
    """Test accuracy and macro F1, in percent."""

    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Evaluation:
    """A converted network beside its source, on the same test nodes.

    Args:
        ann, snn: scores of the source and of the spiking network.
        agreement: percent of the test nodes on which both predict the same class.
        test_nodes: how many.
        energy: operations, additions and joules of one call.
        engine: "closed", "bucketed" or "temporal".
    """

    ann: Scores
    snn: Scores
    agreement: float
    test_nodes: int
    energy: EnergyReport
    engine: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the energy report's fields stand on the top level."""
        head = {"ann": asdict(self.ann), "snn": asdict(self.snn), "loss": self.ann.accuracy - self.snn.accuracy}
        head |= {"agreement": self.agreement, "test_nodes": self.test_nodes, "engine": self.engine}
        return head | self.energy.to_dict()


def evaluate(snn: SpikingNetwork, graph: Graph, *, engine: str = "auto", preset: str = "fp32") -> Evaluation:
    """Run a converted Text GCN and its source on the test nodes of a graph.

    Args:
        snn: converted from a network trained on ``graph``.
        graph: with test labels.
        engine: "auto", "closed", "bucketed" or "temporal".
        preset: energy per operation: "fp32", "int8-paper" or "int8-horowitz".

    Raises:
        DataError: the graph has no test nodes.
        ConfigError: the engine cannot run this network's wait exactly.
        InputError: the graph does not fit the network.
    """
    from gcn2snn.engines import choose_engine

    args = (graph.adjacency,) if graph.features is None else (graph.adjacency, graph.features)
    chosen = choose_engine(snn.network, snn.config.wait, engine)
    scores = snn.simulate(*args, engine=chosen)
    source = snn.source(*args)
    rows = graph.test_mask
    same = (scores.argmax(1) == source.argmax(1))[rows]
    return Evaluation(
        score(source, graph),
        score(scores, graph),
        100 * float(same.double().mean()),
        int(rows.sum()),
        snn.energy(*args, preset=preset),
        chosen,
    )


def score(scores: Tensor, graph: Graph) -> Scores:
    """Accuracy and macro F1 over the test nodes.

    Raises:
        DataError: there are none.
    """
    if not bool(graph.test_mask.any()):
        raise DataError(f"{graph.source.get('dataset', 'the graph')} has no test nodes to evaluate on")
    return score_labels(scores[graph.test_mask], graph.labels[graph.test_mask])


def score_labels(scores: Tensor, labels: Tensor) -> Scores:
    """Accuracy and macro F1 of the class with the largest score, [N, classes] against [N]."""
    from sklearn.metrics import f1_score

    predicted = scores.argmax(1)
    accuracy = 100 * float((predicted == labels).double().mean())
    return Scores(
        accuracy, 100 * float(f1_score(labels.numpy(), predicted.numpy(), average="macro", zero_division=0.0))
    )
