"""Operations, additions and joules against integers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.energy.count import EventCounter
from gcn2snn.energy.effective import lookup_operations
from gcn2snn.energy.events import LayerEvents
from gcn2snn.energy.presets import PRESETS
from gcn2snn.energy.report import EnergyReport
from gcn2snn.engines.closed import run_closed
from gcn2snn.kernels import CSR, PhaseCode
from gcn2snn.spiking_network import SpikingNetwork

ONE = torch.tensor(1.0)
HALVES = PhaseCode(2.0, 4, shift=False)


def count(network: ir.Network, data: dict[str, object], wait: int | None = None) -> EnergyReport:
    counter = EventCounter(network, wait)
    run_closed(network, data, counter)
    return counter.report()


def row(report: EnergyReport, name: str) -> LayerEvents:
    return next(layer for layer in report.layers if layer.name == name)


def neuron(name: str, source: str, code: PhaseCode = HALVES) -> ir.Neuron:
    return ir.Neuron(name=name, inputs=(source,), coding=code, scale=ONE)


def test_sparse_aggregation_counts_degrees():
    """A has columns of 2, 1 and 3 entries; three nodes of two channels, of which four neurons fire."""
    adjacency = CSR.from_dense(torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    features = torch.tensor([[0.5, 0.0], [0.5, 0.5], [0.0, 0.5]])
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 2)),
        neuron("n", "x"),
        ir.Aggregate(name="agg", inputs=("a", "n")),
        ir.Output(name="output", inputs=("agg",)),
    )
    report = count(ir.Network(nodes), {"a": adjacency, "x": features})
    got = row(report, "agg")
    assert (got.operations, got.input_neurons, got.input_spikes) == (6 * 2, 6, 4)
    assert got.events == (2 * 1) + (1 * 2) + (3 * 1)  # each node's spikes times its column count
    assert got.additions == pytest.approx(4 / 6 * 12)
    assert report.alpha_eq6 == pytest.approx(4.6 * 12 / (0.9 * 8))
    assert report.alpha_events == pytest.approx(4.6 * 12 / (0.9 * 7))


def test_identity_and_dense_layers():
    """A one-hot of 3 nodes: N * columns operations, one row of additions a spike; T spikes when binary."""
    for binary, spikes in ((0, 3), (5, 15)):
        nodes = (
            ir.OneHot(name="x", count=3, binary=binary),
            ir.Lookup(name="table", inputs=("x",), table=torch.tensor([[0.5, 0.0], [0.5, 0.5], [0.0, 0.0]])),
            neuron("n", "table", PhaseCode(2.0, 2, shift=False)),
            ir.Dense(name="fc", inputs=("n",), weight=torch.ones(7, 2)),
            ir.Output(name="output", inputs=("fc",)),
        )
        report = count(ir.Network(nodes), {})
        table, dense = row(report, "table"), row(report, "fc")
        assert (table.operations, table.input_neurons, table.input_spikes, table.events) == (6, 3, spikes, 2 * spikes)
        assert (dense.operations, dense.input_neurons, dense.input_spikes, dense.events) == (3 * 14, 6, 3, 21)
        assert table.outputs == 6
        assert report.neurons == 6


def test_entries_of_a_table_that_are_zero_are_not_counted():
    node = ir.Lookup(
        name="table", inputs=("x",), table=torch.tensor([[0.5, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 2.0]])
    )
    assert lookup_operations(node, torch.tensor([2.0, 1.0, 4.0])) == 2 * 1 + 1 * 3 + 4 * 1


def test_convolution_counts_the_windows_of_each_pixel():
    """A 3 x 3 kernel, stride 2, padding 1 on 4 x 4: pixels lie in 1, 2 or 4 windows (rows 0..3 in 1, 2, 1, 1)."""
    x = torch.zeros(1, 2, 4, 4)
    x[0, 0, 1, 1] = x[0, 1, 0, 0] = x[0, 1, 3, 1] = 0.5
    nodes = (
        ir.Input(name="x", size=(None, 2, 4, 4)),
        neuron("n", "x"),
        ir.Conv(name="conv", inputs=("n",), weight=torch.ones(6, 2, 3, 3), stride=(2, 2), padding=(1, 1, 1, 1)),
        ir.Output(name="output", inputs=("conv",)),
    )
    got = row(count(ir.Network(nodes), {"x": x}), "conv")
    assert got.operations == 6 * 2 * 2 * (2 * 9)
    assert (got.input_neurons, got.input_spikes) == (32, 3)
    assert got.events == 6 * (2 * 2 + 1 * 1 + 1 * 2)


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_events_are_those_of_a_convolution_of_ones(groups):
    random = torch.Generator().manual_seed(groups)
    x = (torch.rand(2, 4, 9, 8, generator=random) < 0.4).float() * 0.5
    fields = {"stride": (2, 1), "padding": (2, 0, 1, 3), "dilation": (1, 2), "groups": groups}
    weight = torch.ones(6, 4 // groups, 3, 2)
    nodes = (
        ir.Input(name="x", size=(None, 4, 9, 8)),
        neuron("n", "x"),
        ir.Conv(name="conv", inputs=("n",), weight=weight, **fields),
        ir.Output(name="output", inputs=("conv",)),
    )
    padded = torch.nn.functional.pad((x > 0).double(), fields["padding"])
    ones = torch.nn.functional.conv2d(padded, weight.double(), None, (2, 1), 0, (1, 2), groups)
    assert row(count(ir.Network(nodes), {"x": x}), "conv").events == int(ones.sum().round())
    weight = (torch.rand(6, 4 // groups, 3, 2, generator=random) < 0.7).float()
    network = ir.Network(nodes)
    network = network.replace({"conv": [replace(network["conv"], weight=weight)]})
    kept = torch.nn.functional.conv2d(padded, weight.double(), None, (2, 1), 0, (1, 2), groups)
    assert row(count(network, {"x": x}), "conv").effective == int(kept.sum().round())


def pooled(*after: ir.Node) -> ir.Network:
    nodes: list[ir.Node] = [
        ir.Input(name="x", size=(None, 1, 4, 4)),
        neuron("n", "x"),
        ir.AvgPool(name="pool", inputs=("n",), kernel=(2, 2), stride=(2, 2)),
        *after,
    ]
    return ir.Network((*nodes, ir.Output(name="output", inputs=(nodes[-1].name,))))


def test_pooling_merged_into_the_next_sum():
    """Five spikes reach 4 pooled positions, then 3 outputs each; the source model adds 16 numbers for its means."""
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, :2] = x[0, 0, 3, 1:] = 0.5
    after = (ir.Flatten(name="f", inputs=("pool",)), ir.Dense(name="fc", inputs=("f",), weight=torch.ones(3, 4)))
    report = count(pooled(*after), {"x": x})
    pool, dense = row(report, "pool"), row(report, "fc")
    assert (pool.kind, pool.operations, pool.events) == ("sum", 16, 0)
    assert (dense.operations, dense.input_neurons, dense.input_spikes, dense.events) == (12, 4, 5, 15)


def test_a_maximum_over_neighbours_passes_on_what_is_not_zero():
    """Two neurons of three fire with a value of 1; two nodes hear them, and one hears nobody."""
    adjacency = CSR.from_dense(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]))
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 1)),
        ir.Neuron(name="n", inputs=("x",), coding=HALVES, scale=torch.tensor(4.0)),
        ir.AggregateMax(name="max", inputs=("a", "n")),
        ir.Dense(name="fc", inputs=("max",), weight=torch.ones(5, 1)),
        ir.Output(name="output", inputs=("fc",)),
    )
    features = torch.tensor([[1.0], [1.0], [0.0]])
    got = row(count(ir.Network(nodes), {"a": adjacency, "x": features}), "fc")
    assert (got.operations, got.events) == (15, 10)


def test_maxima_of_values_that_are_no_spikes_are_counted_as_none():
    """An analog input goes straight into a maximum; what reads it multiplies values, once."""
    images = (
        ir.Input(name="x", size=(None, 1, 4, 4)),
        ir.MaxPool(name="max", inputs=("x",), kernel=(2, 2), stride=(2, 2)),
        ir.Flatten(name="flat", inputs=("max",)),
        ir.Dense(name="fc", inputs=("flat",), weight=torch.ones(3, 4)),
        ir.Output(name="output", inputs=("fc",)),
    )
    rows = (
        ir.Input(name="a", size=(2, 2), role="operator"),
        ir.Input(name="x", size=(2, 4)),
        ir.AggregateMax(name="max", inputs=("a", "x")),
        ir.Dense(name="fc", inputs=("max",), weight=torch.ones(3, 4)),
        ir.Output(name="output", inputs=("fc",)),
    )
    graph = CSR.from_dense(torch.ones(2, 2))
    for nodes, data in ((images, {"x": torch.rand(2, 1, 4, 4)}), (rows, {"a": graph, "x": torch.rand(2, 4)})):
        got = row(count(ir.Network(nodes), data), "fc")
        assert (got.operations, got.events, got.dense) == (2 * 12, 0, 2 * 12)


def test_a_product_of_two_results_sends_no_spikes():
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        neuron("n", "x"),
        ir.Dense(name="left", inputs=("n",), weight=torch.ones(2, 3)),
        ir.Dense(name="right", inputs=("n",), weight=torch.ones(2, 3)),
        ir.InnerProduct(name="score", inputs=("left", "right")),
        ir.Output(name="output", inputs=("score",)),
    )
    got = row(count(ir.Network(nodes), {"x": torch.full((4, 3), 0.5)}), "score")
    assert (got.operations, got.events, got.dense, got.effective) == (8, 0, 8, 8)


def test_pooling_with_neurons_of_its_own():
    """Now each of the five spikes is added to its pooled membrane; of four, the three that got some fire (>= 1/16)."""
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, :2] = x[0, 0, 3, 1:] = 0.5
    flat = ir.Flatten(name="f", inputs=("p",))
    dense = ir.Dense(name="fc", inputs=("f",), weight=torch.ones(3, 4))
    report = count(pooled(neuron("p", "pool"), flat, dense), {"x": x})
    assert row(report, "pool").events == 5
    assert (row(report, "fc").input_spikes, row(report, "fc").events) == (3, 9)
    assert report.neurons == 16 + 4


def test_padded_pooling_counts_valid_pixels():
    pool = ir.AvgPool(name="pool", inputs=("n",), kernel=(3, 3), stride=(2, 2), padding=(1, 1), count_padding=False)
    nodes = (
        ir.Input(name="x", size=(None, 1, 4, 4)),
        neuron("n", "x"),
        pool,
        ir.Output(name="output", inputs=("pool",)),
    )
    x = torch.full((2, 1, 4, 4), 0.5)
    got = row(count(ir.Network(nodes), {"x": x}), "pool")
    assert got.operations == 2 * (4 + 6 + 6 + 9)
    assert got.events == got.operations  # every pixel fires, and the output receives the spikes of each window


def residual() -> ir.Network:
    nodes = (
        ir.Input(name="x", size=(None, 4)),
        neuron("r", "x"),
        ir.Dense(name="fc", inputs=("r",), weight=torch.eye(4)),
        ir.Add(name="sum", inputs=("fc", "r"), coefficients=(1.0, 1.0)),
        neuron("q", "sum"),
        ir.Dense(name="last", inputs=("q",), weight=torch.ones(2, 4)),
        ir.Output(name="output", inputs=("last",)),
    )
    return ir.Network(nodes)


def test_residual_spikes_are_added_beside_the_potential():
    report = count(residual(), {"x": torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]])})
    got = row(report, "sum")
    assert (got.kind, got.operations, got.events) == ("sum", 2 * 4, 3)
    assert (row(report, "fc").events, row(report, "last").events) == (3 * 4, 3 * 2)
    assert report.alpha_events == pytest.approx((4.6 * (32 + 16) + 0.9 * 8) / (0.9 * (12 + 6 + 3)))
    assert report.alpha_eq6 == pytest.approx(4.6 * 48 / (0.9 * (3 / 8 * 32 + 3 / 8 * 16)))


def test_spikes_through_a_sum_are_counted_once():
    """Two populations added, then dense: every spike costs the dense fan-out, and the sum itself nothing."""
    nodes = (
        ir.Input(name="x", size=(None, 2)),
        neuron("r", "x"),
        ir.Add(name="sum", inputs=("r", "r"), coefficients=(1.0, 1.0)),
        ir.Dense(name="fc", inputs=("sum",), weight=torch.ones(5, 2)),
        ir.Output(name="output", inputs=("fc",)),
    )
    report = count(ir.Network(nodes), {"x": torch.tensor([[0.5, 0.5]])})
    assert (row(report, "sum").operations, row(report, "sum").events) == (2, 0)
    assert (row(report, "fc").input_spikes, row(report, "fc").events) == (4, 20)


def test_updates_and_totals_by_hand():
    """w = 2, T = 4: neurons that fire at phase 1, 3 and never take 3, 5 and 6 updates."""
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        neuron("n", "x"),
        ir.Dense(name="fc", inputs=("n",), weight=torch.ones(2, 3)),
        ir.Output(name="output", inputs=("fc",)),
    )
    report = count(ir.Network(nodes), {"x": torch.tensor([[0.5, 0.125, 0.0]])}, wait=2)
    assert report.updates == 3 + 5 + 6
    fp32 = PRESETS["fp32"]
    ann = 6 * 4.6e-12 + 2.5e-12 * (6 * 8 + 2 * 4)
    snn = 4 * 0.9e-12 + 14 * (3.7e-12 + 0.9e-12) + 2.5e-12 * (4 * 12 + 14 * 8)
    assert fp32.multiply == pytest.approx(3.7e-12, rel=1e-9, abs=0.0)
    assert report.ann_total_joules == pytest.approx(ann, rel=1e-9, abs=0.0)
    assert report.snn_total_joules == pytest.approx(snn, rel=1e-9, abs=0.0)
    assert report.alpha_total == pytest.approx(ann / snn)


def test_a_group_is_charged_as_many_updates_as_it_has_neurons():
    """w = 2, four phases in groups of two: phases 1 and 3 are steps 1 and 2, silence lasts both."""
    code = PhaseCode(2.0, 4, group=2)
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        ir.Neuron(name="n", inputs=("x",), coding=code, scale=torch.tensor(1.0)),
        ir.Dense(name="fc", inputs=("n",), weight=torch.ones(2, 3)),
        ir.Output(name="output", inputs=("fc",)),
    )
    report = count(ir.Network(nodes), {"x": torch.tensor([[0.5, 0.125, 0.0]])}, wait=2)
    assert report.updates == 2 * ((2 + 1) + (2 + 2) + (2 + 2))
    assert report.layers[0].events == 2 * 2


def test_values_that_are_not_spikes_cost_what_they_cost_the_source_model():
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        ir.Coder(name="c", inputs=("x",), kind="analog", scale=torch.tensor(1.0)),
        ir.Dense(name="fc", inputs=("c",), weight=torch.ones(2, 3)),
        ir.Output(name="output", inputs=("fc",)),
    )
    report = count(ir.Network(nodes), {"x": torch.ones(4, 3)})
    assert (row(report, "fc").macs, row(report, "fc").events) == (24, 0)
    assert report.alpha_eq6 == report.alpha_events == 1.0


def test_binary_input_counts_set_bits():
    nodes = (
        ir.Input(name="x", size=(None, 3)),
        ir.Coder(name="c", inputs=("x",), kind="binary", timesteps=4, scale=ONE),
        ir.Dense(name="fc", inputs=("c",), weight=torch.ones(2, 3)),
        ir.Output(name="output", inputs=("fc",)),
    )
    report = count(ir.Network(nodes), {"x": torch.tensor([[0.6875, -0.5, 0.0]])})  # 1011, -1000, 0000
    assert (row(report, "fc").input_spikes, row(report, "fc").events) == (4, 8)


def test_runs_add_up():
    network, x = residual(), torch.tensor([[0.5, 0.25, 0.0, 0.0]])
    counter = EventCounter(network)
    for _ in range(3):
        run_closed(network, {"x": x}, counter)
    one, three = count(network, {"x": x}), counter.report()
    for a, b in zip(one.layers, three.layers, strict=True):
        assert (3 * a.events, 3 * a.operations, 3 * a.input_neurons) == (b.events, b.operations, b.input_neurons)
    assert three.alpha_events == pytest.approx(one.alpha_events)
    assert three.updates == 3 * one.updates


def test_energy_counts_the_spikes_of_a_short_wait():
    """With w = 0, a neuron that the full sum leaves silent fires early and falsely; that spike must be counted."""
    nodes = (
        ir.Input(name="x", size=(None, 2)),
        neuron("n", "x"),
        ir.Dense(name="fc", inputs=("n",), weight=torch.tensor([[1.0, -3.9]])),
        neuron("q", "fc"),
        ir.Dense(name="last", inputs=("q",), weight=torch.ones(5, 1)),
        ir.Output(name="output", inputs=("last",)),
    )
    x = torch.tensor([[0.5, 0.25]])  # phase 1 adds 0.5, phase 2 takes 0.975 away
    for wait, spikes in ((None, 0), (0, 1)):
        snn = SpikingNetwork(ir.Network(nodes), ConvertConfig(timesteps=4, wait=wait))
        report = snn.energy(x)
        assert row(report, "last").input_spikes == spikes
        assert row(report, "last").events == 5 * spikes
        assert int(snn.spikes(x)["q"].fired.sum()) == spikes


def test_report_can_be_recomputed_from_its_rows():
    report = count(residual(), {"x": torch.tensor([[0.5, 0.5, 0.0, 0.0]])})
    saved = report.to_dict()
    synapses = [layer for layer in saved["layers"] if layer["kind"] == "synapse"]
    rate = [layer["input_spikes"] / layer["input_neurons"] for layer in synapses]
    additions = sum(r * layer["operations"] for r, layer in zip(rate, synapses, strict=True))
    operations = sum(layer["operations"] for layer in synapses)
    assert saved["alpha"]["eq6"] == pytest.approx(4.6 * operations / (0.9 * additions))


def test_spikes_are_at_most_one_a_neuron(make_graphs, make_spiking):
    case = make_graphs(1, ["dense", "aggregate", "residual"], torch.float64)
    network = make_spiking(case, ConvertConfig(input="single"))
    report = count(network, case[1])
    for layer in report.layers:
        if layer.kind == "synapse":
            assert layer.input_spikes <= layer.input_neurons or "concat" in layer.name
