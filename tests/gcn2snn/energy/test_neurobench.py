"""Counts under NeuroBench's names: by hand for sparse products, and against NeuroBench and SpikingJelly on a CNN where they are there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ConvertConfig, SpikingNetwork, convert, ir
from gcn2snn.energy import EnergyReport, EventCounter, LayerEvents, PopulationEvents, preset_of
from gcn2snn.engines import Value, dense_value, run_closed
from gcn2snn.kernels import CSR, PhaseCode, Spikes

PYTHON = os.environ.get("GCN2SNN_NEUROBENCH_PYTHON")
ONE = torch.tensor(1.0)


def test_sparse_products_and_zero_weights_by_hand() -> None:
    """Three nodes of two channels, four spikes; column degrees 2, 1, 3, one stored zero; a dense layer with one zero weight."""
    dense = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    adjacency = CSR.from_dense(dense)
    adjacency = CSR(adjacency.rowptr, adjacency.col, adjacency.value.clone(), 3)
    adjacency.value[0] = 0.0  # the entry of row 0, column 0
    features = torch.tensor([[0.5, 0.0], [0.5, 0.5], [0.0, 0.5]])
    code = PhaseCode(2.0, 4, shift=False)
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 2)),
        ir.Neuron(name="n", inputs=("x",), coding=code, scale=ONE),
        ir.Aggregate(name="agg", inputs=("a", "n")),
        ir.Neuron(name="m", inputs=("agg",), coding=code, scale=torch.tensor(2.0)),
        ir.Dense(name="fc", inputs=("m",), weight=torch.tensor([[1.0, 0.0], [1.0, 1.0]])),
        ir.Output(name="output", inputs=("fc",)),
    )
    network = ir.Network(nodes)
    counter, seen = EventCounter(network), {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        counter(node, args, value)
        if isinstance(value, Spikes):
            seen[node.name] = value.fired

    run_closed(network, {"a": adjacency, "x": features}, observe)
    report = counter.report()
    counts = report.neurobench
    fired = seen["m"]
    into_dense = int(fired[:, 0].sum()) * 2 + int(fired[:, 1].sum()) * 1  # column 1 of the weight has one zero
    assert report.samples == 1
    assert counts.Effective_ACs == (1 * 1) + (1 * 2) + (3 * 1) + into_dense  # node 0 has lost its zero entry
    assert report.layers[0].events == (2 * 1) + (1 * 2) + (3 * 1)
    assert counts.Effective_MACs == 0
    assert counts.Dense == 4 * (6 * 2) + 4 * (3 * 4)
    assert counts.connection_sparsity == pytest.approx((9 - 6 + 1 + 1) / (9 + 4))
    assert counts.activation_sparsity == pytest.approx(1 - (4 + int(fired.sum())) / (4 * 12))
    assert counts.footprint == 4 * (1 + 1 + 4) + 4 * (4 + 6 + 6)


def test_two_batches_are_as_one() -> None:
    torch.manual_seed(0)
    x = torch.rand(10, 6)
    snn = convert(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), x)
    parts = snn.counter()
    for batch in (x[:7], x[7:]):
        snn.count(parts, batch)
    assert parts.report().neurobench == snn.energy(x).neurobench
    assert parts.report().samples == 10
    first, second = parts.report().lemaire, snn.energy(x).lemaire
    assert first is not None
    assert second is not None
    assert first.alpha == pytest.approx(second.alpha)


def test_counts_are_for_each_sample_and_shares_of_nothing_are_nothing() -> None:
    spikes = LayerEvents("a", "synapse", 9, 6, 4, 8, 0, 3, effective=7, dense=90, connections=12, missing=3, samples=3)
    values = LayerEvents("b", "product", 9, 0, 0, 0, 9, 3, effective=6, dense=9, connections=4, missing=0, samples=3)
    added = LayerEvents("c", "sum", 9, 6, 4, 8, 0, 3, effective=100, dense=100, connections=100, missing=100, samples=3)
    population = PopulationEvents("n", neurons=6, spikes=2, updates=33, slots=40, samples=3)
    counts = EnergyReport(
        (spikes, values, added), 6, 33, preset_of("fp32"), (population,), footprint=5, samples=3
    ).neurobench
    assert counts.to_dict() == {
        "footprint": 5,
        "connection_sparsity": 3 / 16,
        "activation_sparsity": 38 / 40,
        "Dense": 33.0,
        "Effective_MACs": 2.0,
        "Effective_ACs": 7 / 3,
        "membrane_updates": 11.0,
    }
    nothing = EnergyReport((), 0, 0, preset_of("fp32"), samples=0).neurobench.to_dict()
    assert all(value == 0 for value in nothing.values())


def test_footprint_is_that_of_the_module() -> None:
    snn = convert(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), torch.rand(4, 6))
    assert snn.energy(torch.rand(2, 6)).footprint == sum(x.numel() * x.element_size() for x in snn.buffers())


def small_cnn() -> tuple[SpikingNetwork, Tensor]:
    torch.manual_seed(1)
    x = torch.randn(3, 2, 9, 9)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(100, 7), nn.ReLU(), nn.Linear(7, 3),
    ).eval()  # fmt: skip
    with torch.no_grad():
        model[2].weight[torch.rand_like(model[2].weight) < 0.4] = 0
        model[5].weight[torch.rand_like(model[5].weight) < 0.3] = 0
    return convert(model, x, ConvertConfig(timesteps=8, input="single")), x


def unrolled(spikes: Spikes) -> Tensor:
    """Spikes as a train of -1, 0 and 1, [T, ...]."""
    code = spikes.code.int()
    return torch.stack(
        [torch.where(code.abs() == t, code.sign(), 0) for t in range(1, spikes.coding.timesteps + 1)]
    ).float()


@pytest.mark.skipif(
    PYTHON is None, reason="GCN2SNN_NEUROBENCH_PYTHON names no Python that has NeuroBench and SpikingJelly"
)
def test_agreement_with_neurobench_and_spikingjelly(tmp_path: Path) -> None:
    assert PYTHON is not None
    snn, x = small_cnn()
    counter = snn.counter()
    layers: list[dict[str, object]] = []
    trains: list[Tensor] = []
    fired: list[Tensor] = []
    values: dict[str, Tensor] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Coder | ir.Neuron):
            assert isinstance(value, Spikes)
            values[node.name] = unrolled(value)
            if isinstance(node, ir.Neuron):
                fired.append(values[node.name])
        elif isinstance(node, ir.Flatten):
            values[node.name] = values[node.inputs[0]].flatten(2)
        elif isinstance(node, ir.Conv):
            left, right, top, bottom = node.padding
            assert (left, top) == (right, bottom)
            own = {
                "kind": "conv",
                "weight": node.weight,
                "stride": node.stride,
                "padding": (top, left),
                "groups": node.groups,
            }
            layers.append(own)
            trains.append(values[node.inputs[0]])
        elif isinstance(node, ir.Dense):
            layers.append({"kind": "dense", "weight": node.weight})
            trains.append(values[node.inputs[0]])

    snn.count(counter, x, observe=observe)
    torch.save({"layers": layers, "trains": trains, "fired": fired, "samples": len(x)}, tmp_path / "net.pt")
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    command = [PYTHON, str(Path(__file__).with_name("neurobench_program.py")), str(tmp_path / "net.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    report = counter.report()
    ours = report.neurobench
    for name in ("Effective_ACs", "Effective_MACs", "Dense"):
        assert getattr(ours, name) == pytest.approx(theirs[name], rel=1e-12), name
    assert ours.activation_sparsity == pytest.approx(theirs["activation_sparsity"])
    assert ours.connection_sparsity == pytest.approx(
        theirs["connection_sparsity"], abs=5e-5
    )  # it rounds to four digits
    assert sum(layer.events for layer in report.layers) == theirs["spikingjelly_synops"]
    assert sum(dense_value(layer["weight"]).numel() * 4 for layer in layers) == theirs["footprint_of_weights"]  # type: ignore[arg-type]
