"""PyTorch Geometric models: jumping knowledge, pools, data objects, mini-batches; the source is left alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import nn as pyg
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader, NeighborLoader
from torch_geometric.nn import aggr
from torch_geometric.utils import dropout_edge, k_hop_subgraph

from gcn2snn import ir
from gcn2snn.artefact import load, save
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.errors import InputError
from gcn2snn.frontends.read_model import lower

NODES = 12


def messy_graph() -> Tensor:
    """Random edges with self-loops and duplicates; nodes 10 and 11 are isolated."""
    random = torch.randint(0, NODES - 2, (2, 30))
    return torch.cat([random, random[:, :3], torch.tensor([[1, 1, 4, 4], [1, 1, 4, 5]])], 1)


@pytest.mark.parametrize("jk", [None, "cat", "max", "last"])
@pytest.mark.parametrize("norm", [None, "batch_norm"])
@pytest.mark.parametrize("model", [pyg.GCN, pyg.GraphSAGE, pyg.GIN])
def test_models(
    model: type[nn.Module],
    norm: str | None,
    jk: str | None,
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    module = randomised(model(6, 8, 3, 4, dropout=0.5, norm=norm, jk=jk))
    call = {"x": torch.randn(NODES, 6), "edge_index": messy_graph()}
    assert_same(lower(module, (), call), module, call)
    assert_engines_agree(module, call)


class GraphClassifier(nn.Module):
    """Residual addition, both batch norms, a pool and an MLP."""

    def __init__(self, pool: Callable[..., Tensor]) -> None:
        super().__init__()
        self.conv1, self.norm1 = pyg.GraphConv(6, 8), nn.BatchNorm1d(8)
        self.conv2, self.norm2 = pyg.GCNConv(8, 8), pyg.BatchNorm(8)
        self.mlp = pyg.MLP([16, 8, 3], norm=None, dropout=0.5)
        self.pool = pool

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        h = self.norm1(self.conv1(x, edge_index)).relu()
        h = h + F.relu(self.norm2(self.conv2(h, edge_index)))
        pooled = torch.cat([self.pool(h, batch), pyg.global_mean_pool(h, batch)], dim=1)
        return self.mlp(pooled)


@pytest.mark.parametrize("pool", [pyg.global_add_pool, pyg.global_mean_pool, pyg.global_max_pool])
def test_graph_classification(
    pool: Callable[..., Tensor],
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    graphs = [Data(x=torch.randn(n, 6), edge_index=torch.randint(0, n, (2, 2 * n))) for n in (3, 1, 6, 5)]
    model = randomised(GraphClassifier(pool))
    batches = [(b.x, b.edge_index, b.batch) for b in DataLoader(graphs, batch_size=2)]
    call = dict(zip(("x", "edge_index", "batch"), batches[0], strict=True))
    network = lower(model, (), call)
    assert_same(network, model, call)
    whole = Batch.from_data_list(graphs)
    assert_same(network, model, {"x": whole.x, "edge_index": whole.edge_index, "batch": whole.batch})
    snn = convert(model, batches[0], calibration=batches)
    assert snn(*batches[1]).shape == (2, 3)
    assert_engines_agree(model, call)


class FromData(nn.Module):
    """The introduction by example of PyTorch Geometric's documentation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = pyg.GCNConv(6, 16), pyg.GCNConv(16, 3)

    def forward(self, data: Data) -> Tensor:
        x, edge_index = data.x, data.edge_index

        x = self.conv1(x, edge_index)
        x = F.relu(x)
        x = F.dropout(x, training=self.training)
        x = self.conv2(x, edge_index)

        return F.log_softmax(x, dim=1)


