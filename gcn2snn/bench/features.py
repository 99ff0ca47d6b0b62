"""A converted GCN of PyTorch Geometric beside its source, on a graph whose features are mostly zero."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from gcn2snn.bench.cases import Work, case, int64_csr
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.spiking_network import SpikingNetwork

GROUP = "feature graph"
HIDDEN = 16


def _no_features(p: Problem) -> str:
    made = p.graph is not None and p.graph.features is not None
    return "" if made else "a graph with features is needed: --features"


def _operands(p: Problem) -> tuple[Tensor, Tensor]:
    """(features, edge index)."""
    assert p.graph is not None
    assert p.graph.features is not None
    raw = p.graph.raw
    return p.graph.features.to(p.device), torch.stack([raw.col.long(), raw.row]).to(p.device)


@lru_cache(maxsize=1)
def _networks(p: Problem) -> tuple[nn.Module, SpikingNetwork]:
    """The two-layer GCN of Kipf and Welling, untrained, and its conversion."""
    from torch_geometric.nn import GCNConv

    class GCN(nn.Module):
        def __init__(self, inputs: int, classes: int):
            super().__init__()
            self.first, self.second = GCNConv(inputs, HIDDEN), GCNConv(HIDDEN, classes)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            result: Tensor = self.second(torch.relu(self.first(x, edge_index)), edge_index)
            return result

    assert p.graph is not None
    x, edges = _operands(p)
    torch.manual_seed(0)
    model = GCN(x.shape[1], p.graph.num_classes).eval()
    config = ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
    snn = convert(model, (x.cpu(), edges.cpu()), config)
    return model.to(p.device), snn.to(p.device)


@case(GROUP, "PyG GCN", package="torch_geometric", lacks=_no_features)
def _source(p: Problem) -> Work:
    (model, _), (x, edges) = _networks(p), _operands(p)

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(x, edges)
        return result

    return work


@case(GROUP, "PyG GCN, CSR adjacency normalised before", package="torch_geometric", lacks=_no_features)
def _source_csr(p: Problem) -> Work:
    """The fastest way to run the source in PyG: a product of torch's own, and no normalisation in the call."""
    import copy

    from torch_geometric.nn import GCNConv

    (model, _), (x, _) = _networks(p), _operands(p)
    model, adjacency = copy.deepcopy(model), int64_csr(p.matrix)
    for layer in model.modules():
        if isinstance(layer, GCNConv):
            layer.normalize = False

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(x, adjacency)
        return result

    return work


@case(GROUP, "gcn2snn one-spike SNN", package="torch_geometric", ours=True, lacks=_no_features)
def _spiking(p: Problem) -> Work:
    (_, snn), (x, edges) = _networks(p), _operands(p)
    return lambda: (snn(x, edges),)  # in a tuple: its values differ from the source's on purpose


@case(GROUP, "gcn2snn one-spike SNN, sparse features", package="torch_geometric", ours=True, lacks=_no_features)
def _spiking_sparse(p: Problem) -> Work:
    (_, snn), (x, edges) = _networks(p), _operands(p)
    sparse = x.to_sparse_coo()
    return lambda: (snn(sparse, edges),)
