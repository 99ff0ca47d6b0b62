"""Models of PyTorch Geometric's own examples, typed as they stand there, convert as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import APPNP, MLP, GCNConv, GINConv, SAGEConv, SGConv, global_add_pool

from gcn2snn.conversion import convert
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.readout_rules import read_out


class GCN(torch.nn.Module):  # examples/gcn.py
    def __init__(self, in_channels, hidden_channels, out_channels):  # type: ignore[no-untyped-def]
        super().__init__()
        self.conv1 = GCNConv(in_channels, hidden_channels, cached=True, normalize=True)
        self.conv2 = GCNConv(hidden_channels, out_channels, cached=True, normalize=True)

    def forward(self, x, edge_index, edge_weight=None):  # type: ignore[no-untyped-def]
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.conv1(x, edge_index, edge_weight).relu()
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.conv2(x, edge_index, edge_weight)
        return x


class SAGE(torch.nn.Module):  # examples/reddit.py
    def __init__(self, in_channels, hidden_channels, out_channels):  # type: ignore[no-untyped-def]
        super().__init__()
        self.convs = torch.nn.ModuleList()
        self.convs.append(SAGEConv(in_channels, hidden_channels))
        self.convs.append(SAGEConv(hidden_channels, out_channels))

    def forward(self, x, edge_index):  # type: ignore[no-untyped-def]
        for i, conv in enumerate(self.convs):
            x = conv(x, edge_index)
            if i < len(self.convs) - 1:
                x = x.relu_()
                x = F.dropout(x, p=0.5, training=self.training)
        return x


class GIN(torch.nn.Module):  # examples/mutag_gin.py
    def __init__(self, in_channels, hidden_channels, out_channels, num_layers):  # type: ignore[no-untyped-def]
        super().__init__()

        self.convs = torch.nn.ModuleList()
        for _ in range(num_layers):
            mlp = MLP([in_channels, hidden_channels, hidden_channels])
            self.convs.append(GINConv(nn=mlp, train_eps=False))
            in_channels = hidden_channels

        self.mlp = MLP([hidden_channels, hidden_channels, out_channels], norm=None, dropout=0.5)

    def forward(self, x, edge_index, batch, batch_size):  # type: ignore[no-untyped-def]
        for conv in self.convs:
            x = conv(x, edge_index).relu()
        # Pass the batch size to avoid CPU communication/graph breaks:
        x = global_add_pool(x, batch, size=batch_size)
        return self.mlp(x)


class Net(torch.nn.Module):  # benchmark/citation/appnp.py
    def __init__(self, dataset):  # type: ignore[no-untyped-def]
        super().__init__()
        self.lin1 = torch.nn.Linear(dataset.num_features, 16)
        self.lin2 = torch.nn.Linear(16, dataset.num_classes)
        self.prop1 = APPNP(10, 0.1)

    def forward(self, data):  # type: ignore[no-untyped-def]
        x, edge_index = data.x, data.edge_index
        x = F.dropout(x, p=0.5, training=self.training)
        x = F.relu(self.lin1(x))
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.lin2(x)
        x = self.prop1(x, edge_index)
        return F.log_softmax(x, dim=1)


class SGC(torch.nn.Module):  # examples/sgc.py
    def __init__(self, data):  # type: ignore[no-untyped-def]
        super().__init__()
        self.data = data
        self.conv1 = SGConv(in_channels=data.num_features, out_channels=3, K=2, cached=True)

    def forward(self):  # type: ignore[no-untyped-def]
        x, edge_index = self.data.x, self.data.edge_index
        x = self.conv1(x, edge_index)
        return F.log_softmax(x, dim=1)


class _Set:
    num_features, num_classes = 6, 3


def graph(nodes: int = 20) -> Data:
    edges = torch.randint(0, nodes, (2, 3 * nodes))
    return Data(x=torch.rand(nodes, 6), edge_index=torch.cat([edges, edges.flip(0)], 1))


def assert_converts(model: torch.nn.Module, *args: Any) -> None:
    model.eval()
    snn = convert(model, args)
    bound = dict(zip((node.name for node in snn.network if not node.inputs), args, strict=False))
    with torch.no_grad():
        expected: Tensor = model(*args)
    source = read_out(snn.network, run_float(snn.network, bound))
    torch.testing.assert_close(source, expected, rtol=1e-4, atol=1e-5)
    assert snn(*args).shape == expected.shape


def test_gcn() -> None:
    data = graph()
    assert_converts(GCN(6, 16, 3), data.x, data.edge_index)
    assert_converts(GCN(6, 16, 3), data.x, data.edge_index, torch.rand(data.num_edges))


def test_sage() -> None:
    data = graph()
    assert_converts(SAGE(6, 16, 3), data.x, data.edge_index)


def test_gin() -> None:
    batch = next(iter(DataLoader([graph(n) for n in (4, 7, 5)], batch_size=3)))
    assert_converts(GIN(6, 16, 2, 3), batch.x, batch.edge_index, batch.batch, batch.batch_size)


def test_appnp() -> None:
    assert_converts(Net(_Set), graph())


def test_sgc_that_holds_its_graph() -> None:
    assert_converts(SGC(graph()))
