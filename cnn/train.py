"""Training of image classifiers: cross-entropy, SGD with momentum, a schedule of steps; resumable after every epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn.cnn.augment import shift_images
from gcn2snn.cnn.image_set import ImageSet, Normalisation, find_normalisation
from gcn2snn.cnn.models import build_model
from gcn2snn.config import MOST_THREADS, own_errors
from gcn2snn.files import checksum
from gcn2snn.machine import device_named, has_fast_bfloat16
from gcn2snn.training_loop import LoopOptions, key_of_training, loaded_state, save_state, under


@own_errors
@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class ImageTrainConfig:
    """How an image classifier is trained: stochastic gradient descent, a schedule of its rate, and shifted and mirrored images.

    >>> ImageTrainConfig(model="small", epochs=3).epochs
    3
    """

    model: Annotated[str, Field(description="a name of cnn.models.MODELS")] = "small"
    stem: Annotated[Literal["", "cifar", "imagenet"], Field(description="form of models that have two")] = ""
    normalise: Annotated[str, Field(description="a name of cnn.image_set.NORMALISATIONS")] = "unit"
    epochs: Annotated[int, Field(ge=1, description="passes over the training images")] = 200
    batch_size: Annotated[int, Field(ge=2, description="images of one step")] = 128
    learning_rate: Annotated[float, Field(gt=0.0, description="of SGD, the largest")] = 0.1
    schedule: Annotated[
        Literal["cosine", "one-cycle"],
        Field(
            description="the rate falls as half a cosine after the warm-up, or rises for a fifth of all epochs and falls linearly"
        ),
    ] = "cosine"
    momentum: Annotated[float, Field(ge=0.0, lt=1.0, description="of SGD (Nesterov)")] = 0.9
    weight_decay: Annotated[float, Field(ge=0.0, description="of the parameters that decays names")] = 5e-4
    decays: Annotated[
        Literal["all", "weights"], Field(description="all parameters, or those of convolutions and linear layers alone")
    ] = "all"
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0, description="share of a label spread over all classes")] = (
        0.0
    )
    warmup: Annotated[float, Field(ge=0.0, description="cosine: epochs of linear increase")] = 1.0
    shift: Annotated[int, Field(ge=0, description="pixels that images are moved at random")] = 4
    border: Annotated[
        Literal["zeros", "reflect"], Field(description="what comes in from outside when an image is moved")
    ] = "zeros"
    flip: Annotated[bool, Field(description="mirror images at random")] = True
    alternate: Annotated[
        bool, Field(description="with flip: images are mirrored in every other epoch, drawn once which of them begin")
    ] = False
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Field(
            description="of products; auto: bfloat16 on CUDA and on processors with AMX, with sums and weights in float32"
        ),
    ] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of weights, order and augmentation")] = 0
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS, description="CPU threads, 0 = what torch chooses")] = 0
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="where to train")] = "auto"


RECIPES: dict[str, dict[str, Any]] = {
    "digits": {
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.05,
        "shift": 1,
        "flip": False,
        "precision": "float32",
    },
}
"""Dataset -> options that differ from the defaults, which are CIFAR's: 8 x 8 digits are not mirrored, nor moved by half."""

FAST: dict[str, Any] = {
    "batch_size": 256,
    "learning_rate": 0.2,
    "schedule": "one-cycle",
    "decays": "weights",
    "label_smoothing": 0.1,
    "border": "reflect",
    "alternate": True,
}
"""Options for few epochs, by the name ``--recipe fast``.

Source: Smith and Topin, "Super-Convergence", 2017; Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (flips that
alternate); docs/decisions/0149-a-recipe-for-few-epochs.md.
"""


Precision = Literal["float32", "bfloat16"]
"""Number type of the factors of products."""

RISING = 0.2
"""Share of the epochs in which the rate of a one-cycle schedule rises."""


def precision_of(config: ImageTrainConfig, device: torch.device) -> Precision:
    """The precision that a training on a device really has."""
    if config.precision == "auto":
        return "bfloat16" if has_fast_bfloat16(device) else "float32"
    return config.precision


@plain_dataclass(frozen=True)
class ImageEpoch:
    """Measures of one epoch: mean loss in nats and percent right on the (augmented) training images."""

    epoch: int
    train_loss: float
    train_accuracy: float
    seconds: float


