from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from gcn2snn.datasets.stop_words import read_stop_words
from gcn2snn.errors import DataError, MissingPackageError


def test_default_stop_words_are_the_179() -> None:
    words = read_stop_words("nltk-179")
    assert len(words) == 179
    assert {"the", "wouldn't"} <= words
    assert "apple" not in words
    assert read_stop_words("none") == frozenset()


def test_stop_words_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "stop.txt").write_text("eins\nzwei\n", encoding="utf-8")
    assert read_stop_words(str(tmp_path / "stop.txt")) == {"eins", "zwei"}
    with pytest.raises(
        DataError, match=r"cannot read the stop-word list 'nowhere.txt': .*Give nltk-179, nltk, a language"
    ):
        read_stop_words("nowhere.txt")


def test_a_stop_word_file_in_another_encoding_is_read_by_its_mark_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "stop.txt"
    path.write_bytes("eins\nund\n".encode("utf-16"))
    assert read_stop_words(str(path)) == {"eins", "und"}
    for content in ("eins\nund\n".encode("utf-16-le"), "и\n".encode("utf-16-be"), b"f\xfcr\n", b"a\0b"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"stop.txt': it is no text in UTF-8. Give .*or a UTF-8 file"):
            read_stop_words(str(path))


def test_stop_words_of_the_installed_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    def words(language: str) -> list[str]:
        if language == "english":
            return ["the", "of"]
        raise AssertionError(language)

    package, module = types.ModuleType("nltk"), types.ModuleType("nltk.corpus")
    module.stopwords = types.SimpleNamespace(words=words)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nltk", package)
    monkeypatch.setitem(sys.modules, "nltk.corpus", module)
    assert read_stop_words("nltk") == {"the", "of"}


def test_stop_words_without_nltk_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(MissingPackageError, match=r"needs NLTK: pip install 'gcn2snn\[nltk\]'"):
        read_stop_words("nltk")


def test_stop_words_with_nltk_but_no_list_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with pytest.raises(DataError, match=r"python -m nltk.downloader stopwords"):
        read_stop_words("nltk")
    with pytest.raises(DataError, match=r"\('noen' is near to none\)"):
        read_stop_words("noen")


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NLTK that has downloaded a German list of two words."""
    nltk = pytest.importorskip("nltk")
    folder = tmp_path / "nltk" / "corpora" / "stopwords"
    folder.mkdir(parents=True)
    (folder / "german").write_text("und\nüber\n", encoding="utf-8")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])


@pytest.mark.usefixtures("lists")
def test_stop_words_of_a_language_by_its_name() -> None:
    from nltk.corpus import stopwords

    stopwords.ensure_loaded()
    assert read_stop_words("german") == {"und", "über"}
    with pytest.raises(DataError, match=r"no stop words of 'klingon', and there is no such file. It has german"):
        read_stop_words("klingon")
    with pytest.raises(DataError, match=r"no stop words of 'germn', .*\('germn' is near to german\)"):
        read_stop_words("germn")


def test_a_pipe_as_stop_word_list_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"cannot read the stop-word list .*there is no such file"):
        read_stop_words(str(tmp_path / "pipe"))
