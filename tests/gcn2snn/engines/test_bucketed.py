"""The bucketed engine sends the spikes of the temporal engine, for every wait and every node."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from network_kinds import GRAPH_KINDS, IMAGE_KINDS

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import bucketed
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.kernels import PhaseCode, Spikes, decode

WAITS = (0, 1, 4, None)

thresholds = st.sampled_from([{"shift": True}, {"shift": False}, {"last": "half"}])
configs = st.builds(
    lambda chosen, **options: ConvertConfig(**chosen, **options),
    thresholds,
    base=st.sampled_from([1.2, 1.3, 1.5, 2.0]),
    timesteps=st.integers(1, 12),
    message=st.sampled_from(["signed", "rectified", "fused"]),
    per=st.sampled_from(["layer", "channel"]),
    input=st.sampled_from(["binary", "single", "analog"]),
    one_hot=st.sampled_from(["unit", "binary"]),
    batch_norm=st.sampled_from(["weights", "threshold"]),
    avg_pool=st.sampled_from(["merge", "spike"]),
)
seeds = st.integers(0, 2**31 - 1)
graph_kinds = st.lists(st.sampled_from(GRAPH_KINDS), max_size=5)
image_kinds = st.lists(st.sampled_from(IMAGE_KINDS), max_size=5)


def off_thresholds(network: ir.Network) -> ir.Network:
    """Each scale changed by another factor.

    With the maxima as scales, a value that is made of a single neuron's spike lies exactly on a threshold, and the last bit of its
    sum decides which spike it is; the engines add up in different orders.
    """
    changes: dict[str, list[ir.Node]] = {}
    for number, node in enumerate(network.of(ir.Neuron), start=1):
        changes[node.name] = [replace(node, scale=node.scale * (1 - 0.0137 / (number + 0.77)))]
    return network.replace(changes)


def assert_same(network: ir.Network, data: dict[str, object], wait: int | None) -> dict[str, Spikes]:
    stepped: dict[str, Spikes] = {}
    found: dict[str, Spikes] = {}
    wanted = run_temporal(network, data, wait, emitted=stepped)
    output = run_bucketed(network, data, wait, found)
    assert list(found) == list(stepped)
    for name, spikes in stepped.items():
        assert torch.equal(spikes.code, found[name].code), (name, wait)
        assert spikes.coding == found[name].coding
        assert torch.equal(spikes.scale, found[name].scale)
    # Summation order only: sums of at most a few hundred terms in double precision.
    torch.testing.assert_close(output, wanted, rtol=1e-9, atol=1e-9)
    return found


@given(kinds=image_kinds, config=configs, seed=seeds, mixed=st.none() | seeds)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_same_spikes_on_images(make_images, make_spiking, kinds, config, seed, mixed):
    case = make_images(seed, kinds, torch.float64)
    network = off_thresholds(make_spiking(case, config, mixed))
    for wait in WAITS:
        assert_same(network, case[1], wait)


@given(kinds=graph_kinds, config=configs, seed=seeds, mixed=st.none() | seeds, one_hot=st.booleans())
@settings(max_examples=18, deadline=None, suppress_health_check=list(HealthCheck))
def test_same_spikes_on_graphs(make_graphs, make_spiking, kinds, config, seed, mixed, one_hot):
    case = make_graphs(seed, kinds, torch.float64, one_hot)
    network = off_thresholds(make_spiking(case, config, mixed))
    for wait in WAITS:
        assert_same(network, case[1], wait)


@pytest.mark.parametrize("wait", WAITS)
def test_both_ways_are_taken_and_give_late_and_false_spikes(make_graphs, make_spiking, monkeypatch, wait):
    case = make_graphs(3, ["dense", "aggregate", "residual", "max"], torch.float64)
    network = make_spiking(case, ConvertConfig(timesteps=12), 3)
    ways: dict[str, bool] = {}
    kernel = bucketed.in_one_pass

    def watched(network, membrane, emissions):
        spikes = kernel(network, membrane, emissions)
        ways[membrane.node.name] = spikes is not None
        return spikes

    monkeypatch.setattr(bucketed, "in_one_pass", watched)
    found = assert_same(network, case[1], wait)
    assert set(ways.values()) == {True, False}
    on_time: dict[str, Spikes] = {}
    run_temporal(network, case[1], None, emitted=on_time)
    differ = any(not torch.equal(found[name].code, on_time[name].code) for name in found)
    assert differ == (wait in (0, 1, 4))  # the test would pass on networks that no wait changes


@pytest.mark.parametrize("wait", [0, 4, 10])
def test_single_precision_differs_only_next_to_a_threshold(wait):
    """|U_bucketed(n) - U_stepped(n)| <= 2 (n + T + 4) eps sum |w x| at every moment n: elsewhere the phases are equal."""
    random = torch.Generator().manual_seed(wait)
    fan_in, outputs, code = 300, 200, PhaseCode(1.3, 16)
    weight = torch.randn(outputs, fan_in, generator=random) / fan_in**0.5
    bias = 0.1 * torch.randn(outputs, generator=random)
    phases = torch.randint(0, 17, (100, fan_in), generator=random).to(torch.int8)
    one = torch.tensor(1.0)
    x = decode(Spikes(phases, one, code))
    scale = (x @ weight.t() + bias).max()
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, fan_in)),
            ir.Neuron(name="in", inputs=("x",), coding=code, scale=one),
            ir.Dense(name="synapse", inputs=("in",), weight=weight, bias=bias),
            ir.Neuron(name="out", inputs=("synapse",), coding=code, scale=scale),
            ir.Output(name="output", inputs=("out",)),
        )
    )
    stepped: dict[str, Spikes] = {}
    found: dict[str, Spikes] = {}
    run_temporal(network, {"x": x}, wait, emitted=stepped)
    run_bucketed(network, {"x": x}, wait, found)
    differ = stepped["out"].code != found["out"].code
    near = torch.zeros_like(differ)
    thresholds = scale.double() * code.thresholds(torch.float32).double()
    for phase in range(1, 17):
        seen = x.double() * (phases <= min(phase + wait, 16))
        exact, size = seen @ weight.double().t() + bias, seen @ weight.double().abs().t() + bias.abs()
        bound = 2 * (fan_in + 16 + 4) * torch.finfo(torch.float32).eps * size
        near |= (exact - thresholds[phase - 1]).abs() <= bound
    assert not bool((differ & ~near).any())
    assert float(near.double().mean()) < 0.3  # the bound must not excuse a large number of differences
