"""The last stages of a build: terms ordered by word, and the graph written block by block of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcn2snn.datasets.build_counts import ranges
from gcn2snn.datasets.build_memory import Budget
from gcn2snn.datasets.build_source import Source
from gcn2snn.datasets.build_store import Store
from gcn2snn.datasets.corpus import SPLITS, content_hash
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.stop_words import read_stop_words
from gcn2snn.datasets.tensor_file import NO_HASH, TensorFile
from gcn2snn.datasets.text_graph import Advance, Integers, joint_and_alone, origin
from gcn2snn.errors import InputError
from gcn2snn.graph import GRAPH_FORMAT
from gcn2snn.kernels import MAX_ENTRIES
from gcn2snn.schema import Json

MASKS = {"train_mask": "train", "test_mask": "test", "val_mask": "validation"}


def order_terms(store: Store) -> None:
    """The terms by word and then by document: the table ``terms_by_word``. DuckDB sorts them outside memory."""
    store.run(
        "CREATE OR REPLACE TABLE terms_by_word AS SELECT word, document, times FROM terms ORDER BY word, document"
    )


@dataclass(frozen=True, eq=False)
class Rows:
    """How many entries the rows of the adjacency have, and what weighs them.

    Args:
        documents, words: entries in the row of each document and each word, int64.
        inverse: ln(documents / documents that have it) of each word, float64.
        word_windows: windows that hold each word, int64.
        windows: all windows.
    """

    documents: Integers
    words: Integers
    inverse: NDArray[np.float64]
    word_windows: Integers
    windows: int

    @classmethod
    def of(cls, store: Store) -> Rows:
        """Counted in the database.

        Raises:
            InputError: more entries than 32-bit row pointers can count.
        """
        documents = np.zeros(store.count("nodes"), np.int64)
        found = store.columns("SELECT documents, windows FROM vocabulary ORDER BY number")
        having, word_windows = found["documents"].astype(np.int64), found["windows"].astype(np.int64)
        everywhere = having == documents.size  # their weight is 0, so they have no edge to any document
        words = np.where(everywhere, 0, having)
        for column in ("low", "high"):
            found = store.columns(f"SELECT {column} AS word, count(*) AS entries FROM pairs GROUP BY {column}")
            words[found["word"].astype(np.int64)] += found["entries"].astype(np.int64)
        found = store.columns("SELECT document, count(*) AS terms FROM terms GROUP BY document")
        documents[found["document"].astype(np.int64)] = found["terms"].astype(np.int64)
        documents -= np.where(documents > 0, int(everywhere.sum()), 0) if documents.size else 0
        entries = int(documents.sum() + words.sum())
        if entries > MAX_ENTRIES:
            raise InputError(
                f"the graph has {entries} edges; at most {MAX_ENTRIES} fit. Lower the window or raise min_count"
            )
        return cls(documents, words, np.log(documents.size / having), word_windows, store.count("windows"))

    @property
    def pointers(self) -> NDArray[np.int32]:
        """Where each row of the adjacency begins, and the end of the last one."""
        return np.concatenate([[0], np.cumsum(np.concatenate([self.documents, self.words]))]).astype(np.int32)


def write_graph(
    store: Store, source: Source, options: TextGraphOptions, budget: Budget, path: Path, advance: Advance
) -> int:
    """Write the graph as the in-memory builder's ``Graph.save`` would, a block of rows at a time.

    Args:
        options: resolved ones.
        path: of the file.

    Returns:
        Entries of the adjacency.

    Raises:
        InputError: more entries than a graph may have.
        DataError: names that are longer than a header may be.
    """
    rows = Rows.of(store)
    nodes = rows.documents.size + rows.words.size
    pointers = rows.pointers
    labels, masks, class_names = _labels(store, nodes)
    names = store.columns("SELECT name FROM kept JOIN names USING (number) ORDER BY number")["name"].tolist()
    names += store.columns("SELECT word FROM vocabulary ORDER BY number")["word"].tolist()
    meta = _meta(store, source, options, class_names, names, rows.documents.size)
    entries = int(pointers[-1])
    sizes: dict[str, tuple[type, int]] = {"rowptr": (np.int32, nodes + 1), "col": (np.int32, entries)}
    sizes |= {"value": (np.float64, entries), "labels": (np.int64, nodes)}
    sizes |= dict.fromkeys(masks, (np.bool_, nodes))
    file = TensorFile(path, sizes, "graph", GRAPH_FORMAT, meta)
    try:
        file.write("rowptr", 0, pointers)
        file.write("labels", 0, labels)
        for name, mask in masks.items():
            file.write(name, 0, mask)
        done = 0
        for col, value in (*_document_rows(store, rows, budget), *_word_rows(store, rows, budget)):
            file.write("col", done, col)
            file.write("value", done, value)
            done += col.size
            advance("writing the graph", done / max(entries, 1))
        assert done == entries, "the rows have as many entries as were counted"
        advance("hashing the graph", 0.0)
        order = ("rowptr", "col", "value", "labels", "train_mask", "test_mask", "val_mask")
        meta["fingerprint"] = file.fingerprint(tuple(name for name in order if name in sizes))
        file.finish(meta)
    finally:
        file.close()
    return entries


def _labels(store: Store, nodes: int) -> tuple[Integers, dict[str, NDArray[np.bool_]], list[str]]:
    """Label of each node, the masks, and the names of the classes that documents have."""
    found = store.columns("SELECT label, split FROM kept JOIN labels USING (number) ORDER BY number")
    names = store.recall("class_names")
    assert isinstance(names, list)
    present, codes = np.unique(found["label"].astype(np.int64), return_inverse=True)
    labels = np.full(nodes, -1, np.int64)
    labels[: codes.size] = codes
    masks = {name: np.zeros(nodes, np.bool_) for name in MASKS}
    for name, split in MASKS.items():
        masks[name][: codes.size] = found["split"] == SPLITS.index(split)
    if not masks["val_mask"].any():
        del masks["val_mask"]
    return labels, masks, [str(names[code]) for code in present]


def _meta(
    store: Store, source: Source, options: TextGraphOptions, class_names: list[str], names: list[str], documents: int
) -> Json:
    stop_words_hash = content_hash(sorted(read_stop_words(str(options.stop_words))))
    said = origin(source.name, source.path, str(store.recall("corpus_hash")), options, stop_words_hash)
    said |= {"windows": store.count("windows"), "document_word_pairs": store.count("terms")}
    said |= {"notes": store.notes("cleaning notes")}
    meta: Json = {"class_names": class_names, "node_names": names, "num_documents": documents}
    meta |= {"source": json.loads(json.dumps(said)), "fingerprint": NO_HASH}
    return meta


Block = tuple[NDArray[np.int32], NDArray[np.float64]]
"""Columns and weights of some rows, in order."""


def _document_rows(store: Store, rows: Rows, budget: Budget) -> Iterator[Block]:
    """TF-IDF of documents and words, document by document."""
    for begin, end in ranges(rows.documents, budget.entries):
        found = store.columns(
            "SELECT word, times FROM terms WHERE document >= ? AND document < ? ORDER BY document, word", begin, end
        )
        value = found["times"].astype(np.int64) * rows.inverse[found["word"]]
        kept = value != 0
        yield found["word"][kept].astype(np.int32) + np.int32(rows.documents.size), value[kept]


def _word_rows(store: Store, rows: Rows, budget: Budget) -> Iterator[Block]:
    """The documents of each word, then the words that it meets, word by word."""
    documents = rows.documents.size
    for begin, end in ranges(rows.words, budget.entries):
        terms = store.columns(
            "SELECT word, document, times FROM terms_by_word WHERE word >= ? AND word < ?", begin, end
        )
        weight = terms["times"].astype(np.int64) * rows.inverse[terms["word"]]
        kept = weight != 0
        pairs = store.columns(
            "SELECT low AS word, high AS other, shared FROM pairs WHERE low >= ? AND low < ? UNION ALL "
            "SELECT high AS word, low AS other, shared FROM pairs WHERE high >= ? AND high < ?",
            *(begin, end, begin, end),
        )
        word, other = pairs["word"], pairs["other"]
        joint, alone = joint_and_alone(word, other, pairs["shared"], rows.word_windows, rows.windows)
        pmi = joint / alone
        np.log(pmi, out=pmi)
        row = np.concatenate([terms["word"][kept], word])
        col = np.concatenate([terms["document"][kept], other + np.int32(documents)])
        value = np.concatenate([weight[kept], pmi])
        del pairs, terms, joint, alone, word, other, pmi, weight
        key = (row.astype(np.int64) - begin) * (documents + rows.words.size) + col
        order = np.argsort(key)
        yield col[order], value[order]
