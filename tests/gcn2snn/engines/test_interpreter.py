"""The closed form, what observers see, and what does not change the result."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.membrane import Recording
from gcn2snn.engines.pipeline import run_pipeline
from gcn2snn.engines.readout_rules import read_out
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.engines.topology import input_timesteps, least_exact_wait, sources
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import CSR, PhaseCode, Spikes
from gcn2snn.passes.neurons import insert_neurons


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


def test_the_wait_that_suffices_is_the_input_of_each_layer(case):
    """Populations of T = 3 in front allow a wait of 2 behind them; the binary input has 10 bits."""
    network, data = case
    short = {n.name: [replace(n, coding=replace(n.coding, timesteps=3))] for n in network.of(ir.Neuron)}
    network = network.replace(short)
    first, *rest = network.of(ir.Neuron)
    assert input_timesteps(network, first) == 10
    assert {input_timesteps(network, node) for node in rest} == {3}
    assert sources(network, first) == (network.of(ir.Coder)[0].name,)
    assert least_exact_wait(network) == 9
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
    recordings = {node.name: Recording() for node in network.of(ir.Neuron)}
    run_temporal(network, data, None, recordings)
    for name, spikes in spikes_of(network, data).items():
        by_step = torch.stack(recordings[name].fired)
        assert torch.equal(by_step.abs().sum(0), spikes.fired.long())  # all spikes of all steps: one, or none
        assert torch.equal(by_step.sum(0), spikes.sign.long())
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
    """The closed form keeps at most the values that are still to be read, also in a long chain."""
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


def test_an_engine_refuses_a_network_that_is_not_calibrated(make_graphs):
    source, data = make_graphs(2, ["dense"], torch.float64)
    network = insert_neurons(source, ConvertConfig())
    name = network.of(ir.UncalibratedCoder)[0].name
    for run in (
        run_closed,
        partial(run_bucketed, wait=3),
        partial(run_temporal, wait=3),
        partial(run_pipeline, wait=3),
    ):
        items = [data] if isinstance(run, partial) and run.func is run_pipeline else data
        with pytest.raises(ConfigError, match=f"{name} is not calibrated"):
            run(network, items)
    assert torch.equal(run_float(network, data), run_float(source, data))


def test_observers_see_every_node_of_every_engine(case):
    """In time they are shown what has arrived in the end, with the spikes that the run has sent."""
    network, data = case
    for wait in (None, 2):
        sent: dict[str, Spikes] = {}
        run_temporal(network, data, wait, emitted=sent)
        for run in (run_bucketed, run_temporal):
            seen: dict[str, object] = {}
            output = run(
                network, data, wait, observe=lambda node, args, value, seen=seen: seen.update({node.name: value})
            )
            assert list(seen) == [node.name for node in network]
            assert torch.equal(output, run(network, data, wait))
            assert all(torch.equal(seen[name].code, spikes.code) for name, spikes in sent.items())
            torch.testing.assert_close(seen[network.output.name], output, rtol=1e-12, atol=1e-12)
    assert any(not torch.equal(sent[name].code, own.code) for name, own in spikes_of(network, data).items())


@pytest.mark.parametrize("readout", ["", "softmax", "log_softmax"])
def test_read_out_is_what_the_model_ends_with(readout):
    nodes = (ir.Input(name="x", size=(None, 3)), ir.Output(name="o", inputs=("x",), readout=readout))
    x = torch.randn(4, 3)
    expected = getattr(torch, readout)(x, 1) if readout else x
    assert torch.equal(read_out(ir.Network(nodes), x), expected)


def test_one_network_runs_in_several_threads(case):
    network, data = case
    expected = run_closed(network, data)
    for _ in range(20):
        fresh = copy.deepcopy(network)  # without its plan, so that the threads meet while it is made
        with ThreadPoolExecutor(4) as pool:
            assert all(torch.equal(expected, got) for got in pool.map(partial(run_closed, fresh), [data] * 8))
