from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError
from gcn2snn.graph import Graph
from gcn2snn.run_folder import METRICS_FILE, MODEL_FILE, STATE_FILE, read_run
from gcn2snn.run_summary import RUN_FILE
from gcn2snn.textgcn.graph_runs import load_model, train_run

CONFIG = TrainConfig(hidden=8, epochs=12, patience=12)


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


def test_train_run_keeps_everything(karate: Graph, tmp_path: Path) -> None:
    summary = train_run(karate, CONFIG, tmp_path / "run")
    assert sorted(os.listdir(tmp_path / "run")) == sorted([METRICS_FILE, MODEL_FILE, RUN_FILE])
    assert read_run(tmp_path / "run", "graph") == json.loads(json.dumps(summary))
    assert summary["status"] == "finished"
    assert summary["config"]["hidden"] == 8
    assert {"torch", "python", "numpy"} <= set(summary["environment"])
    assert summary["dataset"]["corpus_hash"]
    rows = [json.loads(line) for line in (tmp_path / "run" / METRICS_FILE).read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    with torch.no_grad():
        scores = load_model(tmp_path / "run", karate)(karate.adjacency)
    right = (scores.argmax(1) == karate.labels)[karate.test_mask]
    assert 100 * float(right.double().mean()) == summary["ann"]["accuracy"]


def test_train_run_of_a_finished_run_changes_nothing(karate: Graph, tmp_path: Path) -> None:
    first = train_run(karate, CONFIG, tmp_path)
    before = (tmp_path / MODEL_FILE).stat().st_mtime_ns
    assert train_run(karate, CONFIG, tmp_path) == json.loads(json.dumps(first))
    assert (tmp_path / MODEL_FILE).stat().st_mtime_ns == before


def test_train_run_refuses_other_options_for_the_same_folder(karate: Graph, tmp_path: Path) -> None:
    train_run(karate, CONFIG, tmp_path)
    with pytest.raises(ArtefactError, match="was started with hidden=8"):
        train_run(karate, TrainConfig(hidden=9, epochs=12, patience=12), tmp_path)


def test_train_run_refuses_another_graph(karate: Graph, tmp_path: Path) -> None:
    train_run(karate, CONFIG, tmp_path)
    other = Graph(karate.raw, karate.labels.flip(0), karate.train_mask, karate.test_mask, karate.class_names)
    with pytest.raises(ArtefactError, match=r"holds a run on the graph of karate \(\w{8}\), not on the graph of "):
        train_run(other, CONFIG, tmp_path)
    with pytest.raises(ArtefactError, match="was trained on another graph"):
        load_model(tmp_path, other)


WORKER = """
import sys, time
from pathlib import Path
from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.textgcn import train_run
config = TrainConfig(hidden=8, epochs=25, patience=25, save_every=0.0)
train_run(load_graph("karate"), config, Path(sys.argv[1]), on_epoch=lambda trainer: time.sleep(float(sys.argv[2])))
"""


def start(folder: Path, pause: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder), str(pause)], stderr=subprocess.DEVNULL)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 60
    while not path.exists() and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.02)
    assert path.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_resumes_to_the_same_weights(karate: Graph, tmp_path: Path, number: signal.Signals) -> None:
    config = TrainConfig(hidden=8, epochs=25, patience=25, save_every=0.0)
    train_run(karate, config, tmp_path / "whole")
    process = start(tmp_path / "stopped", 0.05)
    wait_for(tmp_path / "stopped" / STATE_FILE, process)
    process.send_signal(number)
    process.wait(timeout=60)
    assert json.loads((tmp_path / "stopped" / RUN_FILE).read_text())["status"] == "running"
    if number == signal.SIGINT:
        read_run(tmp_path / "stopped", "graph")  # Ctrl-C leaves the best weights so far, ready to convert
    train_run(karate, config, tmp_path / "stopped")
    whole, resumed = (load_model(tmp_path / name, karate) for name in ("whole", "stopped"))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    metrics = [json.loads(line)["epoch"] for line in (tmp_path / "stopped" / METRICS_FILE).read_text().splitlines()]
    assert metrics == list(range(1, 26))
