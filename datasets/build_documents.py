"""The first two stages of a build: which documents there are, and which words they hold. Each reads the corpus once."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gcn2snn.datasets.build_source import Source
from gcn2snn.datasets.build_store import Store
from gcn2snn.datasets.checks import resolved_note, same_text, warnings_of
from gcn2snn.datasets.clean import foreign_letters_note
from gcn2snn.datasets.corpus import SPLITS, ContentHash, refuse_untrained
from gcn2snn.datasets.options import TextGraphOptions, suitable_min_count
from gcn2snn.datasets.own import Document, numbered, repeated_names_note, unlabelled_notes
from gcn2snn.datasets.split import splits_of
from gcn2snn.datasets.text_graph import Advance
from gcn2snn.datasets.words import foreign_letters, words_of
from gcn2snn.errors import DataError

DOCUMENTS_AT_ONCE = 50_000
TOKENS_AT_ONCE = 400_000
"""Words of cleaned documents that are held before they go to the database."""

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")

_log = logging.getLogger(__name__)


def read_documents(store: Store, source: Source, options: TextGraphOptions, advance: Advance) -> None:
    """Label, split and name of every document that has a label: the tables ``names`` and ``labels``.

    Raises:
        DataError: as :func:`gcn2snn.datasets.load`.
    """
    store.run("CREATE OR REPLACE TABLE names (number INTEGER, name VARCHAR)")
    store.run("CREATE OR REPLACE TABLE labels (number INTEGER, label INTEGER, split UTINYINT)")
    notes: list[str] = []
    classes: dict[str, int] = {}
    splits: dict[str, int] = {}
    label_of: list[NDArray[np.int32]] = []
    split_of: list[NDArray[np.int32]] = []
    labelled = lost = 0
    first_lost, any_text = "", False
    for block in _blocks(source.documents(notes), DOCUMENTS_AT_ONCE):
        kept = [document for document in block if document.label]
        if len(kept) < len(block):
            first_lost = first_lost or next(document.name for document in block if not document.label)
            lost += len(block) - len(kept)
        any_text = any_text or any(document.text.strip() for document in kept)
        label_of.append(_codes(classes, (document.label for document in kept)))
        split_of.append(_codes(splits, (document.split for document in kept)))
        numbers = np.arange(labelled, labelled + len(kept), dtype=np.int32)
        store.insert("names", {"number": numbers, "name": _objects(document.name for document in kept)})
        labelled += len(kept)
        advance("reading documents", 0.0)
    notes += unlabelled_notes(source.name, labelled, lost, first_lost, any_text)
    if store.number("SELECT count(DISTINCT name) FROM names") < labelled:
        notes.append(repeated_names_note(source.name))
        names = _objects(map(numbered, range(labelled)))
        store.run("CREATE OR REPLACE TABLE names (number INTEGER, name VARCHAR)")
        store.insert("names", {"number": np.arange(labelled, dtype=np.int32), "name": names})
    class_names = sorted(classes)
    place = np.empty(len(class_names), np.int32)
    place[[classes[name] for name in class_names]] = np.arange(len(class_names))
    labels = place[np.concatenate(label_of)]
    split, said = _splits(store, source, options, labels, class_names, list(splits), np.concatenate(split_of))
    trained = set(labels[split == TRAIN].tolist())
    refuse_untrained(source.name, [name for i, name in enumerate(class_names) if i not in trained])
    store.insert("labels", {"number": np.arange(labelled, dtype=np.int32), "label": labels, "split": split})
    store.remember("class_names", class_names)
    store.remember("documents", labelled)
    store.remember("reading notes", [*notes, *said])


def resolved_options(store: Store, source: Source, options: TextGraphOptions) -> TextGraphOptions:
    """The options with ``None`` replaced by what suits the corpus."""
    min_count = suitable_min_count(store.count("documents")) if source.min_count is None else source.min_count
    return options.resolved(min_count, source.stop_words, source.cleaning)


def _splits(
    store: Store,
    source: Source,
    options: TextGraphOptions,
    labels: NDArray[np.int32],
    class_names: list[str],
    said: list[str],
    said_of: NDArray[np.int32],
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The split of each document by its place in SPLITS, and what is to be said about it."""
    named = [said[code] for code in said_of]
    if source.row is not None:
        splits, notes = tuple(named), tuple[str, ...]()
    else:
        names = store.columns("SELECT name FROM names ORDER BY number")["name"].tolist()
        splits, notes = splits_of(source.name, [class_names[code] for code in labels], named, names, options)
    return np.fromiter(map(SPLITS.index, splits), np.uint8, len(splits)), notes


