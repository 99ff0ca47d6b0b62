"""PyTorch Geometric layers: the description computes what the layer computes, and both engines agree on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import EdgeIndex
from torch_geometric import nn as pyg
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader, NeighborLoader
from torch_geometric.utils import k_hop_subgraph

from gcn2snn import ir
from gcn2snn.artefact import load, save
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError, InputTypeError
from gcn2snn.lowering import REGISTRY, load_handlers, lower, read_out
from gcn2snn.network import bind
from gcn2snn.spiking import run_float

NODES = 12
TOLERANCE = 1e-5  # of the largest output: float32 sums of at most 60 terms in another order


def messy_graph() -> Tensor:
    """Random edges with self-loops and duplicates; nodes 10 and 11 are isolated."""
    random = torch.randint(0, NODES - 2, (2, 30))
    return torch.cat([random, random[:, :3], torch.tensor([[1, 1, 4, 4], [1, 1, 4, 5]])], 1)


def randomised(model: nn.Module) -> nn.Module:
    """Random non-zero weights, biases and running statistics."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter) + 0.1)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var", "eps")):
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return model.eval()


def assert_same(network: ir.Network, model: nn.Module, call: dict[str, Any]) -> None:
    with torch.no_grad():
        expected = model(**call)
    got = read_out(network, run_float(network, bind(network, (), call)))
    assert got.shape == expected.shape
    assert float((got - expected).abs().max()) <= TOLERANCE * max(float(expected.abs().max()), 1e-3)


def assert_engines_agree(model: nn.Module, call: dict[str, Any]) -> None:
    """In float64 only a tie could tell them apart, and random sums have none."""
    snn = convert(model, call).double()
    double = {k: _double(v) for k, v in call.items()}
    closed, temporal = (snn.simulate(**double, engine=e) for e in ("closed", "temporal"))
    torch.testing.assert_close(closed, temporal, rtol=1e-9, atol=1e-9)


def _double(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_double(v) for v in value)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


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
def test_layer(name: str, weight: str | None) -> None:
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
def test_gcn2_conv(shared: bool) -> None:
    model = randomised(pyg.GCN2Conv(6, alpha=0.2, theta=0.5, layer=2, shared_weights=shared))
    call = {"x": torch.randn(NODES, 6), "x_0": torch.randn(NODES, 6), "edge_index": messy_graph()}
    assert_same(lower(model, (), call), model, call)
    assert_engines_agree(model, call)


@pytest.mark.parametrize("aggr", ["sum", "mean", "max"])
@pytest.mark.parametrize("layer", [pyg.SAGEConv, pyg.GraphConv])
def test_bipartite(layer: type[nn.Module], aggr: str) -> None:
    model = randomised(layer((6, 3), 4, aggr=aggr))
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 5, (20,))])
    call = {"x": (torch.randn(NODES, 6), torch.randn(5, 3)), "edge_index": edges}
    assert_same(lower(model, (), call), model, call)
    assert_engines_agree(model, call)


def test_bipartite_without_targets() -> None:
    model = randomised(pyg.SAGEConv((6, 3), 4))
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 5, (20,))])
    call = {"x": (torch.randn(NODES, 6), None), "edge_index": edges, "size": (NODES, 5)}
    assert_same(lower(model, (), call), model, call)


@pytest.mark.parametrize("given", ["constant", "tensor", "per graph"])
def test_cheb_lambda_max(given: str) -> None:
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
def test_sparse_adjacency(name: str) -> None:
    """Rows of a sparse adjacency are targets, as PyTorch Geometric has it; stored values are weights."""
    model = randomised(LAYERS[name][0]())
    edges = torch.unique(messy_graph(), dim=1)
    call = {"x": torch.randn(NODES, 6), "edge_index": as_sparse(edges, torch.rand(edges.shape[1]) + 0.1)}
    assert_same(lower(model, (), call), model, call)


