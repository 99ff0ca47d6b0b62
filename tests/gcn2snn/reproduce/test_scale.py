"""The graph of the scale item, and the item itself as a slow test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gcn2snn.reproduce.scale import power_law_graph


def test_degrees_follow_a_power_law_and_hubs_lie_all_over(tmp_path: Path) -> None:
    nodes, edges = 4000, 400_000
    x, edge_index = power_law_graph(tmp_path, nodes, edges, 5)
    assert (x.shape, x.dtype, edge_index.shape, edge_index.dtype) == (
        (nodes, 5),
        torch.float32,
        (2, edges),
        torch.int64,
    )
    assert 0 <= float(x.min()) < float(x.max()) < 1
    for end in edge_index:
        counts, order = torch.bincount(end, minlength=nodes).sort(descending=True)
        # The r-th of n nodes is drawn with probability sqrt(r / n) - sqrt((r - 1) / n); the first r with sqrt(r / n).
        for rank in (1, 10, 100, 1000):
            expected = edges * (rank / nodes) ** 0.5
            assert abs(int(counts[:rank].sum()) - expected) < 5 * expected**0.5 + 0.03 * expected
        assert 0.3 < float(order[:40].double().mean()) / nodes < 0.7


def test_the_same_seed_gives_the_same_graph(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other", "more")]
    for folder in folders:
        folder.mkdir()
    one, other = (power_law_graph(folder, 50, 300, 2) for folder in folders[:2])
    assert all(a.equal(b) for a, b in zip(one, other, strict=True))
    assert not power_law_graph(folders[2], 50, 300, 2, seed=1)[1].equal(one[1])


@pytest.mark.slow
def test_thirty_million_edges_convert_and_run_under_three_gigabytes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from gcn2snn.start import main; main()",
        "reproduce",
        "scale",
        "--out",
        str(tmp_path),
        "--json",
    ]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads((tmp_path / "scale.json").read_text())
    assert found["same bits"]
    assert found["count energy, peak GB so far"] < 3
