"""Calls so short that what surrounds the arithmetic decides: a graph of 50 nodes, and a perceptron on one row."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from gcn2snn.bench.cases import Work, case
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.spiking_network import SpikingNetwork

GRAPH, ROW = "graph of 50 nodes", "perceptron, one row"
NODES, EDGES, FEATURES, HIDDEN, CLASSES = 50, 200, 16, 16, 4
CALLS = 20
"""Calls in one measurement: a single one is too short for the clock of the processor."""

Networks = tuple[nn.Module, SpikingNetwork, tuple[Tensor, ...]]


def _once(p: Problem) -> str:
    asked = p.graph is not None and p.graph.features is not None
    return "" if asked else "the same for every problem, so it goes with one: --features"


@lru_cache(maxsize=1)
def _graph_networks() -> Networks:
    from torch_geometric.nn import GCN

    torch.manual_seed(0)
    model = GCN(FEATURES, HIDDEN, 2, CLASSES).eval()
    data = (torch.rand(NODES, FEATURES), torch.randint(0, NODES, (2, EDGES)))
    return model, convert(model, data, ConvertConfig.paper()), data


@lru_cache(maxsize=1)
def _row_networks() -> Networks:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
    x = torch.rand(1000, 64)
    return model, convert(model, x, ConvertConfig.paper()), (x[:1],)


def _calls(call: Callable[..., Tensor], data: tuple[Tensor, ...]) -> Work:
    def work() -> Tensor:
        with torch.no_grad():
            for _ in range(CALLS - 1):
                call(*data)
            return call(*data)

    return work


def _spiking_calls(snn: SpikingNetwork, data: tuple[Tensor, ...]) -> Work:
    work = _calls(snn, data)
    return lambda: (work(),)  # in a tuple: its values differ from the source's on purpose


@case(GRAPH, f"PyG GCN, {CALLS} calls", package="torch_geometric", device="cpu", lacks=_once)
def _graph_source(p: Problem) -> Work:
    model, _, data = _graph_networks()
    return _calls(model, data)


@case(GRAPH, f"gcn2snn one-spike SNN, {CALLS} calls", package="torch_geometric", device="cpu", ours=True, lacks=_once)
def _graph_spiking(p: Problem) -> Work:
    _, snn, data = _graph_networks()
    return _spiking_calls(snn, data)


@case(ROW, f"perceptron, {CALLS} calls", device="cpu", lacks=_once)
def _row_source(p: Problem) -> Work:
    model, _, data = _row_networks()
    return _calls(model, data)


@case(ROW, f"gcn2snn one-spike SNN, {CALLS} calls", device="cpu", ours=True, lacks=_once)
def _row_spiking(p: Problem) -> Work:
    _, snn, data = _row_networks()
    return _spiking_calls(snn, data)
