"""The options of a text graph: how a corpus is read, cleaned and split, and how wide a window is."""

from __future__ import annotations

import io
import operator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from gcn2snn.errors import ConfigError, InputError, kind_of, misfits, refuses_misfits

Documents = Literal["all", "training"]
Cleaning = Literal["published", "unicode", "spaces"]
Wordless = Literal["keep", "drop", "refuse"]


@dataclass(frozen=True)
class TextGraphOptions:
    """Options from raw text to graph; ``None`` means what the corpus was published with, or what suits an own corpus.

    >>> TextGraphOptions(window=10).window
    10

    Args:
        window: tokens in a sliding window.
        min_count: words seen fewer times in the corpus are removed; None for an own corpus: see :func:`suitable_min_count`.
        stop_words: ``nltk-179`` (English, own corpora too), ``nltk`` (the installed NLTK's English list), the name of a
            language of which NLTK has a list (``german``), ``none``, or a file with one word a line.
        cleaning: ``published`` (English: every letter but A to Z becomes a space), ``unicode`` (words by the Unicode word
            rules, lower-cased; own corpora), or ``spaces`` (the text is cut into words already).
        tokeniser: what cuts text into words with ``unicode`` cleaning instead of the Unicode rules; see :mod:`.tokenisers`.
        wordless: what to do with a document that has no known word left: ``keep`` it as a node without edges, ``drop``
            it, or ``refuse`` the corpus.
        split_seed: seed of the stratified split of an own corpus that has none.
        test_share: part of the documents that such a split makes test documents.
        documents: ``all``, or ``training``: test documents are left out before anything is counted, so neither nodes, words,
            frequencies nor windows know of them.
        text_column, label_column: names, or numbers from 1 on, of these columns of an own table; None finds them.
        encoding: of an own file, as Python names it; None reads the byte order mark, or else takes UTF-8.
        quotes: double quotes around a field of a table belong to the format; False takes them as text.
    """

    window: int = 20
    min_count: int | None = None
    stop_words: str | None = None
    cleaning: Cleaning | None = None
    tokeniser: str | None = None
    wordless: Wordless = "keep"
    split_seed: int = 0
    test_share: float = 0.3
    documents: Documents = "all"
    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    quotes: bool = True

    def __post_init__(self) -> None:
        with misfits("TextGraphOptions", vars(self)):
            self._check()

    def _check(self) -> None:
        if not 2 <= self.window <= 4096:
            raise ConfigError(f"window is {self.window}; a window holds 2 to 4096 tokens (20 is the published size)")
        if self.min_count is not None and self.min_count < 1:
            raise ConfigError(f"min_count is {self.min_count}; 1 keeps every word, larger numbers remove rare ones")
        choices = {
            "cleaning": (None, *get_args(Cleaning)),
            "wordless": get_args(Wordless),
            "documents": get_args(Documents),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                named = ", ".join(value for value in allowed if value)
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed are {named}")
        if self.tokeniser is not None and self.cleaning not in (None, "unicode"):
            raise ConfigError(
                f"the tokeniser {self.tokeniser!r} goes with cleaning unicode, and cleaning is {self.cleaning}. "
                f"Leave one of them out"
            )
        if not 0 < self.test_share < 1:
            raise ConfigError(f"test_share is {self.test_share}; it lies between 0 and 1 (0.3 is the default)")
        if not 0 <= self.split_seed < 2**32:
            raise ConfigError(f"split_seed is {self.split_seed}; allowed are 0 to 4294967295")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    def resolved(self, min_count: int, stop_words: str, cleaning: Cleaning) -> TextGraphOptions:
        """The same options with ``None`` replaced by a corpus's own values, and a stop-word file by its absolute path."""
        if self.tokeniser is not None:
            cleaning = "unicode"
        words = stop_words if self.stop_words is None else self.stop_words
        return replace(
            self,
            min_count=min_count if self.min_count is None else self.min_count,
            stop_words=str(Path(words).resolve()) if Path(words).is_file() else words,
            cleaning=cleaning if self.cleaning is None else self.cleaning,
        )

    def to_json(self) -> dict[str, object]:
        """Plain values, for files."""
        return asdict(self)


@refuses_misfits
def suitable_min_count(documents: int) -> int:
    """The ``min_count`` of an own corpus of this size: the largest k with 80 k^3 <= documents, and 1 for small ones.

    The published value 5 was chosen for about ten thousand documents, and there this rule gives it too. The number of
    words that are rare grows more slowly than the corpus, so the bound grows with the cube root.

    >>> [suitable_min_count(documents) for documents in (10, 300, 1_000, 10_000, 100_000, 1_000_000)]
    [1, 1, 2, 5, 10, 23]

    Args:
        documents: a whole number of any size, 0 or more.

    Raises:
        InputError: it is negative.
        InputTypeError: it is not a whole number.
    """
    number = operator.index(documents)
    if number < 0:
        raise InputError(f"documents is {kind_of(number)}; a corpus has 0 or more of them. Give their number")
    least, bits = 0, number.bit_length() // 3 + 1  # a cube root has a third as many bits, which are decided one by one
    for bit in reversed(range(bits)):
        count = least + (1 << bit)
        least = count if 80 * count**3 <= number else least
    return max(1, least)


def _check_encoding(encoding: str) -> None:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"encoding is {encoding!r}, and Python knows no text encoding of that name. Usual ones are utf-8, utf-16, "
            f"cp1252, latin-1, gb18030, shift_jis"
        ) from error
