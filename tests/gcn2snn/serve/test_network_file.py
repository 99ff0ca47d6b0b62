"""The network of a running service does not depend on its file."""

from __future__ import annotations

import shutil
from pathlib import Path

import gcn2snn


def test_a_file_that_is_written_over_in_place_changes_no_answer(network_file: Path, tmp_path: Path) -> None:
    """As ``cp`` does: a network whose tensors stayed in the file would answer otherwise, or end the process."""
    path = tmp_path / "snn.safetensors"
    shutil.copyfile(network_file, path)
    before = gcn2snn.load(network_file).predict(["red apple tree", "car road jam"])
    running = gcn2snn.load(path)
    with path.open("r+b") as file:
        file.seek(8)
        file.write(b"\x07" * (path.stat().st_size - 8))
    assert running.predict(["red apple tree", "car road jam"]) == before
