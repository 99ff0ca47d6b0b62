"""Rates of a machine: measured, and read from the output of the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcn2snn.bench import OUTPUTS
from gcn2snn.errors import ArtefactError, ConfigError, DataError
from gcn2snn.plan import Rates, measured_rates, rates_of_bench


def bench(**changes: object) -> dict[str, object]:
    def row(problem: str, group: str, case: str, median: float | None) -> dict[str, object]:
        return {"problem": problem, "group": group, "case": case, "median_ms": median}

    results = [
        row("small", "aggregate", "gcn2snn spmm", 9.0),
        row("large", "aggregate", "gcn2snn spmm", 4.0),
        row("large", "aggregate", "gcn2snn phase_spmm", 2.0),
        row("large", "aggregate", "torch COO", None),
        row("large", "dense", "torch linear", 8.0),
    ]
    problems = [{"name": "images", "images": 3}, {"name": "small", "nodes": 5, "entries": 9}]
    problems.append({"name": "large", "nodes": 1000, "entries": 5000})
    return {"channels": 10, "problems": problems, "results": results} | changes


def test_rates_of_the_largest_graph(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(bench()))
    found = rates_of_bench(file)
    assert (found.floats, found.phases) == (50_000 / 4e-3, 50_000 / 2e-3)
    assert found.dense == pytest.approx(2 * 1000 * 10 * OUTPUTS / 8e-3)
    assert found.source == "bench.json: large"


def test_a_file_without_the_products_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(bench(results=[])))
    with pytest.raises(DataError, match=r"gcn2snn bench --group aggregate --group dense --json"):
        rates_of_bench(file)
    file.write_text(json.dumps({"snn": 3}))
    with pytest.raises(ArtefactError, match=r"channels.*gcn2snn bench --json"):
        rates_of_bench(file)


def test_measured_rates_are_positive_and_say_where_they_come_from() -> None:
    found = measured_rates(nodes=200, edges=800, channels=8)
    assert min(found.floats, found.phases, found.dense) > 0
    assert found.source == "measured on cpu"
    for wrong in (0.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="not all positive and finite"):
            Rates(wrong, 1.0, 1.0, "nothing")


def test_wide_layers_are_measured_with_fewer_channels() -> None:
    assert measured_rates(nodes=20, edges=80, channels=10**12).dense > 0
