"""Image classifiers: models, data, training, and what the command line does with them.

Names load on first use, so that one part does not load the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.cnn.commands import calibration_batches, convert_images, evaluate_images, train_images
    from gcn2snn.cnn.evaluation import ImageEvaluation, Predictions, evaluate, predict
    from gcn2snn.cnn.image_datasets import IMAGE_DATASETS, fetch_images, load_images
    from gcn2snn.cnn.image_set import ImageSet, find_normalisation
    from gcn2snn.cnn.models import MODELS, build_model
    from gcn2snn.cnn.train import FAST, RECIPES, ImageTrainConfig, ImageTrainer
    from gcn2snn.cnn.tune import image_problem
    from gcn2snn.cnn.weights import load_weights, read_state

_HOME = {
    "FAST": "gcn2snn.cnn.train",
    "IMAGE_DATASETS": "gcn2snn.cnn.image_datasets",
    "ImageEvaluation": "gcn2snn.cnn.evaluation",
    "ImageSet": "gcn2snn.cnn.image_set",
    "ImageTrainConfig": "gcn2snn.cnn.train",
    "ImageTrainer": "gcn2snn.cnn.train",
    "MODELS": "gcn2snn.cnn.models",
    "Predictions": "gcn2snn.cnn.evaluation",
    "RECIPES": "gcn2snn.cnn.train",
    "build_model": "gcn2snn.cnn.models",
    "calibration_batches": "gcn2snn.cnn.commands",
    "convert_images": "gcn2snn.cnn.commands",
    "evaluate": "gcn2snn.cnn.evaluation",
    "evaluate_images": "gcn2snn.cnn.commands",
    "fetch_images": "gcn2snn.cnn.image_datasets",
    "find_normalisation": "gcn2snn.cnn.image_set",
    "image_problem": "gcn2snn.cnn.tune",
    "load_images": "gcn2snn.cnn.image_datasets",
    "load_weights": "gcn2snn.cnn.weights",
    "read_state": "gcn2snn.cnn.weights",
    "predict": "gcn2snn.cnn.evaluation",
    "train_images": "gcn2snn.cnn.commands",
}

__all__ = [
    "FAST",
    "IMAGE_DATASETS",
    "MODELS",
    "RECIPES",
    "ImageEvaluation",
    "ImageSet",
    "ImageTrainConfig",
    "ImageTrainer",
    "Predictions",
    "build_model",
    "calibration_batches",
    "convert_images",
    "evaluate",
    "evaluate_images",
    "fetch_images",
    "find_normalisation",
    "image_problem",
    "load_images",
    "load_weights",
    "predict",
    "read_state",
    "train_images",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
