from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from gcn2snn.bench import CASES, IMAGE_CASES, ImageProblem, Problem, case, copy_bandwidth, measure, synthetic
from gcn2snn.bench.cases import Work
from gcn2snn.bench.timing import why_not
from gcn2snn.cli.bench import bench
from gcn2snn.errors import ArtefactError, BackendError, ConfigError, DataError, Gcn2SnnError

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
            assert "Error" not in result.note
            continue
        assert result.applies
        assert result.median_ms is not None
        if result.difference is not None:
            assert result.difference < 1e-5
        elif result.note:  # a sum that another order rounds differently may tip one neuron over its threshold
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--group nothing", "no group matches --group 'nothing'; groups are: aggregate; aggregate, unsigned;"),
        ("--group decode --case spmm", "no case matches --case 'spmm' in the chosen groups; cases are: torch.index_"),
        ("--case spmm --case smpm", "no case matches --case 'smpm'; cases are: torch CSR int64;"),
        ("--group resnet20", "the chosen cases run on images only; give --images N"),
        ("--group inference", "none of the chosen cases runs on the synthetic matrices: a text graph is needed, for"),
        ("--images 2 --group decode", "no chosen case runs on --images"),
        ("--entries 1e3 --plot /proc/version/p.png", "--plot /proc/version/p.png cannot be written in /proc/version"),
        ("--graph karate --case cuSPARSE", "no chosen case runs on cpu"),
        ("--device tpu", "device is 'tpu'"),
        ("--clock sun", "clock is 'sun'"),
        ("--graph nosuch", "no dataset and no file or folder is called 'nosuch'. Did you mean"),
        ("--entries -5", "entries (--entries) is -5; allowed are whole numbers from 1 to 2,147,483,584"),
        ("--entries nan", "entries (--entries) is nan"),
        ("--entries 1.5", "entries (--entries) is 1.5"),
        ("--entries 1e30", "entries (--entries) is 1e+30"),
        ("--rounds 0", "rounds (--rounds) is 0; allowed are 1 and more"),
        ("--channels 0", "channels (--channels) is 0"),
        ("--threads 0", "threads (--threads) is 0"),
        ("--images 0", "images (--images) is 0"),
        ("--seconds -1", "seconds (--seconds) is -1; allowed are 0 (one round) and more"),
        ("--seconds nan", "seconds (--seconds) is nan"),
        ("--shape star", "shape is 'star'; allowed are uniform and power-law"),
        ("--graph karate --shape uniform", "--shape is about synthetic matrices and none is asked for"),
        ("--weights x", "--weights are those of ResNet-20 on images; add --images N"),
        ("--images 1 --weights nosuch", "nosuch does not exist; --weights needs a .safetensors or .pt file"),
        ("--plot time.foo", "--plot time.foo is no picture that can be drawn; allowed are .png, .svg, .pdf"),
        ("--plot time.png --group decode", "--plot draws the group aggregate over the entries of matrices"),
    ],
)
def test_command_refuses_before_it_measures(words: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*arguments: object, **options: object) -> None:
        raise AssertionError("a refusal takes no time")

    monkeypatch.setattr("gcn2snn.bench.copy_bandwidth", measured)
    result = CliRunner().invoke(app, words.split())
    assert isinstance(result.exception, Gcn2SnnError), result.exception
    assert message in str(result.exception)
    assert result.output == ""


def test_files_that_cannot_be_read_are_refused_together_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcn2snn.bench.measure", lambda *_, **__: pytest.fail("it was measured"))
    (tmp_path / "weights.pt").write_bytes(b"0.")
    (tmp_path / "network.safetensors").write_bytes(b"nothing")
    files = ["--weights", str(tmp_path / "weights.pt"), "--network", str(tmp_path / "network.safetensors")]
    error = CliRunner().invoke(app, ["--images", "1", "--commands", *files]).exception
    assert isinstance(error, ArtefactError)
    lines = str(error).splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("--")] == ["--weights", "--network"]
    error = CliRunner().invoke(app, ["--graph", "karate", "--graph", str(tmp_path), "--group", "aggregate"]).exception
    assert isinstance(error, DataError)
    assert str(tmp_path) in str(error)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_absent_gpu_is_refused() -> None:
    assert isinstance(CliRunner().invoke(app, ["--device", "cuda"]).exception, BackendError)


def test_cases_for_other_problems_are_told_apart_from_failures() -> None:
    chosen = ("--group", "decode", "--group", "inference", "--group", "graph building", "--rounds", "1")
    words = ("--entries", "1e3", "--shape", "uniform", *chosen)
    for extra in ((), ("--markdown",)):
        shown = CliRunner().invoke(app, [*words, *extra], catch_exceptions=False).stdout
        line = "not for uniform-1e3: inference; graph building (a text graph is needed, for example --graph r8)"
        assert line in shown.splitlines()
        assert "Error" not in shown
        assert "gcn2snn ANN" not in shown
    unfit = [result for result in run(*words)["results"] if not result["applies"]]
    assert {result["group"] for result in unfit} == {"inference", "graph building"}
    assert {result["note"] for result in unfit} == {"a text graph is needed, for example --graph r8"}
    karate = CliRunner().invoke(app, ["--graph", "karate", *chosen], catch_exceptions=False).stdout
    assert "gcn2snn ANN" in karate
    assert "not for karate: cuSPARSE int32 cached, ANN (runs on cuda only)" in karate
    assert "not for karate: graph building (a graph made of documents is needed" in karate


def test_a_case_is_registered_once() -> None:
    with pytest.raises(ConfigError, match="aggregate/gcn2snn spmm is registered twice"):
        case("aggregate", "gcn2snn spmm")(lambda problem: lambda: None)


def test_a_missing_package_is_a_reason_not_an_error() -> None:
    from dataclasses import replace

    absent = replace(CASES["aggregate/scipy CSR, one thread"], package="no_such_package")
    assert why_not(absent, synthetic(100, "uniform", 2)) == "no_such_package is not installed"

    def does_not_load(problem: Problem) -> Work:
        raise ImportError("libsomething.so.1: cannot open shared object file")

    broken = replace(CASES["aggregate/scipy CSR, one thread"], prepare=does_not_load)
    (result,) = measure(synthetic(100, "uniform", 2), [broken])
    assert (result.rounds, result.applies) == (0, True)
    assert result.note == "does not load: libsomething.so.1: cannot open shared object file"
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
