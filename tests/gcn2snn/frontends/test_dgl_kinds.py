"""DGL's layers with relations, edge values and whole matrices, and message passing that users write, on other graphs too."""

from __future__ import annotations

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
    from dgl import function as fn
    from dgl import nn as dgl_nn

from gcn2snn.conversion import convert
from gcn2snn.engines import bind, run_float
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.read_model import load_handlers, lower
from gcn2snn.frontends.registry import REGISTRY

pytestmark = pytest.mark.filterwarnings("ignore")  # DGL 1.1.3 uses deprecated parts of NumPy and torch
NODES, RELATIONS = 12, 3


def messy_graph(nodes: int = NODES, edges: int = 30) -> Any:
    """Random edges with self-loops and duplicates; the last two nodes are isolated."""
    random = torch.randint(0, nodes - 2, (2, edges))
    source, target = torch.cat([random, random[:, :3], torch.tensor([[1, 1, 2, 2], [1, 1, 2, 3]])], 1)
    return dgl.graph((source, target), num_nodes=nodes)


def mlp(inputs: int, out: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, out))


def relations(**options: Any) -> Callable[[], nn.Module]:
    return lambda: dgl_nn.RelGraphConv(6, 4, RELATIONS, **options)


LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "relations": (relations(), "relations"),
    "relations bases": (relations(regularizer="basis", num_bases=2, activation=F.relu), "relations"),
    "relations blocks": (relations(regularizer="bdd", num_bases=2, bias=False), "relations"),
    "relations no loop": (relations(self_loop=False, dropout=0.5), "relations"),
    "gcn2": (lambda: dgl_nn.GCN2Conv(6, 2, allow_zero_in_degree=True, activation=F.relu), "initial"),
    "gcn2 own": (
        lambda: dgl_nn.GCN2Conv(6, 1, alpha=0.3, project_initial_features=False, allow_zero_in_degree=True),
        "initial",
    ),
    "edge": (lambda: dgl_nn.EdgeConv(6, 4, allow_zero_in_degree=True), ""),
    "edge norm": (lambda: dgl_nn.EdgeConv(6, 4, batch_norm=True, allow_zero_in_degree=True), ""),
    "gine": (lambda: dgl_nn.GINEConv(mlp(6), 0.3, learn_eps=True), "attributes"),
    "dense graph": (lambda: dgl_nn.DenseGraphConv(6, 4), "matrix"),
    "dense graph right": (lambda: dgl_nn.DenseGraphConv(6, 9, norm="right", activation=F.relu), "matrix"),
    "dense graph plain": (lambda: dgl_nn.DenseGraphConv(6, 4, norm="none", bias=False), "matrix"),
    "dense sage": (lambda: dgl_nn.DenseSAGEConv(6, 4, activation=F.relu), "matrix"),
    "dense cheb": (lambda: dgl_nn.DenseChebConv(6, 4, 3), "spectrum"),
}


def call_of(given: str, nodes: int = NODES, edges: int = 30) -> dict[str, Any]:
    graph = messy_graph(nodes, edges) if edges else dgl.graph(([], []), num_nodes=nodes)
    count, x = graph.num_edges(), torch.randn(nodes, 6)
    matrix = (torch.rand(nodes, nodes) < 0.2) * torch.rand(nodes, nodes)
    matrix[-1] = 0.0
    calls: dict[str, dict[str, Any]] = {
        "relations": {"g": graph, "feat": x, "etypes": torch.randint(0, RELATIONS, (count,))},
        "initial": {"graph": graph, "feat": x, "feat_0": torch.randn(nodes, 6)},
        "attributes": {"graph": graph, "node_feat": x, "edge_feat": torch.randn(count, 6)},
        "matrix": {"adj": matrix, "feat": x},
        "spectrum": {"adj": matrix, "feat": x, "lambda_max": 2.3},
    }
    return calls.get(given, {"g": graph, "feat": x})


@pytest.mark.parametrize("name", LAYERS)
def test_layer(
    name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any], assert_engines_agree: Callable[..., Any]
) -> None:
    make, given = LAYERS[name]
    model = randomised(make())
    call = call_of(given)
    network = lower(model, (), call)
    for other in (call, call_of(given, 9, 20), call_of(given, 5, 0)):
        assert_same(network, model, other)
    if name in ("relations", "gine", "dense sage"):
        assert_engines_agree(model, call)
    if given in ("relations", "initial"):
        weight = {"relations": "norm", "initial": "edge_weight"}[given]
        count = (call.get("g") or call.get("graph")).num_edges()
        values = torch.rand(count, 1) if given == "relations" else torch.rand(count) + 0.1
        weighted = call | {weight: values}
        if given == "initial":  # DGL refuses nodes whose weights have no sum
            graph = dgl.add_self_loop(messy_graph())
            weighted |= {"graph": graph, weight: torch.rand(graph.num_edges()) + 0.1}
        assert_same(lower(model, (), weighted), model, weighted)