@dataclass
class _Batch:
    """Cleaned documents on their way to the database."""

    numbers: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, words: list[str]) -> None:
        """One document more."""
        self.numbers.append(number)
        self.lengths.append(len(words))
        self.texts.append(" ".join(words))
        self.counts.update(words)

    @property
    def full(self) -> bool:
        return len(self.numbers) >= DOCUMENTS_AT_ONCE or self.counts.total() >= TOKENS_AT_ONCE

    def put(self, store: Store) -> None:
        """Hand them over."""
        numbers, tokens = np.array(self.numbers, np.int32), np.array(self.lengths, np.int32)
        if numbers.size:
            store.insert("cleaned", {"number": numbers, "tokens": tokens, "words": _objects(self.texts)})
        if self.counts:
            times = np.fromiter(self.counts.values(), np.int64, len(self.counts))
            store.insert("word_counts", {"word": _objects(self.counts), "times": times})


def read_words(store: Store, source: Source, options: TextGraphOptions, advance: Advance) -> None:
    """The cleaned words of every document that becomes a node (table ``cleaned``), and how often each is there.

    Rare words and stop words are still among them: which words are rare is known when all are counted.

    Args:
        options: resolved ones.

    Raises:
        DataError: the corpus changed since :func:`read_documents`.
    """
    store.run("CREATE OR REPLACE TABLE cleaned (number INTEGER, tokens INTEGER, words VARCHAR)")
    store.run("CREATE OR REPLACE TABLE word_counts (word VARCHAR, times BIGINT)")
    store.run("CREATE OR REPLACE TABLE texts (number INTEGER, high UBIGINT, low UBIGINT)")
    split = store.columns("SELECT split FROM labels ORDER BY number")["split"]
    chosen = np.ones(split.size, np.bool_) if options.documents == "all" else split != TEST
    hashes = (_begun_hash(store, np.ones_like(chosen)), _begun_hash(store, chosen))
    letters = np.zeros(2, np.int64)
    batch, number = _Batch(), 0
    for block in _blocks(source.documents([]), 1000):
        documents = [document for document in block if document.label]
        if number + len(documents) > split.size:
            raise DataError(f"{source.name} changed while it was read. Build again when it is written to no more")
        hashes[0].add(document.text for document in documents)
        if source.row is None:
            _put_texts(store, number, documents)
        for document in documents:
            if chosen[number]:
                hashes[1].add((document.text,))
                batch.add(number, words_of(document.text, options))
                if options.cleaning == "published" and source.row is None:
                    letters += foreign_letters(document.text)
            number += 1
        if batch.full:
            batch.put(store)
            batch = _Batch()
            advance("cleaning", number / split.size)
    batch.put(store)
    if number < split.size:
        raise DataError(f"{source.name} changed while it was read. Build again when it is written to no more")
    for digest in hashes:
        digest.end_column()
    whole, part = (digest.hexdigest() for digest in hashes)
    if source.row is not None:  # known by the checksums of its files
        whole, part = source.bytes_hash, source.bytes_hash if options.documents == "all" else part
    store.remember("whole_hash", whole)
    store.remember("corpus_hash", part)
    foreign = source.row is None and options.cleaning == "published"
    store.remember("cleaning notes", [foreign_letters_note(source.name, *letters.tolist())] if foreign else [])


