"""Text that comes in blocks reads as it would in one piece, wherever the blocks end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
from pathlib import Path

import pytest

from gcn2snn.datasets import file_bytes
from gcn2snn.datasets.file_bytes import file_blocks, kind_of
from gcn2snn.datasets.text_file import TextFile, read_text
from gcn2snn.errors import DataError

TEXTS = [
    "",
    "one line",
    "a\r\nb\rc\n\nd\r\n",
    "old\rlines\rend",
    "only a carriage return\r",
    "trouble\r\r\n",
    "Größe 日本 😀\r\nend",
    "five!\ufeffno mark, for it is not at the start",
]


@pytest.fixture(params=[5, 7, 1 << 20], ids=str)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that are read at once; a byte order mark comes with the first."""
    monkeypatch.setattr(file_bytes, "BLOCK", request.param)
    return int(request.param)


def lines_at_once(text: str) -> list[str]:
    """The lines of a text that is held whole."""
    text = text.replace("\r\n", "\n")
    return text.replace("\r", " " if "\n" in text else "\n").splitlines(keepends=True)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
def test_lines_and_text_are_those_of_the_whole(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    file = TextFile.look(path, "gb18030" if encoding == "gb18030" else None)
    assert list(file.lines()) == lines_at_once(text)
    assert read_text(path, file.encoding) == text
    assert file.blank == (not text.strip())


@pytest.mark.usefixtures("block")
def test_a_letter_that_its_encoding_leaves_open_at_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf+AOk")  # nothing says that the letters between + and - are over
    assert read_text(path, "utf-7") == "café"
    assert list(TextFile.look(path, "utf-7").lines()) == ["café"]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("now", ["weiß".encode()[:-1], b"weiss \xff\n", "weiß".encode("utf-16")])
def test_a_file_that_is_written_to_while_it_is_read_is_named(tmp_path: Path, now: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("weiß".encode())
    file = TextFile.look(path)
    path.write_bytes(now)
    for read in (file.text, lambda: list(file.lines())):
        with pytest.raises(DataError, match=r"a.txt changed while it was read. Read it again when it is written to no"):
            read()


def test_a_file_that_is_looked_through_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_bytes, "BLOCK", 1 << 12)
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain text\n" * 100_000)
    tracemalloc.start()
    TextFile.look(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < path.stat().st_size / 4


@pytest.mark.usefixtures("block")
def test_the_place_of_a_wrong_byte_is_that_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Größe\nweiß".encode() + b"\xc3\n")
    with pytest.raises(DataError, match=r"a.txt is not UTF-8 text: line 2, byte 13 is 0xc3"):
        read_text(path)
    path.write_bytes("Größe\nweiß".encode() + b"\xc3")
    with pytest.raises(DataError, match=r"line 2, byte 13 is 0xc3 \(unexpected end of data\)"):
        read_text(path)
    path.write_bytes(b"one\ntwo\0\xff")
    with pytest.raises(DataError, match=r"line 2 of .*a.txt holds a zero byte \(byte 7\)"):
        read_text(path)
    path.write_bytes("some text\n".encode("utf-16-le") * 3)
    with pytest.raises(DataError, match=r"UTF-16 without its byte order mark. Give --encoding utf-16-le if it is$"):
        read_text(path)
    with pytest.raises(DataError, match=r"UTF-16 without its byte order mark. Give --encoding utf-16-le if it is$"):
        read_text(path, "cp1252")


@pytest.mark.usefixtures("block")
def test_text_without_its_mark_is_refused_although_it_is_valid_utf8(tmp_path: Path) -> None:
    """A word alone has no zero byte in UTF-16, and all its bytes are those of ASCII."""
    path = tmp_path / "a.txt"
    for word in ("Привет", "हिन्दी"):
        path.write_bytes(word.encode("utf-16-be"))
        assert path.read_bytes().isascii()
        assert 0 not in path.read_bytes()
        with pytest.raises(DataError, match=r"a.txt looks like UTF-16 .*--encoding utf-16-be if it is, and .*utf-8"):
            read_text(path)
        assert read_text(path, "utf-16-be") == word
        assert read_text(path, "utf-8") == path.read_bytes().decode("utf-8")  # whoever says so gets it
    path.write_bytes("\ufeffПривет".encode("utf-16-be"))
    assert read_text(path) == "Привет"


@pytest.mark.usefixtures("block")
def test_text_of_many_alphabets_is_never_read_as_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("日本語の文章。\n次の行", "中文很好\tник", "한국어 문장"):
        path.write_bytes(text.encode("utf-16-le"))
        with pytest.raises(DataError, match=r"--encoding utf-16-le"):
            read_text(path)


@pytest.mark.usefixtures("block")
def test_a_mistaken_encoding_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Größe".encode())
    assert TextFile.look(path, "latin-1").mistaken
    assert not TextFile.look(path, "utf8").mistaken
    assert not TextFile.look(path).mistaken
    path.write_bytes("Größe".encode("latin-1"))
    assert not TextFile.look(path, "latin-1").mistaken
    path.write_bytes(b"plain")
    assert not TextFile.look(path, "latin-1").mistaken


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_packed_files_are_unpacked_and_damaged_ones_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    path, content = tmp_path / "a", b"some text\n" * 1000
    packed = pack(content)
    path.write_bytes(packed)
    assert b"".join(file_blocks(path)) == content
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"a is packed and damaged: .*Pack it again"):
        list(file_blocks(path))
    path.write_bytes(packed[:10] + b"nonsense" + packed[10:])
    with pytest.raises(DataError, match=r"a is packed and damaged: .*Pack it again"):
        list(file_blocks(path))


def test_kind_of_looks_behind_the_ending_of_a_packed_file() -> None:
    names = ("a.tsv", "a.TSV.GZ", "a.jsonl.xz", "a.gz", "a")
    assert [kind_of(Path(name)) for name in names] == [".tsv", ".tsv", ".jsonl", "", ""]


def test_blocks_are_a_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * ((1 << 20) + 1))
    assert [len(part) for part in file_blocks(path)] == [1_048_576, 1]


def test_a_newline_at_the_very_start_counts_for_the_line_of_a_wrong_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\ncaf\xe9 au lait\n")
    with pytest.raises(DataError, match=r"is not UTF-8 text: line 2, byte 4 is 0xe9"):
        read_text(path)


@pytest.mark.parametrize("value", [1, 8, 11, 14, 26, 28, 31, 127])
def test_control_characters_around_a_wrong_byte_show_a_binary_file(tmp_path: Path, value: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"twenty bytes of text" + bytes([value]) + b"\xff")
    with pytest.raises(DataError, match=r"a.txt is a binary file, not text: byte 21 is 0xff"):
        read_text(path)


@pytest.mark.parametrize("value", [9, 10, 12, 13, 27, 32, 126])
def test_tabs_line_ends_and_escapes_around_a_wrong_byte_belong_to_text(tmp_path: Path, value: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"twenty bytes of text" + bytes([value]) + b"\xff")
    with pytest.raises(DataError, match=r"a.txt is not UTF-8 text"):
        read_text(path)