def test_every_row_of_the_table_is_tested() -> None:
    load_handlers()
    here = ("dgl_more_convolutions", "dgl_relations")  # test_dgl.py has the rows of all other files
    rows = {cls for cls, handler in REGISTRY.items() if handler.__module__.rpartition(".")[2] in here}
    assert rows == {type(make()) for make, _ in LAYERS.values()} | {dgl_nn.HeteroGraphConv, dgl_nn.HeteroLinear}


class Weighted(nn.Module):
    """Edge weights normalised inside the model, as DGL's manual has it."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.norm, self.conv = (
            dgl_nn.EdgeWeightNorm(norm, 0.1),
            dgl_nn.GraphConv(6, 4, norm="none", allow_zero_in_degree=True),
        )

    def forward(self, g: Any, x: Tensor, w: Tensor) -> Tensor:
        result: Tensor = self.conv(g, x, edge_weight=self.norm(g, w))
        return result


@pytest.mark.parametrize("norm", ["both", "right", "none"])
def test_edge_weight_norm(norm: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(Weighted(norm))
    calls = []
    for graph in (messy_graph(), messy_graph(9, 14)):
        x = torch.randn(graph.num_nodes(), 6)
        calls.append({"g": graph, "x": x, "w": torch.rand(graph.num_edges()) + 0.1})
    network = lower(model, (), calls[0])
    for call in calls:
        assert_same(network, model, call)
    with pytest.raises(ConversionError, match="a description of the graph, such as edge weights"):
        convert(model.norm, (calls[0]["g"], calls[0]["w"]))
    if norm == "both":
        with pytest.raises(InputError, match="needs positive edge weights"):
            convert(model, calls[0])(**(calls[0] | {"w": torch.zeros_like(calls[0]["w"])}))


def hetero_graph(users: int = 8, items: int = 6) -> Any:
    def random(a: int, b: int, n: int) -> tuple[Tensor, Tensor]:
        return torch.randint(0, a, (n,)), torch.randint(0, b, (n,))

    edges = {
        ("user", "follows", "user"): random(users, users, 15),
        ("user", "buys", "item"): random(users, items, 12),
        ("item", "bought", "user"): random(items, users, 12),
    }
    return dgl.heterograph(edges, num_nodes_dict={"user": users, "item": items})


class Hetero(nn.Module):
    def __init__(self, aggregate: str) -> None:
        super().__init__()
        layers = {
            "follows": dgl_nn.GraphConv(6, 4),
            "buys": dgl_nn.SAGEConv((6, 6), 4, "mean"),
            "bought": dgl_nn.SAGEConv((6, 6), 4, "pool"),
        }
        self.linear = dgl_nn.HeteroLinear({"user": 5, "item": 3}, 6)
        self.conv, self.out = dgl_nn.HeteroGraphConv(layers, aggregate), nn.Linear(4, 3)

    def forward(self, g: Any, user: Tensor, item: Tensor) -> Tensor:
        h = self.conv(g, self.linear({"user": user, "item": item}))
        result: Tensor = self.out(F.relu(h["user"]))
        return result


@pytest.mark.parametrize("aggregate", ["sum", "mean", "max", "min"])
def test_hetero_graph(aggregate: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(Hetero(aggregate))
    call = {"g": hetero_graph(), "user": torch.randn(8, 5), "item": torch.randn(6, 3)}
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_same(network, model, {"g": hetero_graph(11, 3), "user": torch.randn(11, 5), "item": torch.randn(3, 3)})
    convert(model, call)
    smaller = dgl.heterograph({("user", "buys", "item"): ([0], [1])}, num_nodes_dict={"user": 8, "item": 6})
    with pytest.raises(InputError, match="its relations are"):
        convert(model, call)(**(call | {"g": smaller}))


def test_hetero_block(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(dgl_nn.HeteroGraphConv({"follows": dgl_nn.SAGEConv((6, 6), 4, "mean")}))

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = model

        def forward(self, g: Any, x: Tensor) -> Tensor:
            result: Tensor = self.conv(g, {"user": x})["user"]
            return result

    graph = dgl.heterograph({("user", "follows", "user"): ([0, 1, 2, 4], [1, 2, 3, 1])}, num_nodes_dict={"user": 6})
    block = dgl.to_block(graph)
    call = {"g": block, "x": torch.randn(block.num_src_nodes("user"), 6)}
    assert_same(lower(First(), (), call), First(), call)


MESSAGES: dict[str, tuple[Any, Any]] = {
    "copy sum": (fn.copy_u("h", "m"), fn.sum("m", "n")),
    "copy mean": (fn.copy_u("h", "m"), fn.mean("m", "n")),
    "copy max": (fn.copy_u("h", "m"), fn.max("m", "n")),
    "copy min": (fn.copy_u("h", "m"), fn.min("m", "n")),
    "weigh sum": (fn.u_mul_e("h", "w", "m"), fn.sum("m", "n")),
    "weigh mean": (fn.u_mul_e("h", "w", "m"), fn.mean("m", "n")),
    "weigh max": (fn.u_mul_e("h", "w", "m"), fn.max("m", "n")),
    "weigh first": (fn.e_mul_u("w", "h", "m"), fn.sum("m", "n")),
    "add edge": (fn.u_add_e("h", "e", "m"), fn.max("m", "n")),
    "difference": (fn.u_sub_v("h", "h", "m"), fn.max("m", "n")),
    "edge alone": (fn.copy_e("e", "m"), fn.mean("m", "n")),
}


class Own(nn.Module):
    """Message passing as users of DGL write it."""

    def __init__(self, message: Any, reduce: Any, read: str = "ndata") -> None:
        super().__init__()
        self.lin, self.message, self.reduce, self.read = nn.Linear(6, 4), message, reduce, read

    def forward(self, g: Any, x: Tensor, w: Tensor, e: Tensor) -> Tensor:
        with g.local_scope():
            g.srcdata["h"] = F.relu(self.lin(x))
            g.edata["w"] = w
            g.edata["e"] = e
            g.update_all(self.message, self.reduce)
            frame = g.ndata if self.read == "ndata" else g.dstdata
            result: Tensor = frame.pop("n") if self.read == "pop" else frame["n"]
            return result


def own_call(nodes: int, edges: int) -> dict[str, Any]:
    graph = messy_graph(nodes, edges) if edges else dgl.graph(([], []), num_nodes=nodes)
    count = graph.num_edges()
    return {"g": graph, "x": torch.randn(nodes, 6), "w": torch.rand(count, 1), "e": torch.randn(count, 4)}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_of_users(
    name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any], assert_engines_agree: Callable[..., Any]
) -> None:
    model = randomised(Own(*MESSAGES[name], read={"copy sum": "pop", "copy mean": "dstdata"}.get(name, "ndata")))
    call = own_call(NODES, 30)
    network = lower(model, (), call)
    for other in (call, own_call(9, 20), own_call(5, 0)):
        assert_same(network, model, other)
    if name in ("weigh max", "difference"):
        assert_engines_agree(model, call)


class Frames(nn.Module):
    """Features and weights that stand in the caller's graph, and a value for each edge between two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(6, 4)

    def forward(self, g: Any) -> Tensor:
        g.apply_edges(fn.u_add_v("feat", "feat", "both"))
        g.edata["both"] = F.relu(self.lin(g.edata["both"]))
        g.update_all(fn.copy_e("both", "m"), fn.mean("m", "h"))
        g.update_all(fn.u_mul_e("h", "w", "m"), fn.sum("m", "h"))
        result: Tensor = g.ndata["h"]
        return result


