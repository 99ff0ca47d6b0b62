"""Tables: the message where weights are missing, and the public ResNet-20 where they are present."""

import os
from pathlib import Path

import pytest

from gcn2snn.errors import ConfigError
from gcn2snn.reproduce import image_tables as tables
from gcn2snn.reproduce.image_paper_numbers import ROWS, WAITS
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.options import ReproduceOptions

DATA = os.environ.get("GCN2SNN_DATA", "")
needs_cifar = pytest.mark.skipif(
    not (Path(DATA) / "weights" / "cifar10_resnet20.safetensors").is_file() or not DATA,
    reason="GCN2SNN_DATA names no folder with cifar10/ and weights/cifar10_resnet20.safetensors",
)


def test_rows_without_weights_say_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    for table in (tables.table1, tables.table2, tables.table3, tables.table4, tables.table6, tables.table7):
        result = table(tmp_path, ReproduceOptions(data_dir=tmp_path))
        assert all("needs" in row["not run"] for row in result["rows"].values())
        assert all(Path(file).is_file() for file in result["files"])
    assert "not run needs weights/cifar10_resnet20.safetensors" in tables.table1(tmp_path, ReproduceOptions())["text"]


def test_unknown_rows_and_modes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no row cifar10/alexnet here; allowed are cifar10/vgg16"):
        tables.table1(tmp_path, ReproduceOptions(rows=("cifar10/alexnet",)))
    with pytest.raises(ConfigError, match=r"no mode .* here; allowed are paper, layer, mean"):
        tables._modes(Workbench(ReproduceOptions(modes=("x",))))


def test_the_papers_numbers_are_whole() -> None:
    assert len(ROWS) == 12
    for row in ROWS:
        assert len(row.waits) == (len(WAITS) if row.timesteps == 24 else 7)
        if row.snn is not None:
            assert row.waits[-1] == row.snn  # the longest wait is the exact result


@needs_cifar
@pytest.mark.slow
def test_resnet20_on_200_images(tmp_path: Path) -> None:
    options = ReproduceOptions(rows=("cifar10/resnet20",), limit=200)
    row = tables.table4(tmp_path, options)["rows"]["cifar10/resnet20"]
    assert row["ANN"] > 88
    assert row["SNN"] > 86
    assert 10 < row["alpha"] < 20
