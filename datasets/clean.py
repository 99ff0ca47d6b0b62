"""From raw documents to known words: cleaning, stop words, vocabulary, as published with Text GCN."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from gcn2snn.datasets.corpus import Corpus, content_hash
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.errors import DataError, MissingPackageError

_STOP_WORDS_179 = "stopwords_nltk_english_179.txt"

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


@dataclass(frozen=True, eq=False)
class CleanCorpus:
    """A corpus as lists of known words.

    Args:
        corpus: the documents it came from.
        documents: cleaned text, words between single spaces.
        options: with every value resolved.
        stop_words_hash: of the list that was used.
    """

    corpus: Corpus
    documents: tuple[str, ...]
    options: TextGraphOptions
    stop_words_hash: str

    @cached_property
    def text(self) -> str:
        """All documents, one a line: what the published code writes to ``NAME.clean.txt``."""
        return "\n".join(self.documents)


def clean_text(text: str) -> str:
    r"""One document with punctuation set apart, other characters gone, in lower case.

    >>> clean_text("It's (not) naïve!")
    "it 's \\( not \\) na ve !"

    Source: Kim 2014, ``clean_str``, as used by Yao et al. 2019; lower case comes last, so that ``N'T`` stays whole.
    """
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    return text.strip().lower()


def read_stop_words(choice: str) -> frozenset[str]:
    """The words of a stop-word list.

    Args:
        choice: ``nltk-179`` (NLTK's English list of 2017-12 to 2023, shipped here), ``nltk`` (what the installed NLTK
            has), ``none``, or a file with one word a line.

    Raises:
        DataError: the file cannot be read, or NLTK has no list downloaded.
        MissingPackageError: NLTK is not installed.
    """
    if choice == "none":
        return frozenset()
    if choice == "nltk-179":
        return frozenset((resources.files("gcn2snn.datasets") / _STOP_WORDS_179).read_text("utf-8").split())
    if choice == "nltk":
        return _installed_nltk_list()
    try:
        return frozenset(Path(choice).read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the stop-word list {choice!r}: {error}. "
            f"Give nltk-179, nltk, none, or a UTF-8 file with one word a line"
        ) from error


def _installed_nltk_list() -> frozenset[str]:
    try:
        from nltk.corpus import stopwords
    except ImportError as error:
        raise MissingPackageError(
            "stop_words='nltk' needs NLTK: pip install 'gcn2snn[nltk]'; or use nltk-179"
        ) from error
    try:
        return frozenset(stopwords.words("english"))
    except LookupError as error:
        raise DataError(
            "the installed NLTK has no stop-word list. Get it with: python -m nltk.downloader stopwords; or use nltk-179"
        ) from error


def clean_corpus(corpus: Corpus, options: TextGraphOptions | None = None) -> CleanCorpus:
    """Cleaned documents: stop words and rare words removed, a word's count taken over the whole corpus before that.

    Raises:
        DataError: a document keeps no word and ``options.wordless`` is ``refuse``; or no document keeps one.
    """
    options = (options or TextGraphOptions()).resolved(corpus.min_count, corpus.stop_words)
    stop_words = read_stop_words(str(options.stop_words))
    words = [words_of(document, options) for document in corpus.documents]
    counts: Counter[str] = Counter()
    for document in words:
        counts.update(document)
    known = {word for word, count in counts.items() if count >= (options.min_count or 1) and word not in stop_words}
    documents = tuple(" ".join([word for word in document if word in known]) for document in words)
    _refuse_wordless(corpus, documents, options)
    return CleanCorpus(corpus, documents, options, content_hash(sorted(stop_words)))


def words_of(text: str, options: TextGraphOptions) -> list[str]:
    """The cleaned words of one text in their order, stop words and rare words included.

    >>> words_of("It's (not) naïve!", TextGraphOptions())[:2]
    ['it', "'s"]
    """
    # Yao et al. strip bytes before decoding; only ASCII spaces matter, and clean_text turns the others into spaces.
    return (clean_text(text) if options.cleaning == "published" else text).split()


def _refuse_wordless(corpus: Corpus, documents: Sequence[str], options: TextGraphOptions) -> None:
    empty = [position for position, document in enumerate(documents) if not document]
    if len(empty) == len(documents):
        raise DataError(
            f"{corpus.name}: no word is left in any of {len(documents)} documents after cleaning (min_count "
            f"{options.min_count}, stop words {options.stop_words}, cleaning {options.cleaning}). Lower min_count, or "
            f"choose stop_words='none' or cleaning='spaces'"
        )
    if empty and options.wordless == "refuse":
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"{corpus.name}: document {corpus.names[empty[0]]!r}{more} has no known word left (min_count "
            f"{options.min_count}, stop words {options.stop_words}). Remove it, lower min_count, or set wordless='keep'"
        )
