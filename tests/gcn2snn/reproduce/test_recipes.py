"""The comparison of two training recipes, on a few made images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gcn2snn.cnn.image_set import ArrayImages
from gcn2snn.errors import DataError, NotRunError
from gcn2snn.reproduce import recipes as module
from gcn2snn.reproduce.options import ReproduceOptions


def test_recipes_are_compared_in_the_same_time_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (300, 3, 32, 32), dtype=torch.uint8)
    images = ArrayImages(pixels, torch.arange(300) % 10, [str(label) for label in range(10)])
    monkeypatch.setattr(module, "load_images", lambda name, split, folder: images)
    monkeypatch.setattr(module, "EPOCHS", 2)
    monkeypatch.setattr(module, "HELD_OUT", 100)
    options = ReproduceOptions(limit=64)
    first = module.recipes(tmp_path, options)
    assert "64 training images, 100 held-out training images" in str(first["text"])
    assert "| resnet8 | customary | 0 | 2 |" in str(first["text"])
    assert "| resnet8 | fast | 0 |" in str(first["text"])
    monkeypatch.setattr(module, "time", None)  # nothing is trained again
    assert module.recipes(tmp_path, options)["results"] == first["results"]


def test_without_images_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, split: str, folder: object) -> ArrayImages:
        raise DataError("cifar10 is not there")

    monkeypatch.setattr(module, "load_images", absent)
    with pytest.raises(NotRunError, match="needs the training images of CIFAR-10: cifar10 is not there"):
        module.recipes(tmp_path, ReproduceOptions())
