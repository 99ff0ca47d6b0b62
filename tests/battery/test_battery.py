"""A short part of each battery; the whole ones are behind ``-m slow`` and are commands of their own (docs/reliability.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE_OF_FAULTS = "| faulty |"


def run(name: str, tries: int, seed: int, folder: Path) -> str:
    """What a battery prints; it runs in a process of its own, for it changes the cache, signals and children."""
    words = [sys.executable, str(HERE / f"{name}.py"), "--tries", str(tries), "--seed", str(seed)]
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=3600)
    assert TABLE_OF_FAULTS in done.stdout, done.stderr[-2000:]
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.parametrize(("name", "tries", "least"), [("corruptions", 1, 50), ("extremes", 5, 20)])
def test_a_part_of_a_battery_is_clean(name: str, tries: int, least: int, tmp_path: Path) -> None:
    total = run(name, tries, seed=3, folder=tmp_path).split(f"| {name} | ")[1]
    assert int(total.split(" | ")[0]) >= least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tries"),
    [
        *(("corruptions", 100), ("extremes", 120), ("odd_inputs", 100), ("kills", 300), ("signals", 60)),
        *(("races", 200), ("service", 100_000)),
    ],
)
def test_a_battery_is_clean(name: str, tries: int, tmp_path: Path) -> None:
    run(name, tries, seed=11, folder=tmp_path)
