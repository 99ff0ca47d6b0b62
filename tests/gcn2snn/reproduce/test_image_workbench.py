from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gcn2snn.cnn import MODELS, ImageTrainConfig, build_model, find_normalisation, load_images, train_images
from gcn2snn.config import ConvertConfig
from gcn2snn.errors import NotRunError
from gcn2snn.reproduce import image_workbench
from gcn2snn.reproduce.image_paper_numbers import PaperRow
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.options import ReproduceOptions

ROW = PaperRow("cifar10", "resnet20", 16, 1.3)


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder without data."""
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_row_without_weights_or_images_is_not_run(nothing: Path) -> None:
    bench = Workbench(ReproduceOptions(data_dir=nothing))
    with pytest.raises(
        NotRunError, match=r"needs weights/cifar10_resnet20.safetensors in the data folder, or --weights"
    ):
        bench.model(ROW)
    with pytest.raises(NotRunError, match=r"needs cifar10 \(test images\)"):
        bench.images(ROW, "test")


def test_weights_are_found_in_every_data_folder(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = nothing / "other" / "weights" / "cifar10_resnet20.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("GCN2SNN_DATA", str(nothing / "other"))
    assert Workbench(ReproduceOptions())._weights_file(ROW) == file


def test_networks_and_results_are_made_once(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = PaperRow("digits", "small", 8, 1.5)
    torch.manual_seed(0)
    torch.save(build_model("small", 10, 1).state_dict(), nothing / "small.pt")
    monkeypatch.setattr(image_workbench, "build_model", lambda name, classes, stem: build_model(name, classes, 1, stem))
    unit = replace(MODELS["small"], normalise="unit")  # grey digits
    monkeypatch.setitem(image_workbench.MODELS, "small", unit)
    monkeypatch.setitem(image_workbench.CALIBRATION_IMAGES, "digits", 20)
    bench = Workbench(ReproduceOptions(weights={"small": nothing / "small.pt"}, limit=30))
    config = bench.coded(ConvertConfig(), row)
    assert (config.base, config.timesteps) == (1.5, 8)
    result = bench.evaluate(row, config)
    assert bench.evaluate(row, config) is result
    assert bench.network(row, config) is bench.network(row, config)
    assert result.ann.classes.numel() == len(load_images("digits", "test").first(30)) == 30
    assert bench.alpha(result, "fp32") == result.energy.alpha_eq6


def test_a_run_folder_says_how_its_pixels_are_normalised(nothing: Path) -> None:
    train_images("digits", ImageTrainConfig(epochs=1, normalise="unit"), nothing / "run", limit=50)
    row, file = PaperRow("digits", "small", 8, 1.5), nothing / "run" / "model.safetensors"
    assert MODELS["small"].normalise != "unit"
    for given in (nothing / "run", file):
        bench = Workbench(ReproduceOptions(weights={"small": given}))
        assert bench._weights_file(row) == file
        assert bench.normalise(row) == find_normalisation("unit")
    (nothing / "run" / "run.json").rename(nothing / "else.json")
    assert bench.normalise(row) == find_normalisation(MODELS["small"].normalise)
