"""Run by test_triton_networks.py in a process of its own: whole networks through Triton, interpreted or on a real device."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner

from gcn2snn.cli.bench import bench
from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.kernels import CSR, backend
from gcn2snn.kernels.triton import operands, silence
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import make_model

DEVICE = os.environ["GCN2SNN_TEST_DEVICE"]
KINDS = {
    "graph": ["dense", "aggregate", "residual", "max"],
    "images": ["conv", "residual", "maxpool", "shortcut", "avgpool"],
}


def moved(value: Any, device: str) -> Any:
    return value.to(device) if isinstance(value, Tensor | CSR) else value


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("wait", [None, 2])
@pytest.mark.parametrize("engine", ["auto", "temporal"])
def test_engines_give_what_plain_torch_gives(
    kind: str,
    wait: int | None,
    engine: str,
    make_graphs: Callable[..., Any],
    make_images: Callable[..., Any],
    make_spiking: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ConvertConfig(timesteps=6)
    monkeypatch.setenv(backend.SWITCH, "torch")
    case = (make_graphs if kind == "graph" else make_images)(3, KINDS[kind], torch.float32)
    snn, data = SpikingNetwork(make_spiking(case, config), config), case[1]
    wanted = snn.simulate(*data.values(), engine=engine, wait=wait)
    monkeypatch.setenv(backend.SWITCH, "triton")
    assert backend.choose(torch.device(DEVICE)) == "triton"
    there = [moved(value, DEVICE) for value in data.values()]
    got = snn.to(DEVICE).simulate(*there, engine=engine, wait=wait).cpu()
    # A sum in another order moves no potential across a threshold here; the outputs are sums of the same spikes.
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[operands.Operand, ...]]:
    """What each sparse product reads; silence is looked for in products of any size."""
    monkeypatch.setattr(operands, "LEAST_WORK", 0)
    found: list[tuple[operands.Operand, ...]] = []
    made = operands.operands_of

    def noted(*args: Any) -> tuple[operands.Operand, ...]:
        found.append(made(*args))
        return found[-1]

    for kernel in ("phase_spmm", "bucketed"):
        monkeypatch.setattr(f"gcn2snn.kernels.triton.{kernel}.operands_of", noted)
    return found


@pytest.mark.parametrize("inference", [False, True])
def test_a_network_reads_less_without_being_asked(
    inference: bool, launches: list[tuple[operands.Operand, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(backend.SWITCH, "triton")
    monkeypatch.setattr(silence, "PACK_BYTES", 0)
    graph = load_graph("karate")
    layers = {"layer1.message.neuron": LayerConfig(events=0.1)}
    torch.manual_seed(0)
    snn = convert(make_model(graph, TrainConfig(hidden=24)).eval(), graph, ConvertConfig.paper(layers=layers)).to(
        DEVICE
    )
    matrix = graph.adjacency.to(DEVICE)
    launches.clear()
    with torch.inference_mode(inference):
        results = [snn(matrix) for _ in range(3)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    first, second = launches[0::2], launches[1::2]  # of two aggregations a call
    assert [len(launches), first[0][0].channel] == [6, None]
    assert all(operand.channel is not None for operand in first[1])  # spikes that no input changes, in blocks
    assert first[2] is first[1]
    assert sum(operand.col.numel() for operand in first[1]) < matrix.nnz
    assert all(operand.packed is not None for (operand,) in second)  # those of this call, packed
    spikes = snn._known
    assert spikes is not None
    assert not any(value.code.is_inference() for value in spikes.values())  # type: ignore[union-attr]


def test_the_benchmark_prints_inference_by_events(
    launches: list[tuple[operands.Operand, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(backend.SWITCH, "triton")
    app = typer.Typer()
    app.command()(bench)
    arguments = ["--device", DEVICE, "--graph", "karate", "--group", "inference by events", "--rounds", "1", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--case", "ANN", "--case", "20%"], catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["results"]
    assert [row["case"] for row in rows if row["median_ms"]] == ["gcn2snn ANN", "gcn2snn one-spike SNN, 20% of events"]
    assert {row["backend"] for row in rows} == {"triton"}
    assert any(operand.channel is not None for product in launches for operand in product)
