"""The closed form, the choice of engine, and what does not change the result."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.choose import choose_engine, is_exact
from gcn2snn.engines.interpreter import run_closed, run_float
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.engines.topology import input_timesteps, sources
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import CSR, PhaseCode, Spikes


def spikes_of(network: ir.Network, data: dict[str, object]) -> dict[str, Spikes]:
    found: dict[str, Spikes] = {}

    def observe(node: ir.Node, args: tuple[object, ...], value: object) -> None:
        if isinstance(node, ir.Neuron):
            found[node.name] = value

    run_closed(network, data, observe)
    return found


@pytest.fixture
def case(make_graphs, make_spiking):
    source, data = make_graphs(2, ["dense", "aggregate", "residual"], torch.float64)
    return make_spiking((source, data), ConvertConfig(timesteps=10)), data


def test_choose_engine(case):
    network, _ = case
    assert choose_engine(network, None, "auto") == "closed"
    assert choose_engine(network, 9, "auto") == "closed"
    assert choose_engine(network, 8, "auto") == "bucketed"
    assert choose_engine(network, 9, "temporal") == "temporal"
    assert is_exact(network, 9)
    assert not is_exact(network, 8)


def test_choose_engine_refuses(case):
    network, _ = case
    with pytest.raises(ConfigError, match="closed form holds for a wait of 9 or more, got 3"):
        choose_engine(network, 3, "closed")
    with pytest.raises(ConfigError, match="wait is -1"):
        choose_engine(network, -1, "auto")
    with pytest.raises(ConfigError, match="engine is 'fast'"):
        choose_engine(network, None, "fast")


def test_the_wait_that_suffices_is_the_input_of_each_layer(case):
    """Populations of T = 3 in front allow a wait of 2 behind them; the binary input has 10 bits."""
    network, data = case
    short = {n.name: [replace(n, coding=replace(n.coding, timesteps=3))] for n in network.of(ir.Neuron)}
    network = network.replace(short)
    first, *rest = network.of(ir.Neuron)
    assert input_timesteps(network, first) == 10
    assert {input_timesteps(network, node) for node in rest} == {3}
    assert sources(network, first) == (network.of(ir.Coder)[0].name,)
    assert not is_exact(network, 8)
    emitted: dict[str, Spikes] = {}
    run_temporal(network, data, 9, emitted=emitted)
    for name, own in spikes_of(network, data).items():
        assert torch.equal(own.code, emitted[name].code)


def test_non_finite_input_is_refused_by_both_engines(case):
    network, data = case
    name = next(key for key, value in data.items() if not isinstance(value, CSR))
    broken = data | {name: data[name].clone().fill_(float("nan"))}
    for run in (run_closed, lambda n, d: run_temporal(n, d, None)):
        with pytest.raises(InputError, match="NaN or infinite"):
            run(network, broken)


def test_scaling_weights_and_scales_changes_no_spike(case):
    """Twice the weights of a layer, its bias and its scale: powers of two are exact, so are the spikes."""
    network, data = case
    changes: dict[str, list[ir.Node]] = {}
    for node in network:
        if isinstance(node, ir.Dense) and any(isinstance(r, ir.Neuron) for r in network.readers(node.name)):
            changes[node.name] = [
                replace(node, weight=2 * node.weight, bias=None if node.bias is None else 2 * node.bias)
            ]
            for reader in network.readers(node.name):
                if isinstance(reader, ir.Neuron):
                    changes[reader.name] = [replace(reader, scale=2 * reader.scale)]
    assert changes
    before, after = spikes_of(network, data), spikes_of(network.replace(changes), data)
    first = next(iter(changes))
    for name in [reader.name for reader in network.readers(first) if isinstance(reader, ir.Neuron)]:
        assert torch.equal(before[name].code, after[name].code)


def test_permuting_nodes_permutes_spikes_and_outputs(make_graphs, make_spiking):
    source, data = make_graphs(4, ["dense", "aggregate", "max", "bn"], torch.float64)
    network = make_spiking((source, data), ConvertConfig(timesteps=10))
    graph = next(key for key, value in data.items() if isinstance(value, CSR))
    features = next(key for key in data if key != graph)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    dense = data[graph].to_dense()
    moved = {graph: CSR.from_dense(dense[order][:, order]), features: data[features][order]}
    for name, own in spikes_of(network, data).items():
        assert torch.equal(own.code[order], spikes_of(network, moved)[name].code), name
    assert torch.allclose(run_closed(network, data)[order], run_closed(network, moved), rtol=1e-12, atol=1e-12)


def test_every_population_fires_at_most_once_and_horizon_silences(case):
    network, data = case
    for spikes in spikes_of(network, data).values():
        assert int(spikes.fired.sum()) <= spikes.code.numel()
        assert int(spikes.phase.max()) <= 10
    name = network.of(ir.Neuron)[0].name
    early = network.replace({name: [replace(network[name], horizon=torch.full((9, 1), 3))]})
    full, cut = spikes_of(network, data)[name].code, spikes_of(early, data)[name].code
    assert torch.equal(cut, torch.where(full.abs() <= 3, full, 0))
    emitted: dict[str, Spikes] = {}
    run_temporal(early, data, None, emitted=emitted)
    assert torch.equal(emitted[name].code, cut)


def test_many_phases_approach_the_source_model(make_graphs, make_spiking):
    """Q = 1.02 and T = 250 leave at most 2 % at the largest values, 1 % elsewhere."""
    source, data = make_graphs(7, ["dense", "aggregate", "dense"], torch.float64)
    config = ConvertConfig(base=1.02, timesteps=250, input_timesteps=24)
    network = make_spiking((source, data), config)
    truth = run_float(network, data)
    error = float((run_closed(network, data) - truth).norm() / truth.norm())
    coarse = make_spiking((source, data), ConvertConfig(base=2.0, timesteps=8, input_timesteps=8))
    assert error < 0.03
    assert error < float((run_closed(coarse, data) - truth).norm() / truth.norm())


def test_values_are_dropped_after_their_last_reader():
    """The closed form holds no more than the largest cut of a long chain."""
    nodes: list[ir.Node] = [
        ir.Input(name="x", size=(None, 4)),
        ir.Coder(name="c", inputs=("x",), kind="analog", scale=torch.tensor(1.0)),
    ]
    seen = []
    for index in range(5):
        nodes.append(ir.Dense(name=f"d{index}", inputs=(nodes[-1].name,), weight=torch.eye(4)))
        code = PhaseCode(2.0, 4)
        nodes.append(ir.Neuron(name=f"n{index}", inputs=(nodes[-1].name,), coding=code, scale=torch.tensor(1.0)))
    nodes.append(ir.Output(name="output", inputs=(nodes[-1].name,)))
    run_closed(ir.Network(tuple(nodes)), {"x": torch.rand(3, 4)}, lambda node, args, value: seen.append(node.name))
    assert seen == [node.name for node in nodes]
