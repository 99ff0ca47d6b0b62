"""Prepared steps give the bits of one node after the other, whatever comes in and at every call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_kinds import GRAPH_KINDS, IMAGE_KINDS
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import prepared
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.plan import steps_to_heads
from gcn2snn.engines.prepared import run_prepared
from gcn2snn.errors import InputError
from gcn2snn.kernels import Mismatch, PhaseCode, backend

pytestmark = pytest.mark.skipif(
    backend.choose(torch.device("cpu")) != "native", reason="the compiled helper is not there"
)


def node_by_node(network: ir.Network, data: dict[str, Any]) -> Tensor:
    return run_closed(network, data, observe=lambda node, args, value: None)


def by_plan(network: ir.Network, data: dict[str, Any]) -> Tensor:
    found = run_prepared(network, data, {})
    assert found is not None
    return found[network.heads[0]]


@pytest.mark.parametrize(("make", "kinds"), [("make_images", IMAGE_KINDS), ("make_graphs", GRAPH_KINDS)])
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_network(
    make_spiking: Callable[..., ir.Network],
    request: pytest.FixtureRequest,
    make: str,
    kinds: tuple[str, ...],
    data: st.DataObject,
) -> None:
    steps = data.draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float32, torch.float64]))
    case = request.getfixturevalue(make)(data.draw(st.integers(0, 999)), steps, dtype)
    config = ConvertConfig(timesteps=9, message=data.draw(st.sampled_from(["signed", "rectified", "fused"])))
    network = make_spiking(case, config, data.draw(st.none() | st.integers(0, 999)))
    wanted = node_by_node(network, case[1])
    for _ in range(2):  # prepared, and as it was prepared
        assert torch.equal(by_plan(network, case[1]), wanted)


@pytest.fixture
def snn() -> gcn2snn.SpikingNetwork:
    torch.manual_seed(0)
    parts = [nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 9), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Linear(9, 3)).eval()
    return gcn2snn.convert(model, torch.rand(40, 2, 8, 8))


@torch.no_grad()
def test_other_sizes_and_back(snn: gcn2snn.SpikingNetwork) -> None:
    for rows in (3, 1, 0, 3):
        x = torch.rand(rows, 2, 8, 8)
        assert torch.equal(snn(x), node_by_node(snn.network, {"input": x}))


@torch.no_grad()
@pytest.mark.parametrize("correct", ["none", "mean"])
def test_many_rows_go_in_blocks(correct: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    parts = [nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 3)]
    x = torch.rand(50, 6)
    network = gcn2snn.convert(nn.Sequential(*parts).eval(), x, ConvertConfig(correct=correct)).network
    for module in ("gcn2snn.kernels.phase_gemm", "gcn2snn.kernels.native.prepared"):
        monkeypatch.setattr(importlib.import_module(module), "BLOCK_VALUES", 72)  # 9 rows, then 8
    for rows in (50, 9, 8, 3):
        assert torch.equal(by_plan(network, {"input": x[:rows]}), node_by_node(network, {"input": x[:rows]}))


LAYERS = {
    "dense": lambda **fields: ir.Dense(weight=torch.randn(4, 4), **fields),
    "dense with bias": lambda **fields: ir.Dense(weight=torch.randn(4, 4), bias=torch.randn(4), **fields),
    "convolution": lambda **fields: ir.Conv(weight=torch.randn(4, 4, 3, 3), padding=(1, 1, 1, 1), **fields),
}


@pytest.mark.parametrize("left", LAYERS)
@pytest.mark.parametrize("code", [PhaseCode(1.3, 16), PhaseCode(1.1, 40, signed=True)], ids=["16", "40"])
@pytest.mark.parametrize("steps", [(4,), (1,)])
def test_a_start_comes_behind_a_sum(
    left: str, code: PhaseCode, steps: tuple[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    large = torch.tensor(2.0**26)  # its neighbours are 8 above and 4 below: another order of the additions would show
    right = "convolution" if left == "convolution" else "dense"
    nodes = [
        ir.Input(name="x", inputs=(), size=(None, 4, 5, 5) if right == "convolution" else (None, 4)),
        ir.Neuron(name="first", inputs=("x",), coding=code, scale=torch.tensor(20.0)),
        LAYERS[left](name="left", inputs=("first",)),
        replace(LAYERS[right](name="right", inputs=("x",)), bias=large.expand(4).contiguous()),
        ir.Add(name="sum", inputs=("left", "right"), coefficients=(1.0, 1.0)),
        ir.Neuron(
            name="second", inputs=("sum",), coding=code, scale=torch.rand(4) + 1e-7, start=1e7 * torch.randn(steps)
        ),
        ir.Output(name="out", inputs=("second",)),
    ]
    network = ir.Network(tuple(nodes))
    assert [step.fusion.synapse.name for step in steps_to_heads(network, True, frozenset(), True) if step.fusion] == [
        "left"
    ]
    shape = (50, 4, 5, 5) if right == "convolution" else (50, 4)
    data = {"x": 10 * torch.randn(shape)}
    for module in ("gcn2snn.kernels.phase_gemm", "gcn2snn.kernels.native.prepared"):
        monkeypatch.setattr(importlib.import_module(module), "BLOCK_VALUES", 36)  # 9 rows
    for rows in (50, 9, 3, 0):
        part = {"x": data["x"][:rows]}
        assert torch.equal(by_plan(network, part), node_by_node(network, part))


@torch.no_grad()
def test_weights_written_to_take_effect(snn: gcn2snn.SpikingNetwork) -> None:
    x = torch.rand(2, 2, 8, 8)
    before = snn(x)
    for name, tensor in snn.named_buffers():
        if name.endswith("scale"):
            tensor.mul_(1.1)
    assert not torch.equal(snn(x), before)
    assert torch.equal(snn(x), node_by_node(snn.network, {"input": x}))


def test_threads_have_their_own(snn: gcn2snn.SpikingNetwork) -> None:
    inputs = [torch.rand(1 + number % 3, 2, 8, 8) for number in range(12)]
    wanted = [node_by_node(snn.network, {"input": x}) for x in inputs]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            found = list(threads.map(snn, inputs))
            assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_what_does_not_fit_goes_node_by_node(snn: gcn2snn.SpikingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(2, 2, 8, 8)
    wanted = snn(x)

    def refuse(*args: object) -> Callable[..., Tensor]:
        def kernel(*operands: object) -> Tensor:
            raise Mismatch

        return kernel

    for name in ("synapse_kernel", "closing_kernel", "coder_kernel"):
        monkeypatch.setattr(prepared, name, refuse)
    assert torch.equal(gcn2snn.SpikingNetwork(snn.network, snn.config)(x), wanted)


def test_input_that_is_not_finite_is_refused(snn: gcn2snn.SpikingNetwork) -> None:
    snn(torch.rand(1, 2, 8, 8))
    with pytest.raises(InputError, match="holds 1 values that are NaN or infinite"):
        snn(
            torch.rand(1, 2, 8, 8)
            .index_fill(3, torch.tensor([1]), 0.5)
            .masked_fill(torch.arange(128).view(1, 2, 8, 8) == 5, torch.nan)
        )


def test_a_graph_of_another_size_is_refused() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    model, edges = geometric.GCN(4, 6, 2, 3).eval(), torch.randint(0, 40, (2, 90))
    snn = gcn2snn.convert(model, (torch.rand(40, 4), edges))
    snn(torch.rand(40, 4), edges)
    with pytest.raises(InputError, match="39"):
        snn(torch.rand(30, 4), edges.clamp(max=39))


def test_gradients_are_left_to_torch(snn: gcn2snn.SpikingNetwork) -> None:
    x = torch.rand(2, 2, 8, 8)
    assert run_prepared(snn.network, {"input": x.requires_grad_()}, {}) is None
    with torch.no_grad():
        assert run_prepared(snn.network, {"input": x}, {}) is not None