def test_model_of_a_data_object(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(FromData())
    data = Data(x=torch.randn(NODES, 6), edge_index=messy_graph())
    network = lower(model, (data,), {})
    assert_same(network, model, {"data": data})
    snn = convert(model, data)
    assert [node.name for node in snn.network.of(ir.Coder)] == ["data.x.code"]
    smaller = Data(x=data.x[:10], edge_index=data.edge_index)
    assert snn(smaller).shape == (10, 3)
    with pytest.raises(InputError, match="the input has no 'x'"):
        snn(Data(edge_index=data.edge_index))


class PooledData(nn.Module):
    """Reads the graph, and which graph a node belongs to, from one object."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = pyg.GCNConv(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, data: Data) -> Tensor:
        x = self.convolution(data.x, data.edge_index).relu()
        return self.head(pyg.global_add_pool(x, data.batch))


def test_a_single_graph_needs_no_batch(randomised: Callable[..., Any]) -> None:
    model = randomised(PooledData())
    one = Data(x=torch.rand(5, 4), edge_index=torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]))
    two = Data(x=torch.rand(3, 4), edge_index=torch.tensor([[0, 1], [1, 2]]))
    snn = convert(model, Batch.from_data_list([one, two]))
    alone = snn(one)
    assert alone.shape == (1, 3)
    assert torch.equal(alone, snn(Batch.from_data_list([one])))
    torch.testing.assert_close(snn.source(one), model(one))
    assert convert(model, one)(one).shape == (1, 3)


def sampled(data: Data) -> list[Data]:
    """Mini-batches of NeighborLoader, or without its sampler package the same kind by hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecation for those who have no pyg-lib
        try:
            return list(NeighborLoader(data, num_neighbors=[4, 4], batch_size=8))
        except ImportError:
            pass
    batches = []
    for seeds in torch.arange(data.num_nodes).split(8):
        nodes, edges, place, _ = k_hop_subgraph(seeds, 2, data.edge_index, relabel_nodes=True)
        order = torch.cat([place, torch.tensor([i for i in range(len(nodes)) if i not in place], dtype=torch.int64)])
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        batches.append(Data(x=data.x[nodes[order]], edge_index=back[edges], batch_size=len(seeds)))
    return batches


def test_mini_batches_and_order_of_calibration(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    class Sage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList([pyg.SAGEConv(6, 8), pyg.SAGEConv(8, 3)])

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            for i, conv in enumerate(self.convs):
                x = conv(x, edge_index)
                if i < len(self.convs) - 1:
                    x = x.relu_()
                    x = F.dropout(x, p=0.5, training=self.training)
            return x

    model = randomised(Sage())
    data = Data(x=torch.randn(40, 6), edge_index=torch.randint(0, 40, (2, 160)))
    batches = sampled(data)
    calls = [(batch.x, batch.edge_index) for batch in batches]
    snn = convert(model, calls[0], calibration=calls)
    turned = convert(model, calls[0], calibration=calls[::-1])
    for batch, call in zip(batches, calls, strict=True):
        assert_same(snn.network, model, dict(zip(("x", "edge_index"), call, strict=True)))
        assert torch.equal(snn(*call)[: batch.batch_size], turned(*call)[: batch.batch_size])


def test_save_and_load(tmp_path: Any, randomised: Callable[..., Any]) -> None:
    model = randomised(GraphClassifier(pyg.global_mean_pool))
    call = (torch.randn(NODES, 6), messy_graph(), torch.tensor([0] * 7 + [1] * 5))
    snn = convert(model, call)
    assert torch.equal(load(save(snn, tmp_path / "snn.safetensors"))(*call), snn(*call))


def test_source_model_is_not_changed(randomised: Callable[..., Any]) -> None:
    model = randomised(pyg.GCN(6, 8, 2, 3, norm="batch_norm", cached=True))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    keys = {name: set(vars(module)) for name, module in model.named_modules()}
    snn = convert(model, (torch.randn(NODES, 6), messy_graph()))
    snn.double()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {name: set(vars(module)) for name, module in model.named_modules()} == keys
    assert model.convs[0]._cached_edge_index is None


class Pooled(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.conv, self.pool, self.lin = pyg.SAGEConv(6, 8), pool, nn.Linear(8, 3)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None) -> Tensor:
        edge_index, _ = dropout_edge(edge_index, p=0.2, training=self.training)
        return self.lin(self.pool(self.conv(x, edge_index).relu(), batch))


@pytest.mark.parametrize("pool", [aggr.SumAggregation, aggr.MeanAggregation, aggr.MaxAggregation])
def test_aggregation_modules(
    pool: Callable[[], nn.Module],
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    """PyG checks values in its aggregations' own __call__, which cannot be traced."""
    before = aggr.Aggregation.__call__
    model = randomised(Pooled(pool()))
    for batch in (torch.tensor([0] * 7 + [1] * 5), None):
        call = {"x": torch.randn(NODES, 6), "edge_index": messy_graph(), "batch": batch}
        assert_same(lower(model, (), call), model, call)
        assert_engines_agree(model, call)
    assert aggr.Aggregation.__call__ is before


def errors_beside_a_hub(model: nn.Module, nodes: int, configs: dict[str, ConvertConfig]) -> dict[str, float]:
    """Relative error of all nodes but the one that collects from all of them."""
    star = torch.stack([torch.arange(1, nodes), torch.zeros(nodes - 1, dtype=torch.int64)])
    ring = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    call = (torch.rand(nodes, 6), torch.cat([star, ring], 1))
    errors = {}
    for name, config in configs.items():
        snn = convert(model, call, config)
        assert snn.config.open == ()
        exact = snn.source(*call)[1:]
        errors[name] = float((snn(*call)[1:] - exact).norm() / exact.norm())
    return errors


def test_scales_suit_sums_over_hubs(randomised: Callable[..., Any]) -> None:
    """With one scale for a layer, many nodes beside a hub are silent."""
    torch.manual_seed(0)
    model = randomised(pyg.GIN(6, 16, 2, 3))
    own = ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
    errors = errors_beside_a_hub(
        model, 40, {"channels": own, "default": ConvertConfig(), "paper": ConvertConfig.paper()}
    )
    assert errors["channels"] < 0.5 * errors["paper"]
    assert errors["default"] < 0.6 * errors["paper"]


def test_hubs_of_hundreds_need_a_wider_code(randomised: Callable[..., Any]) -> None:
    """No scale of 16 phases at Q = 1.3 fits a hub of 199 and its neighbours; the measured default finds a wider code."""
    torch.manual_seed(0)
    model = randomised(pyg.GIN(6, 16, 2, 3))
    configs = {"default": ConvertConfig(), "narrow": ConvertConfig(base=1.3)}
    errors = errors_beside_a_hub(model, 200, configs)
    print(errors)
    assert errors["default"] < 0.25 < 0.5 < errors["narrow"]
