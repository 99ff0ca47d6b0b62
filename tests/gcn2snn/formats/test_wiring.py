"""The wiring holds the network: run as plain events in NumPy, it gives the spikes of the engine in time."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcn2snn import SpikingNetwork, ir
from gcn2snn.engines import bind, run_temporal
from gcn2snn.errors import InputError
from gcn2snn.formats import wiring as wiring_module
from gcn2snn.formats.wiring import Cells, Relay, Wiring, wire
from gcn2snn.textgcn import call

Sent = dict[str, dict[int, list[tuple[int, int, int]]]]  # source -> clock step -> (neuron, axon, sign)


def run_events(wiring: Wiring) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Codes of every population and the output's potentials: events, one step after the other, without any matrix."""
    sent: Sent = defaultdict(lambda: defaultdict(list))
    source = {each.name: each for each in (*wiring.trains, *wiring.relays)}
    for train in wiring.trains:
        for neuron, step in zip(train.neuron, train.step, strict=True):
            sent[train.name][int(step)].append((int(neuron), 1, 1))
    into = defaultdict(list)
    for projection in wiring.projections:
        into[projection.target].append(projection)
    order = sorted([*wiring.relays, *wiring.cells], key=lambda x: x.begins)
    codes = {}
    for each in order:
        if isinstance(each, Relay):
            run_relay(each, into[each.name], sent)
        else:
            base = {p.source: source[p.source].code.base if p.source in source else 0.0 for p in into[each.name]}
            codes[each.name] = run_cells(each, into[each.name], sent, wiring, base)
    return {k: v for k, v in codes.items() if k != wiring.cells[-1].name}, codes[wiring.cells[-1].name]


def run_relay(relay: Relay, projections: list, sent: Sent) -> None:
    """The first positive spike passes; a negative one passes when all members have fallen."""
    fallen, done = np.zeros(relay.size, dtype=int), np.zeros(relay.size, dtype=bool)
    for step in range(1, relay.code.steps + 1):
        up, down = defaultdict(list), defaultdict(list)
        for p in projections:
            for neuron, axon, sign in sent[p.source][relay.begins - 1 + step]:
                for post, weight in zip(p.post[p.pre == neuron], p.weight[p.pre == neuron], strict=True):
                    (up if sign * weight > 0 else down)[int(post)].append(axon)
        for post, axons in down.items():
            fallen[post] += len(axons)
        for post in range(relay.size):
            if done[post]:
                continue
            if up[post]:
                sent[relay.name][relay.begins + step].append((post, min(up[post]), 1))
                done[post] = True
            elif down[post] and fallen[post] >= relay.members[post]:
                sent[relay.name][relay.begins + step].append((post, max(down[post]), -1))
                done[post] = True


def run_cells(cells: Cells, projections: list, sent: Sent, wiring: Wiring, base: dict[str, float]) -> np.ndarray:
    """Membranes in the units of the source model: what a spike is worth falls, the threshold falls with it."""
    populations = {each.name: each for each in wiring.cells}
    coded = {each.name: each.code for each in (*wiring.trains, *wiring.relays)}
    potential, code = cells.potential.copy(), np.zeros(cells.size, dtype=int)
    steps = cells.hears if cells.coding is None else max(cells.hears, cells.wait + cells.coding.steps)
    for n in range(1, steps + 1):
        for p in projections:
            meaning = coded.get(p.source)
            if meaning is None:
                coding = populations[p.source].coding
                assert coding is not None
                meaning = wiring_module.SourceCode.of(coding)
            for neuron, axon, sign in sent[p.source][cells.opens + n - 1 - p.delay]:
                worth = sign * meaning.levels[axon - 1] * meaning.base**-n
                np.add.at(potential, p.post[p.pre == neuron], p.weight[p.pre == neuron] * worth)
        if cells.coding is None:
            continue
        k = n - cells.wait
        for phase in cells.coding.phases_of(k) if 1 <= k <= cells.coding.steps else ():
            z = potential / cells.threshold
            reached = (np.abs(z) if cells.coding.signed else z) >= float(cells.coding.thresholds()[phase - 1])
            fires = reached & (code == 0) & (cells.last is None or phase <= cells.last)
            code[fires] = np.where(z[fires] < 0, -phase, phase)
            axon = (phase - 1) % cells.coding.group + 1
            sent[cells.name][cells.opens + n] += [(int(i), axon, int(np.sign(code[i]))) for i in np.flatnonzero(fires)]
    return potential if cells.coding is None else code


