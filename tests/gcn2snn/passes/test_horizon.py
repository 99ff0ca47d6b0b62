"""The last phase of each neuron: what it keeps and costs; the choice is the best of all subsets of small problems."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn import artefact, ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import fire
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, PhaseCode, encode, reference
from gcn2snn.passes.horizon import cut, cut_spikes, fan_out, rules_of, set_horizons
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn.model import TextGCN

SEEDS = st.integers(0, 2**20)


def bipartite(seed: int, neurons: int, outputs: int, channels: int = 1) -> tuple[ir.Network, dict[str, object]]:
    """One signed population that one aggregation reads, every neuron with its own targets and value."""
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(outputs, neurons, generator=random)
    weights[torch.rand(outputs, neurons, generator=random) < 0.5] = 0.0
    values = torch.randn(neurons, channels, generator=random)
    coding = PhaseCode(1.5, 12, signed=True)
    nodes = (
        ir.Input(name="graph", size=(outputs, neurons), role="operator"),
        ir.Input(name="x", size=(neurons, channels)),
        ir.Neuron(name="h", inputs=("x",), coding=coding, activation=ir.IDENTITY, scale=values.abs().max()),
        ir.Aggregate(name="sum", inputs=("graph", "h")),
        ir.Output(name="output", inputs=("sum",)),
    )
    return ir.Network(nodes), {"graph": CSR.from_dense(weights), "x": values}


def sent(network: ir.Network, inputs: dict[str, object]) -> Tensor:
    """Decoded spikes of the population ``h``."""
    found: dict[str, Tensor] = {}

    def observe(node: ir.Node, args: tuple[object, ...], value: object) -> None:
        if node.name == "h":
            found["h"] = reference.decode(value)

    run_closed(network, inputs, observe)
    return found["h"]


def expected_errors(weights: Tensor, values: Tensor, dropped: Tensor) -> Tensor:
    """E |A (dropped * signs * values)|^2 over all patterns of independent signs, one number per row of ``dropped``."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=len(values))), dtype=torch.float64)
    change = dropped[:, None] * signs * values
    return (change @ weights.T).square().sum(2).mean(1)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, neurons=st.integers(1, 7))
def test_no_set_of_spikes_as_cheap_has_a_smaller_expected_error(seed: int, neurons: int) -> None:
    network, inputs = bipartite(seed, neurons, 6)
    node = network["h"]
    values = sent(network, inputs)[:, 0]
    fans = fan_out(network, "h", inputs)
    weights = inputs["graph"].to_dense().double()
    subsets = torch.tensor(list(itertools.product((0.0, 1.0), repeat=neurons)), dtype=torch.float64)
    cost = subsets @ fans.additions[:, 0].double()
    error = expected_errors(weights, values.double(), 1 - subsets)
    for threshold in (values.abs() * fans.worth[:, 0]).unique().tolist():
        rule = cut(node, inputs["x"], fans, max(threshold * 0.999, 1e-9), None)
        kept = (sent(network.replace({"h": [rule]}), inputs)[:, 0] != 0).double()
        own = expected_errors(weights, values.double(), 1 - kept[None])[0]
        best = error[cost <= kept @ fans.additions[:, 0].double()].min()
        assert float(own) <= float(best) * (1 + 1e-9) + 1e-12  # rounding of the sums over sign patterns


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, share=st.floats(0.01, 1.0), channels=st.integers(1, 4))
def test_a_share_of_events_is_never_exceeded(seed: int, share: float, channels: int) -> None:
    network, inputs = bipartite(seed, 30, 20, channels)
    counts = inputs["graph"].column_counts[:, None]

    def events(net: ir.Network) -> int:
        return int(((sent(net, inputs) != 0) * counts).sum())

    limited = set_horizons(network, inputs, ConvertConfig(events=share))
    assert events(limited) <= share * events(network)
    # Ties and bins are dropped as a whole; with 30 neurons of 20 values that leaves at least half of what was asked.
    if channels == 4 and share > 0.3:
        assert events(limited) >= 0.5 * share * events(network)


