"""Image classifiers for the tuner: training images with their labels stand for validation data."""

from __future__ import annotations

from pathlib import Path

from gcn2snn.cnn.commands import source_of
from gcn2snn.cnn.image_set import find_normalisation
from gcn2snn.errors import DataError
from gcn2snn.tune import Problem

BATCH = 100


def image_problem(run: Path, images: int, data_dir: Path | None = None) -> tuple[Problem, str]:
    """A trained classifier and training images for :func:`gcn2snn.tune.tune`, and the name of the data.

    The images are those of which ``convert`` takes its scales, so that the measured network is the written one. A
    classifier knows its training images better than new ones: its loss on new ones is larger than the tuner's estimate.

    >>> from tempfile import TemporaryDirectory
    >>> from gcn2snn.cnn import ImageTrainConfig, train_images
    >>> with TemporaryDirectory() as folder:
    ...     _ = train_images("digits", ImageTrainConfig(epochs=1), Path(folder) / "run", limit=200)
    ...     problem, data = image_problem(Path(folder) / "run", images=20)
    >>> data
    'digits'

    Args:
        run: finished run folder.
        images: how many, drawn evenly from the classes.
        data_dir: where data are searched first.

    Raises:
        ArtefactError, DataError: run or data are not there.
    """
    if images < 1:
        raise DataError(f"the validation set is empty: {images} images asked for; at least 1 is needed")
    training, model, origin = source_of(run, "", None, "", data_dir, "", "")
    chosen = training.balanced(images)
    return Problem(model.eval(), chosen.batches(BATCH, find_normalisation(origin["normalise"]))), origin["data"]