def test_frames_of_the_caller(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(Frames())
    calls = []
    for graph in (messy_graph(), messy_graph(8, 11)):
        graph.ndata["feat"] = torch.randn(graph.num_nodes(), 6)
        graph.edata["w"] = torch.rand(graph.num_edges())
        calls.append({"g": graph})
    network = lower(model, (), calls[0])
    for call in calls:
        assert_same(network, model, call)


class Refused(nn.Module):
    def __init__(self, message: Any, reduce: Any) -> None:
        super().__init__()
        self.message, self.reduce, self.lin = message, reduce, nn.Linear(6, 4)

    def forward(self, g: Any, x: Tensor, w: Tensor, e: Tensor) -> Tensor:
        g.ndata["h"] = self.lin(x)
        g.edata["e"] = F.relu(e)
        g.update_all(self.message, self.reduce)
        result: Tensor = g.ndata["n"]
        return result


@pytest.mark.parametrize(
    ("message", "reduce", "match"),
    [
        (lambda edges: {"m": edges.src["h"]}, fn.sum("m", "n"), "runs a Python function of the model along the edges"),
        (fn.u_mul_e("h", "e", "m"), fn.sum("m", "n"), "multiplies values of nodes by values that a network computes"),
        (fn.u_mul_v("h", "h", "m"), fn.sum("m", "n"), "message function u_mul_v: multiplies values"),
    ],
)
def test_refused(message: Any, reduce: Any, match: str, randomised: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=match):
        lower(randomised(Refused(message, reduce)), (), own_call(NODES, 30))


def test_sequential(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    layers = [dgl_nn.GraphConv(6, 5, allow_zero_in_degree=True), dgl_nn.SAGEConv(5, 4, "mean")]
    model = randomised(dgl_nn.Sequential(*layers))
    for graph in (messy_graph(), [messy_graph(), messy_graph()]):
        args = (graph, torch.randn(NODES, 6))
        network = lower(model, args, {})
        got = run_float(network, bind(network, args, {}))
        torch.testing.assert_close(got, model(*args), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["cat", "max"])
def test_jumping_knowledge(mode: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    class Jumping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.jump = nn.Linear(6, 4), nn.Linear(6, 4), dgl_nn.JumpingKnowledge(mode)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.jump([self.a(x), self.b(x)])
            return result

    model, call = randomised(Jumping()), {"x": torch.randn(NODES, 6)}
    assert_same(lower(model, (), call), model, call)
