"""What the command line does with images: train, convert, evaluate. Functions of files to files and plain values."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from gcn2snn.artefact import load_with_origin, save
from gcn2snn.clock import timing_of
from gcn2snn.cnn.evaluation import Progress, check_classes, evaluate, predict
from gcn2snn.cnn.image_datasets import load_images
from gcn2snn.cnn.image_set import ImageSet, find_normalisation
from gcn2snn.cnn.models import MODELS, build_model
from gcn2snn.cnn.train import ImageTrainConfig, ImageTrainer, Precision
from gcn2snn.cnn.weights import fit_weights, load_weights
from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.errors import ArtefactError, ConfigError, DataError, refuses_misfits
from gcn2snn.files import refuse_existing
from gcn2snn.machine import peak_memory
from gcn2snn.passes import choice_dict
from gcn2snn.run_folder import (
    MODEL_FILE,
    finish,
    make_room,
    open_run,
    own_folder,
    read_run,
    save_weights,
    train_in,
)
from gcn2snn.run_folder import (
    load_weights as load_run_weights,
)
from gcn2snn.run_summary import RUN_FILE, ImageOrigin, load_summary
from gcn2snn.schema import checked

_log = logging.getLogger(__name__)


def train_images(
    data: str,
    config: ImageTrainConfig,
    out: Path,
    *,
    data_dir: Path | None = None,
    resume: bool = False,
    force: bool = False,
    limit: int | None = None,
    on_epoch: Callable[[ImageTrainer], None] | None = None,
) -> dict[str, Any]:
    """Train a classifier and keep weights, metrics and configuration in a run folder.

    >>> from tempfile import TemporaryDirectory
    >>> from gcn2snn.cnn import ImageTrainConfig
    >>> with TemporaryDirectory() as folder:
    ...     print(train_images("digits", ImageTrainConfig(epochs=1), Path(folder) / "run", limit=200)["data"])
    digits

    Args:
        data: "digits", "cifar10", "cifar100" or a class folder.
        config: model and recipe.
        out: run folder.
        data_dir: where data are searched first.
        resume: continue the run that is there; one that is finished stays as it is.
        force: start over.
        limit: at most so many training images.
        on_epoch: called after every epoch.

    Returns:
        The summary that ``run.json`` holds, with test accuracy.

    Raises:
        LockedError: another process trains in the folder.
        ArtefactError: the folder holds another run, or one and neither ``resume`` nor ``force`` is given, or a finished
            one whose weights are lost.
        ConfigError, DataError, BackendError: options, data or device are not there; before anything is written.
    """
    with own_folder(out, force=force, resume=resume):
        images, test = load_images(data, "train", data_dir).first(limit), load_images(data, "test", data_dir)
        trainer = ImageTrainer(images, config, _begun_with(out) if resume else None)
        trainer.normalise(images.pixels(torch.zeros(1, dtype=torch.int64)))  # channels must fit, before a run is made
        make_room(out, force=force)
        origin = {"kind": "images", "data": data, "train_images": len(images), "config": _config_dict(config)}
        origin |= {"precision": trainer.precision}
        if (old := open_run(out, origin)) is not None:
            return {"run": str(out), **old}
        if config.precision == "auto" and trainer.precision == "bfloat16":
            _log.warning("%s", BFLOAT16)
        train_in(out, trainer, on_epoch)
        model = trainer.trained()
        save_weights(out, model.state_dict())
        accuracy = predict(model, test, trainer.normalise).accuracy
        scores = {"test_images": len(test), "ann": {"accuracy": accuracy}, "classes": list(images.class_names)}
        return {"run": str(out), **finish(out, origin, trainer, scores)}


BFLOAT16 = (
    "products of the training are in bfloat16, which is faster on CUDA and on processors with AMX (--precision auto). "
    "--precision float32 trains as other processors do"
)
"""Said where a training chose bfloat16 by itself."""


def _begun_with(folder: Path) -> Precision | None:
    """The precision with which the run in a folder began, perhaps on another machine; None where no run says so."""
    if not (folder / RUN_FILE).exists():
        return None
    found: Precision | None = load_summary(folder).get("precision")
    return found


def _config_dict(config: ImageTrainConfig) -> dict[str, object]:
    return dict(TypeAdapter(ImageTrainConfig).dump_python(config))


def convert_images(
    out: Path,
    *,
    run: Path | None = None,
    model: str = "",
    weights: Path | None = None,
    data: str = "",
    config: ConvertConfig | None = None,
    data_dir: Path | None = None,
    stem: str = "",
    normalise: str = "",
    calibration_images: int = 1000,
    accuracy_first: bool = False,
    force: bool = False,
    own: tuple[str, nn.Module] | None = None,
    output: object = None,
) -> dict[str, Any]:
    """Convert a run folder, or a model with weights from anywhere, and write the spiking network.

    >>> from tempfile import TemporaryDirectory
    >>> from gcn2snn.cnn import ImageTrainConfig
    >>> with TemporaryDirectory() as folder:
    ...     run = Path(folder) / "run"
    ...     _ = train_images("digits", ImageTrainConfig(epochs=1), run, limit=200)
    ...     print(sorted(convert_images(run / "snn.safetensors", run=run, calibration_images=50))[:2])
    ['choice', 'config']

    Args:
        out: file to write.
        run: folder of :func:`train_images`; it brings model, weights and data.
        model, weights, data: a name, a checkpoint and image data instead of ``run``.
        config: how to convert; what it leaves open is chosen by measuring, by default all.
        data_dir: where data are searched first.
        stem: "cifar" or "imagenet" for models that have both; default: by the size of the images.
        normalise: what the model was trained with; default the model's customary one.
        calibration_images: taken from the training images, drawn evenly from the classes; labels choose them only.
        accuracy_first: also try several neurons to a membrane.
        force: overwrite ``out``.
        own: name and module of a model of the caller's own, instead of ``model`` and ``weights``.
        output: of a model with several results, the one that is wanted.

    Returns:
        JSON values: the file, configuration as it was chosen, what was measured for it, data, population report, peak memory.

    Raises:
        ConfigError, ArtefactError, DataError, ConversionError: before long work.
    """
    refuse_existing(out, force)
    if calibration_images < 1:
        raise DataError(f"the calibration set is empty: {calibration_images} images asked for; at least 1 is needed")
    if own is None:
        images, module, origin = source_of(run, model, weights, data, data_dir, stem, normalise)
    else:
        images, (name, module) = load_images(data, "train", data_dir), own
        origin = {
            "kind": "images",
            "model": name,
            "data": data,
            "normalise": normalise or "unit",
            "stem": "",
            "run": "",
        }
    batches = calibration_batches(images, origin["normalise"], calibration_images)
    snn = convert(module, batches[0], config, calibration=batches, output=output, accuracy_first=accuracy_first)
    check_classes(snn, images)
    snn.origin = origin | {"calibration_images": sum(x.shape[0] for x in batches)}
    snn.origin |= {"class_names": list(images.class_names)}
    save(snn, out, force=True)  # looked for before any work was done
    content = {
        "snn": str(out),
        "config": to_dict(snn.config),
        "choice": choice_dict(snn.choice, timed=True),
        "origin": origin,
    }
    return content | {"populations": [asdict(row) for row in snn.report], "peak_memory_bytes": peak_memory()}


def source_of(
    run: Path | None, model: str, weights: Path | None, data: str, data_dir: Path | None, stem: str, normalise: str
) -> tuple[ImageSet, nn.Module, dict[str, Any]]:
    """Training images, model with its weights, and where both come from; arguments and errors as :func:`convert_images`."""
    if run is not None:
        summary = read_run(run, "images")
        options = summary["config"]
        model, data, weights = options["model"], summary["data"], run / MODEL_FILE
        stem, normalise = options["stem"], options["normalise"]
    if not model or not data or weights is None:
        raise ConfigError("give a run folder, or all of --model, --weights and --data")
    images = load_images(data, "train", data_dir)
    normalise = normalise or (MODELS[model].normalise if model in MODELS else "unit")
    if not stem and model in MODELS and MODELS[model].stems:
        stem = "imagenet" if images.pixels(torch.zeros(1, dtype=torch.int64)).shape[2] >= 128 else "cifar"
    module = build_model(model, len(images.class_names), images.channels, stem)
    if run is None:
        load_weights(module, weights)
    else:
        fit_weights(module, load_run_weights(run), weights)
    origin = {"kind": "images", "model": model, "data": data, "normalise": normalise, "stem": stem}
    return images, module, origin | {"weights": weights.name, "run": str(run) if run else ""}


@refuses_misfits
def calibration_batches(images: ImageSet, normalise: str, count: int, size: int = 100) -> list[torch.Tensor]:
    """Normalised training images for calibration.

    >>> from gcn2snn.cnn import load_images
    >>> [batch.shape for batch in calibration_batches(load_images("digits", "train"), "unit", 150)]
    [torch.Size([100, 1, 8, 8]), torch.Size([50, 1, 8, 8])]

    Raises:
        DataError: none are asked for, or the images do not fit the normalisation.
    """
    if count < 1:
        raise DataError(f"the calibration set is empty: {count} images asked for; at least 1 is needed")
    chosen = images.balanced(count)
    return [x for x, _ in chosen.batches(size, find_normalisation(normalise))]


def evaluate_images(
    snn: Path,
    *,
    data: str = "",
    data_dir: Path | None = None,
    engine: str = "auto",
    preset: str = "fp32",
    limit: int | None = None,
    batch_size: int = 100,
    layers: bool = False,
    predictions: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare a converted classifier with its source on the test images.

    >>> from tempfile import TemporaryDirectory
    >>> from gcn2snn.cnn import ImageTrainConfig
    >>> with TemporaryDirectory() as folder:
    ...     run = Path(folder) / "run"
    ...     _ = train_images("digits", ImageTrainConfig(epochs=1), run, limit=200)
    ...     _ = convert_images(run / "snn.safetensors", run=run, calibration_images=50)
    ...     print(evaluate_images(run / "snn.safetensors", limit=20)["engine"])
    closed

    Args:
        snn: file of :func:`convert_images`.
        data: other image data than those it was converted with.
        data_dir: where data are searched first.
        engine: "auto", "closed", "bucketed" or "temporal".
        preset: energy per operation.
        limit: at most so many test images.
        batch_size: images at a time.
        layers: also compare every layer with the source, on the first batch.
        predictions: CSV file to write, what both networks say of each image.
        progress: told the stage and the share done.

    Returns:
        JSON values of the comparison.

    Raises:
        ArtefactError: no spiking network of images.
        DataError, ConfigError: data or engine do not fit.
    """
    network, origin = load_with_origin(snn)
    if origin.get("kind") != "images":
        raise ArtefactError(f"{snn} was not converted from an image classifier; use `gcn2snn evaluate` for graphs")
    checked(origin, ImageOrigin, f"where {snn} comes from", "Convert again")
    images = load_images(data or origin["data"], "test", data_dir).first(limit)
    normalise = find_normalisation(origin["normalise"])
    result = evaluate(
        network, images, normalise, engine=engine, preset=preset, batch_size=batch_size, progress=progress
    )
    content: dict[str, object] = {"snn_file": str(snn), "origin": origin, "config": to_dict(network.config)}
    if predictions is not None:
        content |= {"predictions": str(result.rows.save(predictions, images.class_names))}
    if layers:
        x, _ = next(iter(images.batches(batch_size, normalise)))
        content |= {"verify": network.verify(x).table(), "verified_images": x.shape[0]}
    content |= {"timing": timing_of(network.network, network.config.wait).to_dict()}
    return content | result.to_dict() | {"peak_memory_bytes": peak_memory()}
