"""verify() names the layer that departs, the reason, and a bug when there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from network_kinds import GRAPH_KINDS, IMAGE_KINDS

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import closed as spiking
from gcn2snn.engines import node_rules as synapse
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import Spikes
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.verify import verify


@given(
    image=st.booleans(),
    kinds=st.lists(st.integers(0, 2**31 - 1), max_size=4),
    seed=st.integers(0, 2**31 - 1),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    wait=st.sampled_from([None, 3]),
    into=st.sampled_from(["weights", "threshold"]),
    mixed=st.none() | st.integers(0, 2**31 - 1),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_sound_networks_have_no_bugs(
    make_images, make_graphs, make_spiking, image, kinds, seed, dtype, wait, into, mixed
):
    known = IMAGE_KINDS if image else GRAPH_KINDS
    names = [known[kind % len(known)] for kind in kinds]
    case = (make_images if image else make_graphs)(seed, names, dtype)
    network = make_spiking(case, ConvertConfig(timesteps=8, batch_norm=into), mixed)
    report = verify(network, case[1], wait)
    sent = SpikingNetwork(network, ConvertConfig(wait=wait)).spikes(**case[1])
    assert report.bugs == ()
    assert [layer.name for layer in report.layers] == [n.name for n in network if isinstance(n, ir.Neuron | ir.Output)]
    for layer in report.layers:
        if layer.name in sent:
            assert (layer.neurons, layer.spikes) == (sent[layer.name].code.numel(), int(sent[layer.name].fired.sum()))
        # The parts add up: own code, what came in, and timing (triangle inequality).
        assert layer.error <= (layer.encoding + layer.inherited + layer.timing + layer.rounding) * (1 + 1e-3) + 1e-5


@pytest.fixture
def case(make_graphs, make_spiking):
    source, data = make_graphs(5, ["dense", "aggregate", "bn"], torch.float32)
    return make_spiking((source, data), ConvertConfig(timesteps=16)), data


def test_first_departure_and_sentence(case):
    network, data = case
    report = verify(network, data)
    first = report.first_departure
    assert first is report.layers[0]
    assert first.verdict == "encoding"
    assert str(report).endswith(
        f"{first.name} departs first, by {100 * first.error:.3g} %: the encoding error explains it"
    )
    assert verify(network, data, tolerance=10.0).first_departure is None
    assert "no layer departs by more than 1e+03 %" in str(verify(network, data, tolerance=10.0))


def test_a_short_wait_is_named(case):
    network, data = case
    report = verify(network, data, wait=2)
    assert "timing" in {layer.verdict for layer in report.layers}
    assert report.bugs == ()
    late = next(layer for layer in report.layers if layer.timing)
    assert late.timing > 0
    same = (run_bucketed(network, data, 2).argmax(1) == run_float(network, data).argmax(1)).double().mean()
    assert report.same_class == pytest.approx(100 * float(same))
    assert report.same_class < 100 == verify(network, data).same_class  # the wait has changed some classes
    assert "its wait is too short" in str(verify(network, data, wait=2, tolerance=report.layers[0].error * 1.0001))


def wrong_phase(fire: Callable[..., Spikes]) -> Callable[..., Spikes]:
    """An encoder that sends every tenth spike one phase late."""

    def changed(node: ir.Neuron, potential: torch.Tensor) -> Spikes:
        spikes = fire(node, potential)
        code = spikes.code.clone()
        flat = code.view(-1)
        flat[::10] = torch.where(flat[::10] > 0, flat[::10] + 1, flat[::10]).clamp(max=16)
        return spikes.with_code(code)

    return changed


def test_a_wrong_encoder_is_a_bug(case, monkeypatch):
    network, data = case
    monkeypatch.setattr(spiking, "fire", wrong_phase(spiking.fire))
    report = verify(network, data)
    assert report.bugs
    assert report.bugs[0] is report.layers[0]
    assert "This is a bug" in str(report)
    assert 0 < report.bugs[0].outside < 15


def test_a_wrong_product_is_a_bug_of_that_layer(case, monkeypatch):
    """A kernel that is off by a thousandth, in the second membrane only."""
    network, data = case
    product = synapse.phase_spmm
    monkeypatch.setattr(synapse, "phase_spmm", lambda *args: 1.001 * product(*args))
    report = verify(network, data)
    first = network.of(ir.Aggregate)[0].name
    reader = network.readers(first)[0].name
    assert report.bugs[0].name == reader or first in report.bugs[0].name
    assert report.layers[0].verdict != "bug"


def test_a_wrong_scale_is_no_bug_but_a_large_error(case):
    network, data = case
    name = network.of(ir.Neuron)[0].name
    broken = network.replace({name: [replace(network[name], scale=network[name].scale / 50)]})
    report = verify(broken, data)
    assert report.bugs == ()
    assert report.layers[0].error > 5 * verify(network, data).layers[0].error


def test_snn_verify_and_layers_table(case):
    network, data = case
    snn = SpikingNetwork(network, ConvertConfig(timesteps=16))
    report = snn.verify(*data.values())
    assert report.table() == verify(network, data).table()
    rows = snn.layers_table(*data.values())
    assert [row["name"] for row in rows] == [layer.name for layer in report.layers]
    assert rows[0]["base"] == 1.3
    assert rows[0]["timesteps"] == 16
    assert rows[-1]["base"] is None
    assert {"error", "inherited", "encoding", "own", "timing", "verdict"} <= set(rows[0])


def test_verify_refuses(case):
    network, data = case
    with pytest.raises(ConfigError, match="tolerance is -1"):
        verify(network, data, tolerance=-1)
    with pytest.raises(ConfigError, match="wait is -2"):
        verify(network, data, wait=-2)
