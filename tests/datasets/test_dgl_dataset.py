"""Text graphs for models of DGL: the same edges, splits and classes, and a model that trains on them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch

from gcn2snn.datasets import TextGraphOptions, load_graph
from gcn2snn.errors import DataError, InputError

os.environ.setdefault("DGLBACKEND", "pytorch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    dgl = pytest.importorskip("dgl", reason="needs DGL", exc_type=ImportError)
    from dgl.nn import EdgeWeightNorm, GraphConv

    from gcn2snn.datasets import TextGraphDGLDataset

pytestmark = pytest.mark.filterwarnings("ignore")  # DGL 1.1.3 uses deprecated parts of NumPy and torch
OPTIONS = TextGraphOptions(min_count=1, stop_words="none", window=4)
FRUIT, TRAFFIC = ["apple", "pear", "juice", "fruit", "sweet", "ripe"], ["car", "road", "jam", "wheel", "slow", "street"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 short documents of two classes, a third of them test documents."""
    lines = ["text\tlabel\tsplit"]
    for number in range(24):
        words = (FRUIT, TRAFFIC)[number % 2]
        text = " ".join(words[(number // 2 + step) % 6] for step in range(4))
        lines.append(f"{text}\t{('fruit', 'traffic')[number % 2]}\t{'test' if number % 3 == 0 else 'train'}")
    file = tmp_path_factory.mktemp("corpus") / "things.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_edges_and_masks_are_those_of_our_graph(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    dataset, ours = TextGraphDGLDataset(corpus, options=OPTIONS), load_graph(corpus, options=OPTIONS)
    graph = dataset[0]
    source, target = graph.edges()
    dense = torch.zeros(ours.num_nodes, ours.num_nodes)
    dense[target, source] = graph.edata["weight"]
    assert torch.equal(dense, ours.raw.to_dense().float())
    assert torch.equal(graph.ndata["label"], ours.labels)
    assert torch.equal(graph.ndata["train_mask"] | graph.ndata["val_mask"], ours.train_mask)
    assert int(graph.ndata["val_mask"].sum()) == 1
    assert (len(dataset), dataset.num_classes, dataset.classes) == (1, 2, ["fruit", "traffic"])
    assert repr(dataset) == f"TextGraphDGLDataset({corpus})"
    assert not (tmp_path / "home").exists()


def test_edge_weight_norm_gives_our_adjacency(corpus: Path) -> None:
    dataset = TextGraphDGLDataset(corpus, options=OPTIONS)
    graph = dgl.add_self_loop(dataset[0], fill_data=1.0)
    weight = EdgeWeightNorm("both")(graph, graph.edata["weight"])
    source, target = graph.edges()
    dense = torch.zeros(graph.num_nodes(), graph.num_nodes())
    dense[target, source] = weight
    torch.testing.assert_close(dense, dataset.graph.adjacency.to_dense())  # DGL normalises in float32


def test_a_model_trains_on_it(corpus: Path) -> None:
    graph = dgl.add_self_loop(TextGraphDGLDataset(corpus, options=OPTIONS)[0], fill_data=1.0)
    weight = EdgeWeightNorm("both")(graph, graph.edata["weight"])
    torch.manual_seed(0)
    embedding, second = torch.nn.Embedding(graph.num_nodes(), 8), GraphConv(8, 2, norm="none")
    first = GraphConv(8, 8, norm="none")
    optimizer = torch.optim.Adam([*embedding.parameters(), *first.parameters(), *second.parameters()], lr=0.05)
    label, train, test = (graph.ndata[name] for name in ("label", "train_mask", "test_mask"))
    for _ in range(40):
        optimizer.zero_grad()
        hidden = first(graph, embedding(graph.ndata["index"]), edge_weight=weight).relu()
        out = second(graph, hidden, edge_weight=weight)
        torch.nn.functional.cross_entropy(out[train], label[train]).backward()
        optimizer.step()
    assert bool((out.argmax(1) == label)[test].all())


def test_transform_and_refusals(corpus: Path) -> None:
    dataset = TextGraphDGLDataset(corpus, options=OPTIONS, validation=0.0, transform=dgl.add_self_loop)
    assert dataset[0].num_edges() == dataset.graph.raw.nnz + dataset.graph.num_nodes
    assert not bool(dataset[0].ndata["val_mask"].any())
    with pytest.raises(InputError, match="this dataset holds one graph, number 0"):
        dataset[1]
    with pytest.raises(DataError, match="karate is a graph without texts"):
        TextGraphDGLDataset("karate")
