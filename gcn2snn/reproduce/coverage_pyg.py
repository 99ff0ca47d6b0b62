"""One example of every layer and model of ``torch_geometric.nn``: how it is made, and what it is called with."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from gcn2snn.reproduce.coverage_cases import CLASSES, EDGES, HIDDEN, NODES, Case, mlp

ABSTRACT = ("Aggregation", "KGEModel", "MessagePassing")
"""Base classes, which compute nothing."""


def cases() -> dict[str, Case]:
    """Name of a class -> its example; None where none is known."""
    from torch_geometric import nn as pyg

    names = [name for name in dir(pyg) if inspect.isclass(getattr(pyg, name)) and name not in ABSTRACT]
    known = {**_weighted(pyg), **_on_edges(pyg), **_others(pyg), **_reductions(pyg), **_models(pyg)}
    return {name: known.get(name) for name in names if issubclass(getattr(pyg, name), nn.Module)}


def graph() -> tuple[Tensor, Tensor]:
    """Values [NODES, HIDDEN] and edges [2, EDGES]; the last two nodes are isolated."""
    return torch.randn(NODES, HIDDEN), torch.randint(0, NODES - 2, (2, EDGES))


def _degrees(edges: Tensor) -> Tensor:
    return torch.bincount(torch.bincount(edges[1], minlength=NODES))


def _weighted(pyg: Any) -> dict[str, Case]:
    """Convolutions that take values and edges."""
    wide, same = (HIDDEN, CLASSES), (HIDDEN,)
    plain: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
        **{
            name: (wide, {})
            for name in ("GCNConv", "GraphConv", "SAGEConv", "LEConv", "MFConv", "MixHopConv", "ARMAConv")
        },
        **{
            name: (wide, {}) for name in ("ClusterGCNConv", "TAGConv", "SGConv", "GATConv", "GATv2Conv", "FusedGATConv")
        },
        **{name: (wide, {}) for name in ("FeaStConv", "FiLMConv", "GENConv", "GeneralConv", "ResGatedGraphConv")},
        **{name: (wide, {}) for name in ("SuperGATConv", "TransformerConv", "CuGraphGATConv", "CuGraphSAGEConv")},
        "SSGConv": (wide, {"alpha": 0.2}),
        "ChebConv": (wide, {"K": 3}),
        "EGConv": ((HIDDEN, 2 * CLASSES), {"num_heads": 2}),
        "PANConv": (wide, {"filter_size": 2}),
        "AntiSymmetricConv": (same, {}),
        "GatedGraphConv": ((HIDDEN,), {"num_layers": 2}),
        "AGNNConv": ((), {}),
        "LGConv": ((), {}),
        "SimpleConv": (("mean",), {}),
        "WLConvContinuous": ((), {}),
        "APPNP": ((3, 0.1), {}),
        "MeshCNNConv": (wide, {}),
    }

    def example(name: str, args: tuple[object, ...], options: dict[str, object]) -> Case:
        return lambda: (getattr(pyg, name)(*args, **options), graph())

    found = {name: example(name, args, options) for name, (args, options) in plain.items()}
    found |= {
        "GINConv": lambda: (pyg.GINConv(mlp(HIDDEN), train_eps=True), graph()),
        "EdgeConv": lambda: (pyg.EdgeConv(mlp(2 * HIDDEN)), graph()),
        "DynamicEdgeConv": lambda: (pyg.DynamicEdgeConv(mlp(2 * HIDDEN), 3), (graph()[0],)),
        "GravNetConv": lambda: (pyg.GravNetConv(HIDDEN, CLASSES, 2, 3, 3), (graph()[0],)),
        "XConv": lambda: (pyg.XConv(HIDDEN, CLASSES, 3, 3), (graph()[0], torch.randn(NODES, 3))),
        "DirGNNConv": lambda: (pyg.DirGNNConv(pyg.SAGEConv(HIDDEN, CLASSES)), graph()),
        "GPSConv": lambda: (pyg.GPSConv(HIDDEN, pyg.GCNConv(HIDDEN, HIDDEN)), graph()),
        "DNAConv": lambda: (pyg.DNAConv(HIDDEN), (torch.randn(NODES, 3, HIDDEN), graph()[1])),
        "WLConv": lambda: (pyg.WLConv(), (torch.arange(NODES), graph()[1])),
        **{name: _initial(pyg, name, options) for name, options in (("GCN2Conv", {"alpha": 0.1}), ("FAConv", {}))},
        "PNAConv": lambda: _with_degrees(pyg.PNAConv, ["mean", "max", "min"], ["identity"]),
    }
    return found


def _with_degrees(make: Any, aggregators: list[str], scalers: list[str]) -> tuple[nn.Module, tuple[object, ...]]:
    x, edges = graph()
    return make(HIDDEN, CLASSES, aggregators, scalers, _degrees(edges)), (x, edges)


def _initial(pyg: object, name: str, options: dict[str, Any]) -> Case:
    """A layer that reads the values of the first layer too."""
    return lambda: (getattr(pyg, name)(HIDDEN, **options), (torch.randn(NODES, HIDDEN), *graph()))


def _on_edges(pyg: Any) -> dict[str, Case]:
    """Convolutions that take relations, values or positions of the edges."""
    relations = lambda: (*graph(), torch.randint(0, 3, (EDGES,)))  # noqa: E731
    values = lambda: (*graph(), torch.rand(EDGES, HIDDEN))  # noqa: E731
    pseudo = lambda: (*graph(), torch.rand(EDGES, 2))  # noqa: E731
    places = lambda: (graph()[0], torch.randn(NODES, 3), graph()[1])  # noqa: E731
    return {
        **{
            name: _made(pyg, name, (HIDDEN, CLASSES, 3), relations) for name in ("RGCNConv", "FastRGCNConv", "RGATConv")
        },
        "CuGraphRGCNConv": _made(pyg, "CuGraphRGCNConv", (HIDDEN, CLASSES, 3), relations),
        "GINEConv": lambda: (pyg.GINEConv(mlp(HIDDEN)), values()),
        "NNConv": lambda: (pyg.NNConv(HIDDEN, CLASSES, nn.Linear(HIDDEN, HIDDEN * CLASSES)), values()),
        "CGConv": _made(pyg, "CGConv", (HIDDEN, HIDDEN), values),
        "PDNConv": _made(pyg, "PDNConv", (HIDDEN, CLASSES, HIDDEN, 8), values),
        "GMMConv": _made(pyg, "GMMConv", (HIDDEN, CLASSES, 2, 3), pseudo),
        "SplineConv": _made(pyg, "SplineConv", (HIDDEN, CLASSES, 2, 3), pseudo),
        "PointNetConv": lambda: (pyg.PointNetConv(mlp(HIDDEN + 3)), places()),
        "PointTransformerConv": _made(pyg, "PointTransformerConv", (HIDDEN, CLASSES), places),
        "PointGNNConv": lambda: (pyg.PointGNNConv(mlp(HIDDEN, 3), mlp(HIDDEN + 3), mlp(CLASSES, HIDDEN)), places()),
        "PPFConv": lambda: (
            pyg.PPFConv(mlp(HIDDEN + 4)),
            (graph()[0], torch.randn(NODES, 3), torch.randn(NODES, 3), graph()[1]),
        ),
        "HEATConv": lambda: (
            pyg.HEATConv(HIDDEN, CLASSES, 2, 3, 4, HIDDEN, 4),
            (*graph(), torch.randint(0, 2, (NODES,)), torch.randint(0, 3, (EDGES,)), torch.rand(EDGES, HIDDEN)),
        ),
        "HypergraphConv": lambda: (
            pyg.HypergraphConv(HIDDEN, CLASSES),
            (graph()[0], torch.stack([graph()[1][0], graph()[1][1] % 5])),
        ),
        "SignedConv": lambda: (pyg.SignedConv(HIDDEN, CLASSES, True), (graph()[0], graph()[1], graph()[1])),
    }


def _made(pyg: object, name: str, args: tuple[object, ...], inputs: Any) -> Case:
    return lambda: (getattr(pyg, name)(*args), inputs())


def _others(pyg: Any) -> dict[str, Case]:
    """Norms, linear layers, layers of several kinds of nodes, pools that choose nodes, dense layers."""
    values = lambda: (graph()[0],)  # noqa: E731
    kinds = lambda: (graph()[0], torch.randint(0, 2, (NODES,)))  # noqa: E731
    by_kind = lambda: ({"a": graph()[0], "b": graph()[0]},)  # noqa: E731
    dense = lambda: (torch.randn(2, NODES, HIDDEN), (torch.rand(2, NODES, NODES) < 0.3).float())  # noqa: E731
    relations = lambda: {("a", "to", "b"): graph()[1], ("b", "to", "a"): graph()[1]}  # noqa: E731
    metadata = (["a", "b"], [("a", "to", "b"), ("b", "to", "a")])
    found: dict[str, Case] = {
        **{
            name: _made(pyg, name, (HIDDEN,), values)
            for name in ("BatchNorm", "LayerNorm", "GraphNorm", "InstanceNorm")
        },
        **{name: _made(pyg, name, (), values) for name in ("GraphSizeNorm", "PairNorm", "MeanSubtractionNorm")},
        "DiffGroupNorm": _made(pyg, "DiffGroupNorm", (HIDDEN, 3), values),
        "MessageNorm": _made(pyg, "MessageNorm", (True,), lambda: (graph()[0], graph()[0])),
        "Linear": _made(pyg, "Linear", (HIDDEN, CLASSES), values),
        "Reshape": _made(pyg, "Reshape", (-1, HIDDEN), values),
        "HeteroLinear": _made(pyg, "HeteroLinear", (HIDDEN, CLASSES, 2), kinds),
        "HeteroBatchNorm": _made(pyg, "HeteroBatchNorm", (HIDDEN, 2), kinds),
        "HeteroLayerNorm": _made(pyg, "HeteroLayerNorm", (HIDDEN, 2), kinds),
        "HeteroDictLinear": lambda: (pyg.HeteroDictLinear({"a": HIDDEN, "b": HIDDEN}, CLASSES), by_kind()),
        "HeteroJumpingKnowledge": lambda: (
            pyg.HeteroJumpingKnowledge(["a", "b"], "cat"),
            ({"a": [graph()[0], graph()[0]], "b": [graph()[0], graph()[0]]},),
        ),
        "HeteroConv": lambda: (
            pyg.HeteroConv({key: pyg.SAGEConv(HIDDEN, CLASSES) for key in relations()}),
            (*by_kind(), relations()),
        ),
        "HGTConv": lambda: (pyg.HGTConv(HIDDEN, CLASSES, metadata), (*by_kind(), relations())),
        "HANConv": lambda: (pyg.HANConv(HIDDEN, CLASSES, metadata), (*by_kind(), relations())),
        "JumpingKnowledge": lambda: (pyg.JumpingKnowledge("max"), ([graph()[0], graph()[0]],)),
        "MLP": lambda: (pyg.MLP([HIDDEN, 8, CLASSES]), values()),
        "Sequential": lambda: (
            pyg.Sequential("x, edges", [(pyg.GCNConv(HIDDEN, 8), "x, edges -> x"), nn.ReLU(), nn.Linear(8, CLASSES)]),
            graph(),
        ),
        "DeepGCNLayer": lambda: (
            pyg.DeepGCNLayer(pyg.GENConv(HIDDEN, HIDDEN, aggr="max"), nn.BatchNorm1d(HIDDEN), nn.ReLU()),
            graph(),
        ),
        "GroupAddRev": lambda: (pyg.GroupAddRev(pyg.SAGEConv(HIDDEN // 2, HIDDEN // 2), num_groups=2), graph()),
        "DenseGATConv": _made(pyg, "DenseGATConv", (HIDDEN, CLASSES), dense),
        **{
            name: _made(pyg, name, (HIDDEN, CLASSES), dense)
            for name in ("DenseGCNConv", "DenseGraphConv", "DenseSAGEConv")
        },
        "DenseGINConv": lambda: (pyg.DenseGINConv(mlp(HIDDEN)), dense()),
        "DMoNPooling": lambda: (pyg.DMoNPooling(HIDDEN, 3), dense()),
        "PositionalEncoding": _made(pyg, "PositionalEncoding", (8,), lambda: (torch.rand(NODES),)),
        "TemporalEncoding": _made(pyg, "TemporalEncoding", (8,), lambda: (torch.rand(NODES),)),
        "InnerProductDecoder": _made(pyg, "InnerProductDecoder", (), graph),
        "PerformerAttention": _made(pyg, "PerformerAttention", (HIDDEN, 2), lambda: (torch.randn(2, NODES, HIDDEN),)),
        "SGFormerAttention": _made(pyg, "SGFormerAttention", (HIDDEN,), lambda: (torch.randn(2, NODES, HIDDEN),)),
        "PolynormerAttention": _made(pyg, "PolynormerAttention", (HIDDEN, 2), lambda: (torch.randn(2, NODES, HIDDEN),)),
        "QFormer": _made(pyg, "QFormer", (HIDDEN, 8, CLASSES, 2, 1), lambda: (torch.randn(2, NODES, HIDDEN),)),
        "MemPooling": _made(pyg, "MemPooling", (HIDDEN, CLASSES, 2, 3), values),
    }
    batched = lambda: (*graph(), torch.arange(NODES) // 4)  # noqa: E731
    found |= {name: _made(pyg, name, (HIDDEN,), batched) for name in ("EdgePooling", "ClusterPooling")}
    pools = ("TopKPooling", "SAGPooling", "ASAPooling")
    return found | {name: _made(pyg, name, (HIDDEN,), graph) for name in pools}


def _reductions(pyg: Any) -> dict[str, Case]:
    """Aggregations as pools over graphs."""
    pool = lambda: (graph()[0], torch.arange(NODES) // 4)  # noqa: E731
    parts = ("Sum", "Mean", "Max", "Min", "Mul", "Var", "Std", "Softmax", "PowerMean", "Median", "VariancePreserving")
    found = {f"{name}Aggregation": _made(pyg, f"{name}Aggregation", (), pool) for name in parts}
    wide = ("LSTMAggregation", "GRUAggregation")
    found |= {name: _made(pyg, name, (HIDDEN, CLASSES), pool) for name in wide}
    return found | {
        "QuantileAggregation": _made(pyg, "QuantileAggregation", (0.3,), pool),
        "MultiAggregation": _made(pyg, "MultiAggregation", (["mean", "max"],), pool),
        "DegreeScalerAggregation": lambda: (
            pyg.DegreeScalerAggregation(["mean"], ["linear"], torch.tensor([1, 2])),
            pool(),
        ),
        "AttentionalAggregation": lambda: (pyg.AttentionalAggregation(nn.Linear(HIDDEN, 1)), pool()),
        "GlobalAttention": lambda: (pyg.GlobalAttention(nn.Linear(HIDDEN, 1)), pool()),
        "Set2Set": _made(pyg, "Set2Set", (HIDDEN, 2), pool),
        "SortAggregation": _made(pyg, "SortAggregation", (3,), pool),
        "SetTransformerAggregation": _made(pyg, "SetTransformerAggregation", (HIDDEN,), pool),
        "DeepSetsAggregation": lambda: (pyg.DeepSetsAggregation(mlp(HIDDEN, HIDDEN), mlp(HIDDEN)), pool()),
        "MLPAggregation": lambda: (pyg.MLPAggregation(HIDDEN, CLASSES, 5, num_layers=1), pool()),
        "EquilibriumAggregation": lambda: (pyg.EquilibriumAggregation(HIDDEN, CLASSES, [8], 2), pool()),
        "GraphMultisetTransformer": _made(pyg, "GraphMultisetTransformer", (HIDDEN, 3), pool),
        "LCMAggregation": _made(pyg, "LCMAggregation", (HIDDEN, HIDDEN), pool),
        "PatchTransformerAggregation": lambda: (
            pyg.PatchTransformerAggregation(HIDDEN, CLASSES, 2, 8, 1, 2),
            (graph()[0], torch.arange(NODES) // 4),
        ),
    }


def _models(pyg: Any) -> dict[str, Case]:
    """Whole models."""
    basic = {
        name: _made(pyg, name, (HIDDEN, 8, 2, CLASSES), graph) for name in ("GCN", "GraphSAGE", "GIN", "GAT", "EdgeCNN")
    }
    return basic | {
        "PNA": lambda: (
            pyg.PNA(HIDDEN, 8, 2, CLASSES, aggregators=["mean"], scalers=["linear"], deg=torch.tensor([1, 2, 3])),
            graph(),
        ),
        "PMLP": lambda: (pyg.PMLP(HIDDEN, 8, CLASSES, 2), graph()),
        "RECT_L": _made(pyg, "RECT_L", (HIDDEN, 8), graph),
        "LINKX": _made(pyg, "LINKX", (NODES, HIDDEN, 8, CLASSES, 2), graph),
        "GAE": lambda: (pyg.GAE(pyg.GCNConv(HIDDEN, CLASSES)), graph()),
        "VGAE": lambda: (pyg.VGAE(_Both(pyg)), graph()),
        "ARGA": lambda: (pyg.ARGA(pyg.GCNConv(HIDDEN, CLASSES), nn.Linear(CLASSES, 1)), graph()),
        "ARGVA": lambda: (pyg.ARGVA(_Both(pyg), nn.Linear(CLASSES, 1)), graph()),
        "MetaLayer": lambda: (pyg.MetaLayer(node_model=_NodeModel()), graph()),
        "MaskLabel": lambda: (
            pyg.MaskLabel(CLASSES, HIDDEN),
            (graph()[0], torch.zeros(NODES, dtype=torch.int64), torch.arange(NODES) < 4),
        ),
        "Node2Vec": lambda: (pyg.Node2Vec(graph()[1], 8, 4, 2), (torch.arange(NODES),)),
        "SignedGCN": lambda: (pyg.SignedGCN(HIDDEN, 8, 2), (graph()[0], graph()[1], graph()[1])),
        "GraphUNet": _made(pyg, "GraphUNet", (HIDDEN, 8, CLASSES, 2), graph),
        "NeuralFingerprint": _made(pyg, "NeuralFingerprint", (HIDDEN, 8, CLASSES, 2), graph),
        "LabelPropagation": lambda: (pyg.LabelPropagation(2, 0.5), graph()),
        "AttentiveFP": lambda: (
            pyg.AttentiveFP(HIDDEN, 8, CLASSES, 4, 2, 2),
            (*graph(), torch.rand(EDGES, 4), torch.arange(NODES) // 4),
        ),
        "Polynormer": lambda: (
            pyg.Polynormer(HIDDEN, 8, CLASSES, 2),
            (*graph(), torch.zeros(NODES, dtype=torch.int64)),
        ),
        "SGFormer": lambda: (pyg.SGFormer(HIDDEN, 8, CLASSES), (*graph(), torch.zeros(NODES, dtype=torch.int64))),
        "LightGCN": lambda: (pyg.LightGCN(NODES, 8, 2), (graph()[1],)),
        **{name: _triples(pyg, name) for name in ("ComplEx", "DistMult", "RotatE", "TransE")},
    }


class _Both(nn.Module):
    """Mean and logarithm of the deviation, as variational encoders give them."""

    def __init__(self, pyg: Any) -> None:
        super().__init__()
        self.mean, self.deviation = pyg.GCNConv(HIDDEN, CLASSES), pyg.GCNConv(HIDDEN, CLASSES)

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(x, edge_index), self.deviation(x, edge_index)


class _NodeModel(nn.Module):
    """What MetaLayer makes of the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: None, u: None, batch: None) -> Tensor:
        result: Tensor = torch.relu(self.lin(x))
        return result


def _triples(pyg: object, name: str) -> Case:
    """Embeddings of knowledge graphs: heads, relations and tails by number."""
    return lambda: (
        getattr(pyg, name)(NODES, 3, 8),
        (torch.arange(5), torch.zeros(5, dtype=torch.int64), torch.arange(5)),
    )