def test_equal_spikes_go_together() -> None:
    """Ten equal neurons: all or none fit, so that the choice does not depend on their order."""
    network, inputs = bipartite(0, 10, 5)
    inputs = {"graph": CSR.from_dense(torch.ones(5, 10)), "x": torch.ones(10, 1)}
    assert int((sent(set_horizons(network, inputs, ConvertConfig(events=0.99)), inputs) != 0).sum()) == 0
    assert set_horizons(network, inputs, ConvertConfig(events=1.0)) is network


def test_horizon_by_hand() -> None:
    """Q = 2, T = 4, s = 1: worth = |a| / sqrt(degree) is 2, 1 and 0.5; lambda = 0.25 reaches phases 3, 2 and 1."""
    weights = torch.tensor([[2.0, 1.0, 0.5]])
    code = PhaseCode(2.0, 4, signed=True)
    network, inputs = bipartite(0, 3, 1)
    network = network.replace({"h": [replace(network["h"], coding=code, scale=torch.tensor(1.0))]})
    inputs = {"graph": CSR.from_dense(weights), "x": torch.tensor([[0.5], [0.25], [0.25]])}
    cut_network = set_horizons(network, inputs, ConvertConfig(horizon=0.25))
    assert cut_network["h"].horizon.flatten().tolist() == [3, 2, 1]
    assert sent(cut_network, inputs).flatten().tolist() == [0.5, 0.25, 0.0]


def test_fan_out_of_a_dense_reader() -> None:
    """Two outputs read channel c by (3, 4) and (0, 5): two additions each, norms 5."""
    weight = torch.tensor([[3.0, 0.0], [4.0, 5.0]])
    nodes = (
        ir.Input(name="x", size=(None, 2)),
        ir.Neuron(name="h", inputs=("x",), coding=PhaseCode(1.3, 8), scale=torch.tensor(1.0)),
        ir.Dense(name="dense", inputs=("h",), weight=weight),
        ir.Output(name="output", inputs=("dense",)),
    )
    fans = fan_out(ir.Network(nodes), "h", {})
    assert fans.additions.tolist() == [[2.0]]
    assert fans.norm.tolist() == [[5.0, 5.0]]
    assert fans.worth.tolist() == [[pytest.approx(5 / 2**0.5)] * 2]


def test_a_neuron_nobody_hears_stays_silent() -> None:
    network, inputs = bipartite(1, 6, 4)
    weights = inputs["graph"].to_dense()
    weights[:, 2] = 0.0
    inputs = {**inputs, "graph": CSR.from_dense(weights)}
    assert float(sent(set_horizons(network, inputs, ConvertConfig(horizon=1e-6)), inputs)[2]) == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("one_hot", [True, False])
def test_both_engines_send_the_same(make_graphs, make_spiking, dtype, one_hot) -> None:
    case = make_graphs(7, ("dense", "aggregate", "raw_dense", "dense"), dtype, one_hot=one_hot)
    config = ConvertConfig(events=0.4)
    network = set_horizons(make_spiking(case, config), case[1], config)
    assert all(node.horizon is not None for node in network.of(ir.Neuron))
    closed: dict[str, Tensor] = {}

    def observe(node: ir.Node, args: tuple[object, ...], value: object) -> None:
        if isinstance(node, ir.Neuron):
            closed[node.name] = value.code

    run_closed(network, case[1], observe)
    in_time: dict[str, object] = {}
    run_temporal(network, case[1], None, emitted=in_time)
    assert {name: spikes.code.tolist() for name, spikes in in_time.items()} == {
        name: code.tolist() for name, code in closed.items()
    }
    without = make_spiking(case, ConvertConfig())
    assert sum(int((code != 0).sum()) for code in closed.values()) < sum(
        int(spikes.fired.sum())
        for spikes in SpikingNetwork(without, ConvertConfig()).spikes(*case[1].values()).values()
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=SEEDS, steps=st.integers(1, 20), signed=st.booleans(), shape=st.sampled_from([(7, 1), (1, 5), (7, 5), (1, 1)])
)
def test_kernel_encode_with_a_horizon_is_the_reference(
    seed: int, steps: int, signed: bool, shape: tuple[int, int]
) -> None:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(7, 5, generator=random)
    horizon = torch.randint(0, steps + 1, shape, generator=random).to(torch.int16)
    scale, coding = x.abs().max() if seed % 2 else x.abs().amax(0), PhaseCode(1.3, steps, signed)
    fast, slow = encode(x, scale, coding, horizon), reference.encode(x, scale, coding, horizon)
    assert torch.equal(fast.code, slow.code)
    assert bool((slow.code.abs() <= horizon).all())


