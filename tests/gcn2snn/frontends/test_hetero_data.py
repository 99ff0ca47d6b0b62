"""HeteroData and its dicts as arguments, HeteroConv and to_hetero with several relations, nested lists and dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import nn as pyg
from torch_geometric.data import HeteroData

from gcn2snn.artefact import load, save
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.read_model import lower

pytestmark = pytest.mark.filterwarnings("ignore:There exist node types")
WRITES, CITES, BACK = ("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "by", "author")


def library(papers: int = 20, authors: int = 9, edges: int = 30) -> HeteroData:
    """Papers and authors with three relations; the last paper and author are isolated."""
    data = HeteroData()
    data["paper"].x, data["author"].x = torch.randn(papers, 6), torch.randn(authors, 5)
    ends = {"paper": papers - 1, "author": authors - 1}
    for source, name, target in (WRITES, CITES, BACK):
        index = [torch.randint(0, ends[kind], (edges,)) for kind in (source, target)]
        data[source, name, target].edge_index = torch.stack(index)
    return data


class One(nn.Module):
    """What ``to_hetero`` makes a layer for each relation of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = pyg.SAGEConv((-1, -1), 8), pyg.SAGEConv((8, 8), 4)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        result: Tensor = self.second(self.first(x, edge_index).relu(), edge_index)
        return result


class Converted(nn.Module):
    def __init__(self, data: HeteroData, aggr: str) -> None:
        super().__init__()
        self.layers = pyg.to_hetero(One(), data.metadata(), aggr=aggr)
        with torch.no_grad():
            self.layers(data.x_dict, data.edge_index_dict)

    def forward(self, data: HeteroData) -> Tensor:
        result: Tensor = self.layers(data.x_dict, data.edge_index_dict)["paper"]
        return result


class Several(nn.Module):
    """HeteroConv twice, with a comprehension over the kinds of nodes in between."""

    def __init__(self, aggr: str) -> None:
        super().__init__()
        first = {WRITES: pyg.SAGEConv((5, 6), 8), CITES: pyg.GCNConv(6, 8), BACK: pyg.GraphConv((6, 5), 8)}
        second = {WRITES: pyg.SAGEConv((8, 8), 4), CITES: pyg.SAGEConv(8, 4), BACK: pyg.SAGEConv((8, 8), 4)}
        self.first, self.second = pyg.HeteroConv(first, aggr), pyg.HeteroConv(second, aggr)

    def forward(self, x_dict: dict[str, Tensor], edge_index_dict: dict[Any, Tensor]) -> Tensor:
        x_dict = self.first(x_dict, edge_index_dict)
        x_dict = {kind: F.relu(x) for kind, x in x_dict.items()}
        result: Tensor = self.second(x_dict, edge_index_dict)["paper"]
        return result


class OfData(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Several("sum")

    def forward(self, data: HeteroData) -> Tensor:
        result: Tensor = self.inner(data.x_dict, data.edge_index_dict)
        return result


class ByKey(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = pyg.SAGEConv((5, 6), 4)

    def forward(self, data: HeteroData) -> Tensor:
        pair = (data["author"].x, data["paper"].x)
        result: Tensor = self.conv(pair, data["author", "writes", "paper"].edge_index)
        return result


@pytest.mark.parametrize("aggr", ["sum", "mean", "max", "min", "cat"])
def test_hetero_conv(aggr: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    data, other = library(), library(7, 12, 15)
    model = randomised(Several(aggr)) if aggr != "cat" else randomised(First(data))
    calls = [{"x_dict": d.x_dict, "edge_index_dict": d.edge_index_dict} for d in (data, other, library(5, 4, 0))]
    network = lower(model, (), calls[0])
    for call in calls:
        assert_same(network, model, call)


class First(nn.Module):
    def __init__(self, data: HeteroData) -> None:
        super().__init__()
        self.conv = pyg.HeteroConv({WRITES: pyg.SAGEConv((5, 6), 3), CITES: pyg.SAGEConv(6, 4)}, "cat")

    def forward(self, x_dict: dict[str, Tensor], edge_index_dict: dict[Any, Tensor]) -> Tensor:
        result: Tensor = self.conv(x_dict, edge_index_dict)["paper"]
        return result


def test_relations_side_by_side_along_an_axis_are_refused() -> None:
    data = library()
    model = First(data).eval()
    model.conv.aggr = None
    with pytest.raises(ConversionError, match="stacks the relations along an axis of their own"):
        lower(model, (data.x_dict, data.edge_index_dict), {})


@pytest.mark.parametrize("aggr", ["sum", "mean"])
def test_to_hetero(aggr: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    data = library()
    model = randomised(Converted(data, aggr))
    network = lower(model, (data,), {})
    for other in (data, library(7, 12, 15)):
        assert_same(network, model, {"data": other})


@pytest.mark.parametrize("make", [OfData, ByKey])
def test_data_objects(
    make: Callable[[], nn.Module], tmp_path: Any, randomised: Callable[..., Any], assert_same: Callable[..., Any]
) -> None:
    data, other = library(), library(7, 12, 15)
    model = randomised(make())
    network = lower(model, (data,), {})
    assert_same(network, model, {"data": data})
    assert_same(network, model, {"data": other})
    snn = convert(model, (data,))
    save(snn, tmp_path / "hetero.safetensors")
    torch.testing.assert_close(load(tmp_path / "hetero.safetensors")(other), snn(other), rtol=0, atol=0)
    lacking = HeteroData()
    lacking["paper"].x, lacking["author"].x = data["paper"].x, data["author"].x
    with pytest.raises(InputError, match=r"which the example had|edge_index_dict. is missing"):
        snn(lacking)


class Jumps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.jump = pyg.HeteroJumpingKnowledge(["a", "b"], "max")

    def forward(self, values: dict[str, list[Tensor]]) -> Tensor:
        found = self.jump(values)
        result: Tensor = found["a"] + found["b"]
        return result


def test_lists_inside_dicts(assert_same: Callable[..., Any]) -> None:
    call = {"values": {kind: [torch.randn(5, 3), torch.randn(5, 3)] for kind in "ab"}}
    assert_same(lower(Jumps().eval(), (), call), Jumps().eval(), call)
