"""From raw documents to known words: cleaning, stop words, vocabulary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

from gcn2snn.datasets.corpus import Corpus, content_hash
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.stop_words import read_stop_words
from gcn2snn.datasets.words import foreign_letters, words_of
from gcn2snn.errors import DataError, given_or_default


@dataclass(frozen=True, eq=False)
class CleanCorpus:
    """A corpus as lists of known words.

    >>> from gcn2snn.datasets import Corpus, TextGraphOptions
    >>> corpus = Corpus("two", ("A fine film.", "A fine day!"), ("good", "good"), ("train", "test"), ("1", "2"))
    >>> clean_corpus(corpus, TextGraphOptions(min_count=1, cleaning="unicode")).documents
    ('fine film', 'fine day')

    Args:
        corpus: the documents it came from, without those that were dropped.
        documents: cleaned text, words between single spaces.
        options: with every value resolved.
        stop_words_hash: of the list that was used.
        notes: what cleaning dropped, one sentence each.
    """

    corpus: Corpus
    documents: tuple[str, ...]
    options: TextGraphOptions
    stop_words_hash: str
    notes: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """All documents, one a line: what the published code writes to ``NAME.clean.txt``."""
        return "\n".join(self.documents)


def clean_corpus(corpus: Corpus, options: TextGraphOptions | None = None) -> CleanCorpus:
    """Cleaned documents: stop words and rare words removed, a word's count taken over the whole corpus before that.

    Documents without a known word are kept, dropped or refused as ``options.wordless`` says, and counted in the notes.

    >>> from gcn2snn.datasets import Corpus, TextGraphOptions
    >>> corpus = Corpus("two", ("A fine film.", "A fine day!"), ("good", "good"), ("train", "test"), ("1", "2"))
    >>> clean_corpus(corpus, TextGraphOptions(min_count=2, cleaning="unicode")).documents
    ('fine', 'fine')

    Raises:
        DataError: no document keeps a word; or one keeps none and ``options.wordless`` is ``refuse``; or a class loses its
            training documents to ``drop``.
    """
    options = corpus.resolved(given_or_default("options", options, TextGraphOptions))
    stop_words = read_stop_words(str(options.stop_words))
    words = [words_of(document, options) for document in corpus.documents]
    counts: Counter[str] = Counter()
    for document in words:
        counts.update(document)
    known = {word for word, count in counts.items() if count >= (options.min_count or 1) and word not in stop_words}
    if not known:
        spared = counts.keys() - stop_words
        most = max((counts[word] for word in spared), default=0)
        raise DataError(nothing_left(corpus.name, len(words), len(counts), most, options))
    documents = tuple(" ".join([word for word in document if word in known]) for document in words)
    notes = _foreign_letters_note(corpus, options)
    empty = [position for position, document in enumerate(documents) if not document]
    if empty:
        notes += (wordless_note(corpus.name, len(empty), len(documents), corpus.names[empty[0]], options),)
    if empty and options.wordless == "drop":
        kept = [position for position, document in enumerate(documents) if document]
        corpus = replace(corpus.at(kept), hash=corpus.hash)  # still made from the whole corpus
        documents = tuple(documents[position] for position in kept)
    return CleanCorpus(corpus, documents, options, content_hash(sorted(stop_words)), notes)


def _other_cleanings(options: TextGraphOptions) -> str:
    """The ways of cleaning that have not been tried."""
    ways = {"unicode": "--cleaning unicode", "spaces": "--cleaning spaces if the text is cut into words already"}
    return ", or ".join(text for name, text in ways.items() if name != options.cleaning)


def nothing_left(name: str, documents: int, words: int, most: int, options: TextGraphOptions) -> str:
    """Why no word is left, and the option that would leave some.

    Args:
        name: of the corpus.
        documents: how many there are.
        words: different words before stop words and rare words go.
        most: times that the most frequent word is there which is no stop word; 0 where all are.
        options: resolved ones.
    """
    start = f"{name}: no word is left in any of {documents} documents"
    if not words:
        return (
            f"{start} after cleaning {options.cleaning}. Look whether the right column is the text (--text-column), or "
            f"choose {_other_cleanings(options)}"
        )
    if not most:
        return (
            f"{start}: all of its {words} different words are stop words ({options.stop_words}). "
            f"Keep them with --stop-words none, or give another list"
        )
    return (
        f"{start}: min_count is {options.min_count}, and no word that is not a stop word is there more than {most} times. "
        f"Lower it with --min-count {most}"
    )


def _foreign_letters_note(corpus: Corpus, options: TextGraphOptions) -> tuple[str, ...]:
    if options.cleaning != "published" or corpus.cleaning == "published":
        return ()
    lost, letters = (sum(column) for column in zip(*map(foreign_letters, corpus.documents), strict=True))
    return (foreign_letters_note(corpus.name, lost, letters),)


def foreign_letters_note(name: str, lost: int, letters: int) -> str:
    """How many letters of a corpus the published cleaning drops."""
    share = 100 * lost / max(letters, 1)
    return (
        f"{name}: the published cleaning drops {lost:,} of {letters:,} letters ({share:.1f} %), those that are not "
        f"A to Z; cleaning unicode keeps them"
    )


def wordless_note(name: str, wordless: int, documents: int, first: str, options: TextGraphOptions) -> str:
    """What is said of documents without a known word.

    Args:
        name: of the corpus.
        wordless: how many there are, at least 1.
        documents: all of them.
        first: name of the first of them.
        options: resolved ones.

    Raises:
        DataError: ``options.wordless`` is ``refuse``.
    """
    some = f"{wordless} of {documents} documents have" if wordless > 1 else "1 document has"
    what = (
        f"{name}: {some} no known word left (first {first!r}; min_count {options.min_count}, "
        f"stop words {options.stop_words})"
    )
    if options.wordless == "refuse":
        raise DataError(f"{what}. Add words, lower --min-count, or choose --wordless keep or --wordless drop")
    if options.wordless == "drop":
        return f"{what}; dropped"
    return f"{what}; kept without edges in the graph, and --wordless drop would leave them out"
