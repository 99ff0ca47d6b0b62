"""The middle stages of a build: known words as numbers, their windows, and how often two of them meet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gcn2snn.datasets.build_memory import Budget
from gcn2snn.datasets.build_source import Source
from gcn2snn.datasets.build_store import Store
from gcn2snn.datasets.clean import nothing_left, wordless_note
from gcn2snn.datasets.corpus import SPLITS, refuse_untrained
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.stop_words import read_stop_words
from gcn2snn.datasets.text_graph import (
    Advance,
    Integers,
    Tokens,
    count_terms,
    count_windows,
    count_word_windows,
    joint_and_alone,
    pair_keys,
    sum_runs,
    windows_of_tokens,
)
from gcn2snn.errors import DataError

TOKENS_AT_ONCE = 400_000
"""Words of cleaned documents that are taken from the database at once."""


class _Known(dict[str, int]):
    """Numbers of the known words, -1 for others."""

    def __missing__(self, word: str) -> int:
        return -1


def number_words(store: Store, source: Source, options: TextGraphOptions, advance: Advance) -> None:
    """Known words and their numbers, the tokens of every document in a file, and the terms: document, word, times.

    Tables: ``vocabulary`` (number, word, windows that hold it, documents that hold it), ``kept`` (documents that become nodes, and
    their tokens), ``terms``.

    Raises:
        DataError: no word is left, or a document has none and that is refused.
    """
    store.run("CREATE OR REPLACE TABLE terms (document INTEGER, word INTEGER, times INTEGER)")
    store.run("CREATE OR REPLACE TABLE kept (number INTEGER, tokens INTEGER)")
    vocabulary = _known_words(store, source, options)
    number = _Known(zip(vocabulary, range(len(vocabulary)), strict=True))
    having, windows = np.zeros(len(vocabulary), np.int64), np.zeros(len(vocabulary), np.int64)
    documents = store.number("SELECT count(*) FROM cleaned")
    total = done = nodes = wordless = terms = 0
    first_wordless = -1
    with store.tokens.open("wb") as file:
        for numbers, texts in _cleaned(store):
            word, length = _numbered(texts, number)
            empty = np.flatnonzero(length == 0)
            if empty.size and first_wordless < 0:
                first_wordless = int(numbers[empty[0]])
            wordless += empty.size
            if options.wordless == "drop":
                numbers, length = numbers[length > 0], length[length > 0]
            tokens = Tokens.of(word, length, len(vocabulary))
            first, last = windows_of_tokens(tokens, options.window)
            windows += count_word_windows(tokens, first, last)
            total += count_windows(length, options.window)
            document, term, times = count_terms(tokens)
            having += np.bincount(term, minlength=having.size)
            store.insert("terms", {"document": document + np.int32(nodes), "word": term, "times": times})
            store.insert("kept", {"number": numbers, "tokens": length})
            word.tofile(file)
            nodes, terms, done = nodes + length.size, terms + term.size, done + len(texts)
            advance("numbering words", done / documents)
    store.run("CREATE OR REPLACE TABLE vocabulary (number INTEGER, word VARCHAR, windows BIGINT, documents BIGINT)")
    words = np.array([*vocabulary, None], dtype=object)[:-1]
    numbers = np.arange(len(vocabulary), dtype=np.int32)
    store.insert("vocabulary", {"number": numbers, "word": words, "windows": windows, "documents": having})
    _say_wordless(store, source, options, wordless, documents, first_wordless)
    for name, value in (("words", len(vocabulary)), ("nodes", nodes), ("windows", total), ("terms", terms)):
        store.remember(name, value)


def _known_words(store: Store, source: Source, options: TextGraphOptions) -> list[str]:
    """The words that are frequent enough and no stop words, sorted as Python sorts them."""
    store.run("CREATE OR REPLACE TEMP TABLE stopped (word VARCHAR)")
    stopped = np.array([*read_stop_words(str(options.stop_words)), None], dtype=object)[:-1]
    if stopped.size:
        store.insert("stopped", {"word": stopped})
    summed = "(SELECT word, sum(times)::BIGINT AS times FROM word_counts GROUP BY word)"
    spared = "word NOT IN (SELECT word FROM stopped)"
    known = store.columns(
        f"SELECT word FROM {summed} WHERE times >= ? AND {spared} ORDER BY word", options.min_count or 1
    )["word"].tolist()
    if not known:
        different = store.number("SELECT count(DISTINCT word) FROM word_counts")
        most = store.number(f"SELECT max(times) FROM {summed} WHERE {spared}")
        raise DataError(
            nothing_left(source.name, store.number("SELECT count(*) FROM cleaned"), different, most, options)
        )
    return known


def _cleaned(store: Store) -> Iterator[tuple[NDArray[np.int32], list[str]]]:
    """Numbers and words of cleaned documents, a block at a time."""
    sizes = store.columns("SELECT number, tokens FROM cleaned ORDER BY number")
    numbers = sizes["number"].astype(np.int32)
    for begin, end in ranges(sizes["tokens"].astype(np.int64), TOKENS_AT_ONCE):
        block = store.columns(
            "SELECT words FROM cleaned WHERE number BETWEEN ? AND ? ORDER BY number",
            int(numbers[begin]),
            int(numbers[end - 1]),
        )
        yield numbers[begin:end], block["words"].tolist()


def _numbered(texts: list[str], number: _Known) -> tuple[NDArray[np.int32], Integers]:
    """The known words of some documents in a row, and how many each has."""
    split = [text.split() for text in texts]
    length = np.fromiter(map(len, split), np.int64, len(split))
    word = np.fromiter(map(number.__getitem__, chain.from_iterable(split)), np.int32, int(length.sum()))
    known = word >= 0
    document = np.repeat(np.arange(len(split)), length)[known]
    return word[known], np.bincount(document, minlength=len(split)).astype(np.int64)


def _say_wordless(
    store: Store, source: Source, options: TextGraphOptions, wordless: int, documents: int, first: int
) -> None:
    """Keep the note on documents without a known word, or refuse them, or the classes that dropping them leaves untrained."""
    if not wordless:
        return
    name = str(store.run("SELECT name FROM names WHERE number = ?", first)[0][0])
    note = wordless_note(source.name, wordless, documents, name, options)
    store.remember("cleaning notes", [*store.notes("cleaning notes"), note])
    if options.wordless == "drop":
        rows = store.run(
            "SELECT label, count(*) FILTER (split = ?) FROM kept JOIN labels USING (number) GROUP BY label ORDER BY label",
            SPLITS.index("train"),
        )
        names = store.recall("class_names")
        assert isinstance(names, list)
        refuse_untrained(source.name, [str(names[label]) for label, trained in rows if not trained])


def count_pairs(store: Store, options: TextGraphOptions, budget: Budget, advance: Advance) -> None:
    """Partial sums of the windows that two words share, in the table ``partial``; begun ones are continued.

    As many pairs of tokens as memory allows are sorted and summed at once; what they come to goes to the database together with
    the place from which to go on.
    """
    if store.recall("pairs done") is None:
        store.run("CREATE OR REPLACE TABLE partial (pair BIGINT, shared BIGINT)")
        store.remember("pairs done", [0, 1])
    window, words = options.window, store.count("words")
    bits = np.int64(window.bit_length())
    length = store.columns("SELECT tokens FROM kept ORDER BY rowid")["tokens"].astype(np.int64)
    end = np.cumsum(length)
    begun = store.recall("pairs done")
    assert isinstance(begun, list)
    document, distance = begun
    keys, used = np.empty(budget.keys, np.int64), 0
    while document < length.size:
        until = _block_end(end, document, budget)
        word = np.fromfile(
            store.tokens, np.int32, int(end[until - 1] - _start(end, document)), offset=4 * _start(end, document)
        )
        tokens = Tokens.of(word, length[document:until], words)
        first, last = windows_of_tokens(tokens, window)
        for at in range(distance, min(window, int(length[document:until].max()) + 1)):
            new = pair_keys(tokens, first, last, at, bits)
            if used + new.size > keys.size:
                _put_pairs(store, keys[:used], bits, (document, at))
                used = 0
            if new.size > keys.size:  # a document of its own that is larger than memory is meant for
                _put_pairs(store, new, bits, (document, at + 1))
                continue
            keys[used : used + new.size] = new
            used += new.size
        document, distance = until, 1
        advance("counting pairs", int(end[until - 1]) / max(int(end[-1]), 1))
    _put_pairs(store, keys[:used], bits, (document, 1))


def _start(end: Integers, document: int) -> int:
    return int(end[document - 1]) if document else 0


def _block_end(end: Integers, document: int, budget: Budget) -> int:
    """The document after the last one of a block that begins with this one: at least one document."""
    most = _start(end, document) + budget.keys // 16
    return max(document + 1, int(np.searchsorted(end, most, side="right")))


def _put_pairs(store: Store, keys: Integers, bits: np.int64, next_place: tuple[int, int]) -> None:
    pairs, shared = sum_runs(keys, bits)
    with store.transaction():
        if pairs.size:
            store.insert("partial", {"pair": pairs, "shared": shared})
        store.remember("pairs done", list(next_place))


def sum_pairs(store: Store, budget: Budget, advance: Advance) -> None:
    """The pairs of words whose PMI is positive, with the windows they share: the table ``pairs``, in both directions to find.

    DuckDB sums the partial sums of a range of first words at a time. A range comes out ordered by the second word, so that a
    range of rows of the matrix can be read of either without reading all.
    """
    words, windows = store.count("words"), store.count("windows")
    store.run("CREATE OR REPLACE TABLE pairs (low INTEGER, high INTEGER, shared BIGINT)")
    word_windows = store.columns("SELECT windows FROM vocabulary ORDER BY number")["windows"].astype(np.int64)
    rows = np.zeros(words, np.int64)
    found = store.columns("SELECT pair // ? AS low, count(*) AS rows FROM partial GROUP BY low", words)
    rows[found["low"].astype(np.int64)] = found["rows"]
    for begin, end in ranges(rows, budget.entries):
        part = store.columns(
            "SELECT pair, sum(shared)::BIGINT AS shared FROM partial WHERE pair >= ? AND pair < ? GROUP BY pair",
            begin * words,
            end * words,
        )
        pair, shared = part["pair"], part["shared"]
        low, high = (pair // words).astype(np.int32), (pair % words).astype(np.int32)
        joint, alone = joint_and_alone(low, high, shared, word_windows, windows)
        kept = np.flatnonzero(joint > alone)
        kept = kept[np.argsort(high[kept].astype(np.int64) * words + low[kept])]
        store.insert("pairs", {"low": low[kept], "high": high[kept], "shared": shared[kept]})
        advance("summing pairs", end / words)
    store.run("DROP TABLE partial")


def ranges(rows: Integers, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of numbers that together cover all, each with at most so many rows, or with one number that has more.

    >>> list(ranges(np.array([2, 2, 9, 1, 1]), 4))
    [(0, 2), (2, 3), (3, 5)]
    """
    end = np.cumsum(rows)
    begin = 0
    while begin < rows.size:
        before = int(end[begin - 1]) if begin else 0
        until = max(begin + 1, int(np.searchsorted(end, before + most, side="right")))
        yield begin, until
        begin = until
