"""Encodings of two and four bytes a letter are known by their bytes, and what is UTF-8 is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.datasets.unmarked_text import LOOKED, unmarked_encoding

WORDS = {
    "Arabic": "سلام",
    "Armenian": "Հայերեն",
    "Bengali": "বাংলা",
    "English": "one",
    "Ethiopic": "አማርኛ",
    "Georgian": "ქართული",
    "Greek": "λόγος",
    "Gurmukhi": "ਪੰਜਾਬੀ",
    "Gurmukhi that the other order reads as four scripts": "ਕਾਗਜ",
    "Hebrew": "שלום",
    "Hindi": "राम",
    "Kannada": "ಕನ್ನಡ",
    "Lao": "ລາວ",
    "Malayalam": "മലയാളം",
    "Russian": "Привет",
    "Russian capitals": "ИЗ",
    "Russian with a sign": "Привет😀",
    "Russian sentence": "Привет, мир — «слово» № 5\n",
    "Sinhala": "සිංහල",
    "Tamil": "தமிழ்",
    "Telugu": "తెలుగు",
    "Thai": "ภาษาไทย",
    "Vietnamese": "Tiếng",
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_a_word_without_its_mark_is_known(word: str, encoding: str) -> None:
    assert unmarked_encoding(word.encode(encoding)) == encoding
    assert unmarked_encoding((word * LOOKED).encode(encoding)) == encoding  # its end lies behind what is looked at
    assert unmarked_encoding(word.encode("utf-8")) == ""


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_of_two_alphabets_the_more_common_one_is_meant_and_a_letter_may_be_cut(encoding: str) -> None:
    assert unmarked_encoding("И".encode(encoding)) == encoding  # the other order is a letter of Mongolian
    assert unmarked_encoding("ЉЉЉ".encode(encoding)) == encoding  # of Devanagari
    assert unmarked_encoding("ऊऊऊ".encode(encoding)) == encoding  # of Gurmukhi
    cut = "П" * (LOOKED // 2 - 1) + "😀"  # its first half is the last that is looked at
    assert unmarked_encoding(cut.encode(encoding)) == encoding


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a\t1\nb\t0\n",
        "1\n2\n3\n",
        "1\t0\t1\t",
        "!\n?\n",
        "\n\n\n\n",
        "\x1b[1mbold\x1b[0m",
        "x\x02x\x02xyxyxy",
        "x\x02xy",
        "a\x02b cd",
        "\x01",
        "ab\0c",
    ],
)
def test_short_tables_escapes_and_stray_control_characters_are_no_evidence(text: str) -> None:
    assert unmarked_encoding(text.encode()) == ""


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60))
def test_text_without_control_characters_is_utf8(text: str) -> None:
    assert unmarked_encoding(text.encode()) == ""
