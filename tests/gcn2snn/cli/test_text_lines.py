"""Lines of a stream: decoded across reads, with the place of what is wrong."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from gcn2snn.cli import text_lines
from gcn2snn.cli.text_lines import lines_of
from gcn2snn.errors import DataError


def read(path: Path, encoding: str | None = None) -> list[str]:
    return [line for lines in lines_of(str(path), encoding) for line in lines]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
def test_every_cut_of_the_bytes_gives_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    lines = ["", "für 这部电影 😀", "", "x\u2028y\x85z", "long " * 9, ""]
    path = tmp_path / "lines.txt"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
    for read_bytes in (*range(4, 20), 1 << 16):  # a byte order mark takes up to four bytes, and one read brings it
        monkeypatch.setattr(text_lines, "READ", read_bytes)
        assert read(path, encoding if encoding in ("utf-16-be", "gb18030") else None) == lines


@pytest.mark.parametrize("read_bytes", [3, 1 << 16])
def test_a_wrong_byte_is_named_by_line_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("für\n".encode() + b"caf\xe9 au lait\n")
    monkeypatch.setattr(text_lines, "READ", read_bytes)
    with pytest.raises(DataError, match=r"latin.txt is not UTF-8 text: line 2, byte 8 is 0xe9 .*--encoding latin-1"):
        read(path)
    path.write_bytes(b"caf\xe9\n")
    assert read(path, "latin-1") == ["café"]


@pytest.mark.parametrize(("encoding", "said"), [("utf-16", "stream does not start with BOM"), ("punycode", "Invalid")])
def test_codecs_that_name_no_byte_are_quoted(tmp_path: Path, encoding: str, said: str) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(b"plain text here\n")
    with pytest.raises(DataError, match=rf"plain.txt is not {encoding} text: .*{said}.*. Give its encoding with --enc"):
        read(path, encoding)


def test_a_compressed_file_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    with pytest.raises(DataError, match=r"lines.txt.gz is a gzip file; unpack it with gunzip \(in a pipe: gunzip -c\)"):
        read(path)


def test_a_binary_file_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "snn.safetensors"
    numbers = random.Random(0).randbytes(3000)
    for content in (b"\xa8\x07\0\0{" + numbers, numbers.replace(b"\0", b"")):
        path.write_bytes(content)
        with pytest.raises(
            DataError, match=r"snn.safetensors is a binary file, not text: byte \d+ is 0x.*Give a text file"
        ):
            read(path)
    path.write_bytes("Привет €".encode("utf-16-be"))  # without its mark, such bytes look like control characters
    with pytest.raises(DataError, match="--encoding utf-16-be"):
        read(path)
    assert read(path, "utf-16-be") == ["Привет €"]


@pytest.mark.parametrize("read_bytes", [4, 1 << 16])
def test_a_word_in_utf16_without_its_mark_is_not_read_as_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
) -> None:
    path = tmp_path / "word.txt"
    path.write_bytes("Привет".encode("utf-16-le"))
    monkeypatch.setattr(text_lines, "READ", read_bytes)
    with pytest.raises(DataError, match=r"word.txt looks like UTF-16 without .*--encoding utf-16-le if it is, and"):
        read(path)
    assert read(path, "utf-16-le") == ["Привет"]
    assert read(path, "utf-8") == [path.read_text("utf-8")]


def test_long_lines_and_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(b"one\n" + b"x" * 10_000_000)
    with pytest.raises(DataError, match=r"line 2 of .*odd.txt is longer than 1,048,576 characters"):
        read(path)
    path.write_bytes(b"one\na\0b\n")
    with pytest.raises(DataError, match=r"line 2 of .*odd.txt holds a zero byte"):
        read(path)
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*nowhere: No such file"):
        read(tmp_path / "nowhere")
