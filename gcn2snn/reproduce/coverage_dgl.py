"""One example of every layer of ``dgl.nn``: how it is made, and what it is called with."""

from __future__ import annotations

import inspect
import os
from typing import Any

import torch
from torch import nn

from gcn2snn.reproduce.coverage_cases import CLASSES, EDGES, HIDDEN, NODES, Case, mlp


def cases() -> dict[str, Case]:
    """Name of a class -> its example; None where none is known."""
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
    import dgl
    from dgl import nn as layers

    names = [name for name in dir(layers) if inspect.isclass(getattr(layers, name))]
    known = {**_plain(dgl, layers), **_with_edges(dgl, layers), **_others(dgl, layers)}
    return {name: known.get(name) for name in names if issubclass(getattr(layers, name), nn.Module)}


def graph(dgl: Any) -> Any:
    """Random edges, and a self-loop at every node, which some layers insist on."""
    source, target = torch.randint(0, NODES, (2, EDGES))
    return dgl.add_self_loop(dgl.graph((source, target), num_nodes=NODES))


def _example(
    dgl: object, layers: object, name: str, args: tuple[object, ...], options: dict[str, object] | None = None
) -> Case:
    return lambda: (getattr(layers, name)(*args, **(options or {})), (graph(dgl), torch.randn(NODES, HIDDEN)))


def _plain(dgl: object, layers: object) -> dict[str, Case]:
    """Layers that take a graph and values."""
    wide = (HIDDEN, CLASSES)
    plain: dict[str, tuple[object, ...]] = {
        **dict.fromkeys(("GraphConv", "TAGConv", "SGConv", "EdgeConv"), wide),
        **dict.fromkeys(("GATConv", "GATv2Conv", "DotGatConv"), (*wide, 2)),
        "SAGEConv": (*wide, "mean"),
        "ChebConv": (*wide, 3),
        "APPNPConv": (3, 0.1),
        "AGNNConv": (),
        "GatedGraphConv": (HIDDEN, HIDDEN, 2, 1),
        "PNAConv": (HIDDEN, CLASSES, ["mean", "max"], ["identity"], 2.5),
        "DGNConv": (HIDDEN, CLASSES, ["mean", "max"], ["identity"], 2.5),
        "TWIRLSConv": (HIDDEN, CLASSES, 8, 2),
        "TWIRLSUnfoldingAndAttention": (HIDDEN, 0.5, 1.0, 2),
        **dict.fromkeys(("SumPooling", "AvgPooling", "MaxPooling"), ()),
        "SortPooling": (3,),
        "Set2Set": (HIDDEN, 2, 1),
        "WeightAndSum": (HIDDEN,),
        "SetTransformerEncoder": (HIDDEN, 2, 3, 8),
        "SetTransformerDecoder": (HIDDEN, 2, 3, 8, 1, 2),
        "CuGraphSAGEConv": (HIDDEN, CLASSES),
        "CuGraphGATConv": (HIDDEN, CLASSES, 2),
    }
    return {name: _example(dgl, layers, name, args) for name, args in plain.items()}


