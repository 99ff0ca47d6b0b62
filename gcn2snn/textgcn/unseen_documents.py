"""Documents that no graph has seen: what the source network says about them, and the spiking network beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.datasets import Corpus
from gcn2snn.energy import preset_of
from gcn2snn.errors import DataError
from gcn2snn.evaluation import Scores, score_classes
from gcn2snn.graph import Graph
from gcn2snn.prediction import RowPredictions
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn.float_documents import FloatDocuments
from gcn2snn.textgcn.new_documents import DOCUMENTS_AT_ONCE, NewDocuments, Vocabulary


@dataclass(frozen=True)
class UnseenDocuments:
    """Texts with the class and the name of each, none of which is in the graph that they are classified with."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, corpus: Corpus) -> UnseenDocuments:
        """The test documents of a corpus.

        Raises:
            DataError: it has none.
        """
        places = [place for place, split in enumerate(corpus.split) if split == "test"]
        if not places:
            raise DataError(
                f"{corpus.name} has no test documents to classify. Mark some with the split test, or give a test share"
            )
        chosen = (tuple(column[p] for p in places) for column in (corpus.documents, corpus.labels, corpus.names))
        return cls(*chosen)

    def classes(self, names: Sequence[str]) -> Tensor:
        """The number of each document's class, [documents], int64.

        Raises:
            DataError: a class that is not among ``names``.
        """
        number = {name: index for index, name in enumerate(names)}
        unknown = sorted(set(self.labels) - set(number))
        if unknown:
            raise DataError(f"documents have the class(es) {unknown}; the network was trained on {list(names)}")
        return torch.tensor([number[label] for label in self.labels], dtype=torch.int64)


@dataclass(frozen=True)
class UnseenEvaluation:
    """A converted network beside its source on documents that no graph has seen.

    Args:
        ann, snn: scores of the source and of the spiking network.
        agreement: percent of the documents to which both give the same class.
        documents: how many there are.
        without_known_word: how many of them have no word of the graph; both networks answer with the commonest training class.
        additions, joules, steps: mean of a document.
        rows: what both say of each document; ``rows.save`` writes a table.
    """

    ann: Scores
    snn: Scores
    agreement: float
    documents: int
    without_known_word: int
    additions: float
    joules: float
    steps: float
    rows: RowPredictions = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, object]:
        """JSON values; what both say of each document is left out."""
        content = {
            item.name: getattr(self, item.name) for item in fields(self) if item.name not in ("ann", "snn", "rows")
        }
        return {
            "ann": asdict(self.ann),
            "snn": asdict(self.snn),
            **content,
            "loss": self.ann.accuracy - self.snn.accuracy,
        }


def evaluate_unseen(
    snn: SpikingNetwork, graph: Graph, unseen: UnseenDocuments, preset: str = "fp32"
) -> UnseenEvaluation:
    """Classify unseen documents with a converted Text GCN and with its source.

    The spiking network's answers are those of ``snn.predict`` for the same texts.

    Args:
        snn: converted, made on ``graph``.
        graph: the documents and words that the network was trained on.
        unseen: texts and their classes.
        preset: energy per addition.

    Raises:
        DataError: a class that the network does not know.
        InputError, ConfigError: the network cannot classify new documents, or the preset is unknown.
    """
    preset_of(preset)
    truth = unseen.classes(graph.class_names)
    documents = snn.documents_of()
    assert isinstance(documents, NewDocuments)
    answers = documents.predict(snn, unseen.texts, preset)
    number = {name: index for index, name in enumerate(graph.class_names)}
    found = torch.tensor([number[answer.label] for answer in answers])
    floats = source_documents(snn, graph)
    potentials = torch.cat(
        [
            floats.potentials(documents.vocabulary.rows(unseen.texts[start : start + DOCUMENTS_AT_ONCE]))
            for start in range(0, len(unseen.texts), DOCUMENTS_AT_ONCE)
        ]
    )
    probability = (potentials.double() / documents.temperature).softmax(1)
    probability[[i for i, answer in enumerate(answers) if not answer.known_words]] = documents.prior.double()
    certainty, source = probability.max(1)
    own = torch.tensor([answer.probability[answer.label] for answer in answers], dtype=torch.float64)
    count = len(answers)
    return UnseenEvaluation(
        ann=score_classes(source, truth),
        snn=score_classes(found, truth),
        agreement=100 * float((source == found).double().mean()),
        documents=count,
        without_known_word=sum(not answer.known_words for answer in answers),
        additions=sum(answer.additions for answer in answers) / count,
        joules=sum(answer.joules for answer in answers) / count,
        steps=sum(answer.steps for answer in answers) / count,
        rows=RowPredictions(torch.arange(count), truth, source, found, certainty, own),
    )


def source_documents(snn: SpikingNetwork, graph: Graph) -> FloatDocuments:
    """The network that was converted, for texts that are not in its graph."""
    weights = [
        node.table if isinstance(node, ir.Lookup) else node.weight.T
        for node in snn.network
        if isinstance(node, ir.Lookup | ir.Dense)
    ]
    return FloatDocuments.of_weights(weights, graph.adjacency, graph.num_documents)


def score_unseen(weights: Mapping[str, Tensor], graph: Graph, unseen: UnseenDocuments) -> Scores:
    """Accuracy and macro F1 of a Text GCN in floats on documents that its graph has not seen.

    Args:
        weights: state of the network, in the order of its layers.
        graph: what it was trained on.
        unseen: texts and their classes.

    Raises:
        DataError: a class that the network does not know.
    """
    truth = unseen.classes(graph.class_names)
    vocabulary = Vocabulary.of(graph)
    of_class = torch.bincount(graph.labels[graph.labels >= 0], minlength=graph.num_classes)
    matrices = [tensor.cpu() for tensor in weights.values()]
    floats = FloatDocuments.of_weights(matrices, graph.adjacency, graph.num_documents)
    found = []
    for start in range(0, len(unseen.texts), DOCUMENTS_AT_ONCE):
        texts = unseen.texts[start : start + DOCUMENTS_AT_ONCE]
        best = floats.potentials(vocabulary.rows(texts)).argmax(1)
        best[[i for i, text in enumerate(texts) if not vocabulary.known(text)]] = int(of_class.argmax())
        found.append(best)
    return score_classes(torch.cat(found), truth)
