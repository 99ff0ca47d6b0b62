"""What callers pass by mistake, or write to behind our back, is refused by name and never computed with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import gcn2snn
from gcn2snn import CSR, ConvertConfig, SpikingNetwork, convert, evaluate
from gcn2snn.errors import ConfigError, InputError, InputTypeError


@pytest.fixture
def x() -> Tensor:
    return torch.rand(30, 8)


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


@pytest.fixture
def snn(model: nn.Module, x: Tensor) -> SpikingNetwork:
    return convert(model, x)


@pytest.mark.parametrize(
    ("part", "place", "value", "message"),
    [
        ("rowptr", -1, 10**6, "rowptr must ascend"),
        ("rowptr", 3, 140, "rowptr must ascend"),
        ("col", 0, 5 * 10**7, "column indices run from"),
        ("value", 0, np.nan, "NaN or infinite"),
    ],
)
def test_a_matrix_broken_through_numpy_is_refused(part: str, place: int, value: float, message: str) -> None:
    graph = gcn2snn.load_graph("karate")
    snn = convert(gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=4, epochs=2))), graph)
    old = graph.adjacency
    matrix = CSR(old.rowptr.clone(), old.col.clone(), old.value.clone(), old.num_cols)
    assert snn(matrix).equal(snn(old))
    getattr(matrix, part).numpy()[place] = value
    with pytest.raises(InputError, match=message):
        snn(matrix)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_trace_is_refused(x: Tensor, snn: SpikingNetwork) -> None:
    with pytest.raises(ConfigError, match=r"torch\.jit\.trace cannot record"):
        torch.jit.trace(snn, x)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("0.weight", lambda t: t * torch.nan, "NaN or infinite"),
        ("1.scale", lambda t: -t, "a scale that is not positive"),
        ("0.weight", lambda t: t.to(torch.complex64), "has dtype"),
        ("0.weight", lambda t: t.int(), "has dtype"),
        ("0.weight", lambda t: 1, "is int; a tensor is needed"),
    ],
)
def test_impossible_states_are_refused(x: Tensor, snn: SpikingNetwork, name: str, change: Any, message: str) -> None:
    before, state = snn(x), dict(snn.state_dict())
    state[name] = change(state[name])
    with pytest.raises(RuntimeError, match=message):
        snn.load_state_dict(state)
    assert snn(x).equal(before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda snn, x: convert(None, x), "the model is NoneType"),
        (lambda snn, x: convert(snn, x), "a spiking network already"),
        (lambda snn, x: convert(nn.Linear(8, 4).eval(), None), "the example is None"),
        (lambda snn, x: convert(nn.Linear(8, 4).eval(), x, {"base": 2}), "config is dict"),
        (lambda snn, x: evaluate(nn.Linear(8, 4), x, [0] * 30), "needs a converted network, got Linear"),
        (lambda snn, x: evaluate(snn, x, "abc"), "labels are str"),
        (lambda snn, x: evaluate(snn, "karate"), "data is str"),
    ],
)
def test_arguments_of_a_wrong_kind(snn: SpikingNetwork, x: Tensor, call: Any, message: str) -> None:
    with pytest.raises(InputTypeError, match=message):
        call(snn, x)


def test_a_wait_is_a_whole_number(snn: SpikingNetwork, x: Tensor) -> None:
    with pytest.raises(ConfigError, match=r"wait is 1\.5"):
        snn.spikes(x, wait=1.5)  # type: ignore[arg-type]


def test_numpy_of_any_byte_order(snn: SpikingNetwork, model: nn.Module, x: Tensor) -> None:
    assert snn(x.numpy().astype(">f4")).equal(snn(x))
    assert convert(model, x.numpy(), ConvertConfig())(x).equal(snn(x))


def test_kinds_of_edges() -> None:
    pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
    from torch_geometric.nn import GCNConv

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = GCNConv(8, 4)

        def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
            return functional.relu(self.a(x, edge_index, edge_weight))

    x, edges, weight = torch.rand(30, 8), torch.randint(0, 30, (2, 90)), torch.rand(90)
    snn = convert(Net().eval(), (x.numpy(), edges.numpy(), weight))
    expected = snn(x, edges, weight)
    assert snn(x, edges.int(), weight).equal(expected)
    assert snn(x, edges.numpy(), weight.numpy()).equal(expected)
    with pytest.raises(InputTypeError, match=r"dtype torch\.uint64"):
        snn(x, edges.numpy().astype(np.uint64), weight)
    with pytest.raises(InputTypeError, match=r"dtype torch\.complex64"):
        snn(x, edges.to(torch.complex64), weight)
    with pytest.raises(InputTypeError, match="edge weights are list"):
        snn(x, edges, weight.tolist())
    with pytest.raises(InputTypeError, match=r"edge weights are of dtype torch\.complex64"):
        snn(x, edges, weight.to(torch.complex64))
