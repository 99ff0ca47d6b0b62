"""A converted image classifier beside its source: accuracy, agreement, energy, time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.cnn.image_set import ImageSet, Normalisation
from gcn2snn.energy import EnergyReport
from gcn2snn.engines import choose_engine
from gcn2snn.errors import DataError, InputError, InputTypeError, kind_of, misfits
from gcn2snn.prediction import RowPredictions
from gcn2snn.spiking_network import SpikingNetwork

Progress = Callable[[str, float], None]
"""progress(stage, share done)."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted class of each image [N] int64, percent right, how long the network took, and the probability of that class by
    the softmax of the scores, [N] float64.

    >>> from gcn2snn.cnn import build_model, find_normalisation, load_images
    >>> said = predict(build_model("small", classes=10, in_channels=1), load_images("digits", "test"), find_normalisation("unit"))
    >>> said.classes.shape, 0 <= said.accuracy <= 100
    (torch.Size([359]), True)
    """

    classes: Tensor
    accuracy: float
    seconds: float
    probability: Tensor


@dataclass(frozen=True, eq=False)
class ImageEvaluation:
    """A converted network beside its source on the same images.

    >>> import gcn2snn
    >>> from gcn2snn.cnn import build_model, calibration_batches, find_normalisation, load_images
    >>> images = load_images("digits", "test")
    >>> snn = gcn2snn.convert(build_model("small", classes=10, in_channels=1), calibration_batches(images, "unit", 50)[0])
    >>> evaluate(snn, images, find_normalisation("unit"), energy_images=10).engine
    'closed'

    Args:
        ann, snn: predictions.
        agreement: percent of the images on which both predict the same class.
        engine: "closed", "bucketed" or "temporal".
        energy: of the first ``energy_images`` images.
        energy_images: how many.
        rows: what both say of each image.
    """

    ann: Predictions
    snn: Predictions
    agreement: float
    engine: str
    energy: EnergyReport
    energy_images: int
    rows: RowPredictions

    def to_dict(self) -> dict[str, object]:
        """JSON values; the energy report's fields stand on the top level."""
        head: dict[str, object] = {
            "images": self.ann.classes.numel(),
            "ann": {"accuracy": self.ann.accuracy, "seconds": self.ann.seconds},
            "snn": {"accuracy": self.snn.accuracy, "seconds": self.snn.seconds},
            "loss": self.ann.accuracy - self.snn.accuracy,
            "agreement": self.agreement,
            "engine": self.engine,
            "energy_images": self.energy_images,
        }
        return head | self.energy.to_dict()


def predict(
    network: Callable[[Tensor], Tensor],
    images: ImageSet,
    normalise: Normalisation,
    batch_size: int = 100,
    progress: Progress | None = None,
) -> Predictions:
    """Classes that a network (source or spiking) gives for every image.

    >>> from gcn2snn.cnn import build_model, find_normalisation, load_images
    >>> said = predict(build_model("small", classes=10, in_channels=1), load_images("digits", "test"), find_normalisation("unit"))
    >>> said.classes.shape
    torch.Size([359])

    Raises:
        DataError: images of another number of channels than the normalisation, or files that do not decode.
        InputError: the network cannot work with the images, or gives something else than scores [images, classes].
    """
    if not isinstance(images, ImageSet) or not callable(network) or not callable(normalise):
        got = ", ".join(kind_of(value) for value in (network, images, normalise))
        raise InputTypeError(f"a network, an ImageSet and a Normalisation are needed, got {got}")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise InputTypeError(f"batch_size is {kind_of(batch_size)}; a whole number of images, at least 1, is needed")
    found: list[Tensor] = []
    probability: list[Tensor] = []
    seconds, done = 0.0, 0
    with torch.no_grad():
        for x, _ in images.batches(batch_size, normalise):
            start = time.perf_counter()
            with misfits("the network", {"images": x}):
                scores = network(x)
                _check_scores(scores, x.shape[0])
                found.append(scores.argmax(1))
            seconds += time.perf_counter() - start
            probability.append(scores.double().softmax(1).amax(1))
            done += x.shape[0]
            if progress is not None:
                progress("images", done / len(images))
    classes = torch.cat(found)
    accuracy = 100 * float((classes == images.labels).double().mean())
    return Predictions(classes, accuracy, seconds, torch.cat(probability))


