from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from gcn2snn.bench import CASES, IMAGE_CASES, ImageProblem, case, copy_bandwidth, measure, synthetic
from gcn2snn.bench.measure import why_not
from gcn2snn.cli.bench import bench
from gcn2snn.errors import ConfigError

app = typer.Typer()
app.command()(bench)


def run(*arguments: str) -> dict:
    result = CliRunner().invoke(app, [*arguments, "--json", "--rounds", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


@pytest.mark.parametrize("shape", ["uniform", "power-law"])
def test_synthetic_has_the_entries_that_were_asked_for(shape: str) -> None:
    problem = synthetic(3000, shape, 5)
    assert problem.matrix.nnz == 3000
    assert problem.matrix.shape == (30, 30)
    counts = problem.matrix.rowptr.diff()
    assert (int(counts.max()) > 300) == (shape == "power-law")


def test_synthetic_refuses() -> None:
    with pytest.raises(ConfigError, match="shape is 'star'; allowed are uniform and power-law"):
        synthetic(10, "star", 1)
    with pytest.raises(ConfigError, match="entries is 0"):
        synthetic(0, "uniform", 1)


@pytest.mark.filterwarnings("ignore")  # peers warn about themselves
def test_every_case_that_can_run_gives_the_answer_of_its_group() -> None:
    problem = synthetic(2000, "power-law", 9)
    results = measure(problem, CASES.values(), rounds=1)
    assert len(results) == len(CASES)
    for result in results:
        if result.rounds == 0:
            assert result.note
            continue
        assert result.median_ms is not None
        if result.difference is not None:
            assert result.difference < 1e-5
        else:  # a sum that another order rounds differently may tip one neuron over its threshold
            assert int(result.note.split()[0]) <= 2


def test_useful_bytes_by_hand() -> None:
    problem = synthetic(1000, "uniform", 7)  # 10 nodes
    phase, wide = CASES["aggregate/gcn2snn phase_spmm"], CASES["aggregate/torch CSR int64"]
    assert phase.useful_bytes is not None
    assert wide.useful_bytes is not None
    assert phase.useful_bytes(problem) == 1000 * (4 + 4 + 7) + 10 * (4 + 28)
    assert wide.useful_bytes(problem) == 1000 * (8 + 4 + 28) + 10 * (8 + 28)


def test_command_writes_one_json_object_and_a_plot(tmp_path: Path) -> None:
    picture = tmp_path / "time.png"
    arguments = ("--entries", "1e3", "--entries", "2e3", "--shape", "uniform", "--channels", "4", "--case", "gcn2snn")
    pytest.importorskip("matplotlib")
    got = run(*arguments, "--group", "aggregate", "--plot", str(picture))
    assert got["copy_gb_per_s"] > 0
    assert [p["entries"] for p in got["problems"]] == [1000, 2000]
    assert {r["backend"] for r in got["results"] if r["case"].startswith("gcn2snn")} == {got["backend"]}
    assert picture.stat().st_size > 5000


def test_command_refuses() -> None:
    runner = CliRunner()
    for arguments, match in (
        (["--group", "nothing"], "no case matches"),
        (["--device", "tpu"], "device is 'tpu'"),
        (["--clock", "sun"], "clock is 'sun'"),
    ):
        result = runner.invoke(app, arguments)
        assert isinstance(result.exception, ConfigError)
        assert match in str(result.exception)


def test_a_case_is_registered_once() -> None:
    with pytest.raises(ConfigError, match="aggregate/gcn2snn spmm is registered twice"):
        case("aggregate", "gcn2snn spmm")(lambda problem: lambda: None)


def test_a_missing_package_is_a_reason_not_an_error() -> None:
    from dataclasses import replace

    absent = replace(CASES["aggregate/scipy CSR"], package="no_such_package")
    assert why_not(absent, synthetic(100, "uniform", 2)) == "no_such_package is not installed"
    huge = replace(CASES["aggregate/PyG SimpleConv"], package="", memory=lambda problem: 2**60)
    assert "GiB; " in why_not(huge, synthetic(100, "uniform", 2))


def test_copy_bandwidth_is_a_rate() -> None:
    assert copy_bandwidth(size=1 << 20) > 1e6
    assert torch.get_num_threads() >= 1


def test_image_cases_give_the_answer_of_their_group() -> None:
    problem = ImageProblem(1)
    cases = [c for c in IMAGE_CASES.values() if c.group.startswith("convolve") or "compile" not in c.name]
    for result in measure(problem, cases, rounds=1):  # type: ignore[arg-type]
        assert result.median_ms is not None
        if result.difference is not None:
            assert result.difference < 1e-5
        elif result.note:  # sums in another order may tip a neuron over its threshold
            assert int(result.note.split()[0]) <= 2


def test_bench_runs_on_images() -> None:
    result = run("--images", "1", "--group", "convolve and fire, 64 x 8 x 8", "--threads", str(torch.get_num_threads()))
    assert [p["name"] for p in result["problems"]] == ["images-1"]
    assert {r["group"] for r in result["results"]} == {"convolve and fire, 64 x 8 x 8"}
