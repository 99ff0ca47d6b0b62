"""Refusals of PyTorch Geometric models in one error, and the errors for bad graphs and calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import nn as pyg
from torch_geometric.nn import aggr
from torch_geometric.utils import add_self_loops, dropout_edge

from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError, InputTypeError
from gcn2snn.frontends.read_model import lower

NODES = 12


def messy_graph() -> Tensor:
    """Random edges with self-loops and duplicates; nodes 10 and 11 are isolated."""
    random = torch.randint(0, NODES - 2, (2, 30))
    return torch.cat([random, random[:, :3], torch.tensor([[1, 1, 4, 4], [1, 1, 4, 5]])], 1)


class Refused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gat, self.act, self.norm = pyg.GATConv(6, 8), nn.GELU(), pyg.LayerNorm(8)
        self.sage, self.gcn = pyg.SAGEConv(8, 8, normalize=True), pyg.GCNConv(8, 8, aggr="mean")
        self.jk, self.graph = pyg.JumpingKnowledge("lstm", 8, 2), pyg.GraphConv(8, 3, aggr="std")

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        h = self.norm(self.act(self.gat(x, edge_index)))
        h = torch.sigmoid(self.gcn(self.sage(h, edge_index), edge_index))
        return self.graph(self.jk([h, F.softmax(h, dim=1)]), edge_index, edge_weight)


def test_all_refusals_at_once() -> None:
    edges = messy_graph()
    call = (torch.randn(NODES, 6), edges, torch.rand(edges.shape[1]))
    with pytest.raises(ConversionError) as caught:
        convert(Refused().eval(), call)
    found = {(r.path, r.what) for r in caught.value.refusals}
    expected = {
        ("gat", "GATConv"),
        ("act", "GELU"),
        ("norm", "LayerNorm"),
        ("sage", "normalize=True"),
        ("gcn", "aggr='mean'"),
        ("sigmoid", "sigmoid"),
        ("softmax", "softmax in the middle"),
        ("jk", "mode='lstm'"),
        ("graph", "aggregation StdAggregation"),
    }
    assert found == expected
    assert all(r.why and r.instead for r in caught.value.refusals)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": torch.randn(NODES, 7)}, InputError, r"needs an input of \[\*, 6\]"),
        ({"edge_index": torch.tensor([[0, 12], [1, 1]])}, InputError, "nodes 0 to 12, but there are 12 nodes"),
        ({"edge_index": torch.tensor([[0, -1], [1, 1]])}, InputError, "nodes -1 to 0, but there are 12 nodes"),
        ({"edge_index": torch.zeros(2, 4)}, InputTypeError, "dtype torch.float32"),
        ({"edge_index": torch.zeros(3, 4, dtype=torch.int64)}, InputError, r"\[2, edges\] is needed"),
        ({"edge_weight": torch.ones(3)}, InputError, "3 edge weights for 4 edges"),
        ({"edge_weight": torch.tensor([1.0, float("nan"), 1.0, 1.0])}, InputError, "NaN or infinite"),
        ({"edge_weight": torch.tensor([1.0, 1.0, -9.0, 1.0])}, InputError, "has degree -8"),
        ({"edge_index": torch.eye(5).to_sparse()}, InputError, r"sparse adjacency is \[5, 5\], but there are 12"),
        ({"edge_index": "graph"}, (InputTypeError, ConversionError), "str"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], match: str, randomised: Callable[..., Any]) -> None:
    call = {
        "x": torch.randn(NODES, 6),
        "edge_index": torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]),
        "edge_weight": torch.ones(4),
    }
    model = randomised(pyg.GCNConv(6, 4))
    with pytest.raises(error, match=match):
        convert(model, call | change)
    snn = convert(model, call)
    if "x" not in change and change.get("edge_index") != "graph":
        with pytest.raises(error, match=match):
            snn(**(call | change))


def test_laplacian_of_a_graph_without_edges(randomised: Callable[..., Any]) -> None:
    model = randomised(pyg.ChebConv(6, 4, K=3, normalization=None))
    with pytest.raises(InputError, match="lambda_max is 0"):
        lower(model, (torch.randn(5, 6), messy_graph()[:, :0]), {})


def test_training_mode_and_missing_arguments(randomised: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="training mode"):
        convert(pyg.GCNConv(6, 4), (torch.randn(NODES, 6), messy_graph()))
    with pytest.raises(InputError, match="missing a required argument: 'edge_index'"):
        convert(randomised(pyg.GCNConv(6, 4)), (torch.randn(NODES, 6),))


class ChangesItsGraph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = pyg.GCNConv(6, 3), aggr.SoftmaxAggregation()

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        row, _ = edge_index
        looped, _ = add_self_loops(edge_index, num_nodes=x.size(0))
        edge_index, _ = dropout_edge(looped, p=0.5)
        return self.pool(self.conv(x, edge_index)) + row.sum()


def test_changes_of_the_graph_are_refused() -> None:
    with pytest.raises(ConversionError) as caught:
        convert(ChangesItsGraph().eval(), (torch.randn(NODES, 6), messy_graph()))
    found = {r.what for r in caught.value.refusals}
    assert found >= {
        "edge_index[0] as a value of the network",
        "add_self_loops",
        "SoftmaxAggregation",
        "dropout_edge(p=0.5, training=True)",
    }


@pytest.mark.filterwarnings("ignore:Sparse CSC tensor support is in beta")
def test_layers_without_values_and_models_that_fail() -> None:
    call = (torch.randn(NODES, 6), messy_graph())
    with pytest.raises(InputError, match=r"lin\.weight has no values yet: a lazy layer was never run"):
        convert(pyg.GCNConv(-1, 4).eval(), call)
    with pytest.raises(InputError, match=r"GCNConv itself fails on the example \(NotImplementedError"):
        convert(pyg.GCNConv(6, 4).eval(), (call[0], torch.eye(NODES).to_sparse_csc()))
