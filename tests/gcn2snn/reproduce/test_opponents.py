"""Networks on uniform grids beside the spiking ones: grids, pruning, what operations cost, and the table's verdicts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gcn2snn import convert
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.engines import bind, run_float
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR
from gcn2snn.reproduce import integer_costs as costs
from gcn2snn.reproduce import opponents as item
from gcn2snn.reproduce import uniform_code as grids
from gcn2snn.textgcn import TextGCN, Trainer, fit


@pytest.fixture(scope="module")
def karate() -> tuple[TextGCN, Graph]:
    graph = load_graph("karate")
    return fit(Trainer(graph, TrainConfig(hidden=8, epochs=60))), graph


@settings(deadline=None)
@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=30), st.integers(1, 255))
def test_a_value_on_the_grid_is_the_nearest_level(values: list[float], levels: int) -> None:
    x, clip = torch.tensor(values), torch.tensor(3.0)
    found = grids.on_grid(x, clip, levels)
    every = torch.arange(-levels, levels + 1) * (clip / levels)
    nearest = (x[:, None] - every).abs().amin(1)
    torch.testing.assert_close((found - x).abs(), nearest, atol=1e-5, rtol=0)


def test_clips_are_of_least_error() -> None:
    x = torch.randn(2, 500, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [5.0]])
    best = grids._clips(x, 3)
    errors = [(x - grids.on_grid(x, share * x.abs().amax(1)[:, None], 3)).square().mean(1) for share in grids.CLIPS]
    own = (x - grids.on_grid(x, best[:, None], 3)).square().mean(1)
    torch.testing.assert_close(own, torch.stack(errors).amin(0))
    assert (best < x.abs().amax(1)).all()


def test_many_bits_give_the_source(karate: tuple[TextGCN, Graph]) -> None:
    contest = item.Contest(*karate)
    clips = grids.fit_clips(contest.network, [contest.inputs], 16)
    made = grids.run_uniform(contest.network, contest.inputs, 16, clips)
    matrices = {name: grids.rounded(m) for name, m in grids.operators(contest.network, contest.inputs).items()}
    wanted = grids.run(contest.network, contest.inputs, grids.activate, lambda node, x: x, known=matrices)
    torch.testing.assert_close(made.output, wanted, atol=2e-3, rtol=1e-3)
    assert float((made.output - run_float(contest.network, contest.inputs)).abs().max()) > 0  # the matrix has 8 bits


def test_operations_are_counted_by_hand() -> None:
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [-1.0, -1.0, 0.0]]))
        model[2].weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    x = torch.tensor([[1.0, 0.5, 0.25], [0.5, 0.0, 1.0]])
    network = convert(model, x, ConvertConfig.paper()).network
    inputs = bind(network, (x,), {})
    made = grids.run_uniform(network, inputs, 4, grids.fit_clips(network, [inputs], 4))
    first, second = made.energy.layers
    assert (first.operations, second.operations) == (12, 8)
    # Both rows have one unit that is not zero, the first; its column of weights holds one that is not zero either.
    assert (second.events, second.effective) == (4, 2)
    all_of_them = costs.grid_cost(network, made.energy, 4, 8, skipped=False)
    skipped = costs.grid_cost(network, made.energy, 4, 8, skipped=True)
    assert (all_of_them.operations, skipped.operations) == (20, first.effective + 2)
    by_hand = 12 * (0.2e-12 + 0.1e-12) + 8 * (0.1e-12 + 0.1e-12)  # 8 x 8 bits, then 4 x 8
    assert all_of_them.arithmetic == pytest.approx(by_hand)
    outputs = 8 * (3.1e-12 + 0.1e-12 + 4 * 2.5e-12)
    moved = (12 * 16 + 8 * 12) / 8 * 2.5e-12
    assert all_of_them.with_memory == pytest.approx(by_hand + outputs + moved)


def test_a_spike_costs_an_addition_and_nine_bytes(karate: tuple[TextGCN, Graph]) -> None:
    model, graph = karate
    energy = convert(model, graph, ConvertConfig.paper(weights="int8")).energy(graph.adjacency)
    events = sum(layer.events for layer in energy.layers)
    cost = costs.spiking_cost(energy, energy.updates)
    assert cost.operations == events
    assert cost.arithmetic == pytest.approx(events * 0.1e-12)
    assert cost.with_memory == pytest.approx(events * (0.1e-12 + 9 * 2.5e-12) + energy.updates * 23.2e-12)


def test_updates_where_something_happens_cost_less_and_change_nothing_else(karate: tuple[TextGCN, Graph]) -> None:
    rows = item.Contest(*karate).spiking("one spike", ConvertConfig.paper(weights="int8", events=0.3))
    every, some = rows["one spike"], rows["one spike, updates where something happens"]
    assert some["with_memory"] < every["with_memory"]
    assert {key: every[key] for key in ("accuracy", "loss", "operations", "arithmetic")} == {
        key: some[key] for key in ("accuracy", "loss", "operations", "arithmetic")
    }


def test_ternary_weights_have_three_values_a_channel(karate: tuple[TextGCN, Graph]) -> None:
    contest = item.Contest(*karate)
    network = grids.ternary(contest.network)
    table = next(node for node in network if hasattr(node, "table")).table
    assert all(column.abs().unique().numel() <= 2 for column in table.t())
    assert (table == 0).any()
    last = [node for node in network if hasattr(node, "weight")][-1]
    assert any(row.abs().unique().numel() > 2 for row in last.weight)


def test_pruning_leaves_the_largest() -> None:
    weight = torch.tensor([[0.1, -3.0], [2.0, 0.2]])
    assert grids._without_smallest(weight, 0.5).tolist() == [[0.0, -3.0], [2.0, 0.0]]
    matrix = CSR.from_dense(torch.tensor([[0.5, 0.1], [0.0, 0.4]]))
    assert grids.pruned_matrix(matrix, 0.4).nnz == 2


def test_pruned_has_no_more_operations_than_spikes_have(karate: tuple[TextGCN, Graph]) -> None:
    model, graph = karate
    contest = item.Contest(model, graph)
    rows = contest.pruned(ConvertConfig())
    spiking = contest.spiking("one spike, measured", ConvertConfig(weights="int8"))
    left = rows["8-bit activations, pruned 8-bit weights, zeros left out"]
    assert left["operations"] <= spiking["one spike, measured"]["operations"]
    assert 0 < rows["pruned share"] <= 1


def test_table_says_who_beats_whom() -> None:
    def row(accuracy: float, loss: float, joules: float) -> dict[str, float]:
        return {"accuracy": accuracy, "loss": loss, "operations": 1e6, "arithmetic": joules, "with_memory": 9e-6}

    measure = {"rows": {"one spike, paper": row(90.0, 1.0, 5e-6), "4-bit": row(90.5, 0.5, 4e-6), "share": 0.5}}
    text = item.table({"r8": [{"opponents-paper": measure}]})
    assert "| one spike, paper | 90.00 | 1.00 | 1.0 | 5.0 | 9.0 |" in text
    assert "`one spike, paper` is beaten by arithmetic by 4-bit." in text
    assert "`one spike, paper` is beaten with memory by none of them." in text
