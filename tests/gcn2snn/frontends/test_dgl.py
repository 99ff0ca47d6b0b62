"""DGL layers: the description computes what the layer computes, and both engines agree on it."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

os.environ.setdefault("DGLBACKEND", "pytorch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    dgl = pytest.importorskip("dgl", reason="needs DGL", exc_type=ImportError)
    from dgl import nn as dgl_nn

from gcn2snn.artefact import load, save
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.read_model import load_handlers, lower
from gcn2snn.frontends.registry import REGISTRY

pytestmark = pytest.mark.filterwarnings("ignore")  # DGL 1.1.3 uses deprecated parts of NumPy and torch
NODES = 12


def messy_graph() -> Any:
    """Random edges with self-loops and duplicates; nodes 10 and 11 are isolated."""
    random = torch.randint(0, NODES - 2, (2, 30))
    source, target = torch.cat([random, random[:, :3], torch.tensor([[1, 1, 4, 4], [1, 1, 4, 5]])], 1)
    return dgl.graph((source, target), num_nodes=NODES)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))


def graph_conv(norm: str, out: int, **options: Any) -> Callable[[], nn.Module]:
    return lambda: dgl_nn.GraphConv(6, out, norm=norm, allow_zero_in_degree=True, **options)


def sage(kind: str, out: int, **options: Any) -> Callable[[], nn.Module]:
    return lambda: dgl_nn.SAGEConv(6, out, kind, **options)


WEIGHTED: dict[str, Callable[[], nn.Module]] = {
    **{f"graph {norm} {out}": graph_conv(norm, out) for norm in ("none", "both", "left", "right") for out in (4, 9)},
    "graph activation": graph_conv("both", 4, activation=F.relu),
    "graph no weight": graph_conv("both", 6, weight=False),
    **{f"sage {kind} {out}": sage(kind, out) for kind in ("mean", "gcn") for out in (4, 9)},
    "sage activation": sage("gcn", 4, activation=nn.ReLU(), bias=False),
    "gin sum": lambda: dgl_nn.GINConv(mlp(), "sum", init_eps=0.3, learn_eps=True),
    "gin mean": lambda: dgl_nn.GINConv(mlp(), "mean"),
    "sage pool 4": sage("pool", 4),
    "sage pool 9": sage("pool", 9),
    "gin max": lambda: dgl_nn.GINConv(mlp(), "max"),
}
PLAIN: dict[str, Callable[[], nn.Module]] = {
    "cheb": lambda: dgl_nn.ChebConv(6, 4, 3),
    "cheb signed": lambda: dgl_nn.ChebConv(6, 4, 2, activation=None),
}
LOOPED: dict[str, Callable[[], nn.Module]] = {
    "sgc": lambda: dgl_nn.SGConv(6, 4, k=2),
    "tag": lambda: dgl_nn.TAGConv(6, 4),
    "appnp": lambda: dgl_nn.APPNPConv(3, 0.1),
}
LAYERS = {**WEIGHTED, **PLAIN, **LOOPED}
CASES = [(name, weighted) for name in LAYERS for weighted in ((False,) if name in PLAIN else (False, True))]


@pytest.mark.parametrize(("name", "weighted"), CASES)
def test_layer(
    name: str,
    weighted: bool,
    randomised: Callable[..., Any],
    assert_same: Callable[..., Any],
    assert_engines_agree: Callable[..., Any],
) -> None:
    model = randomised(LAYERS[name]())
    graph = messy_graph()
    graph = dgl.add_self_loop(graph) if name in LOOPED else graph  # DGL refuses nodes without edges there
    call: dict[str, Any] = {"graph": graph, "feat": torch.randn(NODES, 6)}
    call |= {"edge_weight": torch.rand(graph.num_edges()) + 0.1} if weighted else {}
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_engines_agree(model, call)
    if name not in LOOPED:
        empty = {"graph": dgl.graph(([], []), num_nodes=5), "feat": torch.randn(5, 6)}
        assert_same(network, model, empty | ({"edge_weight": torch.ones(0)} if weighted else {}))


@pytest.mark.parametrize("given", [[3.1, 1.9], torch.tensor([3.1, 1.9])])
def test_cheb_of_a_batch(given: Any, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    graph = dgl.batch([dgl.rand_graph(5, 9), dgl.rand_graph(7, 12)])
    model = randomised(dgl_nn.ChebConv(6, 4, 3))
    call = {"graph": graph, "feat": torch.randn(NODES, 6), "lambda_max": given}
    if isinstance(given, list):
        assert_same(lower(model, (graph, call["feat"], given), {}), model, call)
    else:
        assert_same(lower(model, (), call), model, call)


class Readout(nn.Module):
    """The graph classifier of DGL's introduction."""

    def __init__(self, readout: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1 = dgl_nn.GraphConv(6, 16, allow_zero_in_degree=True)
        self.conv2 = dgl_nn.SAGEConv(16, 3, "mean")
        self.readout = readout

    def forward(self, g: Any, in_feat: Tensor) -> Tensor:
        h = self.conv1(g, in_feat)
        h = F.relu(h)
        h = self.conv2(g, h)
        with g.local_scope():
            g.ndata["h"] = h
            return self.readout(g, h)


READOUTS: dict[str, Callable[..., Any]] = {
    "mean_nodes": lambda g, h: dgl.mean_nodes(g, "h"),
    "sum_nodes": lambda g, h: dgl.sum_nodes(g, "h"),
    "max_nodes": lambda g, h: dgl.max_nodes(g, "h"),
    "readout_nodes": lambda g, h: dgl.readout_nodes(g, "h", op="mean"),
    "SumPooling": dgl_nn.SumPooling(),
    "AvgPooling": dgl_nn.AvgPooling(),
    "MaxPooling": dgl_nn.MaxPooling(),
}


@pytest.mark.parametrize("name", READOUTS)
def test_graph_classification(
    name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any], assert_engines_agree: Callable[..., Any]
) -> None:
    model = randomised(Readout(READOUTS[name]))
    graphs = [dgl.rand_graph(n, 2 * n) for n in (3, 6, 2, 5)]
    calls = [{"g": dgl.batch(part), "in_feat": torch.randn(n, 6)} for part, n in ((graphs[:2], 9), (graphs[1:], 13))]
    network = lower(model, (), calls[0])
    for call in calls:
        assert_same(network, model, call)
    assert_engines_agree(model, calls[0])