def said_of_corpus(
    store: Store, source: Source, options: TextGraphOptions, resolved: TextGraphOptions
) -> tuple[str, ...]:
    """What was chosen for an own corpus, and what would make an accuracy on it misleading; nothing of a published one."""
    if source.row is not None:
        return ()
    names = store.recall("class_names")
    assert isinstance(names, list)
    counts = store.run("SELECT label, count(*) FROM labels GROUP BY label")
    tested = store.number("SELECT count(*) FROM labels WHERE split = ?", TEST)
    filled = "texts WHERE (high, low) <> (0, 0)"
    trained = (
        f"(SELECT DISTINCT high, low FROM {filled} AND number IN (SELECT number FROM labels WHERE split = {TRAIN}))"
    )
    shared = store.number(
        f"SELECT count(*) FROM texts JOIN {trained} USING (high, low) JOIN labels USING (number) WHERE split = ?", TEST
    )
    torn = store.run(
        f"SELECT count(*), min(number), arg_min(label, number), high, low FROM (SELECT * FROM {filled}) JOIN labels "
        "USING (number) GROUP BY high, low HAVING count(DISTINCT label) > 1 ORDER BY 2"
    )
    pair = ("", "")
    if torn:
        _, first, label, high, low = torn[0]
        other = store.number(
            "SELECT min(number) FROM texts JOIN labels USING (number) WHERE (high, low) = (?, ?) AND label <> ?",
            high,
            low,
            label,
        )
        pair = (_name(store, first), _name(store, other))
    by_size = store.count("documents") if options.min_count is None else None
    return (
        *store.notes("reading notes"),
        resolved_note(source.name, resolved, by_size),
        *warnings_of(
            source.name,
            {str(names[label]): count for label, count in counts},
            (shared, tested),
            sum(row[0] for row in torn),
            pair,
        ),
    )


def _name(store: Store, number: int) -> str:
    return str(store.run("SELECT name FROM names WHERE number = ?", number)[0][0])


def _begun_hash(store: Store, chosen: NDArray[np.bool_]) -> ContentHash:
    """The hash of a corpus up to its texts: names, splits and labels of the chosen documents."""
    digest = ContentHash()
    class_names = store.recall("class_names")
    assert isinstance(class_names, list)
    for query, table in (
        ("SELECT name FROM names ORDER BY number", None),
        ("SELECT split FROM labels ORDER BY number", SPLITS),
        ("SELECT label FROM labels ORDER BY number", class_names),
    ):
        number = 0
        for rows in store.blocks(query, DOCUMENTS_AT_ONCE):
            kept = (row[0] for row, is_kept in zip(rows, chosen[number : number + len(rows)], strict=True) if is_kept)
            digest.add(kept if table is None else (table[code] for code in kept))
            number += len(rows)
        digest.end_column()
    return digest


def _put_texts(store: Store, number: int, documents: list[Document]) -> None:
    """Keep of each text a hash of 128 bits, 0 for an empty one: enough to see which are equal."""
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=16).digest() if text else bytes(16)
        for text in (same_text(document.text) for document in documents)
    )
    halves = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    numbers = np.arange(number, number + len(documents), dtype=np.int32)
    store.insert("texts", {"number": numbers, "high": halves[:, 0].copy(), "low": halves[:, 1].copy()})


def _blocks(documents: Iterator[Document], most: int) -> Iterator[list[Document]]:
    """Documents in blocks of at most so many, and of not many more than a few million characters."""
    block: list[Document] = []
    characters = 0
    for document in documents:
        block.append(document)
        characters += len(document.text)
        if len(block) >= most or characters >= 1 << 23:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _codes(known: dict[str, int], names: Iterable[str]) -> NDArray[np.int32]:
    """Numbers of names, in the order in which they were first seen."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int32)


def _objects(texts: Iterable[str]) -> NDArray[np.object_]:
    return np.array([*texts, None], dtype=object)[:-1]  # with None no array of fixed-width text is made
