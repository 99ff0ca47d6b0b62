"""ReLU6 and its kin from model to spikes: all engines, checks, counts and files agree, and nothing exceeds the cap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from capped_models import GraphNet, InvertedResidual
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.artefact import load, save
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import call_of, convert
from gcn2snn.engines import run, run_bucketed, run_closed, run_pipeline, run_temporal, started, without_gain
from gcn2snn.engines.interpreter import code_input
from gcn2snn.engines.node_rules import Value
from gcn2snn.kernels import CSR, Spikes, decode, reference
from gcn2snn.passes import correct_means
from gcn2snn.reproduce.other_codes import run_first_spike, run_phase, run_rate
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.tune import Problem

pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")

thresholds = st.sampled_from([{"shift": True}, {"shift": False}, {"last": "half"}])
configs = st.builds(
    lambda chosen, scale, **options: ConvertConfig(**chosen, **scale, **options),
    thresholds,
    st.sampled_from(
        [{"scale": "max"}, {"scale": "mse"}, *({"scale": "percentile", "percentile": p} for p in (60.0, 99.9))]
    ),
    base=st.sampled_from([1.2, 1.3, 2.0]),
    timesteps=st.integers(1, 10),
    group=st.sampled_from([1, 1, 3]),
    per=st.sampled_from(["layer", "channel"]),
    message=st.sampled_from(["signed", "rectified", "fused"]),
    batch_norm=st.sampled_from(["weights", "threshold"]),
)


def capped(network: ir.Network) -> list[ir.Neuron]:
    return [node for node in network.of(ir.Neuron) if node.activation.cap is not None]


def assert_below_caps(network: ir.Network, sent: dict[str, Spikes]) -> None:
    for node in capped(network):
        cap = torch.tensor(node.activation.cap, dtype=node.scale.dtype)
        assert bool((decode(sent[node.name], node.scale.dtype) <= cap).all()), node.name


def quantised_source(network: ir.Network, data: dict[str, object]) -> Tensor:
    """The source model with every activation put through its population's code by the reference."""

    def population(node: ir.Neuron, potential: Value) -> Value:
        assert isinstance(potential, Tensor)
        activation = node.activation(without_gain(node, started(node, potential)))
        return reference.encode(activation, node.scale, node.coding, node.horizon)

    return started(network.output, run(network, data, population, code_input))