def test_features_of_the_graph(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    class OwnFeatures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = dgl_nn.SAGEConv(6, 3, "mean")

        def forward(self, g: Any) -> Tensor:
            return self.conv(g, g.ndata["feat"])

    model, graph = randomised(OwnFeatures()), messy_graph()
    graph.ndata["feat"] = torch.randn(NODES, 6)
    snn = convert(model, graph)
    assert_same(snn.network, model, {"g": graph})
    with pytest.raises(InputError, match="the input has no"):
        snn(messy_graph())


class Blocks(nn.Module):
    """DGL's own GraphSAGE example."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([dgl_nn.SAGEConv(6, 8, "mean"), dgl_nn.SAGEConv(8, 3, "gcn")])
        self.dropout = nn.Dropout(0.5)

    def forward(self, blocks: list[Any], x: Tensor) -> Tensor:
        h = x
        for l, (layer, block) in enumerate(zip(self.layers, blocks)):  # noqa: B905, E741 - as in the example
            h = layer(block, h)
            if l != len(self.layers) - 1:
                h = F.relu(h)
                h = self.dropout(h)
        return h


class Pairs(nn.Module):
    """The model of DGL's tutorial on large graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = dgl_nn.SAGEConv(6, 8, "mean"), dgl_nn.SAGEConv(8, 3, "mean")

    def forward(self, mfgs: list[Any], x: Tensor) -> Tensor:
        h_dst = x[: mfgs[0].num_dst_nodes()]
        h = self.conv1(mfgs[0], (x, h_dst))
        h = F.relu(h)
        h_dst = h[: mfgs[1].num_dst_nodes()]
        h = self.conv2(mfgs[1], (h, h_dst))
        return h


@pytest.mark.parametrize("cls", [Blocks, Pairs])
def test_blocks_of_a_data_loader(
    cls: type[nn.Module], randomised: Callable[..., Any], assert_same: Callable[..., Any]
) -> None:
    graph = dgl.rand_graph(40, 160)
    features = torch.randn(40, 6)
    sampler = dgl.dataloading.MultiLayerNeighborSampler([3, 3])
    loader = dgl.dataloading.DataLoader(graph, torch.arange(40), sampler, batch_size=16)
    calls = [(blocks, features[inputs]) for inputs, _, blocks in loader]
    model = randomised(cls())
    names = list(inspect.signature(model.forward).parameters)
    snn, turned = convert(model, calls[0], calibration=calls), convert(model, calls[0], calibration=calls[::-1])
    for call in calls:
        assert_same(snn.network, model, dict(zip(names, call, strict=True)))
        assert torch.equal(snn(*call), turned(*call))
    if cls is Blocks:  # the same network on the whole graph
        whole = dict(zip(names, ([graph, graph], features), strict=True))
        assert_same(snn.network, model, whole)


def test_save_and_load(tmp_path: Any, randomised: Callable[..., Any]) -> None:
    model = randomised(Readout(READOUTS["AvgPooling"]))
    call = (dgl.batch([dgl.rand_graph(5, 9), dgl.rand_graph(7, 12)]), torch.randn(12, 6))
    snn = convert(model, call)
    assert torch.equal(load(save(snn, tmp_path / "snn.safetensors"))(*call), snn(*call))


def test_changed_graph_is_not_taken_from_the_cache(
    randomised: Callable[..., Any], assert_same: Callable[..., Any]
) -> None:
    model, graph = randomised(dgl_nn.SAGEConv(6, 3, "mean")), messy_graph()
    x = torch.randn(NODES, 6)
    snn = convert(model, (graph, x))
    graph.remove_edges([0, 1])
    graph.add_edges([3, 3], [11, 11])
    assert_same(snn.network, model, {"graph": graph, "feat": x})


def test_every_row_of_the_table_is_tested() -> None:
    load_handlers()
    covered = {type(make()) for make in LAYERS.values()} | {dgl_nn.SumPooling, dgl_nn.AvgPooling, dgl_nn.MaxPooling}
    others = ("dgl_more_convolutions", "dgl_relations")  # test_dgl_kinds.py has their rows
    rows = {cls for cls, handler in REGISTRY.items() if handler.__module__.rpartition(".")[2] not in others}
    covered |= {dgl_nn.JumpingKnowledge, dgl_nn.EdgeWeightNorm, dgl_nn.Sequential}  # in test_dgl_kinds.py
    rows = {cls for cls in rows if cls.__module__.startswith("dgl")}
    assert rows
    assert rows == covered


class Refused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gat, self.lstm = dgl_nn.GATConv(6, 4, 1), dgl_nn.SAGEConv(4, 4, "lstm")
        self.tanh = dgl_nn.GraphConv(4, 4, activation=torch.tanh, allow_zero_in_degree=True)
        self.norm = dgl_nn.RelGraphConv(4, 3, 2, layer_norm=True)

    def forward(self, g: Any, x: Tensor, w: Tensor) -> Tensor:
        return self.norm(g, self.tanh(g, self.lstm(g, self.gat(g, x))), w)


def test_all_refusals_at_once() -> None:
    graph = messy_graph()
    with pytest.raises(ConversionError) as caught:
        convert(Refused().eval(), (graph, torch.randn(NODES, 6), torch.zeros(graph.num_edges(), dtype=torch.int64)))
    found = {(r.path, r.what) for r in caught.value.refusals}
    assert found == {
        ("gat", "GATConv"),
        ("lstm", "aggregator_type='lstm'"),
        ("tanh", "activation tanh"),
        ("norm", "layer_norm=True"),
    }


@pytest.mark.parametrize(
    ("rows", "weight", "match"),
    [
        (7, None, "12 source nodes, but the features have 7 rows"),
        (NODES, torch.ones(3), "3 edge weights for"),
        (NODES, "zero", "needs positive edge weights"),
    ],
)
def test_bad_input(rows: int, weight: Any, match: str, randomised: Callable[..., Any]) -> None:
    graph = dgl.add_self_loop(messy_graph())
    weights = torch.zeros(graph.num_edges()) if isinstance(weight, str) else weight
    with pytest.raises(InputError, match=match):
        convert(randomised(dgl_nn.SGConv(6, 3)), (graph, torch.randn(rows, 6), weights))


class OwnMessages(nn.Module):
    def forward(self, g: Any, x: Tensor) -> Tensor:
        g = dgl.add_self_loop(g)
        with g.local_scope():
            g.ndata["h"] = x
            g.update_all(dgl.function.copy_u("h", "m"), dgl.function.sum("m", "h"))
            return g.ndata["h"]


def test_own_messages_and_changed_graphs_are_refused() -> None:
    with pytest.raises(ConversionError) as caught:
        lower(OwnMessages().eval(), (messy_graph(), torch.randn(NODES, 6)), {})
    assert {r.what for r in caught.value.refusals} >= {"add_self_loop"}
