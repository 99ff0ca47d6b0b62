"""Only what the asked-for rows need is counted: against the same network on the sub-graph itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.energy import EventCounter, WantedRows, needed_rows
from gcn2snn.engines import run_closed
from gcn2snn.errors import ConfigError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, PhaseCode
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import Trainer, fit


def converted(graph: Graph) -> SpikingNetwork:
    model = fit(Trainer(graph, TrainConfig(hidden=5, epochs=30)))
    return gcn2snn.convert(model, graph, ConvertConfig.paper())


def of_two_parts() -> Graph:
    """Twice the karate club, without an edge between the two; test nodes in the first alone."""
    one = gcn2snn.datasets.load_graph("karate")
    nodes, raw = one.num_nodes, one.raw
    row, col = torch.cat([raw.row, raw.row + nodes]), torch.cat([raw.col, raw.col.long() + nodes])
    both = CSR.from_coo(row, col, raw.value.repeat(2), (2 * nodes, 2 * nodes), symmetric=True)
    none = torch.zeros(nodes, dtype=torch.bool)
    test, train = torch.cat([one.test_mask, none]), torch.cat([one.train_mask, one.train_mask])
    return Graph(both, one.labels.repeat(2), train, test, one.class_names)


def test_a_part_that_is_not_wanted_is_not_counted() -> None:
    graph = of_two_parts()
    snn, half = converted(graph), graph.num_nodes // 2
    everything = gcn2snn.evaluate(snn, graph, event_driven=True)
    wanted = gcn2snn.evaluate(snn, graph, rows="wanted", event_driven=True)
    assert (wanted.ann, wanted.snn, wanted.agreement) == (everything.ann, everything.snn, everything.agreement)
    first = wanted.energy.layers[0]
    assert first.operations == half * 5  # every node of the club is needed in the first layer, none of the other club
    assert first.operations * 2 == everything.energy.layers[0].operations
    assert wanted.energy.updates < everything.energy.updates
    assert 0 < wanted.energy.event_driven < everything.energy.event_driven
    assert wanted.energy.ann_joules < everything.energy.ann_joules


def test_the_last_aggregation_counts_the_rows_of_test_nodes() -> None:
    graph = gcn2snn.datasets.load_graph("karate")
    snn = converted(graph)
    last = gcn2snn.evaluate(snn, graph, rows="wanted").energy.layers[-1]
    entries = int(graph.adjacency.rowptr.diff()[graph.test_mask].sum())
    assert last.operations == entries * graph.num_classes
    code = snn.spikes(graph.adjacency)["layer2.message.neuron"].code
    events = sum(
        int((code[graph.adjacency.col[start:end].long()] != 0).sum())
        for node, (start, end) in enumerate(zip(graph.adjacency.rowptr[:-1], graph.adjacency.rowptr[1:], strict=True))
        if graph.test_mask[node]
    )
    assert last.events == events


def test_two_readers_need_the_rows_of_both_and_what_nobody_reads_needs_none() -> None:
    """Row 0 is wanted: itself through one branch, and node 2, its neighbour, through the other. No node needs node 1."""
    neuron = {"coding": PhaseCode(2.0, 4, shift=False), "scale": torch.tensor(1.0)}
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 2)),
        ir.Neuron(name="n", inputs=("x",), **neuron),
        ir.Dense(name="unread", inputs=("n",), weight=torch.ones(4, 2)),
        ir.Dense(name="own", inputs=("n",), weight=torch.ones(2, 2)),
        ir.Aggregate(name="near", inputs=("a", "n")),
        ir.Add(name="sum", inputs=("own", "near"), coefficients=(1.0, 1.0)),
        ir.Output(name="output", inputs=("sum",)),
    )
    network = ir.Network(nodes)
    matrix = CSR.from_dense(torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    wanted = torch.tensor([True, False, False])
    needed = needed_rows(network, {"a": matrix}, wanted)
    assert {name: rows.tolist() for name, rows in needed.items()} == {
        "output": [True, False, False],
        "sum": [True, False, False],
        "own": [True, False, False],
        "near": [True, False, False],
        "n": [True, False, True],
        "x": [True, False, True],
    }
    counter = EventCounter(network)
    run_closed(network, {"a": matrix, "x": torch.full((3, 2), 0.5)}, WantedRows(counter, needed))
    assert {name: row.operations for name, row in counter.rows.items()} == {"own": 1 * 4, "near": 1 * 2, "sum": 2}
    assert counter.populations["n"].spikes == 2 * 2
    WantedRows(counter, needed)(network["unread"], (torch.ones(3, 2),), torch.ones(3, 4))
    assert "unread" not in counter.rows


def test_it_is_said() -> None:
    graph = gcn2snn.datasets.load_graph("karate")
    result = gcn2snn.evaluate(converted(graph), graph, rows="wanted")
    assert "only what the scored rows need" in str(result)
    assert result.to_dict()["counted_rows"] == "wanted"


def test_images_and_other_words_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).eval()
    x = torch.rand(6, 1, 4, 4)
    snn = gcn2snn.convert(model, x, ConvertConfig.paper())
    with pytest.raises(ConfigError, match="rows are the nodes of one graph"):
        gcn2snn.evaluate(snn, x, labels=[0] * 6, rows="wanted")
    with pytest.raises(ConfigError, match="allowed are 'all' and 'wanted'"):
        gcn2snn.evaluate(snn, x, labels=[0] * 6, rows="some")  # type: ignore[arg-type]
