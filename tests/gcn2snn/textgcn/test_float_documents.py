"""New documents in floats: the same scores as the trained network on the graph with the document added by hand."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import Corpus, TextGraphOptions, build_text_graph, clean_corpus
from gcn2snn.graph import Graph
from gcn2snn.textgcn import FloatDocuments, TextGCN, Trainer, Vocabulary, fit

TEXTS = ("apple pear fruit", "sweet apple fruit juice", "car road wheel", "slow car jam road")


@pytest.fixture(scope="module")
def graph() -> Graph:
    corpus = Corpus("small", TEXTS, ("a", "a", "b", "b"), ("train",) * 4, tuple("wxyz"), min_count=1)
    return build_text_graph(clean_corpus(corpus, TextGraphOptions(window=3, stop_words="none", min_count=1)))


def by_hand(model: TextGCN, graph: Graph, text: str) -> torch.Tensor:
    """Dense layers over all nodes and the new one: its row is added, its column stays empty, so that no word sees it."""
    nodes, documents, words = graph.num_nodes, graph.num_documents, len(graph.vocabulary)
    row = Vocabulary.of(graph).rows([text]).to_dense()[0]
    adjacency = torch.zeros(nodes + 1, nodes + 1)
    adjacency[:nodes, :nodes] = graph.adjacency.to_dense()
    adjacency[nodes, documents:nodes], adjacency[nodes, nodes] = row[:words], row[words]
    first, *rest = model.weights
    hidden = adjacency @ torch.cat([first, torch.zeros(1, first.shape[1])])
    for weight in rest:
        hidden = adjacency @ (hidden.relu() @ weight)
    return hidden[nodes].detach()


@pytest.mark.parametrize("layers", [2, 3])
def test_scores_are_those_of_the_graph_with_the_document_in_it(graph: Graph, layers: int) -> None:
    config = TrainConfig(hidden=8, layers=layers, epochs=10, validation=0.5)
    model = fit(Trainer(graph, config))
    texts = ["apple juice", "car jam car", "nothing that is known", "road apple road"]
    found = FloatDocuments.of(model, graph).potentials(Vocabulary.of(graph).rows(texts))
    expected = torch.stack([by_hand(model, graph, text) for text in texts])
    torch.testing.assert_close(found, expected)  # another order of summation
    assert found[2].abs().max() == 0
