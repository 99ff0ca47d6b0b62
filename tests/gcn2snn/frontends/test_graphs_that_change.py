"""Converted networks follow their graph, whoever writes to it, and share nothing with their copies or the source model."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import convert

X = torch.rand(20, 6, generator=torch.Generator().manual_seed(1))
EDGES = torch.randint(0, 20, (2, 60), generator=torch.Generator().manual_seed(2))


def same(snn: Any, model: nn.Module, *args: Any) -> None:
    with torch.no_grad():
        torch.testing.assert_close(snn.source(*args), model(*args), rtol=1e-4, atol=1e-5)


def test_pyg_data_with_shared_memory() -> None:
    pyg = pytest.importorskip("torch_geometric")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = pyg.nn.GCNConv(6, 5)
            self.conv2 = pyg.nn.GCNConv(5, 3)

        def forward(self, data: Any) -> Tensor:
            hidden = functional.relu(self.conv(data.x, data.edge_index, data.edge_weight))
            return self.conv2(hidden, data.edge_index, data.edge_weight)

    weight = torch.ones(60)
    data = pyg.data.Data(x=X, edge_index=EDGES.clone(), edge_weight=weight)
    model = Model().eval()
    snn = convert(model, (data,))
    same(snn, model, data)
    weight.numpy()[:30] = 0.01
    same(snn, model, data)
    data.edge_index.data[:, :30] = data.edge_index.data[:, :30].flip(0)
    same(snn, model, data)
    copies = [copy.deepcopy(snn), pickle.loads(pickle.dumps(snn))]
    data.edge_weight.data = torch.rand(60)
    for each in (snn, *copies):
        same(each, model, data)


def test_dgl_graph_and_edge_data() -> None:
    dgl = pytest.importorskip("dgl")
    from dgl.nn.pytorch import GraphConv

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = GraphConv(6, 3, norm="right", allow_zero_in_degree=True)

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            return self.conv(graph, x, edge_weight=graph.edata["w"])

    graph = dgl.graph((EDGES[0].clone(), EDGES[1].clone()), num_nodes=20)
    graph.edata["w"] = torch.ones(60)
    model = Model().eval()
    snn = convert(model, (graph, X))
    same(snn, model, graph, X)
    graph.edata["w"].numpy()[:30] = 5.0
    same(snn, model, graph, X)
    graph.edata["w"] = torch.rand(60)
    same(snn, model, graph, X)
    graph.add_edges([0, 1, 2], [3, 3, 3], {"w": torch.ones(3)})
    same(snn, model, graph, X)
    graph.remove_edges(list(range(20)))
    same(snn, model, graph, X)


def test_a_sparse_adjacency() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
            return torch.sparse.mm(adjacency, self.linear(x))

    adjacency = (torch.rand(20, 20) < 0.2).float().to_sparse_csr()
    model = Model().eval()
    snn = convert(model, (X, adjacency))
    same(snn, model, X, adjacency)
    adjacency.values().numpy()[:10] = 3.0
    same(snn, model, X, adjacency)


def test_a_graph_kept_in_the_model_is_copied() -> None:
    pyg = pytest.importorskip("torch_geometric")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = pyg.nn.GCNConv(6, 3)
            self.register_buffer("edges", EDGES.clone())

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x, self.edges)

    model = Model().eval()
    snn = convert(model, X)
    before = snn(X)
    file = io.BytesIO()
    torch.save(snn, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    model.edges.data[:] = 0
    assert torch.equal(snn(X), before)
    assert torch.equal(loaded(X), before)
