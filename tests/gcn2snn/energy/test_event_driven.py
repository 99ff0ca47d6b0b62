"""Updates of a chip that does none in vain: by hand, and against a simulation that looks at every neuron at every step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.energy import EventCounter, EventDrivenUpdates
from gcn2snn.engines import Value, run_closed, run_temporal
from gcn2snn.errors import ConfigError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, PhaseCode, Spikes

ONE = torch.tensor(1.0)
HALVES = PhaseCode(2.0, 4, shift=False)


def neuron(name: str, source: str) -> ir.Neuron:
    return ir.Neuron(name=name, inputs=(source,), coding=HALVES, scale=ONE)


def test_by_hand() -> None:
    """Node 0 sends at step 1, node 1 at step 2, node 2 never; they reach three neurons of which one fires."""
    matrix = CSR.from_dense(torch.tensor([[1.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    nodes = (
        ir.Input(name="a", size=(3, 3), role="operator"),
        ir.Input(name="x", size=(3, 1)),
        neuron("first", "x"),
        ir.Aggregate(name="sum", inputs=("a", "first")),
        neuron("second", "sum"),
        ir.Output(name="output", inputs=("second",)),
    )
    network = ir.Network(nodes)
    counted = EventDrivenUpdates(network)
    run_closed(network, {"a": matrix, "x": torch.tensor([[0.5], [0.25], [0.0]])}, counted)
    # Input values arrive once, so each of the three is touched once; they fire at 1, at 2, and never.
    assert counted.updates["first"] == 3 + (1 + 2 + 1)
    # Neuron 0 is touched at steps 1 and 2, holds 0.75 and fires at step 1; neuron 1 is touched once and silent; neuron 2 sleeps.
    assert counted.updates["second"] == (2 + 1) + (1 + 1) + 0


def touched_in_time(network: ir.Network, inputs: dict[str, Value]) -> dict[str, int]:
    """The same from the spikes of each population, carried step by step through the source's own layers with weights of one."""
    sent: dict[str, Tensor] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            assert isinstance(value, Spikes)
            sent[node.name] = value.code.abs().int()

    run_temporal(network, inputs, None, observe=observe)
    return {name: int((code > 0).sum()) for name, code in sent.items()}


@pytest.mark.parametrize("group", [1, 2])
def test_a_multilayer_perceptron_against_brute_force(group: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    x = torch.rand(7, 5)
    snn = gcn2snn.convert(model, x, ConvertConfig.paper(group=group))
    codes: dict[str, Tensor] = {}
    coded: list[Tensor] = []

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            codes[node.name] = value.coding.step_of(value.code.abs().int())
        if isinstance(node, ir.Coder):
            coded.append(gcn2snn.encoding.encode_binary(args[0], node.scale, node.timesteps))

    counted = EventDrivenUpdates(snn.network)
    run_closed(snn.network, {snn.network.of(ir.Input)[0].name: x}, counted)
    snn.simulate(x, observe=observe)
    first, second = codes.values()
    names = dict(zip(("first", "second"), codes, strict=True))
    for name, own, arriving in (
        ("first", first, [[bool((coded[0][row] >> (16 - s) & 1).any()) for s in range(1, 17)] for row in range(7)]),
        ("second", second, [[bool((first[row] == s).any()) for s in range(1, 17)] for row in range(7)]),
    ):
        by_hand = 0
        for row in range(7):
            for unit in range(own.shape[1]):
                touches, step = sum(arriving[row]), int(own[row, unit])
                by_hand += touches + group * (step or (touches > 0))
        assert counted.updates[names[name]] == by_hand


def test_a_convolution_is_reached_through_its_windows() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, 3, bias=False), nn.ReLU()
    ).eval()
    with torch.no_grad():
        model[0].weight.zero_()[0, 0, 1, 1] = 1.0
        model[2].weight.fill_(1.0)
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 0, 0] = 1.0
    network = gcn2snn.convert(model, torch.rand(4, 1, 6, 6), ConvertConfig.paper(input="analog")).network
    counted = EventDrivenUpdates(network)
    run_closed(network, {network.of(ir.Input)[0].name: x}, counted)
    first, second = counted.updates.values()
    # The analog input reaches all 36 neurons at once; one of them fires at step 1.
    assert first == 36 + 36
    # Its spike reaches one of the 16 windows; the neuron there is touched once, and fires or is silent after one comparison or more.
    assert 2 <= second <= 1 + 16


def counted(*nodes: ir.Node, **data: Value) -> dict[str, int]:
    """Updates by population; the last node is the output."""
    network = ir.Network((*nodes, ir.Output(name="output", inputs=(nodes[-1].name,))))
    counter = EventDrivenUpdates(network)
    run_closed(network, data, counter)
    assert list(counter._arrived) == ["output"], "what nobody reads any more takes memory"
    return counter.updates


def test_both_sides_of_a_sum_reach_a_neuron() -> None:
    """Codes of four and two steps are added: a step at which either sends is one at which the neuron is touched."""
    short = ir.Neuron(name="short", inputs=("x",), coding=PhaseCode(2.0, 2, shift=False), scale=0.5 * ONE)
    add = ir.Add(name="sum", inputs=("first", "short"), coefficients=(1.0, 1.0))
    source = ir.Input(name="x", size=(None, 3))
    x = torch.tensor([[0.5, 0.25, 0.0625]])
    # They fire at 1, 2, 4 of four steps and at 1, 1, never of two; the sums 0.75, 0.5 and 0.0625 fire at 1, 1 and 4.
    updates = counted(source, neuron("first", "x"), short, add, neuron("second", "sum"), x=x)
    assert updates["first"] == (1 + 1) + (1 + 2) + (1 + 4)
    assert updates["short"] == (1 + 1) + (1 + 1) + (1 + 1)
    assert updates["second"] == (1 + 1) + (2 + 1) + (1 + 4)


