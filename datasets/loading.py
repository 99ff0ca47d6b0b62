"""The two entry points: ``load`` gives a raw corpus, ``load_graph`` the graph of any dataset or own corpus."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from gcn2snn.datasets.clean import clean_corpus, read_stop_words
from gcn2snn.datasets.corpus import Corpus, content_hash, published_hash, read_published
from gcn2snn.datasets.counts import check_counts
from gcn2snn.datasets.locate import located, read_files
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.progress import stages
from gcn2snn.datasets.registry import DATASETS, Dataset, find
from gcn2snn.datasets.text_graph import TEXT_GRAPH_VERSION, build_text_graph
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.files import cache_folder
from gcn2snn.graph import Graph

_log = logging.getLogger(__name__)


def load(
    name_or_path: str | Path,
    root: str | Path | None = None,
    options: TextGraphOptions | None = None,
    *,
    progress: bool = True,
) -> Corpus:
    """The raw corpus of a published dataset or of your own files: documents, labels, split.

    >>> corpus = load("r8")  # doctest: +SKIP
    >>> len(corpus.documents), corpus.size("train")  # doctest: +SKIP
    (7674, 5485)

    Args:
        name_or_path: a published name, or a TSV, CSV or JSONL file or a folder per class (see :mod:`.own`).
        root: data root that is searched first; then GCN2SNN_DATA, the cache folder, and the network.
        options: split seed and share for own corpora without a split.
        progress: show what takes long on standard error.

    Raises:
        DataError: unknown, missing, unreadable, or not what its checksum says.
    """
    row = _published(name_or_path)
    if row is None:
        from gcn2snn.datasets.own import read_own

        return read_own(Path(name_or_path), options or TextGraphOptions())
    if row.kind != "text":
        texts = ", ".join(other.name for other in DATASETS.values() if other.kind == "text")
        raise DataError(
            f"{row.name} is a graph without documents; use load_graph. Corpora are {texts}, or your own path"
        )
    return read_published(row, Path(root) if root is not None else None, progress=progress)


def load_graph(
    name_or_path: str | Path,
    root: str | Path | None = None,
    options: TextGraphOptions | None = None,
    *,
    cache: bool = True,
    progress: bool = True,
) -> Graph:
    """The graph of a published dataset or of your own corpus.

    >>> load_graph("karate").num_nodes
    34

    Args:
        name_or_path, root: as in :func:`load`.
        options: how text becomes a graph; not used by karate, cora and citeseer.
        cache: keep text graphs in the cache folder, by hash of corpus and options, and take them from there.
        progress: show what takes long on standard error.

    Returns:
        A graph whose ``source`` (dataset, corpus_hash, options) is enough to build it again and to check it.

    Raises:
        DataError: as :func:`load`; or the counts of a published corpus are not the published ones.
    """
    options = options or TextGraphOptions()
    row = _published(name_or_path)
    if row is not None and row.kind == "builtin":
        from gcn2snn.datasets.karate import karate_graph

        return karate_graph()
    if row is not None and row.kind == "planetoid":
        from gcn2snn.datasets.planetoid import planetoid_graph

        return planetoid_graph(row, root, progress=progress)
    return _text_graph(name_or_path, row, root, options, cache, progress)


def _text_graph(
    name_or_path: str | Path,
    row: Dataset | None,
    root: str | Path | None,
    options: TextGraphOptions,
    cache: bool,
    progress: bool,
) -> Graph:
    corpus = None if row is not None else load(name_or_path, root, options, progress=progress)
    if row is not None:
        corpus_hash, resolved = published_hash(row), options.resolved(row.min_count, row.stop_words)
    else:
        assert corpus is not None
        corpus_hash, resolved = corpus.hash, options.resolved(corpus.min_count, corpus.stop_words)
    if row is not None and root is not None and located(row, root) is not None:
        read_files(row, root, progress=progress)  # files that were named are checked, also when the graph is cached
    kept = cached_path(Path(name_or_path).stem.lower(), corpus_hash, resolved)
    if cache and kept.exists():
        try:
            return Graph.load(kept)
        except ArtefactError as error:
            _log.warning("%s; building it again", error)
    with stages(progress) as advance:
        advance("reading documents", 0.0)
        corpus = corpus or load(name_or_path, root, options, progress=progress)
        advance("cleaning", 0.0)
        clean = clean_corpus(_documents_of(corpus, resolved), resolved)
        graph = build_text_graph(clean, advance)
        if row is not None and resolved == TextGraphOptions().resolved(row.min_count, row.stop_words):
            check_counts(graph, row)
        if cache:
            advance("saving", 0.0)
            try:
                graph.save(kept)
            except ArtefactError as error:
                _log.warning("%s; going on without the cache", error)
    return graph


def _documents_of(corpus: Corpus, options: TextGraphOptions) -> Corpus:
    """The documents that become nodes."""
    return corpus if options.documents == "all" else corpus.only("train", "validation")


def cached_path(name: str, corpus_hash: str, options: TextGraphOptions) -> Path:
    """Where the graph of a corpus with these (resolved) options is kept."""
    stop_words = content_hash(sorted(read_stop_words(str(options.stop_words))))
    parts = [TEXT_GRAPH_VERSION, corpus_hash, options.to_json(), stop_words]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "graphs" / f"{name}-{key[:16]}.safetensors"


def _published(name_or_path: str | Path) -> Dataset | None:
    """The row of a published name; None for a path that exists."""
    if isinstance(name_or_path, str) and name_or_path.lower() in DATASETS:
        return DATASETS[name_or_path.lower()]
    return None if Path(name_or_path).exists() else find(str(name_or_path))
