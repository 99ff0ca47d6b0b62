"""Every count of a row, worked out by hand for each kind of node."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.energy import EventCounter, LayerEvents, PopulationEvents
from gcn2snn.engines import run_closed
from gcn2snn.kernels import CSR, PhaseCode

ONE = torch.tensor(1.0)
CODE = PhaseCode(2.0, 4, shift=False)
"""A value of 1/16 or more fires, within four time steps."""

SPIKES = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.0, 0.0]])
"""Two samples of three neurons, of which three fire: two in the first column, one in the second."""

WEIGHT = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
"""Its columns have two, one and two weights that are not zero."""


def counted(*nodes: ir.Node, **data: object) -> EventCounter:
    """What a run of these nodes is counted as; the last of them is the output."""
    network = ir.Network((*nodes, ir.Output(name="output", inputs=(nodes[-1].name,))))
    counter = EventCounter(network)
    run_closed(network, data, counter)
    return counter


def neurons(size: tuple[int | None, ...]) -> tuple[ir.Node, ir.Node]:
    return ir.Input(name="x", size=size), ir.Neuron(name="n", inputs=("x",), coding=CODE, scale=ONE)


def test_a_dense_layer_on_spikes() -> None:
    layer = ir.Dense(name="fc", inputs=("n",), weight=WEIGHT, bias=torch.ones(2))
    counter = counted(*neurons((None, 3)), layer, x=SPIKES)
    assert counter.rows["fc"] == LayerEvents(
        "fc", "synapse", operations=2 * 6, input_neurons=6, input_spikes=3, events=3 * 2, macs=0, outputs=4, shape="dense",
        effective=2 * 2 + 1, dense=4 * 12, inputs=6, connections=2 * 6, missing=2 * 1, stored=2 * 6, biases=2 * 2, taps=0, samples=2,
    )  # fmt: skip
    # No input spikes come before the first step, so nobody waits: phase 1 and silence, which lasts four steps.
    assert counter.populations["n"] == PopulationEvents(
        "n", 6, spikes=3, updates=3 * 1 + 3 * 4 + 6, slots=24, samples=2
    )


def test_a_dense_layer_on_values() -> None:
    """A value that is zero or a weight that is zero makes a multiplication that has no effect."""
    coder = ir.Coder(name="c", inputs=("x",), kind="analog", scale=ONE)
    layer = ir.Dense(name="fc", inputs=("c",), weight=WEIGHT, bias=torch.ones(2))
    row = counted(ir.Input(name="x", size=(None, 3)), coder, layer, x=SPIKES).rows["fc"]
    assert row == LayerEvents(
        "fc", "synapse", operations=2 * 6, input_neurons=0, input_spikes=0, events=0, macs=12, outputs=4, shape="dense",
        effective=2 * 2 + 1, dense=12, inputs=6, connections=12, missing=2, stored=12, biases=4, taps=0, samples=2,
    )  # fmt: skip


@pytest.mark.parametrize("spiking", [True, False])
def test_a_convolution(spiking: bool) -> None:
    """Two groups of one channel in and one out, 2 x 2 kernels on 3 x 3: pixels lie in 1, 2 or 4 windows."""
    x = torch.zeros(1, 2, 3, 3)
    x[0, 0, 1, 1] = x[0, 1, 0, 0] = 0.5
    weight = torch.ones(2, 1, 2, 2)
    weight[0, 0, 0, 0] = 0.0
    first = neurons((None, 2, 3, 3))[1] if spiking else ir.Coder(name="n", inputs=("x",), kind="analog", scale=ONE)
    conv = ir.Conv(name="conv", inputs=("n",), weight=weight, bias=torch.ones(2), groups=2)
    row = counted(ir.Input(name="x", size=(None, 2, 3, 3)), first, conv, x=x).rows["conv"]
    operations, events = 2 * 4 * 4, 4 + 1
    assert row == LayerEvents(
        "conv", "synapse", operations, input_neurons=18 * spiking, input_spikes=2 * spiking, events=events * spiking,
        macs=0 if spiking else operations, outputs=8, shape="conv",
        effective=3 + 1, dense=operations * (4 if spiking else 1), inputs=18, connections=8, missing=1, stored=8, biases=2, taps=2 * 4,
        samples=1,
    )  # fmt: skip


def test_a_table_row_by_row() -> None:
    nodes = (
        ir.OneHot(name="x", count=3, binary=2),
        ir.Lookup(name="table", inputs=("x",), table=torch.tensor([[0.5, 0.0], [0.5, 0.5], [0.0, 0.0]]), bias=torch.ones(2)),
    )  # fmt: skip
    row = counted(*nodes).rows["table"]
    assert row == LayerEvents(
        "table", "synapse", operations=6, input_neurons=3, input_spikes=2 * 3, events=2 * 6, macs=0, outputs=6, shape="dense",
        effective=2 * 3, dense=row.dense, inputs=3, connections=6, missing=3, stored=6, biases=2, taps=0, samples=1,
    )  # fmt: skip
    assert row.dense == 2 * 6


@pytest.mark.parametrize("spiking", [True, False])
def test_a_sparse_product(spiking: bool) -> None:
    """Columns of two, one and three entries, one of which is a stored zero; two of the three nodes' values are not zero."""
    full = CSR.from_dense(torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    value = full.value.clone()
    value[0] = 0.0  # row 0, column 0
    matrix = CSR(full.rowptr, full.col, value, 3)
    first = neurons((3, 2))[1] if spiking else ir.Coder(name="n", inputs=("x",), kind="analog", scale=ONE)
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 2)),
        first,
        ir.Aggregate(name="agg", inputs=("a", "n")),
    )
    x = torch.tensor([[0.5, 0.0], [0.5, 0.5], [0.0, 0.0]])
    counter = counted(*nodes, a=matrix, x=x)
    assert counter.rows["agg"] == LayerEvents(
        "agg", "synapse", operations=12, input_neurons=6 * spiking, input_spikes=3 * spiking, events=(2 + 2 * 1) * spiking,
        macs=0 if spiking else 12, outputs=6, shape="sparse", effective=1 + 2 * 1, dense=12 * (4 if spiking else 1), inputs=6,
        connections=9, missing=3 + 1, stored=6, samples=1,
    )  # fmt: skip
    indices = (full.rowptr.numel() * full.rowptr.element_size()) + (full.col.numel() * full.col.element_size())
    assert counter.report().footprint == 4 + 6 * 4 + indices  # the scale, the values and their places


