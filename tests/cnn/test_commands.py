"""Digits end to end: train, resume, convert, evaluate; errors come before long work."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gcn2snn.cli import app
from gcn2snn.cnn import train as cnn_train
from gcn2snn.cnn.commands import calibration_batches, convert_images, evaluate_images, train_images
from gcn2snn.cnn.evaluation import evaluate
from gcn2snn.cnn.image_datasets import load_images
from gcn2snn.cnn.image_set import ArrayImages, find_normalisation
from gcn2snn.cnn.models import build_model
from gcn2snn.cnn.train import FAST, RECIPES, ImageTrainConfig, ImageTrainer
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.errors import ArtefactError, BackendError, ConfigError, DataError, InterruptedRunError
from gcn2snn.files import load_tensors
from gcn2snn.network_file import SNN_FORMAT
from gcn2snn.run_summary import RUN_FORMAT, load_summary

QUICK = ImageTrainConfig(epochs=3, batch_size=32, learning_rate=0.05, shift=1, flip=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "run"
    train_images("digits", QUICK, folder)
    return folder


def test_digits_from_training_to_evaluation(run: Path, tmp_path: Path) -> None:
    content = convert_images(tmp_path / "snn.safetensors", run=run, calibration_images=200)
    assert content["config"]["correct"] == "mean"
    result = evaluate_images(tmp_path / "snn.safetensors")
    assert result["images"] == 359
    assert result["ann"]["accuracy"] > 90
    assert result["loss"] < 2
    assert result["alpha"]["eq6"] > 1
    in_time = evaluate_images(tmp_path / "snn.safetensors", engine="temporal", limit=20)
    assert in_time["engine"] == "temporal"
    with pytest.raises(ArtefactError, match="exists; it is not overwritten"):
        convert_images(tmp_path / "snn.safetensors", run=run)


def test_weights_of_a_run_convert_like_the_run(run: Path, tmp_path: Path) -> None:
    options = {"model": "small", "weights": run / "model.safetensors", "data": "digits", "normalise": "unit"}
    convert_images(tmp_path / "a.safetensors", calibration_images=50, **options)
    convert_images(tmp_path / "b.safetensors", calibration_images=50, run=run)
    first, second = (load_tensors(tmp_path / f"{name}.safetensors", kind="snn", version=SNN_FORMAT)[0] for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_flipped_bit_in_the_weights_of_a_run_is_noticed(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-5] ^= 16
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"its checksum differs.*The run's weights are lost"):
        convert_images(tmp_path / "snn.safetensors", run=copy, calibration_images=10)


def stopped_after(epochs: int) -> Callable[[ImageTrainer], None]:
    """What interrupts a training when so many epochs are done."""

    def stop(trainer: ImageTrainer) -> None:
        if len(trainer.history) == epochs:
            raise KeyboardInterrupt

    return stop


FEW = FAST | {"batch_size": 32, "precision": "bfloat16", "shift": 1}
"""One-cycle rate, smoothed labels, no decay of biases, flips that alternate, bfloat16 products."""


@pytest.mark.parametrize(
    "config", [replace(QUICK, seed=2), ImageTrainConfig(**FEW, epochs=3, seed=2)], ids=["usual", "few epochs"]
)
def test_training_resumes_to_the_same_weights(tmp_path: Path, config: ImageTrainConfig) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_images("digits", config, whole, limit=100)
    with pytest.raises(KeyboardInterrupt):
        train_images("digits", config, parts, limit=100, on_epoch=stopped_after(2))
    with pytest.raises(ArtefactError, match="already holds a run"):
        train_images("digits", config, parts, limit=100)
    with pytest.raises(ArtefactError, match=r"was started with .*seed=2"):
        train_images("digits", replace(QUICK, seed=0), parts, limit=100, resume=True)
    train_images("digits", config, parts, limit=100, resume=True)
    first, second = (load_tensors(f / "model.safetensors", kind="model", version=RUN_FORMAT)[0] for f in (whole, parts))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("fast", [True, False])
def test_a_precision_that_was_chosen_is_said_kept_and_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fast: bool
) -> None:
    """``fast``: the training begins on a processor that multiplies bfloat16 numbers faster, and goes on where it is not so."""
    used, said = ("bfloat16" if fast else "float32"), "products of the training are in bfloat16.*--precision float32"
    monkeypatch.setattr(cnn_train, "has_fast_bfloat16", lambda device: fast)
    with pytest.raises(KeyboardInterrupt):
        train_images("digits", QUICK, tmp_path / "run", limit=100, on_epoch=stopped_after(1))
    assert load_summary(tmp_path / "run")["precision"] == used
    assert bool(re.search(said, caplog.text)) == fast
    monkeypatch.setattr(cnn_train, "has_fast_bfloat16", lambda device: not fast)
    seen: list[str] = []
    resumed = train_images(
        "digits",
        QUICK,
        tmp_path / "run",
        limit=100,
        resume=True,
        on_epoch=lambda trainer: seen.append(trainer.precision),
    )
    assert set(seen) == {used}
    assert resumed["precision"] == load_summary(tmp_path / "run")["precision"] == used


def test_the_command_says_and_shows_the_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cnn_train, "has_fast_bfloat16", lambda device: True)
    words = ["train", "digits", "--epochs", "1", "--batch-size", "400", "--out"]
    plain = CliRunner().invoke(app, [*words, str(tmp_path / "plain")], catch_exceptions=False)
    chosen = CliRunner().invoke(app, [*words, str(tmp_path / "auto"), "--precision", "auto"], catch_exceptions=False)
    asked = CliRunner().invoke(app, [*words, str(tmp_path / "own"), "--precision", "bfloat16"], catch_exceptions=False)
    assert "bfloat16" not in plain.output  # the recipe of digits has float32
    assert re.search(r"products in +│? *bfloat16", chosen.stdout)
    assert re.search(r"products in +│? *bfloat16", asked.stdout)
    wrong = CliRunner().invoke(app, [*words, str(tmp_path / "x"), "--precision", "float16"])
    assert "precision" in str(wrong.exception)
    assert "'auto', 'float32' or 'bfloat16'" in str(wrong.exception)
    karate = CliRunner().invoke(app, ["train", "karate", "--precision", "float32"])
    assert "--precision has no meaning here: karate is a graph" in str(karate.exception)


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ImageTrainer.run_epoch

    def interrupted(trainer: ImageTrainer) -> None:
        if len(trainer.history) == 1:
            raise KeyboardInterrupt
        whole(trainer)

    arguments = ["digits", "--model", "small", "--epochs", "2", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(ImageTrainer, "run_epoch", interrupted)
        stopped = CliRunner().invoke(app, ["train", *arguments])
    assert isinstance(stopped.exception, InterruptedRunError)
    assert "Give the same command and --resume to continue" in str(stopped.exception)
    assert "epoch    1  loss" in stopped.stderr
    done = CliRunner().invoke(app, ["train", *arguments, "--resume"], catch_exceptions=False)
    assert "epoch    2  loss" in done.stderr
    assert "epoch    1  loss" not in done.stderr


def test_a_finished_run_keeps_no_checkpoint_and_stays_as_it_is(tmp_path: Path) -> None:
    def never(trainer: ImageTrainer) -> None:
        raise AssertionError("a finished run is not trained again")

    config, folder = ImageTrainConfig(epochs=1, batch_size=32), tmp_path / "run"
    made = train_images("digits", config, folder, limit=100)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1]
    names = {"run.json", "metrics.jsonl", "model.safetensors"}
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(before) == names
    assert train_images("digits", config, folder, limit=100, resume=True, on_epoch=never) == made
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (folder / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match=r"weights are lost: train again with `--out .*/run --force`"):
        train_images("digits", config, folder, limit=100, resume=True, on_epoch=never)


def test_a_run_of_another_kind_is_named(run: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        return str(CliRunner().invoke(app, ["train", *words]).exception)

    assert "holds a run on digits (1438 images), not on the graph of karate" in refused(
        "karate", "--out", str(run), "--resume"
    )
    graph = tmp_path / "karate"
    CliRunner().invoke(app, ["train", "karate", "--epochs", "2", "--out", str(graph)], catch_exceptions=False)
    assert f"{graph} holds a run on the graph of karate" in refused("digits", "--out", str(graph), "--resume")
    assert "--model has no meaning here: karate is a graph" in refused("karate", "--model", "small")
    with pytest.raises(ArtefactError, match=r"holds a run on digits \(1438 images\), not on digits \(100 images\)"):
        train_images("digits", QUICK, run, limit=100, resume=True)


def test_options_are_checked_before_work(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a run folder, or all of"):
        convert_images(tmp_path / "x", model="resnet20")
    with pytest.raises(DataError, match="calibration set is empty"):
        convert_images(tmp_path / "x", run=run, calibration_images=0)
    with pytest.raises(DataError, match="calibration set is empty"):
        calibration_batches(load_images("digits", "train"), "unit", 0)
    with pytest.raises(ConfigError, match="learning_rate"):
        ImageTrainConfig(learning_rate=-1)
    with pytest.raises(ConfigError, match="model 'x' is unknown"):
        train_images("digits", ImageTrainConfig(model="x"), tmp_path / "run")
    with pytest.raises(DataError, match="1 channel"):
        train_images("digits", ImageTrainConfig(normalise="imagenet"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    if not torch.cuda.is_available():
        with pytest.raises(BackendError, match="no CUDA device"):
            train_images("digits", ImageTrainConfig(device="cuda"), tmp_path / "run")


def test_labels_that_the_network_does_not_know() -> None:
    snn = convert(build_model("small", 3, 1), torch.rand(4, 1, 8, 8), ConvertConfig())
    images = ArrayImages(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 4]), "abcde")
    with pytest.raises(DataError, match="labels up to 4, the network has 3 classes"):
        evaluate(snn, images, find_normalisation("unit"))


def test_layers_are_compared_with_the_source_on_request(run: Path, tmp_path: Path) -> None:
    convert_images(tmp_path / "snn.safetensors", run=run, calibration_images=50)
    content = evaluate_images(tmp_path / "snn.safetensors", limit=30, layers=True)
    assert content["verified_images"] == 30
    assert [row["verdict"] for row in content["verify"]] == ["encoding"] * len(content["verify"])
    with pytest.raises(DataError, match="-5 images were asked for; allowed are 1 and more"):
        evaluate_images(tmp_path / "snn.safetensors", limit=-5)


def test_recipes_are_valid_and_digits_are_not_mirrored() -> None:
    assert not ImageTrainConfig(**RECIPES["digits"]).flip
    assert set(RECIPES) <= {"digits", "cifar10", "cifar100"}


def test_a_one_cycle_rate_rises_for_a_fifth_and_falls_to_nothing() -> None:
    trainer = ImageTrainer(load_images("digits", "train").first(50), ImageTrainConfig(**FAST, epochs=10))
    rates = [trainer.rate(epoch) for epoch in (0.0, 1.0, 2.0, 6.0, 10.0)]
    assert rates == pytest.approx([0.001, 0.101, 0.2, 0.1, 0.0])
    groups = trainer.optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [5e-4, 0.0]
    assert all(parameter.dim() >= 2 for parameter in groups[0]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(trainer.model.parameters()))


def test_flips_alternate_between_epochs() -> None:
    trainer = ImageTrainer(load_images("digits", "train").first(50), ImageTrainConfig(**FAST, epochs=3))
    index, generator = torch.arange(50), torch.Generator().manual_seed(0)
    first = trainer._mirrored(index, generator)
    trainer.run_epoch()
    second = trainer._mirrored(index, generator)
    assert first is not None
    assert second is not None
    assert torch.equal(first, ~second)
    assert 5 < int(first.sum()) < 45


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "digits", "--recipe", "slow", "--out", str(tmp_path / "run")])
    assert "recipe (--recipe) is 'slow'; allowed is fast" in str(result.exception)
