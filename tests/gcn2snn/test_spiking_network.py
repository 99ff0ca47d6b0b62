"""The spiking network as users hold it."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.temporal import Recording, run_temporal
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import CSR
from gcn2snn.spiking_network import SpikingNetwork


@pytest.fixture
def case(make_graphs, make_spiking):
    source, data = make_graphs(6, ["dense", "aggregate", "residual"], torch.float32)
    config = ConvertConfig(timesteps=10)
    return SpikingNetwork(make_spiking((source, data), config), config), data


def test_call_is_the_engine_that_is_exact(case):
    snn, data = case
    assert torch.equal(snn(*data.values()), run_closed(snn.network, data))
    assert torch.equal(snn.source(*data.values()), run_float(snn.network, data))
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=3))
    assert torch.equal(short(*data.values()), run_bucketed(snn.network, data, 3))
    assert torch.equal(snn.simulate(*data.values(), wait=3), short(*data.values()))
    stepped = short.simulate(*data.values(), engine="temporal")
    assert torch.equal(stepped, run_temporal(snn.network, data, 3))
    # Both sum at most 9 x 6 products in single precision, each in its own order.
    torch.testing.assert_close(stepped, short(*data.values()), rtol=1e-5, atol=1e-5)


def test_spikes_of_both_engines_by_population(case):
    snn, data = case
    spikes = snn.spikes(*data.values())
    assert list(spikes) == [node.name for node in snn.network.of(ir.Neuron)]
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=1)).spikes(*data.values())
    assert list(short) == list(spikes)
    assert any(not torch.equal(short[name].code, spikes[name].code) for name in spikes)


def test_recordings_need_the_temporal_engine_and_get_it(case):
    snn, data = case
    name = snn.network.of(ir.Neuron)[0].name
    recordings = {name: Recording()}
    snn.simulate(*data.values(), recordings=recordings)
    assert len(recordings[name].potential) == 20
    with pytest.raises(ConfigError, match="engine is 'bucketed'; only the temporal engine has a step to record"):
        snn.simulate(*data.values(), engine="bucketed", recordings=recordings)


def test_simulate_refuses(case):
    snn, data = case
    with pytest.raises(ConfigError, match="closed form holds for a wait of 9 or more, got 2"):
        snn.simulate(*data.values(), engine="closed", wait=2)
    with pytest.raises(ConfigError, match="wait is -3"):
        snn.simulate(*data.values(), wait=-3)
    with pytest.raises(ConfigError, match="energy preset 'fp8'"):
        snn.energy(*data.values(), preset="fp8")


def test_arguments_are_bound_by_name_and_checked(case):
    snn, data = case
    graph, features = data.values()
    names = list(data)
    assert torch.equal(snn(**data), snn(graph, features))
    with pytest.raises(InputError, match=r"argument .* is missing; the network takes"):
        snn(graph)
    with pytest.raises(InputError, match="3 arguments"):
        snn(graph, features, features)
    with pytest.raises(InputError, match="'other' is unknown"):
        snn(graph, features, other=1)
    with pytest.raises(InputError, match="is given twice"):
        snn(graph, features, **{names[0]: graph})
    with pytest.raises(InputError, match=r"has shape \[8, 6\]; the network needs \[9, 6\]"):
        snn(graph, features[:8])


def test_non_finite_inputs_are_refused(case):
    snn, data = case
    graph, features = data.values()
    with pytest.raises(InputError, match="NaN or infinite"):
        snn(graph, features * float("nan"))
    broken = CSR(graph.rowptr, graph.col, graph.value * float("inf"), graph.num_cols)
    with pytest.raises(InputError, match="NaN or infinite"):
        snn(broken, features)


def test_double_moves_every_tensor(case):
    snn, data = case
    graph, features = data.values()
    moved = snn.double()
    out = moved(graph.to(torch.float64), features.double())
    assert out.dtype == torch.float64
    assert all(t.dtype == torch.float64 for n in moved.network for t in n.tensors().values() if t.is_floating_point())


def test_energy_of_both_engines_has_one_table(case):
    snn, data = case
    full = snn.energy(*data.values())
    short = SpikingNetwork(snn.network, ConvertConfig(timesteps=10, wait=1)).energy(*data.values())
    assert [layer.name for layer in full.layers] == [layer.name for layer in short.layers]
    assert short.updates < full.updates
    assert [layer.operations for layer in full.layers] == [layer.operations for layer in short.layers]
