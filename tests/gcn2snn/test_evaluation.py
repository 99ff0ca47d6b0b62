"""One evaluation for graphs of every library, loaders and tensors: scores, agreement, energy, errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import gcn2snn
from gcn2snn import ConvertConfig, SpikingNetwork, convert, evaluate
from gcn2snn.errors import ConfigError, DataError, InputError, InputTypeError
from gcn2snn.evaluation import score_classes


@pytest.fixture
def x() -> Tensor:
    return torch.rand(40, 8)


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(40) % 3


@pytest.fixture
def snn(x: Tensor) -> SpikingNetwork:
    return convert(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).eval(), x)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_scores_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predicted, labels = torch.tensor(pairs).unbind(1)
    scores = score_classes(predicted, labels)
    expected = f1_score(labels.numpy(), predicted.numpy(), average="macro", zero_division=0.0)
    assert scores.macro_f1 == pytest.approx(100 * expected)
    assert scores.accuracy == pytest.approx(100 * float((predicted == labels).double().mean()))


def test_tensors_with_labels(x: Tensor, labels: Tensor, snn: SpikingNetwork) -> None:
    result = evaluate(snn, x, labels)
    assert result.ann.accuracy == pytest.approx(100 * float((snn.source(x).argmax(1) == labels).double().mean()))
    assert result.snn.accuracy == pytest.approx(100 * float((snn(x).argmax(1) == labels).double().mean()))
    assert result.energy == snn.energy(x)
    assert (result.test_nodes, result.engine) == (40, "closed")
    for same in (
        evaluate(snn, (x,), labels),
        evaluate(snn, {"input": x}, labels.tolist()),
        evaluate(snn, x.numpy(), labels),
    ):
        assert same == result
    text = str(result)
    for part in ("40 rows", "accuracy", "agreement", "alpha", "Eq. 6", "the spiking network"):
        assert part in text


def test_a_mask_chooses_rows(x: Tensor, labels: Tensor, snn: SpikingNetwork) -> None:
    mask = torch.zeros(40, dtype=torch.bool)
    mask[:7] = True
    labels[7:] = -1
    result = evaluate(snn, x, labels, mask)
    assert result.test_nodes == 7
    assert result.snn == evaluate(snn, x[:7], labels[:7]).snn
    assert result.energy == snn.energy(x)  # all rows were computed


def test_batches_of_a_loader_add_up(x: Tensor, labels: Tensor, snn: SpikingNetwork) -> None:
    whole = evaluate(snn, x, labels)
    loader = DataLoader(TensorDataset(x, labels), batch_size=7)
    for data in (loader, [(x[:13], labels[:13]), (x[13:], labels[13:])]):
        assert evaluate(snn, data) == whole


@pytest.mark.parametrize("wait", [None, 0, 2])
def test_short_waits_count_the_spikes_that_are_sent(
    x: Tensor, labels: Tensor, snn: SpikingNetwork, wait: int | None
) -> None:
    own = convert(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).eval(), x, ConvertConfig(wait=wait))
    result = evaluate(own, x, labels)
    sent = own.spikes(x)["1"]
    row = next(layer for layer in result.energy.layers if layer.name == "2")
    assert row.input_spikes == int(sent.fired.sum())
    assert evaluate(snn, x, labels, wait=wait).engine == result.engine


def test_karate_graph() -> None:
    graph = gcn2snn.load_graph("karate")
    snn = convert(gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=8, epochs=20))), graph)
    result = evaluate(snn, graph)
    assert result.test_nodes == int(graph.test_mask.sum())
    scores = snn(graph.adjacency)
    right = (scores.argmax(1) == graph.labels)[graph.test_mask]
    assert result.snn.accuracy == pytest.approx(100 * float(right.double().mean()))


def _net(weighted: bool) -> nn.Module:
    from torch_geometric.nn import GCNConv

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = GCNConv(8, 6), GCNConv(6, 3)

        def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
            return self.b(functional.relu(self.a(x, edge_index, edge_weight)), edge_index, edge_weight)

    class Plain(Net):
        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x, edge_index)

    return (Net() if weighted else Plain()).eval()


@pytest.fixture
def edges() -> Tensor:
    return torch.randint(0, 40, (2, 120))


def test_data_of_pytorch_geometric(x: Tensor, labels: Tensor, edges: Tensor) -> None:
    data_module = pytest.importorskip("torch_geometric.data", reason="needs PyTorch Geometric")
    mask = torch.arange(40) % 4 == 0
    data = data_module.Data(x=x, edge_index=edges, y=labels, test_mask=mask, val_mask=~mask)
    snn = convert(_net(False), (x, edges))
    expected = evaluate(snn, (x, edges), labels, mask)
    assert evaluate(snn, data) == expected
    assert evaluate(snn, data, mask="val_mask") == evaluate(snn, (x, edges), labels, ~mask)
    weighted = convert(_net(True), (x, edges, torch.rand(120)))
    data.edge_attr = torch.rand(120)
    assert evaluate(weighted, data) == evaluate(weighted, (x, edges, data.edge_attr), labels, mask)
    del data.edge_attr
    with pytest.raises(InputError, match="no 'edge_weight', which the network takes"):
        evaluate(weighted, data)
    with pytest.raises(DataError, match="no mask 'mask'"):
        evaluate(snn, data, mask="mask")
    data.y = None
    with pytest.raises(DataError, match=r"data\.y is missing"):
        evaluate(snn, data)


def test_a_loader_of_small_graphs() -> None:
    pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader as GraphLoader
    from torch_geometric.nn import GCNConv, global_add_pool

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = GCNConv(8, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
            return self.b(global_add_pool(functional.relu(self.a(x, edge_index)), batch))

    graphs = [
        Data(x=torch.rand(5 + k, 8), edge_index=torch.randint(0, 5 + k, (2, 9)), y=torch.tensor([k % 2]))
        for k in range(6)
    ]
    (whole,) = GraphLoader(graphs, batch_size=6)
    snn = convert(Net().eval(), (whole.x, whole.edge_index, whole.batch))
    result = evaluate(snn, GraphLoader(graphs, batch_size=2))
    assert result.test_nodes == 6
    assert result.ann == evaluate(snn, whole).ann


def test_a_dgl_graph(x: Tensor, labels: Tensor, edges: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DGL 1.1.3 uses deprecated parts of NumPy
        dgl = pytest.importorskip("dgl", reason="needs DGL", exc_type=ImportError)
        from dgl.nn import GraphConv

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a = GraphConv(8, 3, allow_zero_in_degree=True)

            def forward(self, g: Any, features: Tensor) -> Tensor:
                return functional.relu(self.a(g, features))

        graph = dgl.graph((edges[0], edges[1]), num_nodes=40)
        snn = convert(Net().eval(), (graph, x))
        with pytest.raises(InputError, match="no 'features'"):
            evaluate(snn, graph, labels)
        graph.ndata["feat"] = x
        with pytest.raises(DataError, match="there are no labels"):
            evaluate(snn, graph)
        graph.ndata["label"] = labels
        assert evaluate(snn, graph) == evaluate(snn, (graph, x), labels)


@pytest.mark.parametrize(
    ("data", "labels", "mask", "error", "message"),
    [
        (torch.rand(4, 8), None, None, DataError, "there are no labels"),
        (torch.rand(4, 8), torch.zeros(3, dtype=torch.int64), None, InputError, "3 labels, but the network gives"),
        (torch.rand(4, 8), torch.zeros(4), None, InputTypeError, "class numbers are whole"),
        (torch.rand(4, 8), torch.zeros(4, 2, dtype=torch.int64), None, InputError, r"labels have shape \[4, 2\]"),
        (torch.rand(4, 8), [0, 1, 2, 3], None, DataError, "labels run from 0 to 3; the network has 3 classes"),
        (torch.rand(4, 8), [0, 1, -1, 2], None, DataError, "mask the rows without a label"),
        (torch.rand(4, 8), [0] * 4, [True] * 3, InputError, r"the mask is torch\.bool \[3\]"),
        (torch.rand(4, 8), [0] * 4, [1, 0, 1, 0], InputError, r"the mask is torch\.int64"),
        (torch.rand(4, 8), torch.ones(4).long().to_sparse(), None, InputTypeError, "labels got a sparse_coo tensor"),
        (torch.rand(4, 8), [0] * 4, torch.ones(4).bool().to_sparse(), InputTypeError, "mask got a sparse_coo tensor"),
        (torch.rand(4, 8), [0] * 4, [False] * 4, DataError, "no row to score"),
        (np.zeros((0, 8)), np.zeros(0, int), None, DataError, "no row to score"),
        ([], None, None, DataError, "no row to score"),
        ([torch.rand(4, 8)], None, None, InputTypeError, "a batch of the loader is Tensor"),
        ([(torch.rand(4, 8), [0] * 4)], [0], None, DataError, "leave labels= out"),
        (7, None, None, InputTypeError, "data is int"),
    ],
)
def test_bad_data(snn: SpikingNetwork, data: Any, labels: Any, mask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate(snn, data, labels, mask)


def test_bad_options(x: Tensor, labels: Tensor, snn: SpikingNetwork) -> None:
    with pytest.raises(ConfigError, match="closed form holds for a wait"):
        evaluate(snn, x, labels, engine="closed", wait=1)
    with pytest.raises(ConfigError, match="unknown; allowed are"):
        evaluate(snn, x, labels, preset="9nm")


def test_repr_is_one_short_line() -> None:
    x = torch.rand(20, 4)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    found = repr(gcn2snn.evaluate(gcn2snn.convert(model, x), x, labels=model(x).argmax(1)))
    assert found.startswith("Evaluation(20 rows: source 100.00 %, spiking ")
    assert len(found) < 100


@pytest.mark.parametrize("name", ["labels", "mask"])
def test_labels_and_masks_without_values_are_refused(snn: SpikingNetwork, x: Tensor, labels: Tensor, name: str) -> None:
    given = {"labels": labels, "mask": labels >= 0}
    with pytest.raises(InputError, match=f"the {name} lie on the meta device"):
        evaluate(snn, x, **given | {name: given[name].to("meta")})
