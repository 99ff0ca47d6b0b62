"""Image runs at the tuner: the same verb, training images for validation, and the written network is the measured one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gcn2snn.cli import main
from gcn2snn.cnn.commands import train_images
from gcn2snn.cnn.train import ImageTrainConfig
from gcn2snn.cnn.tune import image_problem
from gcn2snn.errors import DataError

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "run"
    train_images("digits", ImageTrainConfig(epochs=3, batch_size=32, learning_rate=0.05, shift=1, flip=False), folder)
    return folder


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["gcn2snn", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_run_is_tuned_from_the_command_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("tune", run, "--images", 50, "--trials", 4, "--max-loss", 100, "--json")
    assert command(monkeypatch, *words) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["trials"] == 4
    assert content["test"]["images"] == 359
    assert content["test"]["ann"]["accuracy"] > 90
    assert content["chosen"]["config"]["layers"]
    assert (run / "tuned.safetensors").exists()
    assert command(monkeypatch, *words) != 0
    assert "tuned.safetensors exists" in capsys.readouterr().err


def test_some_images_are_needed(run: Path) -> None:
    with pytest.raises(DataError, match="validation set is empty: 0 images"):
        image_problem(run, 0)
