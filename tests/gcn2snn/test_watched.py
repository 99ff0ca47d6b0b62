from __future__ import annotations

import os
from pathlib import Path

import pytest

from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.watched import Watched


def append(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("more")


def write_over(file: Path) -> None:
    file.write_text("test")
    os.utime(file, ns=(1, 2))


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("test")
    os.utime(other, ns=(1, 1))
    os.replace(other, file)


def touch(file: Path) -> None:
    os.utime(file, ns=(1, 2))


def write_again(file: Path) -> None:
    file.write_text("text")


def replace_by_a_copy(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("text")
    os.replace(other, file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "texts.txt"
    made.write_text("text")
    os.utime(made, ns=(1, 1))
    return made


@pytest.mark.parametrize("change", [append, write_over, replace, Path.unlink])
def test_every_change_is_refused(file: Path, change: object) -> None:
    watched = Watched.now(file)
    with watched.reading():
        file.read_text()
    change(file)  # type: ignore[operator]
    assert not watched.same
    with pytest.raises(
        DataError, match=r"texts.txt changed while it was read, so .* written to no more, or give a copy"
    ):
        watched.refuse_change()


@pytest.mark.parametrize("change", [touch, write_again, replace_by_a_copy])
def test_the_same_bytes_are_no_change(file: Path, change: object, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched.now(file)
    with watched.reading():
        change(file)  # type: ignore[operator]
    assert watched.same
    monkeypatch.setattr("gcn2snn.watched.LARGEST", 3)  # of large files no hash is taken
    watched = Watched.now(file)
    os.utime(file, ns=(1, 3))
    assert not watched.same


def test_what_is_no_plain_file_is_not_read_for_its_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    watched = Watched.now(tmp_path / "pipe")
    os.utime(tmp_path / "pipe", ns=(1, 3))
    assert not watched.same


def test_a_failure_of_what_was_read_is_told_as_the_change_that_it_comes_from(file: Path) -> None:
    watched = Watched.now(file, error=ArtefactError)

    def read() -> None:
        with watched.reading():
            append(file)
            raise KeyError("half a row")

    with pytest.raises(ArtefactError, match="changed while it was read") as told:
        read()
    assert isinstance(told.value.__cause__, KeyError)
    with pytest.raises(KeyError), Watched.now(file).reading():
        raise KeyError("the same content")


@pytest.mark.parametrize("change", ["added", "removed", "grown"])
def test_of_a_folder_the_file_is_named(file: Path, change: str) -> None:
    folder = file.parent
    (folder / "a.txt").write_text("a")
    watched = Watched.now(folder, lambda: sorted(folder.iterdir()))
    if change == "added":
        (folder / "a.txt2").write_text("new")
    elif change == "removed":
        (folder / "a.txt").unlink()
    else:
        append(folder / "a.txt")
    with pytest.raises(DataError, match=r"changed while it was read \(a.txt2? in it\)"):
        watched.refuse_change()
