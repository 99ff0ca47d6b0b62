"""Whole networks through the Triton kernels: interpreted, and with a GPU (-m gpu) on it, the benchmark too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install 'gcn2snn[triton]'"
)


def run_networks(**changes: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "pytest"), "-q", str(Path(__file__).with_name("triton_networks.py"))]
    return subprocess.run(command, env={**os.environ, **changes}, capture_output=True, text=True, check=False)


def test_interpreted_networks_equal_plain_torch() -> None:
    run = run_networks(TRITON_INTERPRET="1", GCN2SNN_TEST_DEVICE="cpu")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert int(re.findall(r"(\d+) passed", run.stdout)[0]) == 11


@pytest.mark.gpu
def test_networks_on_the_device_equal_plain_torch() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    run = run_networks(GCN2SNN_TEST_DEVICE="cuda")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


@pytest.mark.gpu
def test_the_benchmark_runs_every_case_on_the_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    command = [str(Path(sys.executable).parent / "gcn2snn"), "bench", "--device", "cuda", "--json", "--rounds", "1"]
    operands = ["--graph", "karate", "--entries", "1e4", "--images", "4"]
    run = subprocess.run([*command, *operands], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    results = json.loads(run.stdout)["results"]
    ours = [r for r in results if r["case"].startswith("gcn2snn") and r["applies"]]
    groups = {"inference", "inference by events", "training epoch", "resnet20", "aggregate"}
    assert groups <= {r["group"] for r in ours}
    assert all(r["median_ms"] for r in ours), [r for r in ours if not r["median_ms"]]
