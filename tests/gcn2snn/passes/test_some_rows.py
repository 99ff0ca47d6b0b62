"""Activations of very many rows are counted on some of them, and kept, so that the network is run once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.engines import bind
from gcn2snn.frontends import lower
from gcn2snn.kernels import PhaseCode
from gcn2snn.passes import activation_counts, calibration, insert_neurons, some_rows
from gcn2snn.passes.over_ranks import Joined, Place, joined_over, place_over_ranks


def test_few_rows_are_all_taken() -> None:
    x = torch.rand(7, 2)
    assert some_rows.some_rows(x) is x
    assert some_rows.some_rows(x[0, 0]).dim() == 0


def test_as_many_rows_as_are_seen_are_all_taken_and_not_copied() -> None:
    """A report that counts on 65,536 rows says so (docs/decisions/0116)."""
    assert some_rows.SEEN_ROWS == 65_536
    x = torch.rand(65_536, 1)
    assert some_rows.some_rows(x) is x
    assert len(some_rows.some_rows(torch.rand(65_537, 1))) == 65_536


def test_the_choice_is_the_same_in_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved scales and reports can be made again only if the rows stay the same."""
    monkeypatch.setattr(some_rows, "SEEN_ROWS", 10)
    found = some_rows.some_rows(torch.arange(1000))
    assert found.tolist() == [97, 170, 245, 392, 464, 579, 617, 735, 858, 928]


def test_rows_are_spread_over_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(some_rows, "SEEN_ROWS", 10)
    x = torch.arange(1000)[:, None]
    found = some_rows.some_rows(x).flatten()
    assert torch.equal(found // 100, torch.arange(10))
    assert torch.equal(found, some_rows.some_rows(x).flatten())


def test_parts_give_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the panels of a memory limit and the ranks of a job are."""
    monkeypatch.setattr(some_rows, "SEEN_ROWS", 37)
    x = torch.rand(500, 2)
    whole = some_rows.some_rows(x)
    edges = [0, 3, 3, 200, 499, 500]
    parts = [some_rows.some_rows(x[a:b], Place(a, 500)) for a, b in pairwise(edges)]
    assert torch.cat(parts).equal(whole)
    on_ranks = []
    for a, b in pairwise(edges):
        nothing = Joined(lambda y: y, lambda y: y, lambda y: y, a, 500)
        with joined_over(nothing):
            on_ranks.append(some_rows.some_rows(x[a:b]))
            assert place_over_ranks(1, b - a) == Place(a + 1, 500)
    assert torch.cat(on_ranks).equal(whole)


def test_a_large_batch_is_run_once_for_all_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maxima are those of all rows; histograms and reports come from the rows that were kept."""
    for module in (some_rows, activation_counts):
        monkeypatch.setattr(module, "SEEN_ROWS", 50)
    runs = 0
    whole = calibration.run_float

    def counted(*args: object, **kwargs: object) -> torch.Tensor:
        nonlocal runs
        runs += 1
        return whole(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(calibration, "run_float", counted)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    x = torch.rand(500, 4)
    config = gcn2snn.ConvertConfig(base=1.3, scale="max", per="channel", correct="none")
    snn = gcn2snn.convert(model, x, config)
    assert runs == 1
    (neuron,) = snn.network.of(gcn2snn.ir.Neuron)
    largest = torch.relu(model[0](x)).amax(0)
    assert torch.equal(neuron.scale, torch.where(largest > 0, largest, 1.0))
    assert snn.report[0].neurons == 50 * 6


def test_rows_that_were_kept_are_shown_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (some_rows, activation_counts):
        monkeypatch.setattr(module, "SEEN_ROWS", 50)
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval(), torch.rand(500, 4)
    network = insert_neurons(lower(model, (x,), {}), gcn2snn.ConvertConfig())
    statistics = calibration.Statistics(network, lambda: [bind(network, (x,), {})])
    seen: list[tuple[int, Place, bool]] = []
    statistics.show(network, lambda node, rows, place, fresh: seen.append((len(rows), place, fresh)))
    assert seen == [(50, Place(0, 50), True)]


@pytest.mark.parametrize("per", ["layer", "channel"])
@pytest.mark.parametrize("part", [1, 7, 2**20])
def test_histograms_are_the_same_in_parts(monkeypatch: pytest.MonkeyPatch, per: str, part: int) -> None:
    monkeypatch.setattr(activation_counts, "PART_VALUES", part)
    x = torch.rand(11, 3, generator=torch.Generator().manual_seed(0))
    node = ir.Neuron(name="h", inputs=("x",), coding=PhaseCode(1.5, 8), scale=torch.tensor(1.0))
    histograms = activation_counts.Histograms({"h": x.amax(0)}, per)
    histograms(node, x, Place(0, 11), True)
    top = x.amax(0) if per == "channel" else x.max().expand(3)
    bins = (x / top * histograms.bins).long().clamp(max=histograms.bins - 1)
    rows = bins.T if per == "channel" else bins.reshape(1, -1)
    expected = torch.stack([torch.bincount(row, minlength=histograms.bins) for row in rows])
    assert torch.equal(histograms.counts["h"], expected)
