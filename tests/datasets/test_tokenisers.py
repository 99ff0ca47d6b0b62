from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gcn2snn.datasets import TextGraphOptions, import_tokeniser, register_tokeniser, tokenisers, words_of
from gcn2snn.errors import ConfigError, InputTypeError, MissingPackageError


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a test registers are gone afterwards."""
    monkeypatch.setattr(tokenisers, "_OWN", {})


def cut(text: str, name: str) -> list[str]:
    return words_of(text, TextGraphOptions(tokeniser=name))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nltk-tweet", ["good", ":d", "#film", "é"]),
        ("nltk-wordpunct", ["good", ":", "d", "#", "film", "é"]),
        ("nltk-treebank", ["good", ":", "d", "#", "film", "é"]),
        ("nltk-toktok", ["good", ":", "d", "#film", "é"]),
    ],
)
def test_tokenisers_of_nltk_by_name(name: str, words: list[str]) -> None:
    pytest.importorskip("nltk")
    assert cut("Good :D #film É", name) == words


def test_an_own_tokeniser_is_registered_and_its_words_lower_cased() -> None:
    register_tokeniser("comma", lambda text: text.split(","))
    assert cut("Red Apple,tree, ,CAR", "comma") == ["red", "apple", "tree", "car"]


def test_what_is_no_tokeniser_is_refused() -> None:
    with pytest.raises(InputTypeError, match="the tokeniser 'x' is int; a function of a text is needed"):
        register_tokeniser("x", 3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="nltk-tweet is the name of a tokeniser of NLTK"):
        register_tokeniser("nltk-tweet", str.split)
    register_tokeniser("numbers", lambda text: [1, 2])  # type: ignore[list-item, return-value]
    with pytest.raises(InputTypeError, match="the tokeniser 'numbers' gave int; it must give a list of strings"):
        cut("a", "numbers")
    with pytest.raises(ConfigError, match=r"no tokeniser is called 'jaws'. There are nltk-tweet, .*register_tokeniser"):
        cut("a", "jaws")


def test_code_is_imported_for_the_person_at_the_keyboard_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_cutter.py").write_text("def pairs(text):\n    return [text[:2], text[2:]]\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"'my_cutter:pairs' is code of its owner .* give --tokeniser my_cutter:pairs"
    ):
        cut("abcd", "my_cutter:pairs")
    assert "my_cutter" not in sys.modules
    import_tokeniser("my_cutter:pairs")
    assert cut("ABcd", "my_cutter:pairs") == ["ab", "cd"]
    with pytest.raises(ConfigError, match=r"'my_cutter:none' cannot be imported: .*Give module:function"):
        import_tokeniser("my_cutter:none")


def test_a_tokeniser_of_nltk_without_nltk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.tokenize", None)
    tokenisers._of_nltk.cache_clear()
    with pytest.raises(MissingPackageError, match=r"nltk-tweet needs NLTK: pip install 'gcn2snn\[nltk\]'"):
        cut("a", "nltk-tweet")
