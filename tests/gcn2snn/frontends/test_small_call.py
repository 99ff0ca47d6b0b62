"""A large graph's call cut to a few nodes, on which a model is read under a memory limit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn.frontends import small_call

pytest.importorskip("torch_geometric")
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv


def test_a_small_part_of_a_call_keeps_what_belongs_together() -> None:
    torch.manual_seed(0)
    x, edges, weights = torch.rand(5000, 3), torch.randint(0, 5000, (2, 40_000)), torch.rand(40_000)
    (part, inside), named = small_call((x, edges), {"weights": weights, "p": 0.5, "again": x})
    assert isinstance(part, Tensor)
    assert isinstance(inside, Tensor)
    assert isinstance(named["again"], Tensor)
    assert isinstance(named["weights"], Tensor)
    assert 1000 < len(part) <= 2048
    assert named["again"].equal(part)
    assert (named["p"], named["weights"].shape[0]) == (0.5, inside.shape[1])
    where = {float(first): number for number, first in enumerate(x[:, 0])}
    numbers = torch.tensor([where[float(first)] for first in part[:, 0]])
    kept = {tuple(pair) for pair in numbers[inside].t().tolist()}
    both = torch.isin(edges, numbers).all(0)
    assert kept == {tuple(pair) for pair in edges[:, both].t().tolist()}
    assert inside.shape[1] == int(both.sum()) >= 1024


def test_a_small_call_and_one_without_a_graph_stay_as_they_are() -> None:
    x, edges = torch.rand(50, 3), torch.randint(0, 50, (2, 90))
    assert small_call((x, edges), {}) == ((x, edges), {})
    large = torch.rand(9000, 3)
    assert small_call((large,), {"p": 1}) == ((large,), {"p": 1})


def test_a_graph_object_is_cut_too() -> None:
    torch.manual_seed(0)
    data = Data(torch.rand(5000, 3), torch.randint(0, 5000, (2, 40_000)), y=torch.arange(5000))
    (part,), _ = small_call((data,), {})
    assert isinstance(part, Data)
    assert 1000 < part.num_nodes <= 2048
    assert part.x is not None
    assert part.x.equal(data.x[part.y])
    assert int(part.edge_index.max()) < part.num_nodes
    assert data.num_nodes == 5000


class WithSecondGraph(nn.Module):
    """A model with edges of its own between all nodes, so that it runs on no part of them."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.edges = nn.Buffer(torch.randint(0, nodes, (2, 4 * nodes)))
        self.first, self.second = GCNConv(3, 4), GCNConv(4, 2)

    def forward(self, data: Data) -> Tensor:
        result: Tensor = self.second(self.first(data.x, data.edge_index).relu(), self.edges)
        return result


def test_a_model_that_needs_all_nodes_is_read_on_all() -> None:
    torch.manual_seed(0)
    data = Data(torch.rand(3000, 3), torch.randint(0, 3000, (2, 9000)))
    model, config = WithSecondGraph(3000).eval(), gcn2snn.ConvertConfig.paper()
    whole = gcn2snn.convert(model, data, config)
    with gcn2snn.memory_limit("1MB"):
        limited = gcn2snn.convert(model, data, config)
        assert limited(data).equal(whole(data))
    assert limited.checked is not None
    assert limited.checked.kind == "full"
