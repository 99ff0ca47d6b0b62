from __future__ import annotations

import os
import zipfile
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.torch_file import Allowed, read_torch


def test_read_torch_gives_tensors_and_plain_values(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(2), "more": [1, "a", None]}, tmp_path / "x.pt")
    found = read_torch(tmp_path / "x.pt", DataError, "Save x")
    assert isinstance(found, dict)
    assert torch.equal(found["x"], torch.ones(2))
    assert found["more"] == [1, "a", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 2), "holds more than tensors, which is not loaded for safety. Save x"),
        ({"a": {"b": torch.zeros(2, device="meta")}}, r"a\.b has no values \(it is on the device 'meta'\)"),
        ([torch.zeros(2, dtype=torch.complex64)], r"0 is complex \(torch.complex64\)"),
        (torch.zeros(3).expand(2, 3), r"the tensor is expanded to \[2, 3\] from fewer values"),
        (torch.zeros(1).expand(40_000, 40_000), r"the tensor is expanded to \[40000, 40000\] from fewer values"),
    ],
)
def test_read_torch_refuses_what_has_no_plain_values(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    for error in (ArtefactError, DataError):
        with pytest.raises(error, match=message):
            read_torch(tmp_path / "x.pt", error, "Save x")


def test_read_torch_refuses_what_is_no_file_of_torch(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_torch(path, DataError, "Save x")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"is empty. Save x"):
        read_torch(path, DataError, "Save x")
    path.write_text("a text")
    with pytest.raises(DataError, match=r"cannot be read|holds more than tensors"):
        read_torch(path, DataError, "Save x")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="is a pipe; a file is needed"):
        read_torch(path, DataError, "Save x")


def test_read_torch_refuses_an_archive_that_unfolds(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1_000_000)}, tmp_path / "x.pt")
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as whole,
        zipfile.ZipFile(tmp_path / "y.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in whole.infolist():
            packed.writestr(member.filename, whole.read(member))
    with pytest.raises(
        ArtefactError, match=r"has [\d,]+ bytes and would unfold to 4,0[\d,]+; torch.save does not pack"
    ):
        read_torch(tmp_path / "y.pt", ArtefactError, "Save x")


def test_containers_are_looked_into_up_to_a_depth(tmp_path: Path) -> None:
    def nested(levels: int) -> object:
        content: object = torch.zeros(2, device="meta")
        for _ in range(levels):
            content = [content]
        return content

    torch.save(nested(50), tmp_path / "x.pt")
    with pytest.raises(DataError, match="has no values"):
        read_torch(tmp_path / "x.pt", DataError, "Save x")
    torch.save(nested(51), tmp_path / "x.pt")
    read_torch(tmp_path / "x.pt", DataError, "Save x")


def test_read_torch_makes_the_classes_that_it_is_told_and_no_others(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(2), "share": Fraction(1, 2)}, tmp_path / "x.pt")
    refused: list[str] = []

    def containers(message: str) -> list[Allowed]:
        refused.append(message)
        return [Fraction]

    found = read_torch(tmp_path / "x.pt", DataError, "Save x", containers)
    assert isinstance(found, dict)
    assert found["share"] == Fraction(1, 2)
    assert len(refused) == 1
    assert "Fraction" in refused[0]
    for none in (None, lambda message: []):
        with pytest.raises(DataError, match=r"holds more than tensors, which is not loaded for safety. Save x"):
            read_torch(tmp_path / "x.pt", DataError, "Save x", none)


class Holder:
    """An object that gives its content as a dict, as PyG's data do."""

    def __init__(self, content: object) -> None:
        self.content = content

    def to_dict(self) -> object:
        return self.content


def read_what_torch_gives(content: object, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """torch makes no objects of unknown classes, so it is told what to give for this file."""
    (folder / "x.pt").write_bytes(b"any")

    def load(*args: object, **options: object) -> object:
        if isinstance(content, Exception):
            raise content
        return content

    monkeypatch.setattr(torch, "load", load)
    return read_torch(folder / "x.pt", DataError, "Save x")


def test_objects_are_looked_into_up_to_the_same_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nested(levels: int) -> object:
        content: object = torch.zeros(2, device="meta")
        for _ in range(levels):
            content = Holder(content)
        return content

    with pytest.raises(DataError, match="the tensor has no values"):
        read_what_torch_gives(nested(50), tmp_path, monkeypatch)
    read_what_torch_gives(nested(51), tmp_path, monkeypatch)
    endless = Holder(None)
    endless.content = endless
    assert read_what_torch_gives(endless, tmp_path, monkeypatch) is endless


def test_an_error_of_the_reader_without_words_is_told_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, told in (
        (EOFError(), "EOFError"),
        (RuntimeError("one line\nanother"), "one line"),
        (ValueError("\n"), "ValueError"),
    ):
        with pytest.raises(DataError, match=rf"x\.pt cannot be read: {told}\. It was truncated"):
            read_what_torch_gives(error, tmp_path, monkeypatch)