def expected(snn: SpikingNetwork, args: tuple[object, ...]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    emitted: dict = {}
    output = run_temporal(snn.network, bind(snn.network, args, {}), snn.config.wait, emitted=emitted)
    return {name: spikes.code.numpy() for name, spikes in emitted.items()}, output.numpy()


@settings(deadline=None, max_examples=8)
@example(seed=27203, images=True, wait=None)  # the output alone, from constants
@example(seed=36938, images=True, wait=None)  # a maximum over channels of constants and channels of spikes
@given(seed=st.integers(0, 10**6), images=st.booleans(), wait=st.sampled_from([None, 0, 1, 3, 5, 9]))
def test_events_give_the_spikes_of_the_engine_in_time(draw, seed: int, images: bool, wait: int | None) -> None:
    snn, args = draw(seed, images, torch.float64, wait)
    wiring = wire(snn.network, bind(snn.network, args, {}), wait)
    codes, output = run_events(wiring)
    own_codes, own_output = expected(snn, args)
    for cells in wiring.cells[:-1]:
        assert np.array_equal(codes[cells.name], own_codes[cells.name][cells.rows].ravel()), cells.name
    np.testing.assert_allclose(output.reshape(own_output.shape), own_output, rtol=1e-9, atol=1e-9)


def test_some_rows_need_their_neighbours_only_and_give_the_same(karate) -> None:
    snn, graph = karate
    snn = deepcopy(snn).double()  # the fixture is shared
    inputs = bind(snn.network, call(graph), {})
    part, whole = wire(snn.network, inputs, None, [11]), wire(snn.network, inputs, None)
    assert part.synapses < whole.synapses
    _, output = run_events(part)
    np.testing.assert_allclose(output, snn(*call(graph)).numpy()[11], rtol=1e-9)


def test_rows_of_a_refit_start_from_their_own_potentials(karate) -> None:
    """After a refit each neuron of the first messages has a starting potential of its own, [N, C]."""
    snn, graph = karate
    snn = deepcopy(snn).double()
    (node,) = (each for each in snn.network.of(ir.Neuron) if isinstance(snn.network[each.inputs[0]], ir.Lookup))
    start = 0.3 * torch.randn(snn.network[node.inputs[0]].table.shape, dtype=torch.float64)
    snn = SpikingNetwork(snn.network.replace({node.name: [replace(node, start=start)]}), snn.config)
    inputs, (codes, _) = bind(snn.network, call(graph), {}), expected(snn, call(graph))
    for rows in ([11], [0, 33]):
        part = wire(snn.network, inputs, None, rows)
        found, output = run_events(part)
        np.testing.assert_allclose(output.reshape(len(rows), -1), snn(*call(graph)).numpy()[rows], rtol=1e-9)
        for cells in part.cells[:-1]:
            assert np.array_equal(found[cells.name], codes[cells.name][cells.rows].ravel())


def test_rows_that_do_not_exist_are_refused(karate) -> None:
    snn, graph = karate
    with pytest.raises(InputError, match=r"rows \[34\] were asked for; the output has the rows 0 to 33"):
        wire(snn.network, bind(snn.network, call(graph), {}), None, [3, 34])
    with pytest.raises(InputError, match="no rows were asked for"):
        wire(snn.network, bind(snn.network, call(graph), {}), None, [])


def test_too_many_synapses_are_refused(karate, monkeypatch: pytest.MonkeyPatch) -> None:
    snn, graph = karate
    monkeypatch.setattr(wiring_module, "MOST_SYNAPSES", 100)
    with pytest.raises(InputError, match=r"synapses up to .*; at most 100 are written. Choose fewer rows"):
        wire(snn.network, bind(snn.network, call(graph), {}), None)


def test_an_axon_takes_a_step_and_far_sources_are_delayed() -> None:
    """A source two layers up waits until the layer between has spoken: w + 1 steps a layer."""
    from gcn2snn import ConvertConfig, convert

    class Skip(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (torch.nn.Linear(3, 3) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = torch.relu(self.a(x))
            return self.c(torch.relu(self.b(first)) + first)

    x = torch.rand(4, 3)
    snn = convert(Skip().eval(), x, ConvertConfig(wait=2)).double()
    wiring = wire(snn.network, bind(snn.network, (x,), {}), 2)
    assert [cells.begins - cells.opens for cells in wiring.cells[:-1]] == [2, 2]
    delays = {(p.source, p.target): p.delay for p in wiring.projections}
    first, second, output = (cells.name for cells in wiring.cells)
    assert delays[first, output] == 3
    assert delays[second, output] == 0
