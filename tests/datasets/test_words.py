from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcn2snn.datasets import TextGraphOptions, words_of
from gcn2snn.datasets.words import clean_text, foreign_letters, unicode_words


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Großartiger Film über SCHÖNE Träume!", ["großartiger", "film", "über", "schöne", "träume"]),
        ("这部电影 is good", ["这", "部", "电", "影", "is", "good"]),
        ("映画がすき、コンピュータ", ["映", "画", "が", "す", "き", "コンピュータ"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("Это — ёлка.", ["это", "ёлка"]),
        ("😀🎉 👍🏽 👨\u200d👩\u200d👧 🇩🇪🇫🇷", ["😀", "🎉", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "🇫🇷"]),
        ("don\u2019t don't", ["don't", "don't"]),
        ("cafe\u0301 café ＣＡＦＥ ﬁn", ["café", "café", "cafe", "fin"]),
        ("soft\u00adhyphen, 3.14 1,000 e-mail", ["softhyphen", "3.14", "1,000", "e", "mail"]),
        ("❤\ufe0f ❤", ["❤", "❤"]),
        ("... -- !? \u2028 \x85", []),
        ("half \ud800 pair", ["half", "pair"]),
    ],
)
def test_unicode_words(text: str, words: list[str]) -> None:
    assert unicode_words(text) == words


@given(st.text())
@example(" \u0e31")  # a Thai vowel that combines with the space before it
def test_unicode_words_stand_between_spaces_and_stay_what_they_are(text: str) -> None:
    """A cleaned document is stored as words between spaces, so no word may hold one, and capitals must not matter twice."""
    words = unicode_words(text)
    assert " ".join(words).split() == words
    assert [word for one in words for word in unicode_words(one)] == words


def test_words_of_follows_the_options() -> None:
    text = "Naïve (you)"
    assert (
        words_of(text, TextGraphOptions()) == words_of(text, TextGraphOptions(cleaning="unicode")) == ["naïve", "you"]
    )
    assert words_of(text, TextGraphOptions(cleaning="published")) == ["na", "ve", "\\(", "you", "\\)"]
    assert words_of(text, TextGraphOptions(cleaning="spaces")) == ["Naïve", "(you)"]


def test_foreign_letters_are_counted_without_signs() -> None:
    assert foreign_letters("abc, 123 😀") == (0, 3)
    assert foreign_letters("这 é x") == (2, 3)
