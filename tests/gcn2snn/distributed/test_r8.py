"""The table of R8 from two ranks is that of one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import gcn2snn, parsed
from rank_processes import command

pytestmark = pytest.mark.slow


def test_r8_on_two_ranks(data_dir: Path, tmp_path: Path) -> None:
    place = ("--data-dir", data_dir)
    assert gcn2snn("train", "r8", "--out", tmp_path / "one", *place).returncode == 0
    assert gcn2snn("convert", tmp_path / "one", "--paper", *place).returncode == 0
    one = parsed("evaluate", tmp_path / "one", *place)
    first, _ = command(2, "evaluate", tmp_path / "one", *place, "--json")
    assert first[0] == 0, first
    two = json.loads(first[1])
    assert two.pop("traffic")["ratio"] <= 0.27
    assert {k: v for k, v in one.items() if k != "peak_memory_bytes"} == {
        k: v for k, v in two.items() if k != "peak_memory_bytes"
    }
    first, _ = command(2, "train", "r8", "--out", tmp_path / "two", *place, "--json")
    assert first[0] == 0, first
    runs = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert runs[0]["epochs"] == runs[1]["epochs"]
    assert runs[0]["ann"] == runs[1]["ann"]
