"""From one text to its words: the published English cleaning, the Unicode word rules, a tokeniser, or spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.tokenisers import tokeniser_named
from gcn2snn.errors import InputTypeError, kind_of

if TYPE_CHECKING:
    from regex import Pattern

# In this order. Kim (2014) wrote the list; parentheses and question marks keep a backslash, as the published texts do.
_SUBSTITUTIONS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[^A-Za-z0-9(),!?'`]", " "),
        (r"'s", " 's"),
        (r"'ve", " 've"),
        (r"n't", " n't"),
        (r"'re", " 're"),
        (r"'d", " 'd"),
        (r"'ll", " 'll"),
        (r",", " , "),
        (r"!", " ! "),
        (r"\(", r" \\( "),
        (r"\)", r" \\) "),
        (r"\?", r" \\? "),
        (r"\s{2,}", " "),
    )
)

_ALIKE = str.maketrans({"\u2019": "'", **dict.fromkeys("\u00ad\u200e\u200f\u2060\ufe0e\ufeff\ufe0f", None)})
"""Characters that tell no words apart: the curly apostrophe, soft hyphens, marks of direction and of presentation."""


def words_of(text: str, options: TextGraphOptions) -> list[str]:
    """The cleaned words of one text in their order, stop words and rare words included.

    >>> words_of("It's (not) naïve! 👍🏽", TextGraphOptions())
    ["it's", 'not', 'naïve', '👍🏽']
    >>> words_of("It's (not) naïve!", TextGraphOptions(cleaning="published"))[:2]
    ['it', "'s"]

    Args:
        text: of a document, or a new text.
        options: ``cleaning`` and ``tokeniser`` count; cleaning ``None`` is that of own corpora.
    """
    if not isinstance(text, str) or not isinstance(options, TextGraphOptions):
        got = f"{kind_of(text)} and {kind_of(options)}"
        raise InputTypeError(f"words_of got {got}; a text and TextGraphOptions are needed")
    # Yao et al. strip bytes before decoding; only ASCII spaces matter, and clean_text turns the others into spaces.
    if options.cleaning == "published":
        return clean_text(text).split()
    if options.cleaning == "spaces":
        return text.split()
    return unicode_words(text) if options.tokeniser is None else tokenised_words(text, options.tokeniser)


def clean_text(text: str) -> str:
    r"""One document with punctuation set apart, other characters gone, in lower case.

    >>> clean_text("It's (not) naïve!")
    "it 's \\( not \\) na ve !"

    Source: Kim 2014, ``clean_str``, as used by Yao et al. 2019; lower case comes last, so that ``N'T`` stays whole.
    """
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    return text.strip().lower()


def unicode_words(text: str) -> list[str]:
    """The words of a text in any script, lower-cased; punctuation and spaces are no words, numbers and emoji are.

    Chinese characters, hiragana and the letters of Thai, Lao, Khmer and Burmese stand alone, because these scripts put no
    spaces between words; a run of katakana is one word. A tokeniser does better there.

    >>> unicode_words("Große Träume: 3.14 😀🎉, 这部电影")
    ['große', 'träume', '3.14', '😀', '🎉', '这', '部', '电', '影']

    Source: Unicode Standard Annex 29, word boundaries, on text in the form NFKC (Annex 15).
    """
    boundary, word = _patterns()
    alike = unicodedata.normalize("NFKC", text).translate(_ALIKE).lower()
    # The rules put no boundary between a space and a mark that combines with it.
    parts = (part for piece in boundary.split(alike) for part in piece.split())
    return [part for part in parts if word.search(part)]


def tokenised_words(text: str, name: str) -> list[str]:
    """The words that a tokeniser makes of a text, lower-cased; a word with a space in it becomes two.

    Raises:
        ConfigError: the tokeniser is unknown here.
        InputTypeError: it gives something else than strings.
    """
    words = list(tokeniser_named(name)(unicodedata.normalize("NFKC", text).translate(_ALIKE)))
    wrong = next((word for word in words if not isinstance(word, str)), None)
    if wrong is not None:
        raise InputTypeError(f"the tokeniser {name!r} gave {type(wrong).__name__}; it must give a list of strings")
    return " ".join(words).lower().split()


def foreign_letters(text: str) -> tuple[int, int]:
    """Letters that the published cleaning drops from a text, those that are not A to Z, and all letters.

    >>> foreign_letters("schöne Träume!")
    (2, 12)
    """
    if text.isascii():
        return 0, sum(map(str.isalpha, text))
    letters = [letter for letter in text if letter.isalpha()]
    return sum(not letter.isascii() for letter in letters), len(letters)


@cache
def _patterns() -> tuple[Pattern[str], Pattern[str]]:
    """A word boundary of Annex 29, and what makes the part between two of them a word."""
    import regex

    boundary = regex.compile(r"(?V1)(?w)\b")
    return boundary, regex.compile(r"[\p{Alphabetic}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]")
