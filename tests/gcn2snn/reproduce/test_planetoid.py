"""The planetoid command on a small graph: every model converts, rows survive a stop, tables are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from torch_geometric.data import Data

from gcn2snn.errors import ConfigError
from gcn2snn.reproduce import planetoid, planetoid_models
from gcn2snn.reproduce.options import ReproduceOptions


def small_set(nodes: int = 60, classes: int = 3) -> Data:
    """Classes with features and edges of their own."""
    label = torch.arange(nodes) % classes
    x = torch.rand(nodes, 12) + 2.0 * torch.nn.functional.one_hot(label, 12)
    edges = torch.stack([torch.arange(nodes), (torch.arange(nodes) + classes) % nodes])
    mask = torch.arange(nodes) % 5
    return Data(
        x=x / x.sum(1, keepdim=True),
        edge_index=torch.cat([edges, edges.flip(0)], 1),
        y=label,
        train_mask=mask < 2,
        val_mask=mask == 2,
        test_mask=mask > 2,
    )


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", planetoid.models())
def test_every_model_trains_and_converts(name: str, tmp_path: Path) -> None:
    modes = {"default": planetoid.MODES["default"]}
    data = small_set()
    row = planetoid.run_seed(name, data, 3, 0, modes, tmp_path)
    assert row["ann"] >= 50
    assert abs(row["modes"]["default"]["snn"] - row["ann"]) <= 15
    assert row["modes"]["default"]["alpha"]["eq6"] > 0
    with pytest.MonkeyPatch.context() as patch:  # trained once, read the second time
        patch.setattr(planetoid_models, "train", lambda *args: pytest.fail("trained twice"))
        assert planetoid.run_seed(name, data, 3, 0, modes, tmp_path)["ann"] == row["ann"]
        data.y = data.y.flip(0)  # other data are not those it was trained on
        with pytest.raises(pytest.fail.Exception, match="trained twice"):
            planetoid.run_seed(name, data, 3, 0, modes, tmp_path)


def test_rows_are_not_computed_twice(tmp_path: Path) -> None:
    row = {"seed": 0, "ann": 80.0, "modes": {"paper": {"snn": 79.0, "alpha": {"eq6": 5.0, "events": 4.0}}}}
    modes = {"paper": planetoid.MODES["paper"]}
    planetoid._Progress(tmp_path / "rows.json", modes).add("cora", "GCN", 0, lambda: row)
    again = planetoid._Progress(tmp_path / "rows.json", modes)
    again.add("cora", "GCN", 0, lambda: pytest.fail("computed twice"))
    assert again.rows("cora", "GCN") == [row]
    assert planetoid._Progress(tmp_path / "rows.json", planetoid.MODES).rows("cora", "GCN") == []
    results = [{"dataset": "cora", "model": "GCN", "seeds": [row], **planetoid.summary([row])}]
    assert "| cora | GCN | paper | 80.00 | 79.00 | +1.00 | 5.00 | 4.00 |" in planetoid.table(results)


@pytest.mark.parametrize("options", [{"rows": ("GAT",)}, {"datasets": ("pubmed",)}, {"modes": ("best",)}])
def test_unknown_names(options: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*; allowed are"):
        planetoid.planetoid(tmp_path, ReproduceOptions(**options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_cora(data_dir: Path, tmp_path: Path) -> None:
    options = ReproduceOptions(data_dir=data_dir, datasets=("cora",), rows=("SGC",), seeds=1)
    result = planetoid.planetoid(tmp_path, options)
    (row,) = result["results"]
    assert row["ann"] > 75
    assert abs(row["summary"]["default"]["loss"]) < 2
