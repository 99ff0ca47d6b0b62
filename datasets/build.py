"""The graph of a corpus that is larger than memory: counted in DuckDB, written as it comes, the same as the in-memory builder's."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.datasets.build_counts import cleaning_notes, count_pairs, number_words, sum_pairs
from gcn2snn.datasets.build_documents import read_documents, read_words, resolved_options, said_of_corpus
from gcn2snn.datasets.build_graph import order_terms, write_graph
from gcn2snn.datasets.build_memory import Budget
from gcn2snn.datasets.build_source import Source
from gcn2snn.datasets.build_store import Store, folder_of, import_duckdb, opened
from gcn2snn.datasets.counts import check_counts
from gcn2snn.datasets.loading import cached_path, published_row
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.progress import stages
from gcn2snn.datasets.stop_words import read_stop_words, watched_stop_words
from gcn2snn.datasets.text_graph import TEXT_GRAPH_VERSION, Advance
from gcn2snn.errors import DataError, given_or_default
from gcn2snn.file_names import refuse_other_ending
from gcn2snn.files import cache_folder, replacing
from gcn2snn.graph import Graph

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuiltGraph:
    """A graph file and what is in it.

    >>> BuiltGraph(Path("made.safetensors"), documents=100, words=50, entries=4000, tokens=1000).documents
    100

    Args:
        path: of the file.
        documents, words: nodes of each kind.
        entries: of the adjacency, without self-loops.
        tokens: known words of all documents in a row.
    """

    path: Path
    documents: int
    words: int
    entries: int
    tokens: int


def build_graph_file(
    name_or_path: str | Path,
    memory: int,
    *,
    temp: Path | None = None,
    out: Path | None = None,
    root: str | Path | None = None,
    options: TextGraphOptions | None = None,
    progress: bool = True,
) -> BuiltGraph:
    """Build the graph of a corpus that need not fit into memory, and write it to a file.

    The file is the one that ``load_graph(name_or_path, options=options).save(out)`` would write, byte for byte.
    ``load_graph(out)``, ``gcn2snn train OUT`` and everything else that takes a corpus read it memory-mapped.

    >>> built = build_graph_file("r8", 2 * 10**9)  # doctest: +SKIP
    >>> built.documents, built.words  # doctest: +SKIP
    (7674, 7688)

    Args:
        name_or_path: as for :func:`gcn2snn.datasets.load_graph`; of own corpora all forms but a ``.json`` list are read as a stream.
        memory: bytes that the process may hold at its peak.
        temp: folder for what is kept between the stages, in a folder of its own; None: the cache folder.
        out: of the graph; None: its place in the cache folder, where ``load_graph`` finds it.
        root: data root that is searched first for published corpora.
        options: how text becomes a graph.
        progress: show stages on standard error.

    Raises:
        ConfigError: the memory is too small.
        DataError: as :func:`gcn2snn.datasets.load_graph`.
        ArtefactError: ``out`` has the ending of another format; a folder cannot be written or its disk is full; finished stages are kept.
        LockedError: another process builds the graph of this corpus.
        MissingPackageError: DuckDB is not installed.
    """
    options = given_or_default("options", options, TextGraphOptions)
    if out is not None:
        refuse_other_ending(out, ".safetensors")
    import_duckdb()  # first, so that its own size counts as what the process holds
    budget = Budget.of(memory)
    row = published_row(name_or_path)
    if row is not None and row.kind != "text":
        raise DataError(
            f"{row.name} is a graph already; there is nothing to build. Use it as it is: gcn2snn train {row.name}"
        )
    base = Path(root) if root is not None else None
    with stages(progress) as advance:
        advance("looking at the corpus", 0.0)
        source = Source.own(Path(name_or_path), options) if row is None else Source.published(row, base, progress)
        name = str(name_or_path) if row is None else row.name
        stop_words = watched_stop_words(str(options.stop_words or source.stop_words))
        folder = folder_of(temp or cache_folder() / "builds", Path(name).stem.lower(), source.path or source.name)
        with opened(folder, _key(source, options), budget) as store:
            resolved = _count(store, source, options, budget, advance)
            path = out or cached_path(name, str(store.recall("whole_hash")), resolved)
            with replacing(path) as temporary:
                entries = write_graph(store, source, resolved, budget, temporary, advance)
                stop_words.refuse_change()
                if row is not None and resolved == TextGraphOptions().resolved(
                    row.min_count, row.stop_words, "published"
                ):
                    check_counts(Graph.load(temporary), row)
            for note in cleaning_notes(store):
                _log.warning("%s", note)
            tokens = store.number("SELECT sum(tokens) FROM kept")
            built = BuiltGraph(path, store.count("nodes"), store.count("words"), entries, tokens)
    return built


def _count(
    store: Store, source: Source, options: TextGraphOptions, budget: Budget, advance: Advance
) -> TextGraphOptions:
    """All stages but the writing of the graph, without those that are done; the resolved options."""
    done = store.notes("done")
    if done:
        _log.warning(
            "%s: continuing a build in %s, in which these stages are done: %s",
            source.name,
            store.folder,
            ", ".join(done),
        )
    _stage(store, "documents", lambda: read_documents(store, source, options, budget, advance))
    resolved = resolved_options(store, source, options)
    _stage(store, "words", lambda: read_words(store, source, resolved, advance))
    for note in said_of_corpus(store, source, options, resolved):
        _log.warning("%s", note)
    _stage(store, "numbers", lambda: number_words(store, source, resolved, advance))
    if "pairs" not in store.notes("done"):  # it keeps its own place, so that it goes on in the middle
        count_pairs(store, resolved, budget, advance)
        _stage(store, "pairs", lambda: None)
    _stage(store, "sums", lambda: sum_pairs(store, budget, advance))
    advance("ordering words", 0.0)
    _stage(store, "order", lambda: order_terms(store))
    return resolved


def _stage(store: Store, name: str, work: Callable[[], None]) -> None:
    """Do a stage unless it is done. One that was stopped begins again, since each replaces the tables that it had begun.

    A stage is no transaction: until its end the database would hold every array that was inserted in it.
    """
    done = store.notes("done")
    if name not in done:
        work()
        store.remember("done", [*done, name])


def _key(source: Source, options: TextGraphOptions) -> str:
    """What a build must agree in to be continued: content, options, and the rules."""
    stop_words = sorted(read_stop_words(str(options.stop_words or source.stop_words)))
    parts = [TEXT_GRAPH_VERSION, source.bytes_hash, options.to_json(), stop_words]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