@given(
    image=st.booleans(),
    before=st.lists(st.sampled_from(["capped", "residual", "bn", "concat"]), max_size=2),
    config=configs,
    seed=st.integers(0, 2**31 - 1),
    mixed=st.none() | st.integers(0, 2**31 - 1),
    wait=st.integers(0, 6),
    corrected=st.booleans(),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_engines_agree_stay_below_the_cap_and_are_the_quantised_source(
    make_images, make_graphs, make_spiking, image, before, config, seed, mixed, wait, corrected
):
    case = (make_images if image else make_graphs)(seed, [*before, "capped"], torch.float64)
    network = make_spiking(case, config, mixed)
    data = case[1]
    if corrected:
        network = correct_means(network, lambda: [data])
    assert capped(network)
    snn = SpikingNetwork(network, config)
    for each in (None, wait):
        sent: dict[str, Spikes] = {}
        output = run_temporal(network, data, each, emitted=sent)
        assert_below_caps(network, sent)
        faster: dict[str, Spikes] = {}
        torch.testing.assert_close(run_bucketed(network, data, each, emitted=faster), output, rtol=1e-9, atol=1e-9)
        assert all(torch.equal(faster[name].code, spikes.code) for name, spikes in sent.items())
        (piped,) = run_pipeline(network, [data], each).outputs
        torch.testing.assert_close(piped, output, rtol=1e-9, atol=1e-9)
        report = snn.verify(**data, wait=each)
        assert report.bugs == ()
    closed = run_closed(network, data)
    torch.testing.assert_close(closed, run_temporal(network, data, None), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(closed, quantised_source(network, data), rtol=1e-9, atol=1e-9)


def test_other_data_than_those_of_the_calibration_stay_below_the_cap(make_graphs, make_spiking) -> None:
    """Channels that were silent, or that did not reach the cap, in float32."""
    for seed in range(5):
        case = make_graphs(seed, ["capped", "capped"], torch.float32)
        quiet = {name: x if not isinstance(x, Tensor) else 0.01 * x for name, x in case[1].items()}
        for kind in ("max", "percentile", "mse"):
            network = make_spiking((case[0], quiet), ConvertConfig(scale=kind, per="channel"))
            loud = {name: x if not isinstance(x, Tensor) else 50 * x for name, x in case[1].items()}
            assert_below_caps(network, SpikingNetwork(network, ConvertConfig()).spikes(**loud))


@pytest.mark.parametrize(("run_code", "steps"), [(run_rate, 40), (run_first_spike, 40), (run_phase, 12)])
def test_other_codes_keep_the_cap(make_graphs, make_spiking, run_code, steps) -> None:
    source, data = make_graphs(2, ["capped"], torch.float64)
    network = make_spiking((source, data), ConvertConfig(input="analog", message="fused"))
    (node,) = capped(network)
    # The network's own output is that population: an identity behind it shows what it has sent.
    shown = ir.Network((*network.nodes[: network.nodes.index(node) + 1], ir.Output(name="o", inputs=(node.name,))))
    sent, truth = run_code(shown, data, steps).output, SpikingNetwork(shown, ConvertConfig()).source(**data)
    assert float(truth.max()) == node.activation.cap
    assert float(sent.max()) <= node.activation.cap * (1 + 1e-12)
    assert float((sent - truth).abs().max()) <= 0.2 * node.activation.cap


def mobile_net() -> nn.Module:
    """Blocks with and without shortcut, pools over ReLU6, statistics that make many values reach the cap."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2)),
        *(InvertedResidual(8, 12, 1), InvertedResidual(12, 12, 1), InvertedResidual(12, 16, 2)),
        *(nn.Conv2d(16, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU6(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 5)),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 2.0, 1.0)
            nn.init.normal_(module.bias, 1.0, 2.0)
    model.train()
    for _ in range(20):
        model(torch.randn(32, 3, 16, 16))
    return model.eval()


def graph_net() -> tuple[nn.Module, tuple[CSR, Tensor]]:
    torch.manual_seed(1)
    model = GraphNet((5, 12, 3))
    nn.init.normal_(model.norms[0].weight, 4.0)
    dense = torch.rand(20, 20) * (torch.rand(20, 20) < 0.3)
    return model.eval(), (CSR.from_dense(dense), 2 * torch.randn(20, 5))


Example = tuple[CSR | Tensor, ...]


def mobile_case() -> tuple[nn.Module, Example]:
    return mobile_net(), (torch.randn(12, 3, 16, 16),)


CASES: dict[str, tuple[Callable[[], tuple[nn.Module, Example]], ConvertConfig]] = {
    "mobile": (mobile_case, ConvertConfig()),
    "mobile, threshold": (mobile_case, ConvertConfig(batch_norm="threshold", scale="mse", per="channel", group=2)),
    "graph": (graph_net, ConvertConfig()),
    "graph, corrected": (
        graph_net,
        ConvertConfig(scale="mse", correct="mean", layers={"activation": LayerConfig(events=0.8)}),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_converted_model_from_example_to_file(name: str, tmp_path: Path) -> None:
    make, config = CASES[name]
    model, example = make()
    snn = convert(model, example, config)
    truth = model(*example).detach()
    torch.testing.assert_close(snn.source(*example), truth, rtol=1e-4, atol=1e-4)
    populations = capped(snn.network)
    assert [node.activation.name for node in populations] == ["ReLU6"] * (8 if "mobile" in name else 1)

    sent = snn.spikes(*example)
    assert_below_caps(snn.network, sent)
    for wait in (None, 3):
        assert_below_caps(snn.network, snn.spikes(*example, wait=wait, engine="temporal"))
        assert snn.verify(*example, wait=wait).bugs == ()
    energies = [snn.energy(*example, engine=engine) for engine in ("closed", "bucketed", "temporal")]
    assert energies[0].layers == energies[1].layers == energies[2].layers

    assert "ReLU6" in repr(snn)
    assert snn.summary().count("ReLU6") >= len(populations)
    again = load(save(snn, tmp_path / "snn.safetensors"))
    assert [node.activation for node in again.network.of(ir.Neuron)] == [
        node.activation for node in snn.network.of(ir.Neuron)
    ]
    assert torch.equal(again(*example), snn(*example))
    assert torch.equal(again.source(*example), snn.source(*example))
    assert repr(again) == repr(snn)


def test_where_data_reach_the_cap_the_largest_level_is_the_cap() -> None:
    model, example = mobile_case()
    reached = 0
    for kind in ("max", "mse"):
        snn = convert(model, example, ConvertConfig(scale=kind, per="layer"))
        for node in capped(snn.network):
            top = float(node.scale) / node.coding.base
            assert top <= 6.0
            seen = next(row for row in snn.report if row.name == node.name)
            assert seen.saturated == 0.0
            reached += top == pytest.approx(6.0, rel=1e-6)
    assert reached >= 8


def test_the_tuner_measures_what_convert_gives() -> None:
    model, example = graph_net()
    labels = torch.arange(20) % 3
    problem = Problem(model, [(example, labels)])
    name = next(name for name in problem.populations if "neuron" not in name)
    for config in (
        ConvertConfig.paper(base=1.5, timesteps=6),
        ConvertConfig.paper(base=2.0, timesteps=6),
        ConvertConfig.paper(layers={name: LayerConfig(base=1.2, scale="mse", per="channel")}),
    ):
        snn = convert(model, example, config.settled())
        scores, energy = problem.run(config)
        torch.testing.assert_close(scores, snn(*call_of(example)[0]), rtol=1e-5, atol=1e-6)
        # The search keeps horizons beside the network, so that their bytes are in the converted one's footprint alone.
        assert replace(energy, footprint=0) == replace(snn.energy(*example), footprint=0)
