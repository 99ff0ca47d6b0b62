"""A converted network of the karate club, made by the command line once for each file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import gcn2snn


@pytest.fixture(scope="module")
def karate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("karate") / "run"
    for words in (("train", "karate", "--out", run, "--epochs", 30, "--hidden", 8), ("convert", run)):
        result = gcn2snn(*words)
        assert result.returncode == 0, result.stderr
    return run / "snn.safetensors"
