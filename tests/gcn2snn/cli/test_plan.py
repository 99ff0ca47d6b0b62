"""``gcn2snn plan``: what it prints, and what it refuses before it measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import failed, gcn2snn, parsed

SMALL = ("plan", "--nodes", "1e4", "--edges", "1e5", "--features", 16, "--classes", 3, "--hidden", 8)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Rates that a test can count with: a product of floats of 1,000 entries and 10 channels takes a millisecond."""
    cases = (
        ("aggregate", "gcn2snn spmm", 1.0),
        ("aggregate", "gcn2snn phase_spmm", 0.5),
        ("dense", "torch linear", 1.0),
    )
    results = [{"problem": "p", "group": g, "case": c, "median_ms": m} for g, c, m in cases]
    file = tmp_path / "bench.json"
    problems = [{"name": "p", "nodes": 100, "entries": 1000}]
    file.write_text(json.dumps({"channels": 10, "problems": problems, "results": results}))
    return file


def test_json_holds_problem_rates_plans_and_least_ranks(bench: Path) -> None:
    found = parsed(*SMALL, "--ranks", 2, "--network", 1, "--memory", "1GB", "--halo", 100, "--bench", bench)
    assert found["problem"] | {"hidden": [8]} == found["problem"]
    assert (found["memory"], found["rates"]["floats"]) == (10**9, 1e7)
    kinds = [(plan["halo"], plan["kind"]) for plan in found["plans"]]
    assert kinds == [(how, kind) for how in ("worst", "random", "measured") for kind in ("floats", "phases")]
    floats, phases = found["plans"][-2:]
    assert (floats["gathered"], phases["gathered"]) == (2 * 100 * 11 * 4, 2 * 100 * 11)
    assert floats["layers"][0]["aggregate"] == pytest.approx(8 * 5e4 / 1e7)
    assert found["least_ranks"] == {how: {"floats": 1, "phases": 1} for how in ("worst", "random", "measured")}


def test_tables_show_memory_traffic_and_time(bench: Path) -> None:
    shown = gcn2snn(*SMALL, "--ranks", 4, "--bench", bench, "--memory", "310MB").stdout
    assert "10,000 nodes, 100,000 entries on 4 ranks of 310 MB" in shown
    assert "random halo, phases" in shown
    assert "bench.json: p" in shown


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--nodes", "10.5"), "whole numbers"),
        (("--nodes", "nan"), "whole numbers"),
        (("--edges", "inf"), "whole numbers"),
        (("--network", "nan"), "network is nan"),
        (("--ranks", 20_000), "20,000 ranks for 10,000 nodes"),
        (("--memory", "much"), "no amount of memory"),
        (("--memory", "0"), "memory is 0; a rank has some"),
        (("--halo", 1), "a rank reads at most"),
        (("--device", "tpu"), "device is 'tpu'"),
    ],
)
def test_what_cannot_be_planned_is_refused(words: tuple[object, ...], match: str) -> None:
    assert match in failed(*SMALL, *words)