def test_an_artefact_keeps_its_horizons(tmp_path) -> None:
    graph = load_graph("karate")
    model = TextGCN(34, [8], 4).eval()
    snn = convert(model, graph, ConvertConfig(events=0.3))
    loaded = artefact.load(artefact.save(snn, tmp_path / "snn.safetensors"))
    for node, other in zip(snn.network.of(ir.Neuron), loaded.network.of(ir.Neuron), strict=True):
        assert torch.equal(node.horizon, other.horizon)
    assert torch.equal(loaded(graph.adjacency), snn(graph.adjacency))
    plain = convert(model, graph).energy(graph.adjacency).alpha_events
    assert loaded.energy(graph.adjacency).alpha_events > 2 * plain


def test_all_events_are_the_plain_network() -> None:
    graph = load_graph("karate")
    model = TextGCN(34, [8], 4).eval()
    plain, whole = convert(model, graph), convert(model, graph, ConvertConfig(events=1.0))
    assert all(node.horizon is None for node in whole.network.of(ir.Neuron))
    assert torch.equal(plain(graph.adjacency), whole(graph.adjacency))


def test_rules_of_populations_win_over_the_rule_of_the_network(make_graphs, make_spiking) -> None:
    network = make_spiking(make_graphs(3, ("dense", "dense"), torch.float32), ConvertConfig())
    first, second = (node.name for node in network.of(ir.Neuron)[:2])
    layers = {first: LayerConfig(horizon=0.5), second: LayerConfig(events=1.0)}
    rules = rules_of(network, ConvertConfig(events=0.2, layers=layers))
    assert rules[first] == (0.5, None)
    assert second not in rules
    others = [node.name for node in network.of(ir.Neuron)[2:]]
    assert {rules[name] for name in others} == {(None, 0.2)}


def test_a_convolution_cannot_weigh_a_horizon(make_images, make_spiking) -> None:
    case = make_images(0, ("conv", "conv"), torch.float32)
    with pytest.raises(ConfigError, match=r"needs readers that are aggregations or dense layers; .* is a Conv"):
        set_horizons(make_spiking(case, ConvertConfig()), case[1], ConvertConfig(events=0.5))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, share=st.floats(0.01, 1.0), channels=st.integers(1, 4))
def test_cut_spikes_are_those_of_the_cut_population(seed: int, share: float, channels: int) -> None:
    network, inputs = bipartite(seed, 30, 20, channels)
    node, fans = network["h"], fan_out(network, "h", inputs)
    potential = inputs["x"]
    whole = fire(node, potential)
    for threshold, part in ((None, share), (share, None)):
        cut_first = fire(cut(node, potential, fans, threshold, part), potential)
        assert torch.equal(cut_spikes(node, whole, fans, threshold, part).code, cut_first.code)


def test_a_matrix_that_is_made_after_the_population() -> None:
    """``torch.sparse.mm(a, relu(linear(x)))``: the description makes the matrix behind the population that it reads."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(5, 6), torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
            return self.second(torch.relu(torch.sparse.mm(a, self.first(x))))

    torch.manual_seed(0)
    a = (torch.rand(9, 9) * (torch.rand(9, 9) < 0.4)).to_sparse()
    snn = convert(Net().eval(), (torch.rand(9, 5), a), ConvertConfig(events=0.5))
    assert sum(node.horizon is not None for node in snn.network.of(ir.Neuron)) == 2
