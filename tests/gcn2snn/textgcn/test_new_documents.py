"""New documents: the row a text becomes, the same spikes as a graph with the document added by hand, counts, errors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcn2snn import ConvertConfig, TrainConfig, Trainer, convert, fit, ir, load_graph
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.engines import run_closed
from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, Spikes
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments, Vocabulary

DOCUMENTS = [
    ("red apple tree fruit", "fruit", "train"),
    ("green apple pear fruit tree", "fruit", "train"),
    ("ripe pear sweet juice fruit", "fruit", "train"),
    ("car road wheel engine", "traffic", "train"),
    ("slow car street road jam", "traffic", "train"),
    ("bus street wheel jam engine", "traffic", "train"),
    ("sweet red apple", "fruit", "test"),
    ("engine road bus", "traffic", "test"),
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    file = tmp_path_factory.mktemp("corpus") / "things.tsv"
    file.write_text("text\tlabel\tsplit\n" + "".join("\t".join(row) + "\n" for row in DOCUMENTS), encoding="utf-8")
    return load_graph(str(file), options=TextGraphOptions(min_count=1, stop_words="none", window=3), cache=False)


@pytest.fixture(scope="module")
def snn(graph: Graph) -> SpikingNetwork:
    model = fit(Trainer(graph, TrainConfig(hidden=12, epochs=40, patience=40)))
    return convert(model, graph, ConvertConfig(base=1.3, timesteps=12))


def test_a_row_holds_tf_idf_normalised_by_stored_degrees(graph: Graph) -> None:
    vocabulary = Vocabulary.of(graph)
    matrix = vocabulary.rows(["apple car apple unheard"]).to_dense().double()
    weights = {"apple": 2 * math.log(8 / 3), "car": math.log(8 / 2)}  # apple is in three of eight documents, car in two
    degree = 1 + sum(weights.values())
    dense = graph.raw.to_dense().double()
    for word, raw in weights.items():
        number = graph.vocabulary.index(word)
        word_degree = 1 + float(dense[graph.num_documents + number].sum())
        assert float(matrix[0, number]) == pytest.approx(raw / math.sqrt(degree * word_degree), rel=1e-6)
    assert float(matrix[0, len(graph.vocabulary)]) == pytest.approx(1 / degree, rel=1e-6)
    assert int((matrix != 0).sum()) == 3


def test_a_document_of_the_graph_gets_the_row_it_has_there(graph: Graph) -> None:
    """Frequencies and degrees are those of the graph, so a text that is in it already has the same weights."""
    rows = Vocabulary.of(graph).rows([text for text, _, _ in DOCUMENTS]).to_dense()
    own = graph.adjacency.to_dense()[: graph.num_documents]
    torch.testing.assert_close(rows[:, : len(graph.vocabulary)], own[:, graph.num_documents :])
    loops = rows[:, len(graph.vocabulary) :]
    torch.testing.assert_close(loops, own[:, : graph.num_documents])


def added_by_hand(snn: SpikingNetwork, graph: Graph, text: str) -> tuple[ir.Network, CSR]:
    """The whole network on the graph with one more node, whose spikes do not reach its neighbours: the words keep their states."""
    nodes, documents, words = graph.num_nodes, graph.num_documents, len(graph.vocabulary)
    row = Vocabulary.of(graph).rows([text])
    old = graph.adjacency
    place = torch.where(row.col < words, row.col + documents, nodes)
    rowptr = torch.cat([old.rowptr, old.rowptr[-1:] + row.nnz])
    matrix = CSR(rowptr, torch.cat([old.col, place.int()]), torch.cat([old.value, row.value]), nodes + 1)
    changes: dict[str, list[ir.Node]] = {}
    for node in snn.network:
        if isinstance(node, ir.Input):
            changes[node.name] = [replace(node, size=(nodes + 1, nodes + 1))]
        if isinstance(node, ir.OneHot):
            changes[node.name] = [replace(node, count=nodes + 1)]
        if isinstance(node, ir.Lookup):
            table = torch.cat([node.table, torch.zeros(1, node.table.shape[1])])
            changes[node.name] = [replace(node, table=table)]
    return snn.network.replace(changes), matrix


WORDS = sorted({word for text, _, _ in DOCUMENTS for word in text.split()})


@settings(max_examples=25, deadline=None)
@given(chosen=st.lists(st.sampled_from([*WORDS, "unheard", "of"]), max_size=12))
def test_the_same_spikes_as_with_the_document_added_by_hand(
    graph: Graph, snn: SpikingNetwork, chosen: list[str]
) -> None:
    text = " ".join(chosen)
    network, matrix = added_by_hand(snn, graph, text)
    expected: dict[str, torch.Tensor] = {}

    def by_hand(node: ir.Node, args: object, value: object) -> None:
        if isinstance(value, Spikes):
            expected[node.name] = value.code[-1]

    potential = run_closed(network, {"adjacency": matrix}, by_hand)
    got: dict[str, torch.Tensor] = {}

    def alone(node: ir.Node, args: object, value: object) -> None:
        if isinstance(value, Spikes):
            got[node.name] = value.code[-1]

    documents = NewDocuments.of(snn, graph)
    result = documents.potentials(snn, documents.vocabulary.rows([text]), alone)
    for name, code in got.items():
        assert torch.equal(code, expected[name]), name
    assert len(got) == 2  # the hidden population and the second message; the first one is silent, by definition
    assert torch.equal(result[0], potential[-1])


def test_predictions(graph: Graph, snn: SpikingNetwork) -> None:
    found = NewDocuments.of(snn, graph).predict(snn, ["a ripe apple", "the bus jam", "unheard of"])
    assert [answer.label for answer in found[:2]] == ["fruit", "traffic"]
    assert [answer.known_words for answer in found] == [2, 2, 0]
    for answer in found:
        assert sum(answer.probability.values()) == pytest.approx(1.0)
        assert answer.confidence == max(answer.probability.values())
    assert set(found[0].influence) == {"ripe", "apple"}
    assert found[2].influence == {}
    assert list(found[2].probability.values()) == [0.5, 0.5]  # the shares of the training documents
    assert found[0].additions > 0
    assert found[0].joules == pytest.approx(0.9e-12 * found[0].additions)


def test_batches_change_nothing(graph: Graph, snn: SpikingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    documents, texts = NewDocuments.of(snn, graph), [text for text, _, _ in DOCUMENTS]
    together = documents.predict(snn, texts)
    monkeypatch.setattr("gcn2snn.textgcn.new_documents.DOCUMENTS_AT_ONCE", 3)
    assert documents.predict(snn, texts) == together
    assert documents.predict(snn, []) == []


def test_additions_are_the_fired_words_and_own_neurons(graph: Graph, snn: SpikingNetwork) -> None:
    documents = NewDocuments.of(snn, graph)
    (answer,) = documents.predict(snn, ["apple car"])
    numbers = [graph.vocabulary.index(word) for word in ("apple", "car")]
    of_words = sum(int(state.fired[numbers].sum()) for state in documents.states.values())
    own: dict[str, int] = {}

    def observe(node: ir.Node, args: object, value: object) -> None:
        if isinstance(value, Spikes):
            own[node.name] = int(value.fired[-1].sum())

    documents.potentials(snn, documents.vocabulary.rows(["apple car"]), observe)
    classes = graph.num_classes
    hidden, message = own["layer1.relu"], own["layer2.message.neuron"]
    assert answer.additions == of_words + hidden * classes + message  # the message's own spike goes over the loop


def test_horizons_of_single_nodes_do_not_bind_new_documents(graph: Graph) -> None:
    model = fit(Trainer(graph, TrainConfig(hidden=12, epochs=10)))
    snn = convert(model, graph, ConvertConfig(events=0.5))
    assert len(NewDocuments.of(snn, graph).predict(snn, ["apple", "car road"])) == 2


def test_parts_make_the_same_object_again(graph: Graph, snn: SpikingNetwork) -> None:
    documents = NewDocuments.of(snn, graph, temperature=1.7)
    again = NewDocuments.of_parts(*documents.parts())
    texts = [text for text, _, _ in DOCUMENTS]
    assert again.predict(snn, texts) == documents.predict(snn, texts)


@pytest.mark.parametrize("texts", ["apple", b"apple", ["apple", None], [1]])
def test_what_is_no_text_is_refused(graph: Graph, snn: SpikingNetwork, texts: object) -> None:
    with pytest.raises(InputTypeError, match="string"):
        NewDocuments.of(snn, graph).predict(snn, texts)  # type: ignore[arg-type]


def test_a_graph_without_words_is_refused() -> None:
    karate = load_graph("karate")
    snn = convert(fit(Trainer(karate, TrainConfig(hidden=4, epochs=2))), karate)
    with pytest.raises(InputError, match="has no words"):
        NewDocuments.of(snn, karate)


@pytest.mark.parametrize(
    ("config", "message"),
    [(ConvertConfig(message="fused"), "send no spikes"), (ConvertConfig(wait=1), "wait is 1")],
)
def test_networks_without_word_states_are_refused(graph: Graph, config: ConvertConfig, message: str) -> None:
    model = fit(Trainer(graph, TrainConfig(hidden=8, epochs=5)))
    with pytest.raises(ConfigError, match=message):
        NewDocuments.of(convert(model, graph, config), graph)
