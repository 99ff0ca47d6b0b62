"""Images with labels: in memory or in files, normalised batch by batch."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from gcn2snn.errors import ConfigError, DataError, InputError, MissingPackageError, kind_of, refuses_misfits


@dataclass(frozen=True)
class Normalisation:
    """y = (x / divisor - mean) / std per channel, x = 0..255."""

    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 of the same shape.

        Raises:
            DataError: the images have another number of channels than the statistics.
        """
        channels = pixels.shape[1]
        if len(self.mean) not in (1, channels):
            raise DataError(
                f"the images have {channels} channel(s), the normalisation is for {len(self.mean)}; "
                "use normalise='unit' or 'none', or images with three channels"
            )
        mean, std = (torch.tensor(v, device=pixels.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        return (pixels.float() / self.divisor - mean) / std


NORMALISATIONS = {
    "imagenet": Normalisation(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": Normalisation(255.0, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": Normalisation(255.0, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "unit": Normalisation(255.0, (0.0,), (1.0,)),
    "none": Normalisation(1.0, (0.0,), (1.0,)),
}
"""What checkpoints were trained with; "unit" is x / 255, "none" leaves 0..255."""


@refuses_misfits
def find_normalisation(name: str) -> Normalisation:
    """Entry of ``NORMALISATIONS``.

    >>> find_normalisation("unit").divisor
    255.0

    Raises:
        ConfigError: unknown name.
    """
    if name not in NORMALISATIONS:
        raise ConfigError(f"normalise is {name!r}; allowed are {', '.join(NORMALISATIONS)}")
    return NORMALISATIONS[name]


class ImageSet(abc.ABC):
    """Images of one size with a label each.

    >>> from gcn2snn.cnn import load_images
    >>> images = load_images("digits", split="test")
    >>> len(images), images.class_names[:3]
    (359, ('0', '1', '2'))

    Args:
        labels: [N] int64.
        class_names: name of each label.

    Raises:
        DataError: no images, or a label out of range.
    """

    def __init__(self, labels: Tensor, class_names: Sequence[str]):
        self.labels = labels.long()
        self.class_names = tuple(class_names)
        if self.labels.numel() == 0:
            raise DataError("the image set is empty; at least one image is needed")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            raise DataError(
                f"labels go from {low} to {high}; with {len(self.class_names)} classes allowed are 0 to {len(self.class_names) - 1}"
            )

    def __len__(self) -> int:
        return self.labels.numel()

    @abc.abstractmethod
    def pixels(self, index: Tensor) -> Tensor:
        """Chosen images, uint8 [n, C, H, W]; index int64 [n]."""

    @abc.abstractmethod
    def subset(self, index: Tensor) -> ImageSet:
        """A set of the chosen images."""

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.pixels(torch.zeros(1, dtype=torch.int64)).shape[1]

    @refuses_misfits
    def first(self, count: int | None) -> ImageSet:
        """The first images, or all when there are fewer or ``count`` is None.

        Raises:
            DataError: count is negative.
        """
        if count is not None and count < 0:
            raise DataError(f"{count} images were asked for; allowed are 1 and more, or leave the limit out for all")
        return self if count is None or count >= len(self) else self.subset(torch.arange(count))

    @refuses_misfits
    def balanced(self, count: int, seed: int = 0) -> ImageSet:
        """``count`` images drawn by seed, evenly from the classes as long as they last."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self), generator=generator)
        rank = torch.zeros(len(self), dtype=torch.int64)
        labels = self.labels[order]
        for label in range(len(self.class_names)):
            chosen = labels == label
            rank[chosen] = torch.arange(int(chosen.sum()))
        return self.subset(order[rank.argsort(stable=True)[:count]])

    def batches(self, size: int, normalise: Normalisation) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images [n, C, H, W] float32 and labels [n], in order, ``size`` at a time.

        Raises:
            InputError: ``size`` is less than 1.
        """
        if size < 1:
            raise InputError(f"{kind_of(size)} images at a time were asked for; allowed are 1 and more")
        for index in torch.arange(len(self)).split(min(size, max(1, len(self)))):
            yield normalise(self.pixels(index)), self.labels[index]


class ArrayImages(ImageSet):
    """Images in memory, uint8 [N, C, H, W].

    Raises:
        DataError: another dtype or shape, or as many labels as images are missing.
    """

    def __init__(self, images: Tensor, labels: Tensor, class_names: Sequence[str]):
        if images.dtype != torch.uint8 or images.dim() != 4:
            raise DataError(f"images must be uint8 [N, C, H, W], got {images.dtype} {[*images.shape]}")
        if images.shape[0] != labels.numel():
            raise DataError(f"{images.shape[0]} images but {labels.numel()} labels; each image needs one")
        super().__init__(labels, class_names)
        self.images = images

    @refuses_misfits
    def pixels(self, index: Tensor) -> Tensor:
        return self.images[index]

    @refuses_misfits
    def subset(self, index: Tensor) -> ArrayImages:
        return ArrayImages(self.images[index], self.labels[index], self.class_names)


class FolderImages(ImageSet):
    """Image files, decoded when asked for: shorter side to ``resize``, centre crop of ``crop``, RGB.

    Source: the customary ImageNet evaluation preprocessing (256, 224, bilinear).
    """

    def __init__(
        self, paths: Sequence[Path], labels: Tensor, class_names: Sequence[str], resize: int = 256, crop: int = 224
    ):
        super().__init__(labels, class_names)
        self.paths = list(paths)
        self.resize = resize
        self.crop = crop

    @refuses_misfits
    def pixels(self, index: Tensor) -> Tensor:
        return torch.stack([read_image(self.paths[i], self.resize, self.crop) for i in index.tolist()])

    @refuses_misfits
    def subset(self, index: Tensor) -> FolderImages:
        paths = [self.paths[i] for i in index.tolist()]
        return FolderImages(paths, self.labels[index], self.class_names, self.resize, self.crop)


def read_image(path: Path, resize: int, crop: int) -> Tensor:
    """One file as RGB, uint8 [3, crop, crop].

    Raises:
        DataError: the file is missing, does not decode, or is too large.
    """
    if not path.is_file():
        raise DataError(f"{path} is no plain file; remove it from the folder of images")
    image = decoded(path, str(path), lambda width, height: width * height <= LARGEST and _fits(width, height, resize))
    factor = resize / min(image.size)
    width, height = (max(crop, round(side * factor)) for side in image.size)
    image = image.resize((width, height), pillow().Resampling.BILINEAR)
    left, top = (width - crop) // 2, (height - crop) // 2
    image = image.crop((left, top, left + crop, top + crop))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


LARGEST = 2**26
"""Pixels of the largest image that is decoded, 192 MiB in memory: a small file can claim any size."""


def _fits(width: int, height: int, resize: int) -> bool:
    """Whether an image still has at most :data:`LARGEST` pixels when its shorter side is made ``resize`` long."""
    short = min(width, height)
    return short > 0 and max(width, height) * resize**2 <= LARGEST * short


def decoded(source: Path | BinaryIO, name: str, allowed: Callable[[int, int], bool]) -> Any:
    """An image in RGB, once its header says an allowed size: nothing is decoded before.

    Raises:
        DataError: it does not decode, or is of another size.
    """
    image_module = pillow()
    limit, image_module.MAX_IMAGE_PIXELS = image_module.MAX_IMAGE_PIXELS, None  # the size is judged here
    try:
        with image_module.open(source) as file:
            width, height = file.size
            found = file.convert("RGB") if allowed(width, height) else None
    except Exception as error:  # Pillow's readers fail with errors of many kinds
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} does not decode as an image: {said}. Replace or remove it") from error
    finally:
        image_module.MAX_IMAGE_PIXELS = limit
    if found is None:
        raise DataError(
            f"{name} says that it has {width} x {height} pixels, which is not expected here. Replace or remove it"
        )
    return found


def pillow() -> Any:
    """Pillow's Image module.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackageError("image files need Pillow; pip install pillow") from error
    return Image
