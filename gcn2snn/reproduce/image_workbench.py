"""The networks behind the rows of the tables: found, converted and evaluated once each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gcn2snn import ir
from gcn2snn.cnn import (
    MODELS,
    ImageEvaluation,
    ImageSet,
    Predictions,
    build_model,
    calibration_batches,
    evaluate,
    find_normalisation,
    load_images,
    load_weights,
    predict,
)
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import search_roots
from gcn2snn.energy import preset_of
from gcn2snn.errors import DataError, NotRunError
from gcn2snn.reproduce.given_weights import weights_file
from gcn2snn.reproduce.image_paper_numbers import PaperRow
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.run_summary import RUN_FILE, load_summary
from gcn2snn.spiking_network import SpikingNetwork

PUBLIC = {
    "cifar10/resnet20": "cifar10_resnet20.safetensors",
    "cifar10/resnet8": "cifar10_resnet8_mlperf_tiny.safetensors",
}
"""Rows whose weights are public: file looked for in DATA/weights. Others come with ``--weights ROW=FILE``."""

CALIBRATION_IMAGES = {"cifar10": 1000, "cifar100": 1000, "imagenet": 100}

IMAGES_IN_SWEEPS = 500
"""Test images of a sweep over many conversions unless ``--limit`` says otherwise."""


class Workbench:
    """Finds weights and data of a row, and keeps what has been computed with them.

    Args:
        options: data folder, weights (or run folders) by row or model name, and the number of test images.
    """

    def __init__(self, options: ReproduceOptions):
        self.options = options
        self._models: dict[str, nn.Module] = {}
        self._images: dict[tuple[str, str], ImageSet] = {}
        self._sources: dict[tuple[str, int], Predictions] = {}
        self._networks: dict[tuple[str, str], SpikingNetwork] = {}
        self._results: dict[tuple[str, str], ImageEvaluation] = {}

    def model(self, row: PaperRow) -> nn.Module:
        """The source model with its weights.

        Raises:
            NotRunError: no weights were given and none are public.
            ArtefactError: the weights do not fit.
        """
        if row.name not in self._models:
            path = self._weights_file(row)
            train = self.images(row, "train")
            stem = ("imagenet" if row.dataset == "imagenet" else "cifar") if MODELS[row.model].stems else ""
            model = build_model(row.model, len(train.class_names), stem=stem)
            self._models[row.name] = load_weights(model, path)
        return self._models[row.name]

    def _weights_file(self, row: PaperRow) -> Path:
        given = self.options.weights.get(row.name) or self.options.weights.get(row.model)
        if given is not None:
            return weights_file(Path(given))
        public = PUBLIC.get(row.name)
        for root in search_roots(self.options.data_dir):
            if public and (root / "weights" / public).is_file():
                return root / "weights" / public
        needed = f"weights/{public} in the data folder, or " if public else ""
        raise NotRunError(
            f"needs {needed}--weights {row.name}=FILE (trained weights of {row.model} on {row.dataset}, or their run folder)"
        )

    def images(self, row: PaperRow, split: str) -> ImageSet:
        """Images of a row's dataset; ImageNet is a folder ``imagenet`` in the data folder.

        Raises:
            NotRunError: they are not there.
        """
        key = (row.dataset, split)
        if key not in self._images:
            name = row.dataset
            if name == "imagenet":
                roots = search_roots(self.options.data_dir)
                name = next((str(r / "imagenet") for r in roots if (r / "imagenet").is_dir()), "imagenet")
            try:
                found = load_images(name, split, self.options.data_dir)
            except DataError as error:
                raise NotRunError(f"needs {row.dataset} ({split} images): {error}") from error
            self._images[key] = found.first(self.options.limit) if split == "test" else found
        return self._images[key]

    def source(self, row: PaperRow, limit: int | None = None) -> Predictions:
        """Predictions of the source model on the test images."""
        images = self.images(row, "test").first(limit)
        key = (row.name, len(images))
        if key not in self._sources:
            self._sources[key] = predict(self.model(row), images, self.normalise(row))
        return self._sources[key]

    def network(self, row: PaperRow, config: ConvertConfig) -> SpikingNetwork:
        """The row's network, converted on training images."""
        key = (row.name, repr(config))
        if key not in self._networks:
            model = self.model(row)
            batches = calibration_batches(self.images(row, "train"), self._space(row), CALIBRATION_IMAGES[row.dataset])
            self._networks[key] = convert(model, batches[0], config, calibration=batches)
        return self._networks[key]

    def evaluate(self, row: PaperRow, config: ConvertConfig) -> ImageEvaluation:
        """Closed form on all test images (or as many as ``--limit`` says), energy from the first 1,000."""
        key = (row.name, repr(config))
        if key not in self._results:
            images = self.images(row, "test")
            network = self.network(row, config)
            self._results[key] = evaluate(network, images, self.normalise(row), source=self.source(row))
        return self._results[key]

    def in_time(self, row: PaperRow, config: ConvertConfig, wait: int) -> float:
        """Accuracy with a wait timestep on all test images (or as many as ``--limit`` says)."""
        network = self.network(row, config)
        images = self.images(row, "test")

        def simulate(x: torch.Tensor) -> torch.Tensor:
            return ir.one_tensor(network.simulate(x, wait=wait))

        return predict(simulate, images, self.normalise(row)).accuracy

    def sweep_images(self, row: PaperRow) -> int:
        """Test images of a sweep."""
        return len(self.images(row, "test").first(self.options.limit or IMAGES_IN_SWEEPS))

    def quick(self, row: PaperRow, config: ConvertConfig) -> tuple[SpikingNetwork, float]:
        """A network calibrated on 100 images, and its accuracy on a few test images: for sweeps."""
        batches = calibration_batches(self.images(row, "train"), self._space(row), 100)
        network = convert(self.model(row), batches[0], config, calibration=batches)
        images = self.images(row, "test").first(self.sweep_images(row))
        return network, predict(network, images, self.normalise(row)).accuracy

    def coded(self, config: ConvertConfig, row: PaperRow) -> ConvertConfig:
        """The configuration with the row's Q and T."""
        return replace(config, base=row.base, timesteps=row.timesteps)

    def changed(self, config: ConvertConfig, **changes: Any) -> ConvertConfig:
        """The configuration with some options changed."""
        return replace(config, **changes)

    def alpha(self, result: ImageEvaluation, preset: str) -> float:
        """Eq. 6 with other energies per operation."""
        return replace(result.energy, preset=preset_of(preset)).alpha_eq6

    def normalise(self, row: PaperRow) -> Any:
        """What the row's network wants pixels to be: as in the run folder that its weights lie in, else the model's custom."""
        return find_normalisation(self._space(row))

    def _space(self, row: PaperRow) -> str:
        folder = self._weights_file(row).parent
        if not (folder / RUN_FILE).is_file():
            return MODELS[row.model].normalise
        return str(load_summary(folder, "images")["config"]["normalise"])
