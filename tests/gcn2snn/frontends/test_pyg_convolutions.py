"""PyTorch Geometric layers: the description computes what the layer computes, and both engines agree on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import EdgeIndex
from torch_geometric import nn as pyg

from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError
from gcn2snn.frontends.read_model import load_handlers, lower
from gcn2snn.frontends.registry import REGISTRY

NODES = 12


def messy_graph() -> Tensor:
    """Random edges with self-loops and duplicates; nodes 10 and 11 are isolated."""
    random = torch.randint(0, NODES - 2, (2, 30))
    return torch.cat([random, random[:, :3], torch.tensor([[1, 1, 4, 4], [1, 1, 4, 5]])], 1)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))


LAYERS: dict[str, tuple[Callable[[], nn.Module], set[str]]] = {
    "gcn": (lambda: pyg.GCNConv(6, 4), {"edge_weight"}),
    "gcn improved": (lambda: pyg.GCNConv(6, 4, improved=True), {"edge_weight"}),
    "gcn without loops": (lambda: pyg.GCNConv(6, 4, add_self_loops=False), {"edge_weight"}),
    "gcn plain": (lambda: pyg.GCNConv(6, 4, normalize=False), {"edge_weight"}),
    "gcn against the flow": (lambda: pyg.GCNConv(6, 4, flow="target_to_source"), {"edge_weight"}),
    "gcn no bias": (lambda: pyg.GCNConv(6, 4, bias=False), set()),
    "graph sum": (lambda: pyg.GraphConv(6, 4), {"edge_weight"}),
    "graph mean": (lambda: pyg.GraphConv(6, 4, aggr="mean"), {"edge_weight"}),
    "graph max": (lambda: pyg.GraphConv(6, 4, aggr="max"), set()),
    "sage mean": (lambda: pyg.SAGEConv(6, 4), set()),
    "sage sum": (lambda: pyg.SAGEConv(6, 4, aggr="sum"), set()),
    "sage max": (lambda: pyg.SAGEConv(6, 4, aggr="max"), set()),
    "sage project": (lambda: pyg.SAGEConv(6, 4, aggr="max", project=True), set()),
    "sage no root": (lambda: pyg.SAGEConv(6, 4, root_weight=False, bias=False), set()),
    "gin": (lambda: pyg.GINConv(mlp(), eps=0.2), set()),
    "gin trained eps": (lambda: pyg.GINConv(mlp(), train_eps=True), set()),
    "gin max": (lambda: pyg.GINConv(mlp(), aggr="max"), set()),
    "sgc": (lambda: pyg.SGConv(6, 4, K=2), {"edge_weight"}),
    "ssgc": (lambda: pyg.SSGConv(6, 4, alpha=0.2, K=3), {"edge_weight"}),
    "tag": (lambda: pyg.TAGConv(6, 4, K=2), {"edge_weight"}),
    "tag plain": (lambda: pyg.TAGConv(6, 4, K=2, normalize=False), {"edge_weight"}),
    "appnp": (lambda: pyg.APPNP(K=3, alpha=0.1), {"edge_weight"}),
    "cheb sym": (lambda: pyg.ChebConv(6, 4, K=3), {"edge_weight"}),
    "cheb rw": (lambda: pyg.ChebConv(6, 4, K=3, normalization="rw"), {"edge_weight"}),
    "cheb none": (lambda: pyg.ChebConv(6, 4, K=2, normalization=None), {"edge_weight"}),
    "cheb one term": (lambda: pyg.ChebConv(6, 4, K=1), set()),
    "le": (lambda: pyg.LEConv(6, 4), {"edge_weight"}),
    "cluster": (lambda: pyg.ClusterGCNConv(6, 4, diag_lambda=0.3), set()),
    "mixhop": (lambda: pyg.MixHopConv(6, 4, powers=[0, 2]), {"edge_weight"}),
    "arma": (lambda: pyg.ARMAConv(6, 4, num_stacks=2, num_layers=2), {"edge_weight"}),
    "arma shared": (lambda: pyg.ARMAConv(6, 4, num_layers=3, shared_weights=True), {"edge_weight"}),
}
CASES = [(n, w) for n, (_, given) in LAYERS.items() for w in ([None, "edge_weight"] if given else [None])]


@pytest.mark.parametrize(("name", "weight"), CASES)
def test_layer(
    name: str,
    weight: str | None,
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    model = randomised(LAYERS[name][0]())
    edges = messy_graph()
    call: dict[str, Any] = {"x": torch.randn(NODES, 6), "edge_index": edges}
    if weight:
        call[weight] = torch.rand(edges.shape[1]) + 0.1
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_engines_agree(model, call)
    if name == "cheb none":  # L = 0 has no largest eigenvalue to divide by
        return
    empty = {"x": torch.randn(5, 6), "edge_index": edges[:, :0]} | ({weight: torch.ones(0)} if weight else {})
    assert_same(network, model, empty)


@pytest.mark.parametrize("shared", [True, False])
def test_gcn2_conv(
    shared: bool,
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    model = randomised(pyg.GCN2Conv(6, alpha=0.2, theta=0.5, layer=2, shared_weights=shared))
    call = {"x": torch.randn(NODES, 6), "x_0": torch.randn(NODES, 6), "edge_index": messy_graph()}
    assert_same(lower(model, (), call), model, call)
    assert_engines_agree(model, call)


@pytest.mark.parametrize("aggr", ["sum", "mean", "max"])
@pytest.mark.parametrize("layer", [pyg.SAGEConv, pyg.GraphConv])
def test_bipartite(
    layer: type[nn.Module],
    aggr: str,
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    model = randomised(layer((6, 3), 4, aggr=aggr))
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 5, (20,))])
    call = {"x": (torch.randn(NODES, 6), torch.randn(5, 3)), "edge_index": edges}
    assert_same(lower(model, (), call), model, call)
    assert_engines_agree(model, call)


def test_bipartite_without_targets(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.SAGEConv((6, 3), 4))
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 5, (20,))])
    call = {"x": (torch.randn(NODES, 6), None), "edge_index": edges, "size": (NODES, 5)}
    assert_same(lower(model, (), call), model, call)


@pytest.mark.parametrize("given", ["constant", "tensor", "per graph"])
def test_cheb_lambda_max(given: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.ChebConv(6, 4, K=3))
    edges = torch.tensor([[0, 1, 2, 7, 8, 9], [1, 2, 3, 8, 9, 10]])
    call: dict[str, Any] = {"x": torch.randn(NODES, 6), "edge_index": edges}
    if given == "per graph":
        call |= {"batch": torch.tensor([0] * 7 + [1] * 5), "lambda_max": torch.tensor([2.5, 1.9])}
    else:
        call["lambda_max"] = 3.1 if given == "constant" else torch.tensor(3.1)
    assert_same(lower(model, (), call), model, call)


def as_sparse(edges: Tensor, weight: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(edges.flip(0), weight, (NODES, NODES), check_invariants=True).to_sparse_csr()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # from gcn_norm itself
@pytest.mark.parametrize("name", ["gcn", "gcn plain", "sage mean", "graph sum", "gin", "sgc", "cluster", "appnp"])
def test_sparse_adjacency(name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    """Rows of a sparse adjacency are targets, as PyTorch Geometric has it; stored values are weights."""
    model = randomised(LAYERS[name][0]())
    edges = torch.unique(messy_graph(), dim=1)
    call = {"x": torch.randn(NODES, 6), "edge_index": as_sparse(edges, torch.rand(edges.shape[1]) + 0.1)}
    assert_same(lower(model, (), call), model, call)


def test_edge_index_and_sparse_run_on_one_description(randomised: Callable[..., Any]) -> None:
    model = randomised(pyg.GCNConv(6, 4))
    edges = torch.tensor([[0, 1, 2, 5, 7], [3, 2, 0, 1, 9]])
    x = torch.randn(NODES, 6)
    snn = convert(model, (x, edges))
    for other in (EdgeIndex(edges, sparse_size=(NODES, NODES)), as_sparse(edges, torch.ones(5))):
        torch.testing.assert_close(snn(x, other), snn(x, edges))


def test_filled_cache_of_the_same_graph(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.GCNConv(6, 4, cached=True))
    x, edges = torch.randn(NODES, 6), messy_graph()
    model(x, edges)
    assert_same(lower(model, (x, edges), {}), model, {"x": x, "edge_index": edges})
    with pytest.raises(ConversionError, match="cached=True: holds another graph"):
        lower(model, (x, edges[:, :9]), {})


def test_every_row_of_the_table_is_tested() -> None:
    load_handlers()
    covered = {type(make()) for make, _ in LAYERS.values()} | {pyg.GCN2Conv, pyg.Linear, pyg.BatchNorm}
    covered |= {pyg.JumpingKnowledge}  # in the models
    here = ("pyg_convolutions", "pyg_filters", "pyg_models")  # test_pyg_kinds.py has the rows of all other files
    rows = {cls for cls, handler in REGISTRY.items() if handler.__module__.rpartition(".")[2] in here}
    assert rows
    assert rows == covered


@pytest.mark.parametrize("layer", [pyg.SAGEConv, pyg.GCNConv, pyg.GINConv])
def test_sorted_edge_index(layer: Any, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    """An EdgeIndex has no memory of its own, and its columns are of a class of their own."""
    model = randomised(layer(mlp()) if layer is pyg.GINConv else layer(6, 4))
    edges = EdgeIndex(messy_graph(), sparse_size=(NODES, NODES)).sort_by("col")[0]
    call = {"x": torch.randn(NODES, 6), "edge_index": edges}
    assert_same(lower(model, (), call), model, call)


@pytest.mark.parametrize("act", [lambda x: x, lambda x: F.relu(x - 1.0), F.relu, None])
def test_activation_of_arma(act: Any, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.ARMAConv(6, 4, num_layers=2, act=act))
    call = {"x": torch.randn(NODES, 6), "edge_index": messy_graph()}
    assert_same(lower(model, (), call), model, call)
