"""Rate, first-spike and multi-spike phase codes on the converted network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import PhaseCode
from gcn2snn.reproduce.code_comparison import compare_codings
from gcn2snn.reproduce.other_codes import run_first_spike, run_phase, run_rate
from gcn2snn.spiking_network import SpikingNetwork


@pytest.fixture(scope="module")
def graph_case(make_graphs, make_spiking):
    source, data = make_graphs(3, ["dense", "aggregate", "max", "bn"], torch.float64)
    return make_spiking((source, data), ConvertConfig(timesteps=16, message="signed")), data


def distance(output: Tensor, truth: Tensor) -> float:
    return float((output - truth).norm() / truth.norm())


def test_every_code_approaches_the_source_model(graph_case):
    """More steps, less error; the rate code's falls as 1 / T, the multi-spike phase code's as 2^-T."""
    network, data = graph_case
    truth = run_float(network, data)
    rate = [distance(run_rate(network, data, steps).output, truth) for steps in (16, 64, 256)]
    phase = [distance(run_phase(network, data, steps).output, truth) for steps in (4, 8, 16, 24)]
    first = [distance(run_first_spike(network, data, steps, steps / 8).output, truth) for steps in (16, 64, 250)]
    for errors in (rate, phase, first):
        assert errors == sorted(errors, reverse=True)
    assert rate[-1] < 0.05
    assert phase[-1] < 1e-5
    assert first[-1] < 0.1


def test_rate_is_integrate_and_fire_step_by_step():
    """The same spikes as a membrane that is stepped: V += W s(t) + b; fire at V >= scale; V -= scale."""
    random = torch.Generator().manual_seed(0)
    weight, last = torch.randn(6, 4, generator=random).double(), torch.randn(3, 6, generator=random).double()
    bias = 0.2 * torch.randn(6, generator=random).double()
    x = torch.rand(5, 4, generator=random).double()
    scale = torch.tensor(1.7, dtype=torch.float64)
    nodes = (
        ir.Input(name="x", size=(None, 4)),
        ir.Coder(name="c", inputs=("x",), kind="analog", scale=torch.tensor(1.0)),
        ir.Dense(name="d", inputs=("c",), weight=weight, bias=bias),
        ir.Neuron(name="n", inputs=("d",), coding=PhaseCode(1.3, 16), scale=scale),
        ir.Dense(name="e", inputs=("n",), weight=last),
        ir.Output(name="output", inputs=("e",)),
    )
    made = run_rate(ir.Network(nodes), {"x": x}, 50)
    potential, sent = torch.zeros(5, 6).double(), torch.zeros(5, 6).double()
    for _ in range(50):
        potential = potential + x @ weight.t() + bias
        fires = (potential >= scale).double()
        potential, sent = potential - scale * fires, sent + fires
    assert torch.allclose(made.output, scale * sent @ last.t() / 50, rtol=1e-12, atol=1e-12)
    events = next(layer for layer in made.energy.layers if layer.name == "e")
    assert (events.input_spikes, events.events) == (int(sent.sum()), 3 * int(sent.sum()))
    assert made.energy.updates == 50 * 30
    assert made.latency == 50


def one_neuron(x: float, kind: str = "analog") -> tuple[ir.Network, dict[str, Tensor]]:
    one = torch.tensor(1.0, dtype=torch.float64)
    nodes = (
        ir.Input(name="x", size=(None, 1)),
        ir.Coder(name="c", inputs=("x",), kind=kind, scale=one),
        ir.Neuron(name="n", inputs=("c",), coding=PhaseCode(1.3, 16, signed=True), scale=one),
        ir.Dense(name="e", inputs=("n",), weight=torch.ones(1, 1, dtype=torch.float64)),
        ir.Output(name="output", inputs=("e",)),
    )
    return ir.Network(nodes), {"x": torch.tensor([[x]], dtype=torch.float64)}


@pytest.mark.parametrize("x", [1.0, 0.7, 0.3, -0.45, 0.02, 0.001])
def test_first_spike_is_the_exponential_kernel(x):
    """The spike comes at the first t with exp(-t / tau) <= |x|, and carries exp(-t / tau)."""
    made = run_first_spike(*one_neuron(x), 20, 5.0)
    time = max(math.ceil(-5.0 * math.log(abs(x)) - 1e-12), 0)
    value = math.copysign(math.exp(-time / 5.0), x) if time < 20 else 0.0
    assert float(made.output) == pytest.approx(value, rel=1e-12)
    assert made.energy.layers[-1].input_spikes == int(time < 20)


@pytest.mark.parametrize("x", [0.6875, -0.3125, 0.999, 0.01])
def test_phase_base_two_is_binary(x):
    made = run_phase(*one_neuron(x), 4)
    bits = min(int(abs(x) * 16), 15)
    assert float(made.output) == math.copysign(bits / 16, x)
    assert made.energy.layers[-1].input_spikes == bin(bits).count("1")


def test_one_hot_input_costs_a_spike_a_step_in_the_rate_code():
    nodes = (
        ir.OneHot(name="x", count=3, binary=8),
        ir.Lookup(name="t", inputs=("x",), table=torch.ones(3, 2)),
        ir.Output(name="output", inputs=("t",)),
    )
    network = ir.Network(nodes)
    made = run_rate(network, {}, 10)
    assert (made.energy.layers[0].input_spikes, made.energy.layers[0].events) == (30, 60)
    assert torch.equal(made.output, torch.ones(3, 2))
    assert run_phase(network, {}, 10).energy.layers[0].input_spikes == 3


def test_compare_codings_in_one_run(make_graphs, make_spiking):
    source, data = make_graphs(3, ["dense", "aggregate"], torch.float64)
    config = ConvertConfig(timesteps=16)
    snn = SpikingNetwork(make_spiking((source, data), config), config)
    truth = run_float(snn.network, data).argmax(1)
    rows = compare_codings(snn, tuple(data.values()), truth, {"rate": 64, "phase": 12})
    assert [row.coding for row in rows] == ["one-spike", "rate", "first-spike", "phase"]
    assert [row.timesteps for row in rows] == [16, 64, 80, 12]
    by_name = {row.coding: row for row in rows}
    assert by_name["phase"].accuracy == by_name["phase"].agreement == 100.0
    assert by_name["one-spike"].additions < by_name["phase"].additions < by_name["rate"].additions
    layers = 1 + len(snn.network.of(ir.Neuron))
    assert by_name["one-spike"].latency == 16 + 15 + 15 * (layers - 1)
    energy = snn.energy(*data.values())
    assert by_name["one-spike"].alpha_events == energy.alpha_events
    half = compare_codings(snn, tuple(data.values()), truth, select=torch.arange(4), codings=("one-spike",))
    assert half[0].to_dict()["coding"] == "one-spike"


def test_codings_refuse(graph_case):
    network, data = graph_case
    snn = SpikingNetwork(network, ConvertConfig())
    with pytest.raises(ConfigError, match=r"unknown codings \['morse'\]; allowed are"):
        compare_codings(snn, tuple(data.values()), codings=("morse",))
    with pytest.raises(ConfigError, match=r"timesteps are \{'rate': 0\}"):
        compare_codings(snn, tuple(data.values()), timesteps={"rate": 0})
    with pytest.raises(InputError, match="3 labels for 9 outputs"):
        compare_codings(snn, tuple(data.values()), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ConfigError, match="tau is 0"):
        run_first_spike(network, data, 10, 0.0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_rate_code_is_that_of_spikingjelly():
    """One CNN converted by both, scales of the maximum, constant input: equal outputs."""
    ann2snn = pytest.importorskip("spikingjelly.activation_based.ann2snn")
    from torch import nn

    from gcn2snn.conversion import convert

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(24, 3),
    ).eval()  # fmt: skip
    x = torch.rand(16, 1, 8, 8)
    loader = [(x, torch.zeros(16))]
    recipe = getattr(ann2snn, "RateCodingRecipe", None)
    converter = (
        ann2snn.Converter(recipe=recipe(loader, mode="max"))
        if recipe
        else ann2snn.Converter(mode="max", dataloader=loader)
    )
    theirs = converter.convert(model) if hasattr(converter, "convert") else converter(model)
    snn = convert(model, x, ConvertConfig(input="analog"))
    for steps in (1, 4, 32):
        for module in theirs.modules():
            if hasattr(module, "reset") and callable(module.reset):
                module.reset()
        with torch.no_grad():
            expected = torch.stack([theirs(x) for _ in range(steps)]).mean(0)
        made = run_rate(snn.network, {snn.network.of(ir.Input)[0].name: x}, steps)
        # Both add up the same floats in another order; a potential on its threshold may fall on either side.
        assert float(((made.output - expected).abs() < 1e-4).double().mean()) > 0.9