class ImageTrainer:
    """Model, optimiser and history; every epoch depends only on the seed and its number, so resuming changes nothing.

    >>> from gcn2snn.cnn import load_images
    >>> trainer = ImageTrainer(load_images("digits", "train").first(100), ImageTrainConfig(epochs=2))
    >>> trainer.run_epoch().epoch, trainer.done
    (1, False)

    Args:
        images: training images.
        config: how to train.
        precision: of products, for a training that began with it; None: that of the configuration.

    Raises:
        ConfigError: unknown model or normalisation.
        BackendError: the device is absent.
    """

    def __init__(self, images: ImageSet, config: ImageTrainConfig, precision: Precision | None = None):
        self.images = images
        self.config = config
        self.device = device_named(config.device)
        self.normalise: Normalisation = find_normalisation(config.normalise)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = build_model(config.model, len(images.class_names), images.channels, config.stem)
        self.model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision = precision or precision_of(config, self.device)
        parameters, every = list(self.model.parameters()), config.decays == "all"
        groups: list[dict[str, Any]] = [
            {"params": [parameter for parameter in parameters if every or parameter.dim() >= 2]},
            {
                "params": [parameter for parameter in parameters if not every and parameter.dim() < 2],
                "weight_decay": 0.0,
            },
        ]
        self.optimiser = torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
        )
        self.history: list[ImageEpoch] = []

    @property
    def loop(self) -> LoopOptions:
        """A checkpoint after every epoch; Ctrl-C does not wait for its end, because it may take minutes."""
        return LoopOptions(seed=self.config.seed, threads=self.config.threads, finish_epoch=False)

    @property
    def done(self) -> bool:
        """Whether all epochs are run."""
        return len(self.history) >= self.config.epochs

    def run_epoch(self) -> ImageEpoch:
        """One pass over the training images."""
        number = len(self.history) + 1
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + number)
        start = time.perf_counter()
        total, right, seen = 0.0, 0, 0
        self.model.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.config.seed * 100_003 + number)  # dropout
            for share, x, y in self._batches(generator):
                loss, scores = self._step(number - 1 + share, x, y)
                total += float(loss) * y.numel()
                right += int((scores.argmax(1) == y).sum())
                seen += y.numel()
        self.model.eval()
        epoch = ImageEpoch(number, total / seen, 100 * right / seen, time.perf_counter() - start)
        self.history.append(epoch)
        return epoch

    def _batches(self, generator: torch.Generator) -> Iterator[tuple[float, Tensor, Tensor]]:
        order = torch.randperm(len(self.images), generator=generator)
        size = min(self.config.batch_size, order.numel())
        chunks = [index for index in order.split(size) if index.numel() > 1]  # batch norm needs two
        for number, index in enumerate(chunks):
            pixels = self.images.pixels(index)
            if self.config.shift or self.config.flip:
                mirrored = self._mirrored(index, generator)
                pixels = shift_images(pixels, self.config.shift, generator, mirrored, self.config.border)
            x = self.normalise(pixels.to(self.device)).contiguous(memory_format=torch.channels_last)
            yield number / len(chunks), x, self.images.labels[index].to(self.device)

    def _mirrored(self, index: Tensor, generator: torch.Generator) -> Tensor | None:
        """Which of these images are mirrored in this epoch, [N] bool; None: none is."""
        if not self.config.flip:
            return None
        if not self.config.alternate:
            return torch.rand(index.numel(), generator=generator) < 0.5
        first = torch.rand(len(self.images), generator=torch.Generator().manual_seed(self.config.seed)) < 0.5
        return first[index] ^ (len(self.history) % 2 == 1)

    def _step(self, epoch: float, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(epoch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            scores = self.model(x)
            loss = functional.cross_entropy(scores.float(), y, label_smoothing=self.config.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach(), scores.detach()

    def rate(self, epoch: float) -> float:
        """Learning rate after a (fractional) number of epochs: linear increase, then half a cosine or a straight line to 0."""
        c = self.config
        if c.schedule == "one-cycle":
            share = epoch / c.epochs
            return c.learning_rate * max(min((share + 0.001) / RISING, (1 - share) / (1 - RISING)), 0.0)
        if epoch < c.warmup:
            return c.learning_rate * (epoch + 0.01) / c.warmup
        share = (epoch - c.warmup) / max(c.epochs - c.warmup, 1e-9)
        return c.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))

    def trained(self) -> nn.Module:
        """The model on the CPU, in evaluation mode."""
        return self.model.cpu().to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]

    @property
    def key(self) -> str:
        """Hash of all that the training depends on."""
        config = TypeAdapter(ImageTrainConfig).dump_python(self.config)
        return key_of_training(config, self.images.class_names, checksum({"labels": self.images.labels}, None))

    def save(self, path: Path) -> None:
        """Write weights, momenta and history as one file."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for number, parameter in enumerate(self.model.parameters()):
            buffer = self.optimiser.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{number}"] = buffer
        save_state(path, tensors, kind="image-training", key=self.key, history=self.history)

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            ArtefactError: damaged, or of a training with another model, seed, other options or other images.
        """
        with loaded_state(path, kind="image-training", key=self.key, epoch=ImageEpoch) as (tensors, history, _):
            self.model.load_state_dict(under(tensors, "model."))
            for number, parameter in enumerate(self.model.parameters()):
                if (buffer := tensors.get(f"momentum.{number}")) is not None:
                    self.optimiser.state[parameter]["momentum_buffer"] = buffer.to(parameter).view_as(parameter)
        self.history = history
