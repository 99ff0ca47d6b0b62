"""The motifs command on a few graphs: what is generated, that it is learned and converted, that the files are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from gcn2snn.errors import ConfigError
from gcn2snn.reproduce import motifs
from gcn2snn.reproduce.options import ReproduceOptions


def test_graphs_differ_by_their_motif() -> None:
    """A house of 5 nodes has 6 edges and a ring 5, listed in both directions."""
    found = motifs.graphs(0, 4)
    assert [data.num_nodes for data in found] == [25] * 4
    assert [float(data.edge_mask.sum()) for data in found] == [12, 10, 12, 10]
    assert [int(data.y) for data in found] == [0, 1, 0, 1]
    assert all(torch.equal(a.edge_index, b.edge_index) for a, b in zip(found, motifs.graphs(0, 4), strict=True))


def test_a_small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = motifs.run_seed
    monkeypatch.setattr(motifs, "run_seed", lambda seed, modes: small(seed, modes, count=20, epochs=1))
    result = motifs.motifs(tmp_path, ReproduceOptions(seeds=1, modes=("default",)))
    (row,) = result["results"]
    assert row["seeds"][0]["modes"]["default"]["alpha"]["events"] > 0
    assert "| BA-2Motifs | GIN | default |" in (tmp_path / "motifs.md").read_text(encoding="utf-8")
    assert (tmp_path / "motifs.json").exists()


def test_unknown_mode(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no mode best here; allowed are default, means, paper"):
        motifs.motifs(tmp_path, ReproduceOptions(modes=("best",)))