def _with_edges(dgl: object, layers: Any) -> dict[str, Case]:
    """Layers that take values or relations of the edges too."""

    def call(*sizes: int) -> tuple[Any, ...]:
        g = graph(dgl)
        return (g, torch.randn(NODES, HIDDEN), *(torch.rand(g.num_edges(), size) for size in sizes))

    def typed() -> tuple[object, ...]:
        g = graph(dgl)
        return (g, torch.randn(NODES, HIDDEN), torch.randint(0, 3, (g.num_edges(),)))

    return {
        "GINConv": lambda: (layers.GINConv(mlp(HIDDEN), "sum"), call()),
        "GINEConv": lambda: (layers.GINEConv(mlp(HIDDEN)), call(HIDDEN)),
        "GCN2Conv": lambda: (layers.GCN2Conv(HIDDEN, 1), (*call(), torch.randn(NODES, HIDDEN))),
        "NNConv": lambda: (layers.NNConv(HIDDEN, CLASSES, nn.Linear(2, HIDDEN * CLASSES)), call(2)),
        "GMMConv": lambda: (layers.GMMConv(HIDDEN, CLASSES, 2, 3), call(2)),
        "CFConv": lambda: (layers.CFConv(HIDDEN, 2, 8, CLASSES), call(2)),
        "EGATConv": lambda: (layers.EGATConv(HIDDEN, 2, CLASSES, CLASSES, 2), call(2)),
        "EdgeGATConv": lambda: (layers.EdgeGATConv(HIDDEN, 2, CLASSES, 2), call(2)),
        "EGNNConv": lambda: (layers.EGNNConv(HIDDEN, 8, CLASSES, 2), (*call(), torch.randn(NODES, 3), call(2)[2])),
        "AtomicConv": lambda: (
            layers.AtomicConv(torch.tensor([1.0]), torch.tensor([0.5]), torch.tensor([1.0])),
            (graph(dgl), torch.ones(NODES, 1), call(1)[2]),
        ),
        "EdgeWeightNorm": lambda: (layers.EdgeWeightNorm(), (call()[0], torch.rand(call()[0].num_edges()))),
        "RelGraphConv": lambda: (layers.RelGraphConv(HIDDEN, CLASSES, 3), typed()),
        "CuGraphRelGraphConv": lambda: (layers.CuGraphRelGraphConv(HIDDEN, CLASSES, 3), typed()),
        "HGTConv": lambda: (
            layers.HGTConv(HIDDEN, 2, 2, 2, 3),
            (*call(), torch.zeros(NODES, dtype=torch.int64), typed()[2]),
        ),
        "GlobalAttentionPooling": lambda: (layers.GlobalAttentionPooling(nn.Linear(HIDDEN, 1)), call()),
        "GroupRevRes": lambda: (layers.GroupRevRes(layers.GraphConv(HIDDEN // 2, HIDDEN // 2), 2), call()),
    }


def _others(dgl: object, layers: Any) -> dict[str, Case]:
    """Dense layers, layers for several kinds of nodes or edges, and what needs no graph."""
    values = lambda: torch.randn(NODES, HIDDEN)  # noqa: E731
    matrix = lambda: (torch.rand(NODES, NODES) < 0.3).float()  # noqa: E731
    kinds = lambda: torch.randint(0, 3, (NODES,))  # noqa: E731
    batch = lambda: torch.randn(2, NODES, HIDDEN)  # noqa: E731
    return {
        "DenseGraphConv": lambda: (layers.DenseGraphConv(HIDDEN, CLASSES), (matrix(), values())),
        "DenseSAGEConv": lambda: (layers.DenseSAGEConv(HIDDEN, CLASSES), (matrix(), values())),
        "DenseChebConv": lambda: (layers.DenseChebConv(HIDDEN, CLASSES, 3), (matrix(), values(), 2.0)),
        "HeteroGraphConv": lambda: (
            layers.HeteroGraphConv({"_E": layers.GraphConv(HIDDEN, CLASSES)}),
            (graph(dgl), {"_N": values()}),
        ),
        "HeteroLinear": lambda: (layers.HeteroLinear({"a": HIDDEN}, CLASSES), ({"a": values()},)),
        "HeteroEmbedding": lambda: (layers.HeteroEmbedding({"a": NODES}, CLASSES), ({"a": torch.arange(NODES)},)),
        "JumpingKnowledge": lambda: (layers.JumpingKnowledge("max"), ([values(), values()],)),
        "LabelPropagation": lambda: (layers.LabelPropagation(2, 0.5), (graph(dgl), values().abs())),
        "Sequential": lambda: (
            layers.Sequential(layers.GraphConv(HIDDEN, 8), layers.GraphConv(8, CLASSES)),
            (graph(dgl), values()),
        ),
        "TypedLinear": lambda: (layers.TypedLinear(HIDDEN, CLASSES, 3), (values(), kinds())),
        "WeightBasis": lambda: (layers.WeightBasis((HIDDEN, CLASSES), 2, 3), ()),
        "EdgePredictor": lambda: (layers.EdgePredictor("dot"), (values(), values())),
        "TransE": lambda: (layers.TransE(3, HIDDEN), (values(), values(), kinds())),
        "TransR": lambda: (layers.TransR(3, HIDDEN, HIDDEN), (values(), values(), kinds())),
        "KNNGraph": lambda: (layers.KNNGraph(3), (values(),)),
        "SegmentedKNNGraph": lambda: (layers.SegmentedKNNGraph(3), (values(), [6, 6])),
        "RadiusGraph": lambda: (layers.RadiusGraph(1.0), (values(),)),
        "BiasedMHA": lambda: (layers.BiasedMHA(HIDDEN, 2), (batch(),)),
        "GraphormerLayer": lambda: (layers.GraphormerLayer(HIDDEN, 8, 2), (batch(),)),
        "EGTLayer": lambda: (layers.EGTLayer(HIDDEN, 4, 2, 2), (batch(), torch.randn(2, NODES, NODES, 4))),
        "DegreeEncoder": lambda: (layers.DegreeEncoder(5, 8), (torch.randint(0, 5, (1, NODES)),)),
    }
