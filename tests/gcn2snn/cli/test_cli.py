"""The command line as a user meets it: exit codes, one-line errors, JSON on standard output."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import failed, gcn2snn, parsed

SCRIPT = Path(sys.executable).with_name("gcn2snn")


@pytest.fixture(scope="module")
def karate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained and converted run."""
    folder = tmp_path_factory.mktemp("karate")
    trained = gcn2snn("train", "karate", "--out", folder / "run", "--epochs", 30, "--hidden", 16)
    assert trained.returncode == 0, trained.stderr
    converted = gcn2snn("convert", folder / "run", "--out", folder / "snn.safetensors")
    assert converted.returncode == 0, converted.stderr
    assert "layer1.message" in converted.stdout
    return folder


def test_evaluate_prints_the_comparison(karate: Path) -> None:
    result = gcn2snn("evaluate", karate / "snn.safetensors")
    assert result.returncode == 0, result.stderr
    for word in ("accuracy %", "macro F1 %", "same prediction %", "alpha", "layer2.aggregation", "26 test nodes"):
        assert word in result.stdout


def test_evaluate_json_has_the_promised_keys(karate: Path) -> None:
    content = parsed("evaluate", karate / "snn.safetensors")
    assert content["dataset"]["dataset"] == "karate"
    assert content["config"]["base"] == 1.3
    assert 0 <= content["snn"]["accuracy"] <= 100
    assert set(content["alpha"]) == {"eq6", "events", "total"}
    assert set(content["joules"]) == {"ann", "snn", "ann_with_memory", "snn_with_memory"}
    for layer in content["layers"]:
        assert {"name", "spike_rate", "operations", "additions", "events"} <= set(layer)
    additions = sum(layer["additions"] for layer in content["layers"])
    operations = sum(layer["operations"] for layer in content["layers"])
    assert content["alpha"]["eq6"] == pytest.approx(4.6 * operations / (0.9 * additions))


def test_engines_agree(karate: Path) -> None:
    names = ["closed", "bucketed", "temporal"]
    found = [parsed("evaluate", karate / "snn.safetensors", "--engine", name) for name in names]
    assert found[0]["snn"] == found[1]["snn"] == found[2]["snn"]
    assert [content["engine"] for content in found] == names


def test_convert_measures_what_is_not_given(karate: Path, tmp_path: Path) -> None:
    measured = parsed("convert", karate / "run", "--out", tmp_path / "measured.safetensors")
    choice = measured["choice"]
    assert (len(choice["trials"]), len(choice["first"])) == (3, 4)  # of seven, four are left out after the first look
    assert choice["rows"] == 34
    assert choice["seconds"] > 0
    assert measured["config"]["base"] == 1.3
    assert set(measured["config"]["layers"]) == {row["name"] for row in measured["populations"]}
    paper = parsed("convert", karate / "run", "--paper", "--correct", "mean", "--out", tmp_path / "paper.safetensors")
    assert paper["choice"] is None
    assert {name: paper["config"][name] for name in ("base", "scale", "per", "correct")} == {
        "base": 1.3,
        "scale": "max",
        "per": "layer",
        "correct": "mean",
    }
    said = gcn2snn("convert", karate / "run", "--accuracy-first", "--out", tmp_path / "groups.safetensors").stdout
    assert "Settings on 34 calibration rows against the source's own outputs" in said
    assert "groups of 4" in said


def test_train_and_convert_json(tmp_path: Path) -> None:
    run = parsed("train", "karate", "--out", tmp_path / "run", "--epochs", 3, "--hidden", 4)
    assert run["status"] == "finished"
    assert run["epochs"] == 3
    assert run["config"]["hidden"] == 4
    snn = parsed("convert", tmp_path / "run", "--per", "channel", "--scale", "mse", "--message", "rectified")
    assert [row["name"] for row in snn["populations"]] == [
        "layer1.message.neuron",
        "layer1.relu",
        "layer2.message.neuron",
    ]
    assert Path(snn["snn"]).exists()
    assert "--percentile has no meaning here: no scale is a percentile" in failed(
        "convert", tmp_path / "run", "--out", tmp_path / "other", "--percentile", 50
    )


def test_train_never_overwrites_unasked(karate: Path) -> None:
    before = (karate / "run" / "model.safetensors").read_bytes()
    assert "already holds a run" in failed("train", "karate", "--out", karate / "run")
    assert "hidden=16. Give the same options" in failed("train", "karate", "--out", karate / "run", "--resume")
    assert (karate / "run" / "model.safetensors").read_bytes() == before
    assert "is not overwritten without --force" in failed(
        "convert", karate / "run", "--out", karate / "snn.safetensors"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "karrate"], "Did you mean karate"),
        (["train", "karate", "--layers", "1"], "layers = 1: input should be greater than or equal to 2"),
        (["train", "karate", "--force", "--resume"], "give one of them"),
        (["convert", "nowhere"], "is not a run folder"),
        (["convert", "nowhere", "--base", "1"], "base = 1.0: input should be greater than 1"),
        (["convert", "nowhere", "--timesteps", "0"], "timesteps = 0"),
        (["convert", "nowhere", "--timesteps", "256"], "timesteps = 256"),
        (["convert", "nowhere", "--wait", "-1"], "wait = -1"),
        (["evaluate", "nowhere"], "nowhere does not exist; a spiking network is needed, a file like RUN/snn.safeten"),
        (["evaluate", "nowhere"], "Make one with `gcn2snn convert RUN`, where RUN is a run folder of `gcn2snn train"),
        (["report", "nowhere"], "nowhere does not exist; a report is about a spiking network (a file like RUN/snn.s"),
        (["report", "nowhere"], "and `gcn2snn convert RUN`, a table with `gcn2snn reproduce table5 --out DIR`"),
        (["evaluate", "nowhere", "--energy", "free"], "energy preset 'free' is unknown"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str) -> None:
    assert message in failed(*words)


