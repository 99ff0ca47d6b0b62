import math

import pytest
import torch

from gcn2snn import ir
from gcn2snn.passes import departure
from gcn2snn.passes.departure import Sample, sample_of

THROUGH = ir.Network((ir.Input(name="x", size=(None, None)), ir.Output(name="output", inputs=("x",))))
"""The output is the input, so what a comparison sees is given by hand."""


def compared(own: torch.Tensor, source: torch.Tensor, counted: int | None = None) -> tuple[float, float]:
    inputs = [{"x": own}]
    rows, changed = Sample(inputs, inputs, [source], counted).departure(THROUGH)
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
    assert Sample([], [], [source], 1).rows == 1


def batches_of(*rows: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [{"x": torch.randn(count, 3, generator=generator)} for count in rows]


def test_the_order_of_batches_changes_nothing_and_each_is_for_one_purpose():
    batches = batches_of(10, 20, 30, 40)
    one, other = sample_of(THROUGH, lambda: batches), sample_of(THROUGH, lambda: batches[::-1])
    for mine, theirs in ((one.fitted, other.fitted), (one.compared, other.compared)):
        assert all(a["x"].equal(b["x"]) for a, b in zip(mine, theirs, strict=True))
    everything = [batch["x"].shape[0] for batch in (*one.fitted, *one.compared)]
    assert sorted(everything) == [10, 20, 30, 40]
    assert len(one.compared) == 2


def test_rows_are_bounded_but_one_batch_is_always_there(monkeypatch):
    monkeypatch.setattr(departure, "COMPARED_ROWS", 25)
    assert sum(batch["x"].shape[0] for batch in sample_of(THROUGH, lambda: batches_of(8, 8, 8, 8, 8)).fitted) == 16
    single = sample_of(THROUGH, lambda: batches_of(40, 40))
    assert single.rows == 40
    assert single.fitted[0]["x"].equal(single.compared[0]["x"])
