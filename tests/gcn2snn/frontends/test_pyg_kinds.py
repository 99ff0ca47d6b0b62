"""Layers without weights, with relations, hypergraphs and messages of edges: what they compute, on other graphs too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric import nn as pyg
from torch_geometric.nn import aggr
from torch_geometric.nn.models.linkx import SparseLinear

from gcn2snn.artefact import load, save
from gcn2snn.conversion import convert
from gcn2snn.errors import ConversionError, InputError, InputTypeError
from gcn2snn.frontends.read_model import load_handlers, lower
from gcn2snn.frontends.registry import REGISTRY

NODES, RELATIONS = 12, 3
# PyG compiles a class for its first layer's aggregation; if that is a list, sparse matrices fail in all later ones.
FIRST = (pyg.SAGEConv(1, 1), pyg.GINConv(nn.Identity()), pyg.GraphConv(1, 1), pyg.SimpleConv())
DEGREES = torch.tensor([2, 3, 4, 2, 1])


def messy_graph(nodes: int = NODES, edges: int = 30) -> Tensor:
    """Random edges with self-loops and duplicates; the last two nodes are isolated."""
    random = torch.randint(0, nodes - 2, (2, edges))
    return torch.cat([random, random[:, :3], torch.tensor([[1, 1, 2, 2], [1, 1, 2, 3]])], 1)


def mlp(inputs: int, out: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, out))


def pna(aggregators: list[str], scalers: list[str] | None = None, **options: Any) -> Callable[[], nn.Module]:
    return lambda: pyg.PNAConv(6, 4, aggregators, scalers or ["identity"], DEGREES, **options)


SCALERS = ["identity", "amplification", "attenuation", "linear", "inverse_linear"]
KINDS = ["sum", "mean", "max", "min"]
LAYERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lg": (lambda: pyg.LGConv(), "weights"),
    "lg plain": (lambda: pyg.LGConv(normalize=False), "weights"),
    **{f"simple {kind}": (lambda kind=kind: pyg.SimpleConv(kind), "weights") for kind in KINDS},
    "simple root": (lambda: pyg.SimpleConv("mean", combine_root="sum"), "weights"),
    "simple cat": (lambda: pyg.SimpleConv("max", combine_root="cat"), "weights"),
    "simple loop": (lambda: pyg.SimpleConv("sum", combine_root="self_loop"), "weights"),
    "simple several": (lambda: pyg.SimpleConv(["mean", "max", "min"]), "weights"),
    "simple variance": (lambda: pyg.SimpleConv(aggr.VariancePreservingAggregation()), "weights"),
    "simple back": (lambda: pyg.SimpleConv("mean", flow="target_to_source"), "weights"),
    "graph max": (lambda: pyg.GraphConv(6, 4, aggr="max"), "weights"),
    "sage several": (lambda: pyg.SAGEConv(6, 4, aggr=["mean", "max", "sum"]), ""),
    "sage combined": (lambda: pyg.SAGEConv(6, 4, aggr=aggr.MultiAggregation(["mean", "max"], mode="max")), ""),
    "sage projected": (
        lambda: pyg.SAGEConv(
            6,
            4,
            aggr=aggr.MultiAggregation(["mean", "min"], mode="proj", mode_kwargs={"in_channels": 6, "out_channels": 6}),
        ),
        "",
    ),
    "gin mean": (lambda: pyg.GINConv(mlp(6), aggr="mean"), ""),
    "wl": (lambda: pyg.WLConvContinuous(), "weights"),
    "mf": (lambda: pyg.MFConv(6, 4, max_degree=3), ""),
    "mf mean": (lambda: pyg.MFConv(6, 4, max_degree=2, aggr="mean", bias=False), ""),
    "dir sage": (lambda: pyg.DirGNNConv(pyg.SAGEConv(6, 4)), ""),
    "dir gcn": (lambda: pyg.DirGNNConv(pyg.GCNConv(6, 4), alpha=0.3, root_weight=False), ""),
    "signed first": (lambda: pyg.SignedConv(6, 4, first_aggr=True), "signed"),
    "signed next": (lambda: pyg.SignedConv(3, 4, first_aggr=False), "signed"),
    "rgcn": (lambda: pyg.RGCNConv(6, 4, RELATIONS), "relations"),
    "rgcn bases": (lambda: pyg.RGCNConv(6, 4, RELATIONS, num_bases=2, aggr="sum"), "relations"),
    "rgcn blocks": (lambda: pyg.RGCNConv(6, 4, RELATIONS, num_blocks=2), "relations"),
    "rgcn max": (lambda: pyg.RGCNConv(6, 4, RELATIONS, aggr="max", bias=False), "relations"),
    "rgcn no root": (lambda: pyg.RGCNConv(6, 4, RELATIONS, root_weight=False), "relations"),
    "fast rgcn": (lambda: pyg.FastRGCNConv(6, 4, RELATIONS), "relations"),
    "fast rgcn bases": (lambda: pyg.FastRGCNConv(6, 4, RELATIONS, num_bases=2, aggr="sum"), "relations"),
    "fast rgcn blocks": (lambda: pyg.FastRGCNConv(6, 4, RELATIONS, num_blocks=2), "relations"),
    **{f"edge {kind}": (lambda kind=kind: pyg.EdgeConv(nn.Linear(12, 4), aggr=kind), "") for kind in KINDS},
    "edge relu": (lambda: pyg.EdgeConv(nn.Sequential(nn.Linear(12, 4), nn.ReLU())), ""),
    "edge mlp": (lambda: pyg.EdgeConv(mlp(12)), ""),
    "edge relu first": (lambda: pyg.EdgeConv(nn.Sequential(nn.ReLU(), nn.Linear(12, 4)), aggr="mean"), ""),
    "point net relu first": (lambda: pyg.PointNetConv(nn.Sequential(nn.ReLU(), nn.Linear(9, 4))), "points"),
    "edge mlp several": (lambda: pyg.EdgeConv(mlp(12), aggr=["mean", "min"]), ""),
    "gine": (lambda: pyg.GINEConv(mlp(6), train_eps=True), "attributes"),
    "gine projected": (lambda: pyg.GINEConv(mlp(6), edge_dim=6, aggr="mean"), "attributes"),
    "gen": (lambda: pyg.GENConv(6, 4, aggr="max"), ""),
    "gen edges": (lambda: pyg.GENConv(6, 4, aggr="mean", edge_dim=6), "attributes"),
    "general": (lambda: pyg.GeneralConv(6, 4, 6), "attributes"),
    "general both ends": (lambda: pyg.GeneralConv(6, 4, directed_msg=False, aggr="max"), ""),
    "pna": (pna(["mean", "max", "min", "sum"]), ""),
    "pna scalers": (pna(["mean", "max"], SCALERS), ""),
    "pna towers": (pna(["mean", "max"], towers=2, divide_input=True, post_layers=2), ""),
    "pna deep": (pna(["max"], towers=2, pre_layers=2), ""),
    "pna edges": (pna(["mean", "min"], edge_dim=6), "attributes"),
    "point net": (lambda: pyg.PointNetConv(mlp(9), mlp(4, 3)), "points"),
    "point net plain": (lambda: pyg.PointNetConv(nn.Linear(9, 4), add_self_loops=False, aggr="mean"), "points"),
    "point net bare": (lambda: pyg.PointNetConv(), "points"),
    "hypergraph": (lambda: pyg.HypergraphConv(6, 4), "hypergraph"),
}


TIMED = ("simple min", "mf", "rgcn", "edge max", "edge mlp several", "gine", "hypergraph", "dir sage")
"""Layers of which the engine in time is run too, one for each kind of matrix: it takes a second or so."""


def call_of(given: str, nodes: int, edges: int) -> dict[str, Any]:
    """Arguments for a layer on a graph; no edges at all for ``edges`` 0."""
    index = messy_graph(nodes, edges) if edges else torch.zeros(2, 0, dtype=torch.int64)
    count, x = index.shape[1], torch.randn(nodes, 6)
    calls: dict[str, dict[str, Any]] = {
        "weights": {"x": x, "edge_index": index, "edge_weight": torch.rand(count) + 0.1},
        "relations": {"x": x, "edge_index": index, "edge_type": torch.randint(0, RELATIONS, (count,))},
        "attributes": {"x": x, "edge_index": index, "edge_attr": torch.randn(count, 6)},
        "points": {"x": x, "pos": torch.randn(nodes, 3), "edge_index": index},
        "signed": {"x": x, "pos_edge_index": index[:, ::2], "neg_edge_index": index[:, 1::2]},
        "hypergraph": {"x": x, "hyperedge_index": torch.stack([index[0], index[1] % 5])},
    }
    return calls.get(given, {"x": x, "edge_index": index})


@pytest.mark.parametrize("name", LAYERS)
def test_layer(
    name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any], assert_engines_agree: Callable[..., Any]
) -> None:
    make, given = LAYERS[name]
    model = randomised(make())
    call = call_of(given, NODES, 30)
    network = lower(model, (), call)
    for other in (call, call_of(given, 15, 4), call_of(given, 5, 0)):
        assert_same(network, model, other)
    if name in TIMED:
        assert_engines_agree(model, call)
    if name in ("lg", "simple max", "wl"):
        plain = {key: value for key, value in call.items() if key != "edge_weight"}
        assert_same(lower(model, (), plain), model, plain)


def test_hyperedge_weights_and_their_number(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.HypergraphConv(6, 4))
    call = call_of("hypergraph", NODES, 30) | {"hyperedge_weight": torch.rand(5)}
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_same(network, model, call_of("hypergraph", 9, 12) | {"hyperedge_weight": torch.rand(5)})
    fixed = call | {"num_edges": 5}
    assert_same(lower(model, (), fixed), model, fixed)
    with pytest.raises(InputError, match="2 weights for 5 hyperedges"):
        convert(model, call)(**(call | {"hyperedge_weight": torch.rand(2)}))
    attended = pyg.HypergraphConv(6, 4, use_attention=True).eval()
    with pytest.raises(ConversionError, match="use_attention=True: weighs its inputs by the values"):
        lower(attended, (), call | {"hyperedge_attr": torch.randn(5, 6)})


def test_relations_of_all_nodes_in_order(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    """Without features, RGCN has a row of weights for each node and relation."""
    call = {"x": None, **{k: v for k, v in call_of("relations", NODES, 30).items() if k != "x"}}
    for model in (pyg.RGCNConv(NODES, 4, RELATIONS), pyg.RGCNConv(NODES, 4, RELATIONS, root_weight=False)):
        assert_same(lower(randomised(model), (), call), model, call)
    with pytest.raises(ConversionError, match="x of node numbers"):
        lower(randomised(model), (), call | {"x": torch.arange(NODES)})


def test_relations_that_do_not_fit(randomised: Callable[..., Any]) -> None:
    model, call = randomised(pyg.RGCNConv(6, 4, RELATIONS)), call_of("relations", NODES, 30)
    snn = convert(model, call)
    with pytest.raises(InputError, match="5 relations for 37 edges"):
        snn(**(call | {"edge_type": torch.zeros(5, dtype=torch.int64)}))
    with pytest.raises(InputTypeError, match="a tensor of whole numbers"):
        snn(**(call | {"edge_type": torch.zeros(37)}))


def test_bipartite_relations(randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(pyg.RGCNConv((6, 3), 4, RELATIONS))
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 5, (20,))])
    call = {"x": (torch.randn(NODES, 6), torch.randn(5, 3)), "edge_index": edges, "edge_type": torch.arange(20) % 3}
    assert_same(lower(model, (), call), model, call)


@pytest.mark.parametrize("kind", ["edge", "point net", "gine", "mf", "simple"])
def test_bipartite_edges(kind: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    edges = torch.stack([torch.randint(0, NODES, (20,)), torch.randint(0, 4, (20,))])  # target 4 has no edges
    x: Any = (torch.randn(NODES, 6), torch.randn(5, 6))
    more: dict[str, dict[str, Any]] = {
        "point net": {"pos": (torch.randn(NODES, 3), torch.randn(5, 3))},
        "gine": {"edge_attr": torch.randn(20, 6)},
    }
    models = {
        "edge": pyg.EdgeConv(mlp(12)),
        "point net": pyg.PointNetConv(mlp(9)),
        "gine": pyg.GINEConv(mlp(6)),
        "mf": pyg.MFConv(6, 4),
        "simple": pyg.SimpleConv("min"),
    }
    model = randomised(models[kind])
    call = {"x": x, "edge_index": edges, **more.get(kind, {})}
    assert_same(lower(model, (), call), model, call)


class Pool(nn.Module):
    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.conv, self.pool = pyg.GCNConv(6, 4), pool

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        result: Tensor = self.pool(self.conv(x, edge_index), batch)
        return result


POOLS: dict[type[nn.Module], nn.Module] = {
    **{kind: kind() for kind in (aggr.SumAggregation, aggr.MeanAggregation, aggr.MaxAggregation, aggr.MinAggregation)},
    aggr.MultiAggregation: aggr.MultiAggregation(["mean", "max", "sum"]),
    aggr.DeepSetsAggregation: aggr.DeepSetsAggregation(pyg.MLP([4, 5], norm=None), mlp(5, 3)),
    pyg.GraphSizeNorm: pyg.GraphSizeNorm(),
    pyg.MeanSubtractionNorm: pyg.MeanSubtractionNorm(),
}


@pytest.mark.parametrize("pool", POOLS.values())
def test_pools(pool: nn.Module, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(Pool(pool))
    call = {"x": torch.randn(NODES, 6), "edge_index": messy_graph(), "batch": torch.arange(NODES) // 5}
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_same(network, model, call | {"batch": torch.arange(NODES) // 2})
    single = (
        pyg.Sequential("x", [(pool, "x -> x")]) if type(pool) in (pyg.GraphSizeNorm, pyg.MeanSubtractionNorm) else None
    )
    if single is not None:
        assert_same(lower(single.eval(), (), {"x": call["x"]}), single.eval(), {"x": call["x"]})


@pytest.mark.parametrize(
    ("layer", "what", "why"),
    [
        (pyg.SAGEConv(6, 4, aggr=["mean", "std"]), "aggregation StdAggregation", "squares values"),
        (pyg.GENConv(6, 4), "aggregation SoftmaxAggregation", "weighs its inputs by the values"),
        (
            pyg.SAGEConv(6, 4, aggr="median"),
            "aggregation MedianAggregation",
            "no other reduction by single spikes is known",
        ),
        (pna(["mean", "std", "var"])(), "aggregation VarAggregation", "squares values"),
        (pyg.EdgeConv(torch.tanh), "builtin_function_or_method", "is no module"),
        (pyg.GeneralConv(6, 4, attention=True), "attention=True", "weighs its inputs by the values"),
    ],
)
def test_refused(layer: nn.Module, what: str, why: str) -> None:
    with pytest.raises(ConversionError) as caught:
        lower(layer.eval(), (), call_of("", NODES, 30))
    assert [r for r in caught.value.refusals if r.what == what and why in r.why]


def test_an_aggregation_that_was_changed_later(randomised: Callable[..., Any]) -> None:
    model = randomised(pyg.SAGEConv(6, 4, aggr="max"))
    model.aggr = "mean"
    with pytest.raises(ConversionError, match="was set after the layer was made, and PyG goes on with MaxAggregation"):
        lower(model, (), call_of("", NODES, 30))


def test_every_row_of_the_table_is_tested() -> None:
    load_handlers()
    covered = {type(make()) for make, _ in LAYERS.values()} | {SparseLinear, *POOLS}
    others = ("pyg_convolutions", "pyg_filters", "pyg_models")  # test_pyg_convolutions.py has their rows
    rows = {cls for cls, handler in REGISTRY.items() if handler.__module__.rpartition(".")[2] not in others}
    assert {cls for cls in rows if cls.__module__.startswith("torch_geometric")} <= covered


MODELS: dict[str, Callable[[], nn.Module]] = {
    "RECT_L": lambda: pyg.RECT_L(6, 8),
    "LINKX": lambda: pyg.LINKX(NODES, 6, 8, 3, num_layers=2),
    "LINKX deep": lambda: pyg.LINKX(NODES, 6, 8, 3, num_layers=2, num_edge_layers=2, num_node_layers=2),
    "EdgeCNN": lambda: pyg.EdgeCNN(6, 8, 2, 3),
    "PNA": lambda: pyg.PNA(6, 8, 2, 4, aggregators=["mean", "max"], scalers=["identity"], deg=DEGREES),
    "table": lambda: SparseLinear(NODES, 4),
}


@pytest.mark.parametrize("name", MODELS)
def test_model(name: str, randomised: Callable[..., Any], assert_same: Callable[..., Any]) -> None:
    model = randomised(MODELS[name]())
    call = call_of("weights" if name in ("RECT_L", "LINKX", "table") else "", NODES, 30)
    other = call_of("weights" if "edge_weight" in call else "", NODES, 9)
    for one in (call, other):
        one.pop("x") if name == "table" else None
    network = lower(model, (), call)
    assert_same(network, model, call)
    assert_same(network, model, other)


def test_saved(tmp_path: Any, randomised: Callable[..., Any]) -> None:
    model, call = randomised(pyg.PNAConv(6, 4, ["mean", "min"], SCALERS, DEGREES)), call_of("", NODES, 30)
    snn = convert(model, call)
    save(snn, tmp_path / "pna.safetensors")
    torch.testing.assert_close(load(tmp_path / "pna.safetensors")(**call), snn(**call), rtol=0, atol=0)