def test_a_sparse_product_of_more_columns_than_rows() -> None:
    matrix = CSR.from_dense(torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    first, second = neurons((3, 2))
    operator = ir.Input(name="a", size=(2, 3), role="operator")
    aggregate = ir.Aggregate(name="agg", inputs=("a", "n"))
    row = counted(operator, first, second, aggregate, a=matrix, x=torch.full((3, 2), 0.5)).rows["agg"]
    assert (row.operations, row.outputs, row.connections, row.missing, row.inputs) == (8, 4, 6, 2, 6)


def test_spikes_of_the_rows_that_a_matrix_keeps() -> None:
    """A matrix of two rows keeps the first two of three nodes, of which three neurons fire."""
    first, second = neurons((3, 2))
    operator = ir.Input(name="a", size=(2, 3), role="operator")
    rows = ir.Rows(name="rows", inputs=("a", "n"))
    dense = ir.Dense(name="fc", inputs=("rows",), weight=torch.ones(5, 2))
    x = torch.tensor([[0.5, 0.5], [0.5, 0.0], [0.5, 0.5]])
    row = counted(operator, first, second, rows, dense, a=CSR.from_dense(torch.ones(2, 3)), x=x).rows["fc"]
    assert (row.input_neurons, row.input_spikes, row.events, row.macs) == (4, 3, 15, 0)


def test_sums_means_and_products_of_results() -> None:
    weight = torch.eye(3)
    dense = ir.Dense(name="fc", inputs=("n",), weight=weight)
    add = ir.Add(name="sum", inputs=("fc", "n", "n"), coefficients=(1.0, 1.0, 1.0))
    row = counted(*neurons((None, 3)), dense, add, x=SPIKES).rows["sum"]
    assert row == LayerEvents(
        "sum", "sum", operations=2 * 6, input_neurons=6, input_spikes=6, events=6, macs=0, outputs=6, shape="sum", inputs=18, samples=2
    )  # fmt: skip
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, :2] = 0.5
    pool = ir.AvgPool(name="pool", inputs=("n",), kernel=(2, 2), stride=(2, 2))
    row = counted(*neurons((None, 1, 4, 4)), pool, x=x).rows["pool"]
    assert row == LayerEvents(
        "pool", "sum", operations=16, input_neurons=16, input_spikes=2, events=2, macs=0, outputs=4, shape="sum", inputs=16, samples=1
    )  # fmt: skip


def test_spikes_that_reach_the_output_without_a_weight() -> None:
    row = counted(*neurons((None, 3)), x=SPIKES).rows["n"]
    assert row == LayerEvents(
        "n",
        "sum",
        operations=0,
        input_neurons=6,
        input_spikes=3,
        events=3,
        macs=0,
        outputs=6,
        shape="sum",
        inputs=6,
        samples=2,
    )


def test_rows_of_two_runs_add_every_count_and_keep_the_names() -> None:
    numbers = dict(
        zip(["operations", "input_neurons", "input_spikes", "events", "macs", "outputs"], range(1, 7), strict=True)
    )
    more = dict(
        zip(
            ["effective", "dense", "inputs", "connections", "missing", "stored", "biases", "taps", "samples"],
            range(7, 16),
            strict=True,
        )
    )
    one = LayerEvents("a", "synapse", shape="conv", **numbers, **more)
    doubled = {name: 2 * count for name, count in {**numbers, **more}.items()}
    assert one + one == LayerEvents("a", "synapse", shape="conv", **doubled)
    assert one.spike_rate == 3 / 2
    assert one.additions == 0.0  # it works on values
    population = PopulationEvents("n", 1, 2, 3, 4, 5)
    assert population + population == PopulationEvents("n", 2, 4, 6, 8, 10)
    assert PopulationEvents("n", 1, 2, 3, 4).samples == 1
    empty = LayerEvents("a", "sum", 4, 0, 0, 0, 0, 0)
    assert empty == LayerEvents("a", "sum", 4, 0, 0, 0, 0, 0, "dense", 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert (empty.spike_rate, empty.additions) == (0.0, 0.0)
