"""Text graphs for models of PyTorch Geometric: the same edges, splits and classes, and a model that trains on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import TextGraphOptions, load_graph
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.textgcn import split_of

pyg = pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
from gcn2snn.datasets import TextGraphDataset  # noqa: E402

FRUIT, TRAFFIC = ["apple", "pear", "juice", "fruit", "sweet", "ripe"], ["car", "road", "jam", "wheel", "slow", "street"]
OPTIONS = TextGraphOptions(min_count=1, stop_words="none", window=4)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 short documents of two classes, a third of them test documents."""
    lines = ["text\tlabel\tsplit"]
    for number in range(36):
        words = (FRUIT, TRAFFIC)[number % 2]
        text = " ".join(words[(number // 2 + step * (1 + number % 5)) % 6] for step in range(4))
        lines.append(f"{text}\t{('fruit', 'traffic')[number % 2]}\t{'test' if number % 3 == 0 else 'train'}")
    file = tmp_path_factory.mktemp("corpus") / "things.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_edges_weights_and_labels_are_those_of_our_graph(corpus: Path) -> None:
    dataset, graph = TextGraphDataset(corpus, options=OPTIONS), load_graph(corpus, options=OPTIONS)
    data = dataset[0]
    dense = torch.zeros(graph.num_nodes, graph.num_nodes)
    dense[data.edge_index[1], data.edge_index[0]] = data.edge_weight
    assert torch.equal(dense, graph.raw.to_dense().float())
    assert data.edge_index.shape[1] == graph.raw.nnz
    assert torch.equal(data.y, graph.labels)
    assert torch.equal(data.test_mask, graph.test_mask)
    assert (dataset.num_classes, dataset.classes, data.class_names) == (2, ["fruit", "traffic"], ["fruit", "traffic"])
    assert data.num_documents == 36
    assert len(dataset) == 1
    assert dataset.graph.vocabulary == graph.vocabulary
    assert repr(dataset) == f"TextGraphDataset({corpus})"
    data.validate()


def test_gcn_conv_multiplies_by_our_adjacency(corpus: Path) -> None:
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    dataset = TextGraphDataset(corpus, options=OPTIONS)
    data = dataset[0]
    index, weight = gcn_norm(data.edge_index, data.edge_weight, data.num_nodes)
    dense = torch.zeros(data.num_nodes, data.num_nodes)
    dense[index[1], index[0]] = weight
    # PyTorch Geometric normalises in float32, we in float64.
    torch.testing.assert_close(dense, dataset.graph.adjacency.to_dense())


def test_validation_documents_are_those_of_training_here(corpus: Path) -> None:
    graph = load_graph(corpus, options=OPTIONS)
    for seed in (0, 3):
        data, split = TextGraphDataset(corpus, options=OPTIONS, seed=seed)[0], split_of(graph, TrainConfig(seed=seed))
        assert data.val_mask.nonzero().flatten().tolist() == split.val.tolist()
        assert data.train_mask.nonzero().flatten().tolist() == split.train.tolist()
    everything = TextGraphDataset(corpus, options=OPTIONS, validation=0.0)[0]
    assert int(everything.val_mask.sum()) == 0
    assert torch.equal(everything.train_mask, graph.train_mask)


class GCN(torch.nn.Module):
    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.first, self.second = pyg.nn.GCNConv(channels, 8), pyg.nn.GCNConv(8, classes)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_weight: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.first(x, edge_index, edge_weight).relu()
        out: torch.Tensor = self.second(hidden, edge_index, edge_weight)
        return out


def test_a_model_of_gcn_conv_trains_on_it(corpus: Path) -> None:
    dataset = TextGraphDataset(corpus, options=OPTIONS)
    data = dataset[0]
    assert data.x.is_sparse
    assert data.x._nnz() == data.num_nodes == dataset.num_features
    torch.manual_seed(0)
    model = GCN(dataset.num_features, dataset.num_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        out = model(data.x, data.edge_index, data.edge_weight)
        torch.nn.functional.cross_entropy(out[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
    right = out.argmax(1) == data.y
    assert bool(right[data.test_mask].all())


@pytest.mark.parametrize("layer", ["SAGEConv", "GraphConv", "GCNConv"])
def test_node_numbers_suit_every_layer(corpus: Path, layer: str) -> None:
    """An embedding of the node numbers is the identity times a matrix."""
    data = TextGraphDataset(corpus, options=OPTIONS, features="index")[0]
    embedding = torch.nn.Embedding(data.num_nodes, 5)
    conv = getattr(pyg.nn, layer)(5, 2)
    conv(embedding(data.x), data.edge_index).sum().backward()
    assert torch.equal(embedding(data.x), torch.eye(data.num_nodes) @ embedding.weight)


def test_transforms(corpus: Path) -> None:
    def marked(data: pyg.data.Data) -> pyg.data.Data:
        data.mark = getattr(data, "mark", 0) + 1
        return data

    dataset = TextGraphDataset(corpus, options=OPTIONS, transform=marked, pre_transform=marked)
    assert dataset[0].mark == 2
    assert dataset[0].mark == 2


def test_refusals(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"karate is a graph without texts. Corpora are 20ng, r8, r52, ohsumed, mr, or"):
        TextGraphDataset("karate")
    with pytest.raises(DataError, match="no dataset and no file or folder is called 'r9'"):
        TextGraphDataset("r9")
    with pytest.raises(ConfigError, match="features is 'dense'; allowed are one-hot and index"):
        TextGraphDataset(corpus, features="dense")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"validation is 1.5"):
        TextGraphDataset(corpus, validation=1.5)


def test_a_published_corpus(data_root: Path) -> None:
    data = TextGraphDataset("mr", data_root, progress=False)[0]
    assert (data.num_nodes, data.num_edges, data.num_documents) == (29_426, 1_927_676 - 29_426, 10_662)
    assert [int(mask.sum()) for mask in (data.train_mask, data.val_mask, data.test_mask)] == [6_398, 710, 3_554]
