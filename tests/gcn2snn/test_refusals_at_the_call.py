"""What callers pass by mistake, or write to behind our back, is refused by name and never computed with."""

from __future__ import annotations

import copy
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
    with pytest.raises(InputTypeError, match=r"edge_weight has dtype torch\.complex64"):
        snn(x, edges, weight.to(torch.complex64))
    assert snn(x, edges.tolist(), weight.tolist()).equal(expected)
    none = snn(x, torch.empty(2, 0), [])
    assert none.equal(snn(x, torch.empty(2, 0, dtype=torch.int64), torch.empty(0)))
    with pytest.raises(InputTypeError, match="edge_index: the graph is str"):
        snn(x, "edges", weight)
    with pytest.raises(InputError, match=r"edge_index: .* there are 0 nodes: only an empty edge_index is allowed"):
        snn(x[:0], edges, weight)
    with pytest.raises(InputError, match="edge_index is a list with rows of unequal length"):
        snn(x, [[0, 1], [1]], weight)
    with pytest.raises(InputError, match="edge_index is on the device 'meta'"):
        snn(x, edges.to("meta"), weight)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_what_torch_does_with_modules_is_refused_by_name() -> None:
    x = torch.rand(30, 8)
    snn = convert(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)).eval(), x)
    for use in (
        lambda: torch.func.functional_call(snn, dict(snn.named_buffers()), (x,)),
        lambda: torch.jit.script(snn),
        lambda: torch.fx.symbolic_trace(snn),
        lambda: copy.deepcopy(snn).to("meta"),
    ):
        with pytest.raises(ConfigError):
            use()
    with pytest.raises(InputTypeError, match="stands for many tensors"):
        torch.vmap(snn)(x[None])
    with torch.autocast("cpu"):
        assert snn(x).dtype == torch.float32


class Described(nn.Module):
    """Values of a list of inputs, and of an object that a caller makes."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 4)

    def forward(self, xs: list[Tensor], matrix: Tensor) -> Tensor:
        return torch.cat([matrix @ self.a(xs[0]).relu(), self.a(xs[1])], 1)


def test_values_inside_containers_are_cast_and_checked() -> None:
    x, matrix = torch.rand(30, 8), torch.rand(30, 30)
    snn = convert(Described().eval(), ([x, x], matrix))
    expected = snn([x, x], matrix)
    assert snn([x.double(), x], matrix.double()).equal(expected)
    assert snn([x.tolist(), x.numpy()], matrix.tolist()).equal(expected)
    assert snn([x.half(), x.half()], matrix.half()).dtype == torch.float32
    with pytest.raises(InputError, match=r"len\(xs\) is 1; this network was converted with 2"):
        snn([x], matrix)
    with pytest.raises(InputError, match=r"xs\[1\] has shape \[30, 3\]"):
        snn([x, x[:, :3]], matrix)
    with pytest.raises(InputError, match="cat needs values with the same number of rows"):
        snn([x, x[:5]], matrix)
    with pytest.raises(InputError, match=r"matrix: an adjacency has shape \[2, 30, 30\]"):
        snn([x, x], torch.rand(2, 30, 30))
