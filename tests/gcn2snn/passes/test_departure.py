import contextlib
import math

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.conversion import convert
from gcn2snn.engines import bind
from gcn2snn.passes import departure
from gcn2snn.passes.departure import Sample, sample_of


def through(columns: int) -> ir.Network:
    """The output is the input, so what a comparison sees is given by hand."""
    return ir.Network((ir.Input(name="x", size=(None, columns)), ir.Output(name="output", inputs=("x",))))


THROUGH = through(3)


def compared(own: torch.Tensor, source: torch.Tensor, counted: int | None = None) -> tuple[float, float]:
    inputs = [{"x": own}]
    columns = source.shape[1]
    rows, changed = Sample(inputs, [{"output": source}], columns > 1, counted).departures([through(columns)])[0]
    return float(rows.mean()), changed


def test_classes_are_compared_by_their_divergence_worked_out_here():
    source, own = torch.tensor([[0.0, 0.0], [5.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0], [5.0, 0.0]])
    divergence, changed = compared(own, source)
    assert divergence == pytest.approx((0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)) / 2, abs=1e-6)
    assert changed == 0.0
    assert compared(own.flip(1), source)[1] == 100.0


def test_a_single_output_is_compared_by_its_share_of_the_variance():
    source, own = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    assert compared(own, source) == (0.5, 0.0)  # 1 of (0 - 1)^2 + (2 - 1)^2


def test_only_counted_rows_count():
    source, own = torch.tensor([[3.0, 0.0], [0.0, 3.0]]), torch.tensor([[3.0, 0.0], [9.0, 0.0]])
    assert compared(own, source, counted=1) == (0.0, 0.0)
    assert Sample([], [{"output": source}], True, 1).rows == 1


def batches_of(*rows: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [{"x": torch.randn(count, 3, generator=generator)} for count in rows]


def test_the_order_of_batches_changes_nothing():
    batches = batches_of(10, 20, 30, 40)
    one, other = sample_of(THROUGH, lambda: batches), sample_of(THROUGH, lambda: batches[::-1])
    assert all(a["x"].equal(b["x"]) for a, b in zip(one.inputs, other.inputs, strict=True))
    assert sorted(batch["x"].shape[0] for batch in one.inputs) == [10, 20, 30, 40]


def test_rows_are_bounded_but_one_batch_is_always_there(monkeypatch):
    monkeypatch.setattr(departure, "COMPARED_ROWS", 25)
    assert sample_of(THROUGH, lambda: batches_of(8, 8, 8, 8, 8)).rows == 24
    assert sample_of(THROUGH, lambda: batches_of(40, 40)).rows == 40


@pytest.mark.parametrize(("rows", "taken"), [(100, 100), (51, 100), (50, 50), (30, 34), (1, 1)])
def test_a_part_is_spread_evenly_over_all_batches(rows, taken):
    """Every second, third or hundredth row of all batches, counted through."""
    batches = [
        {"x": batch["x"].fill_(0.0) + torch.arange(30.0)[: len(batch["x"]), None]}
        for batch in batches_of(30, 30, 30, 10)
    ]
    sample = sample_of(THROUGH, lambda: batches)
    part = sample.part(THROUGH, rows)
    assert part.rows == taken
    assert (part is sample) == (taken == 100)
    for batch, heads in zip(part.inputs, part.outputs, strict=True):
        assert heads["output"].equal(batch["x"])


def test_a_graph_has_no_part():
    geometric = pytest.importorskip("torch_geometric.nn")
    edges = torch.randint(0, 40, (2, 90), generator=torch.Generator().manual_seed(0))
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    network = convert(geometric.GCN(4, 6, 2, 3).eval(), (x, edges)).network
    sample = sample_of(network, lambda: [bind(network, (x, edges), {})])
    assert sample.part(network, 5) is sample


def test_as_many_rows_as_are_allowed_are_kept(monkeypatch):
    for allowed, rows in ((7, [8]), (23, [8, 8]), (24, [8, 8, 8]), (25, [8, 8, 8])):
        monkeypatch.setattr(departure, "COMPARED_ROWS", allowed)
        sample = sample_of(THROUGH, lambda: batches_of(8, 8, 8, 8, 8))
        assert [batch["x"].shape[0] for batch in sample.inputs] == rows


@pytest.mark.parametrize(("columns", "classes", "measure"), [(1, False, "squared"), (2, True, "kl"), (3, True, "kl")])
def test_several_outputs_for_a_row_are_classes(columns, classes, measure):
    sample = sample_of(through(columns), lambda: [{"x": torch.rand(5, columns)}])
    assert (sample.classes, sample.measure, sample.rows) == (classes, measure, 5)


def test_each_of_several_results_counts_alike():
    torch.manual_seed(0)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.one, self.other = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            h = self.body(x).relu()
            return self.one(h), self.other(h)

    x = torch.randn(40, 4)
    snn = convert(Two().eval(), x)
    expected = []
    for source, own in zip(snn.source(x), snn(x), strict=True):
        logarithms = source.double().log_softmax(1)
        expected.append(float((logarithms.exp() * (logarithms - own.double().log_softmax(1))).sum(1).mean()))
    assert snn.choice.rows == 80
    assert snn.choice.best.divergence == pytest.approx(sum(expected) / 2, rel=1e-6)


@pytest.mark.parametrize("limit", [None, "1MB"])
def test_under_a_memory_limit_networks_run_one_after_the_other(limit, monkeypatch):
    beside, side_by_side = [], departure.run_side_by_side

    def noted(networks, inputs):
        beside.append(len(networks))
        return side_by_side(networks, inputs)

    monkeypatch.setattr(departure, "run_side_by_side", noted)
    inputs = batches_of(4, 6, 5)
    sample = Sample(inputs, [{"output": batch["x"] + 1.0} for batch in inputs], False)
    with contextlib.nullcontext() if limit is None else gcn2snn.memory_limit(limit):
        found = sample.departures([THROUGH] * 3)
    assert len(found) == 3
    assert all(len(rows) == 15 for rows, _ in found)
    assert beside == ([3, 3, 3] if limit is None else [])


def test_an_output_of_one_number_has_as_many_rows_as_numbers():
    assert Sample([], [{"output": torch.arange(3.0)}], False).rows == 3