def test_values_in_a_sum_arrive_at_the_first_step() -> None:
    coder = ir.Coder(name="c", inputs=("x",), kind="analog", scale=ONE)
    source = ir.Input(name="x", size=(None, 2))
    both = ir.Add(name="sum", inputs=("first", "c"), coefficients=(1.0, 1.0))
    x = torch.tensor([[0.5, 0.25]])
    # The first neuron gets its spike and its value at step 1, the second its value at step 1 and its spike at step 2.
    updates = counted(source, coder, neuron("first", "c"), both, neuron("second", "sum"), x=x)
    assert updates["second"] == (1 + 1) + (2 + 1)
    values = ir.Add(name="sum", inputs=("c", "c"), coefficients=(1.0, 1.0))
    assert counted(source, coder, values, neuron("second", "sum"), x=x) == {"second": (1 + 1) + (1 + 1)}


def test_identities_tables_and_values_of_a_graph() -> None:
    """A one-hot of three nodes as words of two bits touches each neuron twice; sums of values come once."""
    # The bits are worth 1/2 and 1/4: 0.375 fires at step 2, 0.1875 at step 3, and 0 is silent.
    table = ir.Lookup(name="table", inputs=("x",), table=torch.tensor([[0.5], [0.25], [0.0]]))
    words = counted(ir.OneHot(name="x", count=3, binary=2), table, neuron("first", "table"))
    assert words == {"first": 3 * 2 + (2 + 3 + 1)}
    matrix = CSR.from_dense(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    aggregate = (
        ir.Input(name="a", size=(2, 2), role="operator"),
        ir.Input(name="x", size=(2, 1)),
        ir.Coder(name="c", inputs=("x",), kind="analog", scale=ONE),
        ir.Aggregate(name="agg", inputs=("a", "c")),
        neuron("first", "agg"),
    )
    # Values reach every neuron once, also the one whose row of the matrix is empty.
    assert counted(*aggregate, a=matrix, x=torch.tensor([[0.5], [0.5]])) == {"first": (1 + 1) + (1 + 1)}


def test_groups_of_a_convolution_and_pools_reach_their_own_windows() -> None:
    """One pixel of the first of two channels fires at step 1; four of the eight neurons behind 2 x 2 windows are touched."""
    source = ir.Input(name="x", size=(None, 2, 3, 3))
    x = torch.zeros(1, 2, 3, 3)
    x[0, 0, 1, 1] = 0.5
    conv = ir.Conv(name="conv", inputs=("first",), weight=torch.full((2, 1, 2, 2), 0.0625), groups=2)
    updates = counted(source, neuron("first", "x"), conv, neuron("second", "conv"), x=x)
    assert updates["first"] == 18 + 1 + 17
    assert updates["second"] == 4 * (1 + 1)  # 0.5 / 16 is below the last threshold: one comparison each
    column = replace(conv, weight=torch.full((2, 1, 2, 1), 0.0625))
    updates = counted(source, neuron("first", "x"), column, neuron("second", "conv"), x=x)
    assert updates["second"] == 2 * (1 + 1)  # the windows above and below, of one column
    pool = ir.AvgPool(name="pool", inputs=("first",), kernel=(2, 2), stride=(1, 1))
    updates = counted(source, neuron("first", "x"), pool, neuron("second", "pool"), x=x)
    assert updates["second"] == 4 * (1 + 3)  # 0.5 / 4 fires at step 3
    largest = ir.MaxPool(name="pool", inputs=("first",), kernel=(2, 2), stride=(1, 1))
    updates = counted(source, neuron("first", "x"), largest, neuron("second", "pool"), x=x)
    assert updates["second"] == 4 * (1 + 1)


def test_it_is_printed_and_refused_with_a_short_wait() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    x = torch.rand(9, 4)
    snn = gcn2snn.convert(model, x, ConvertConfig.paper())
    result = gcn2snn.evaluate(snn, x, labels=[0] * 9, event_driven=True)
    energy = result.energy
    assert energy.event_driven is not None
    assert 0 < energy.event_driven < energy.updates
    assert energy.alpha_event_driven > energy.alpha_total
    assert f"{energy.event_driven:,} updates instead of {energy.updates:,}" in str(result)
    assert result.to_dict()["alpha"]["event_driven"] == energy.alpha_event_driven
    assert "event_driven" not in gcn2snn.evaluate(snn, x, labels=[0] * 9).to_dict()["alpha"]
    with pytest.raises(ConfigError, match="wait = 2"):
        EventCounter(snn.network, 2, event_driven=True)


def test_spikes_that_a_graph_network_sends_bound_the_updates() -> None:
    graph: Graph = gcn2snn.datasets.load_graph("karate")
    from gcn2snn.config import TrainConfig
    from gcn2snn.textgcn import Trainer, fit

    model = fit(Trainer(graph, TrainConfig(hidden=4, epochs=20)))
    snn = gcn2snn.convert(model, graph, ConvertConfig.paper())
    plain = gcn2snn.evaluate(snn, graph).energy
    counted = gcn2snn.evaluate(snn, graph, event_driven=True).energy
    assert counted.layers == plain.layers
    assert counted.updates == plain.updates
    sent = touched_in_time(snn.network, {snn.network.of(ir.Input)[0].name: graph.adjacency})
    assert sum(sent.values()) <= counted.event_driven <= counted.updates + counted.neurons