def test_edge_index_and_sparse_run_on_one_description() -> None:
    model = randomised(pyg.GCNConv(6, 4))
    edges = torch.tensor([[0, 1, 2, 5, 7], [3, 2, 0, 1, 9]])
    x = torch.randn(NODES, 6)
    snn = convert(model, (x, edges))
    for other in (EdgeIndex(edges, sparse_size=(NODES, NODES)), as_sparse(edges, torch.ones(5))):
        torch.testing.assert_close(snn(x, other), snn(x, edges))


def test_filled_cache_of_the_same_graph() -> None:
    model = randomised(pyg.GCNConv(6, 4, cached=True))
    x, edges = torch.randn(NODES, 6), messy_graph()
    model(x, edges)
    assert_same(lower(model, (x, edges), {}), model, {"x": x, "edge_index": edges})
    with pytest.raises(ConversionError, match="cached=True: holds another graph"):
        lower(model, (x, edges[:, :9]), {})


@pytest.mark.parametrize("jk", [None, "cat", "max", "last"])
@pytest.mark.parametrize("norm", [None, "batch_norm"])
@pytest.mark.parametrize("model", [pyg.GCN, pyg.GraphSAGE, pyg.GIN])
def test_models(model: type[nn.Module], norm: str | None, jk: str | None) -> None:
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
def test_graph_classification(pool: Callable[..., Tensor]) -> None:
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


def test_every_row_of_the_table_is_tested() -> None:
    load_handlers()
    covered = {type(make()) for make, _ in LAYERS.values()} | {pyg.GCN2Conv, pyg.Linear, pyg.BatchNorm}
    covered |= {pyg.JumpingKnowledge}  # in the models above
    rows = {cls for cls in REGISTRY if cls.__module__.startswith("torch_geometric")}
    assert rows
    assert rows == covered


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


def test_model_of_a_data_object() -> None:
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


def test_mini_batches_and_order_of_calibration() -> None:
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


def test_save_and_load(tmp_path: Any) -> None:
    model = randomised(GraphClassifier(pyg.global_mean_pool))
    call = (torch.randn(NODES, 6), messy_graph(), torch.tensor([0] * 7 + [1] * 5))
    snn = convert(model, call)
    assert torch.equal(load(save(snn, tmp_path / "snn.safetensors"))(*call), snn(*call))


def test_source_model_is_not_changed() -> None:
    model = randomised(pyg.GCN(6, 8, 2, 3, norm="batch_norm", cached=True))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    keys = {name: set(vars(module)) for name, module in model.named_modules()}
    snn = convert(model, (torch.randn(NODES, 6), messy_graph()))
    snn.double()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {name: set(vars(module)) for name, module in model.named_modules()} == keys
    assert model.convs[0]._cached_edge_index is None


class Refused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gat, self.act, self.norm = pyg.GATConv(6, 8), nn.GELU(), pyg.LayerNorm(8)
        self.sage, self.gcn = pyg.SAGEConv(8, 8, normalize=True), pyg.GCNConv(8, 8, aggr="mean")
        self.jk, self.graph = pyg.JumpingKnowledge("lstm", 8, 2), pyg.GraphConv(8, 3, aggr="max")

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
        ("graph", "aggr='max' with edge weights"),
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
def test_bad_input(change: dict[str, Any], error: type[Exception], match: str) -> None:
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


def test_laplacian_of_a_graph_without_edges() -> None:
    model = randomised(pyg.ChebConv(6, 4, K=3, normalization=None))
    with pytest.raises(InputError, match="lambda_max is 0"):
        lower(model, (torch.randn(5, 6), messy_graph()[:, :0]), {})


def test_training_mode_and_missing_arguments() -> None:
    with pytest.raises(ConversionError, match="training mode"):
        convert(pyg.GCNConv(6, 4), (torch.randn(NODES, 6), messy_graph()))
    with pytest.raises(InputError, match="missing a required argument: 'edge_index'"):
        convert(randomised(pyg.GCNConv(6, 4)), (torch.randn(NODES, 6),))
