from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from gcn2snn.datasets import Corpus, TextGraphOptions, clean_corpus
from gcn2snn.datasets.clean import clean_text, read_stop_words
from gcn2snn.errors import DataError, MissingPackageError


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Don't STOP", "do n't stop"),
        ("DON'T", "don't"),  # lower case comes last, so capitals are not split
        ("it's we've they're I'd she'll", "it 's we 've they 're i 'd she 'll"),
        ("(a,b)?!", r"\( a , b \) \? !"),
        ("na\xefve\x85caf\xe9 \t 12_3", "na ve caf 12 3"),
        ("   ", ""),
    ],
)
def test_clean_text(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_clean_corpus_removes_rare_words_and_stop_words(small: Corpus) -> None:
    clean = clean_corpus(small, TextGraphOptions(min_count=2))
    assert clean.documents == ("red apple red tree", "apple tree", "car road", "car road car")
    assert clean.text == "red apple red tree\napple tree\ncar road\ncar road car"
    assert clean.options.stop_words == "none"


def test_clean_corpus_counts_words_over_the_corpus_before_removing(small: Corpus) -> None:
    the = replace(
        small, documents=("the the cat", "the cat", "a cat", "cat dog dog"), stop_words="nltk-179", min_count=2
    )
    assert clean_corpus(the).documents == ("cat", "cat", "cat", "cat dog dog")


def test_clean_corpus_names_a_document_without_words(small: Corpus) -> None:
    with pytest.raises(DataError, match=r"small: document 'b' has no known word left \(min_count 1, .*wordless='keep'"):
        clean_corpus(replace(small, documents=("x", "\u4f60\u597d", "y", "z")))
    with pytest.raises(DataError, match=r"document 'b' \(and 1 more\) has no known word"):
        clean_corpus(replace(small, documents=("x", "...", "---", "z")))


def test_clean_corpus_keeps_a_document_without_words_when_asked(small: Corpus) -> None:
    clean = clean_corpus(replace(small, documents=("x", "--", "y", "z")), TextGraphOptions(wordless="keep"))
    assert clean.documents == ("x", "", "y", "z")


def test_clean_corpus_refuses_when_nothing_is_left(small: Corpus) -> None:
    with pytest.raises(DataError, match=r"no word is left in any of 4 documents .*Lower min_count"):
        clean_corpus(small, TextGraphOptions(min_count=99, wordless="keep"))


def test_cleaning_spaces_leaves_words_alone(small: Corpus) -> None:
    words = replace(small, documents=("Ü-ber 你好", "x", "y", "z"))
    assert clean_corpus(words, TextGraphOptions(cleaning="spaces")).documents[0] == "Ü-ber 你好"


def test_default_stop_words_are_the_179() -> None:
    words = read_stop_words("nltk-179")
    assert len(words) == 179
    assert {"the", "wouldn't"} <= words
    assert "apple" not in words
    assert read_stop_words("none") == frozenset()


def test_stop_words_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "stop.txt").write_text("eins\nzwei\n", encoding="utf-8")
    assert read_stop_words(str(tmp_path / "stop.txt")) == {"eins", "zwei"}
    with pytest.raises(DataError, match=r"cannot read the stop-word list 'nowhere.txt': .*Give nltk-179, nltk, none"):
        read_stop_words("nowhere.txt")


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