def test_bad_engine_is_one_line(karate: Path, tmp_path: Path) -> None:
    assert "engine is 'fast'" in failed("evaluate", karate / "snn.safetensors", "--engine", "fast")
    path = tmp_path / "wait.safetensors"
    parsed("convert", karate / "run", "--wait", 2, "--out", path)
    assert "the closed form holds for a wait of 15 or more, got 2" in failed("evaluate", path, "--engine", "closed")
    assert parsed("evaluate", path)["engine"] == "bucketed"


def test_damaged_files_are_one_line(karate: Path, tmp_path: Path) -> None:
    content = (karate / "snn.safetensors").read_bytes()
    for name, damaged in (
        ("short", content[: len(content) // 2]),
        ("edited", content[:-1] + bytes([content[-1] ^ 1])),
        ("empty", b""),
    ):
        (tmp_path / name).write_bytes(damaged)
        assert "again" in failed("evaluate", tmp_path / name)


@pytest.mark.parametrize(
    ("name", "command"),
    [("run.json", "gcn2snn train DATASET --out {} --force"), ("tune.json", "gcn2snn tune {} --force")],
)
def test_damaged_files_of_a_run_are_no_report(
    karate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    folder = shutil.copytree(karate / "run", tmp_path / "run")
    network = shutil.copy(karate / "snn.safetensors", folder / "snn.safetensors")
    (folder / "report.html").write_text("mine")
    monkeypatch.setattr("gcn2snn.report.write.measure", None)  # nothing is measured before the refusal
    for damaged, message in (
        ('{"status": "fin', "is not whole JSON"),
        ("", "is not whole JSON"),
        ("[]", "is no JSON object"),
    ):
        (folder / name).write_text(damaged)
        refused = failed("report", folder, "--force")
        assert f"{folder / name} {message}" in refused
        assert f"Make it again with `{command.format(folder)}`, or report on a network alone" in refused
    assert (folder / "report.html").read_text() == "mine"
    monkeypatch.undo()
    assert gcn2snn("report", network).returncode == 0


def test_the_installed_script_runs(karate: Path) -> None:
    done = subprocess.run([SCRIPT, "evaluate", karate / "snn.safetensors", "--json"], capture_output=True, timeout=120)
    assert json.loads(done.stdout)["snn"] == parsed("evaluate", karate / "snn.safetensors")["snn"]
    refused = subprocess.run([SCRIPT, "evaluate", "nowhere"], capture_output=True, text=True, timeout=120)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("gcn2snn: error: nowhere does not exist; a spiking network is needed")
    assert refused.stderr.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    words = [SCRIPT, "train", "karate", "--out", tmp_path / "run", "--epochs", "1000000", "--patience", "1000000"]
    process = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    metrics, limit = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 500) and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("gcn2snn: interrupted;")
    assert "--resume" in err
    parsed("convert", tmp_path / "run")


def test_wrong_kind_of_path_is_named(karate: Path) -> None:
    assert "holds no converted network. Make one with: gcn2snn convert" in failed("evaluate", karate / "run")
    assert "is a file; a run folder" in failed("convert", karate / "snn.safetensors", "--out", karate / "x.safetensors")


def test_own_corpus_takes_the_same_path(tmp_path: Path) -> None:
    rows = ["text\tlabel\tsplit"]
    for index in range(24):
        word = ("apples pears plums", "trains rails stations")[index % 2]
        rows.append(
            f"we like {word} number{index % 3} {word}\t{('fruit', 'rail')[index % 2]}\t{'test' if index > 17 else 'train'}"
        )
    (tmp_path / "own.tsv").write_text("\n".join(rows) + "\n")
    run = parsed("train", tmp_path / "own.tsv", "--out", tmp_path / "run", "--epochs", 60, "--min-count", 1)
    parsed("convert", tmp_path / "run")
    content = parsed("evaluate", tmp_path / "run" / "snn.safetensors")
    assert run["ann"]["accuracy"] == content["snn"]["accuracy"] == 100.0


def test_help_is_quick_and_does_not_import_torch() -> None:
    code = "import sys, gcn2snn.cli; bad = {'torch', 'sklearn', 'torch_geometric', 'dgl', 'triton', 'matplotlib'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    for verb in ([], ["train"], ["convert"], ["evaluate"], ["datasets"]):
        assert gcn2snn(*verb, "--help").returncode == 0


def test_import_is_lean() -> None:
    code = (
        "import torch, sys; before = set(sys.modules); import gcn2snn; gcn2snn.convert, gcn2snn.fit; "
        "bad = {'torch_geometric', 'dgl', 'triton', 'sklearn', 'matplotlib', 'nltk'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
