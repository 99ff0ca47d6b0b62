"""Sparse features through whole networks: what may stay sparse, and that the results are those of dense features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.engines import bind
from gcn2snn.engines.sparse_inputs import may_be_sparse
from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR

torch_geometric = pytest.importorskip("torch_geometric", reason="PyTorch Geometric is not installed")


def features(density: float = 0.03) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(60, 50, generator=generator)
    return torch.where(torch.rand(x.shape, generator=generator) < density, x, 0.0)


def edges() -> Tensor:
    return torch.randint(60, (2, 200), generator=torch.Generator().manual_seed(1))


class Graph(nn.Module):
    """A dense layer first (GCN), or an aggregation (SGC, which multiplies by the graph before its weights)."""

    def __init__(self, first: str):
        super().__init__()
        from torch_geometric.nn import GCNConv, GraphConv

        torch.manual_seed(0)
        self.first = GCNConv(50, 16) if first == "dense" else GraphConv(50, 16)
        self.second = GCNConv(16, 4)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x, edge_index)), edge_index)


class Doubled(nn.Module):
    """Features that something else than a product reads as well."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(50, 50), nn.Linear(50, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x) + x))


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("first", ["dense", "aggregation"])
@pytest.mark.parametrize("double", [False, True])
def test_sparse_features_give_what_dense_ones_do(first: str, double: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    snn = gcn2snn.convert(Graph(first).eval(), (features(), edges()))
    if double:
        snn = snn.double()
    x, graph = features().to(torch.float64 if double else torch.float32), edges()
    wanted = snn.simulate(x, graph, observe=lambda *seen: None)  # observed runs are dense
    source = snn.source(x, graph, observe=lambda *seen: None)
    exact = snn(x, graph)
    tolerance = 1e-12 if double else 1e-5
    torch.testing.assert_close(exact, wanted, atol=tolerance, rtol=0)
    monkeypatch.setattr(torch.Tensor, "to_dense", None)  # neither they nor what is made of them become dense
    monkeypatch.setattr(CSR, "to_dense", None)
    for given in (x.to_sparse_coo(), x.to_sparse_csr()):
        assert torch.equal(snn(given, graph), exact)
        torch.testing.assert_close(snn.source(given, graph), source, atol=tolerance, rtol=0)


def test_other_engines_and_counts_take_sparse_features_too() -> None:
    snn = gcn2snn.convert(Graph("dense").eval(), (features(), edges()))
    x, graph = features(), edges()
    sparse = x.to_sparse_coo()
    assert torch.equal(snn.simulate(sparse, graph, engine="temporal"), snn.simulate(x, graph, engine="temporal"))
    assert snn.energy(sparse, graph).to_dict() == snn.energy(x, graph).to_dict()


def test_what_may_stay_sparse() -> None:
    snn = gcn2snn.convert(Graph("dense").eval(), (features(), edges()))
    assert may_be_sparse(snn.network) == {"x"}
    assert isinstance(bind(snn.network, (features().to_sparse(), edges()), {}, sparse=True)["x"], CSR)
    assert isinstance(bind(snn.network, (features().to_sparse(), edges()), {})["x"], Tensor)
    beside = gcn2snn.convert(Doubled().eval(), features())
    assert may_be_sparse(beside.network) == frozenset()
    assert torch.equal(beside(features().to_sparse()), beside(features()))
    assert not may_be_sparse(ir.Network((ir.Input(name="x", size=(None, 3)), ir.Output(name="o", inputs=("x",)))))


def test_refuses_sparse_features_of_another_size_or_with_nan() -> None:
    snn = gcn2snn.convert(Graph("dense").eval(), (features(), edges()))
    with pytest.raises(InputError, match=r"x has shape \[60, 49\]; the network needs \['\*', 50\]"):
        snn(features()[:, :49].to_sparse(), edges())
    bad = features()
    bad[0, 0] = torch.nan
    for given in (bad, bad.to_sparse()):
        with pytest.raises(InputError, match="holds 1 values that are NaN or infinite"):
            snn(given, edges())