def _check_scores(scores: object, images: int) -> None:
    """Refuse what no class can be read from."""
    if not isinstance(scores, Tensor) or scores.dim() != 2 or scores.shape[0] != images or not scores.shape[1]:
        raise InputError(
            f"the network gives {kind_of(scores)} for {images} image(s); scores of [images, classes] are needed"
        )


def evaluate(
    snn: SpikingNetwork,
    images: ImageSet,
    normalise: Normalisation,
    *,
    engine: str = "auto",
    preset: str = "fp32",
    batch_size: int = 100,
    energy_images: int = 1000,
    source: Predictions | None = None,
    progress: Progress | None = None,
) -> ImageEvaluation:
    """Run a converted network and its source on the same images.

    >>> import gcn2snn
    >>> from gcn2snn.cnn import build_model, calibration_batches, find_normalisation, load_images
    >>> images = load_images("digits", "test")
    >>> snn = gcn2snn.convert(build_model("small", classes=10, in_channels=1), calibration_batches(images, "unit", 50)[0])
    >>> 0 <= evaluate(snn, images, find_normalisation("unit"), energy_images=10).agreement <= 100
    True

    Args:
        snn: converted.
        images: with labels.
        normalise: what the source was trained with.
        engine: "auto", "closed", "bucketed" or "temporal".
        preset: energy per operation.
        batch_size: images at a time; changes nothing but memory and speed.
        energy_images: spikes are counted on the first so many; their mean is known to a per mille from 1,000.
        source: predictions of the source on these images if they are known already.
        progress: told how far it is.

    Raises:
        ConfigError: the engine cannot run this network's wait exactly.
        InputError: images of another size than the network's.
        DataError: there are no images, or a class is unknown to the network.
    """
    chosen = choose_engine(snn.network, snn.config.wait, engine)
    check_classes(snn, images)
    ann = source or predict(lambda x: ir.one_tensor(snn.source(x)), images, normalise, batch_size, progress)
    spiking = predict(lambda x: ir.one_tensor(snn.simulate(x, engine=chosen)), images, normalise, batch_size, progress)
    counted = images.first(energy_images)
    energy = count_energy(snn, counted, normalise, preset, batch_size)
    agreement = 100 * float((ann.classes == spiking.classes).double().mean())
    row = torch.arange(len(images))
    rows = RowPredictions(row, images.labels, ann.classes, spiking.classes, ann.probability, spiking.probability)
    return ImageEvaluation(ann, spiking, agreement, chosen, energy, len(counted), rows)


def check_classes(snn: SpikingNetwork, images: ImageSet) -> None:
    """Refuse labels that the network has no output for.

    Raises:
        DataError: a label has no output.
        InputError: the network gives no class scores.
    """
    snn.network.check_scores("image data")
    outputs = snn.network.shapes[snn.network.heads[0]][1]
    if outputs is not None and int(images.labels.max()) >= outputs:
        raise DataError(
            f"the images have labels up to {int(images.labels.max())}, the network has {outputs} classes "
            f"(0 to {outputs - 1}). Use the data it was trained on"
        )


def count_energy(
    snn: SpikingNetwork, images: ImageSet, normalise: Normalisation, preset: str = "fp32", batch_size: int = 100
) -> EnergyReport:
    """Operations and spikes of a network on some images; with a short wait the spikes that are really sent."""
    counter = snn.counter()
    for x, _ in images.batches(batch_size, normalise):
        snn.count(counter, x)
    return counter.report(preset)
