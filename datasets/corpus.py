"""Documents with labels and a split, before any cleaning; the published corpora are read here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from gcn2snn.datasets.locate import read_files
from gcn2snn.datasets.options import Cleaning, TextGraphOptions, suitable_min_count
from gcn2snn.datasets.registry import Dataset
from gcn2snn.errors import DataError, misfits

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Raw documents, one label and one split each.

    >>> corpus = Corpus("two", ("a b", "c d"), ("x", "x"), ("train", "test"), ("one", "two"))
    >>> corpus.class_names, corpus.size("train")
    (('x',), 1)

    Args:
        name: dataset name or path, as the user gave it.
        documents: raw text.
        labels: class of each document.
        split: ``train``, ``validation`` or ``test``.
        names: one per document, no two equal.
        hash: sha256 of the content; computed when it is "".
        min_count, stop_words, cleaning: what the corpus was published with. An own corpus has no ``min_count``: it follows
            from the number of documents (:func:`.options.suitable_min_count`).
        path: absolute place of an own corpus, or "".
        notes: what was chosen or left out while reading, one sentence each.

    Raises:
        DataError: no document, lengths that differ, names that repeat, an empty label, an unknown split, or a class
            without a training document.
    """

    name: str
    documents: tuple[str, ...]
    labels: tuple[str, ...]
    split: tuple[str, ...]
    names: tuple[str, ...]
    hash: str = ""
    min_count: int | None = None
    stop_words: str = "nltk-179"
    cleaning: Cleaning = "unicode"
    path: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        with misfits("a corpus", vars(self)):
            self._check()

    def _check(self) -> None:
        count = len(self.documents)
        if count == 0:
            raise DataError(f"{self.name} holds no document; at least one training document is needed")
        for what, column in (("labels", self.labels), ("splits", self.split), ("names", self.names)):
            if len(column) != count:
                raise DataError(
                    f"{self.name} has {count} documents but {len(column)} {what}; one each is needed. "
                    f"Look for a missing line, or a line break inside a document"
                )
        _refuse_repeated(self.name, self.names)
        for position, (label, split) in enumerate(zip(self.labels, self.split, strict=True)):
            if not label:
                raise DataError(f"document {self.names[position]!r} of {self.name} has no label; label it or remove it")
            if split not in SPLITS:
                raise DataError(
                    f"document {self.names[position]!r} of {self.name} has split {split!r}; allowed are {SPLITS}"
                )
        self._refuse_untrained_classes()
        if not self.hash:
            object.__setattr__(self, "hash", content_hash(self.names, self.split, self.labels, self.documents))

    def _refuse_untrained_classes(self) -> None:
        trained = {label for label, split in zip(self.labels, self.split, strict=True) if split == "train"}
        refuse_untrained(self.name, [label for label in self.class_names if label not in trained])

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Classes in sorted order; a class's number is its place here."""
        return tuple(sorted(set(self.labels)))

    def only(self, *splits: str) -> Corpus:
        """The documents of some splits, in their order, with the same cleaning; the hash is that of what is left.

        Raises:
            DataError: a class would be left without a training document.

        >>> Corpus("two", ("a b", "c d"), ("x", "x"), ("train", "test"), ("one", "two")).only("train").documents
        ('a b',)
        """
        return self.at([place for place, split in enumerate(self.split) if split in splits])

    def at(self, kept: Sequence[int]) -> Corpus:
        """The documents at some places, in the order given, with the same cleaning; the hash is that of what is left.

        Raises:
            DataError: a class would be left without a training document.
        """
        columns = (self.documents, self.labels, self.split, self.names)
        documents, labels, split, names = (tuple(column[place] for place in kept) for column in columns)
        return replace(self, documents=documents, labels=labels, split=split, names=names, hash="")

    def resolved(self, options: TextGraphOptions) -> TextGraphOptions:
        """The options with ``None`` replaced by what suits this corpus."""
        min_count = suitable_min_count(len(self.documents)) if self.min_count is None else self.min_count
        return options.resolved(min_count, self.stop_words, self.cleaning)

    def size(self, split: str) -> int:
        """Documents of a split."""
        return self.split.count(split)


def refuse_untrained(name: str, missing: Sequence[str]) -> None:
    """Refuse classes without a training document.

    Raises:
        DataError: there are some.
    """
    if missing:
        raise DataError(
            f"{name}: no training document of class {_listed(missing)}; every class needs at least one. "
            f"Move a document of it to the training split, or remove the class"
        )


def content_hash(*columns: Sequence[str]) -> str:
    """sha256 over columns of text; the lengths are part of it, so that no two contents run together."""
    digest = ContentHash()
    for column in columns:
        digest.add(column)
        digest.end_column()
    return digest.hexdigest()


class ContentHash:
    """The hash of :func:`content_hash` of columns that come in parts."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, texts: Iterable[str]) -> None:
        """More texts of a column."""
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self._digest.update(len(data).to_bytes(8, "little"))
            self._digest.update(data)

    def end_column(self) -> None:
        """What comes next belongs to another column."""
        self._digest.update(b"\xff")

    def hexdigest(self) -> str:
        """The hash, once the last column has ended."""
        return self._digest.hexdigest()


def published_hash(row: Dataset) -> str:
    """The hash of a published corpus, known from its checksums without reading it."""
    return hashlib.sha256("".join(file.sha256 for file in row.files).encode()).hexdigest()


def read_published(row: Dataset, root: Path | None = None, *, progress: bool = True) -> Corpus:
    """A corpus in the published layout: a list ``name<TAB>split<TAB>label`` and one document a line beside it.

    Lines end at newline bytes only and bytes are latin-1: 20ng holds carriage returns and other control bytes, at
    which text mode and ``str.splitlines`` would split too.

    Raises:
        DataError: the files are nowhere and cannot be fetched, or are not the published ones.
    """
    listing, text = read_files(row, root, progress=progress)
    rows = [line.split("\t") for line in split_lines(listing)]
    bad = next((number for number, fields in enumerate(rows, 1) if len(fields) != 3), None)
    if bad is not None:
        raise DataError(
            f"line {bad} of the document list of {row.name} has {len(rows[bad - 1])} fields; name, split, label are needed"
        )
    return Corpus(
        row.name,
        tuple(split_lines(text)),
        tuple(label for _, _, label in rows),
        tuple("test" if "test" in split else "train" for _, split, _ in rows),
        tuple(name for name, _, _ in rows),
        published_hash(row),
        row.min_count,
        row.stop_words,
        "published",
    )


def split_lines(data: bytes) -> list[str]:
    """Lines between newline bytes, decoded as latin-1; a last newline ends the last line and starts no other."""
    lines = data.decode("latin-1").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _refuse_repeated(corpus: str, names: tuple[str, ...]) -> None:
    if len(set(names)) != len(names):
        repeated = [name for name, count in Counter(names).items() if count > 1]
        raise DataError(f"{corpus}: the document name {_listed(repeated)} is used more than once; names must differ")


def _listed(items: Sequence[str], most: int = 5) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(repr(item) for item in items[:most]) + more
