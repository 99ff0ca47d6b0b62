"""The two entry points: ``load`` gives a raw corpus, ``load_graph`` the graph of any dataset or own corpus."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from gcn2snn.datasets.checks import chosen_note, corpus_warnings
from gcn2snn.datasets.clean import clean_corpus
from gcn2snn.datasets.corpus import Corpus, content_hash, published_hash, read_published
from gcn2snn.datasets.counts import check_counts
from gcn2snn.datasets.locate import located, read_files
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.progress import stages
from gcn2snn.datasets.registry import DATASETS, Dataset, find
from gcn2snn.datasets.stop_words import read_stop_words, watched_stop_words
from gcn2snn.datasets.text_graph import TEXT_GRAPH_VERSION, build_text_graph
from gcn2snn.errors import ArtefactError, ConfigError, DataError, InputTypeError, given_or_default
from gcn2snn.files import cache_folder
from gcn2snn.graph import Graph
from gcn2snn.schema import Json, made_of

_log = logging.getLogger(__name__)


def load(
    name_or_path: str | Path,
    root: str | Path | None = None,
    options: TextGraphOptions | None = None,
    *,
    progress: bool = True,
    notes: bool = True,
) -> Corpus:
    """The raw corpus of a published dataset or of your own files: documents, labels, split.

    >>> corpus = load("r8")  # doctest: +SKIP
    >>> len(corpus.documents), corpus.size("train")  # doctest: +SKIP
    (7674, 5485)

    Args:
        name_or_path: a published name, or a TSV, CSV, JSONL or Parquet file or a folder per class (see :mod:`.own`); or a graph
            that ``gcn2snn datasets build`` wrote, for the corpus that it was built from.
        root: data root that is searched first; then GCN2SNN_DATA, the cache folder, and the network.
        options: of own corpora: columns, encoding, quotes, and the split where there is none.
        progress: show what takes long on standard error.
        notes: log what was chosen and left out while reading; it stands in ``corpus.notes`` in any case.

    Raises:
        DataError: unknown, missing, unreadable, or not what its checksum says.
    """
    row = published_row(name_or_path)
    if row is None and is_graph_file(Path(name_or_path)):
        return _corpus_of_graph(Path(name_or_path), root, progress, notes)
    if row is None:
        from gcn2snn.datasets.own import read_own

        corpus = read_own(Path(name_or_path), given_or_default("options", options, TextGraphOptions))
        _say(corpus.notes if notes else ())
        return corpus
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
    notes: bool = True,
) -> Graph:
    """The graph of a published dataset or of your own corpus.

    >>> load_graph("karate").num_nodes
    34

    Args:
        name_or_path, root: as in :func:`load`; a graph that ``gcn2snn datasets build`` wrote is taken as it is, memory-mapped.
        options: how text becomes a graph; not used by karate, cora and citeseer.
        cache: keep text graphs in the cache folder, by hash of corpus and options, and take them from there.
        progress: show what takes long on standard error.
        notes: log what was chosen for an own corpus, what was left out, and what would make an accuracy misleading.

    Returns:
        A graph whose ``source`` (dataset, path, corpus_hash, options) is enough to build it again and to check it.

    Raises:
        DataError: as :func:`load`; or the counts of a published corpus are not the published ones.
        ConfigError: options that are not those of a graph that is built already.
        ArtefactError: a file that holds no whole graph.
    """
    options = given_or_default("options", options, TextGraphOptions)
    row = published_row(name_or_path)
    if row is None and is_graph_file(Path(name_or_path)):
        return _built_graph(Path(name_or_path), options)
    if row is not None and row.kind == "builtin":
        from gcn2snn.datasets.karate import karate_graph

        return karate_graph()
    if row is not None and row.kind == "planetoid":
        from gcn2snn.datasets.planetoid import planetoid_graph

        return planetoid_graph(row, root, progress=progress)
    if row is not None:
        resolved = options.resolved(row.min_count, row.stop_words, "published")
        graph = _text_graph(row, row.name, root, resolved, cache, progress)
    else:
        corpus = load(name_or_path, root, options, progress=progress, notes=False)
        resolved = corpus.resolved(options)
        _say((*corpus.notes, chosen_note(corpus, options), *corpus_warnings(corpus)) if notes else ())
        graph = _text_graph(corpus, str(name_or_path), root, resolved, cache, progress)
    _say(graph.source.get("notes", ()) if notes else ())
    return graph


def is_graph_file(path: Path) -> bool:
    """Whether a path is meant as a graph that is built, by the ending of its name.

    >>> is_graph_file(Path("reviews.tsv"))
    False
    """
    return path.suffix.lower() == ".safetensors" and path.is_file()


def _built_graph(path: Path, options: TextGraphOptions) -> Graph:
    """The graph in a file, which from now on knows the file as its home.

    Raises:
        ArtefactError: no whole graph.
        ConfigError: an option is asked for that it was not built with.
    """
    graph = Graph.load(path)
    used, usual = graph.source.get("options", {}), TextGraphOptions().to_json()
    for name, value in options.to_json().items():
        if value not in (usual[name], used.get(name)):
            raise ConfigError(
                f"{path} is a graph that was built with {name} {used.get(name)!r}, and {value!r} is asked for. Leave the option "
                f"out, or build another graph with: gcn2snn datasets build"
            )
    graph.source["graph"] = str(path.resolve())
    return graph


def _corpus_of_graph(path: Path, root: str | Path | None, progress: bool, notes: bool) -> Corpus:
    """The corpus that a graph was built from, checked to be the same.

    Raises:
        ArtefactError: no whole graph.
        DataError: the corpus is not there, or its content is another one.
    """
    source = Graph.load(path).source
    options = made_of(TextGraphOptions, source.get("options", {}), "the options of the text graph")
    corpus = load(str(source.get("path", source.get("dataset"))), root, options, progress=progress, notes=notes)
    refuse_other_corpus(corpus, source, f"{path} was built from")
    return corpus


def refuse_other_corpus(corpus: Corpus, source: Json, of: str) -> None:
    """Refuse a corpus that was read beside a graph whose documents are others, because somebody wrote to it in between, say.

    >>> refuse_other_corpus(Corpus("two", ("a", "b"), ("x", "x"), ("train", "test"), ("1", "2")), {"corpus_hash": "0"}, "G was built from")
    Traceback (most recent call last):
        ...
    gcn2snn.errors.DataError: two is not the corpus that G was built from: its content differs. Give it as it was, or begin again

    Args:
        corpus: all of it.
        source: of the graph, which may be built from its training documents alone.
        of: what the corpus should be that of, for the message.

    Raises:
        DataError: as said.
    """
    options = made_of(TextGraphOptions, source.get("options", {}), "the options of the text graph")
    if _documents_of(corpus, options).hash != source.get("corpus_hash"):
        raise DataError(
            f"{corpus.name} is not the corpus that {of}: its content differs. Give it as it was, or begin again"
        )


def _text_graph(
    origin: Dataset | Corpus,
    name: str,
    root: str | Path | None,
    resolved: TextGraphOptions,
    cache: bool,
    progress: bool,
) -> Graph:
    """The graph of a published row (whose text is read only where the graph is not kept) or of a corpus."""
    row = origin if isinstance(origin, Dataset) else None
    if row is not None and root is not None and located(row, root) is not None:
        read_files(row, root, progress=progress)  # files that were named are checked, also when the graph is cached
    corpus_hash = published_hash(origin) if isinstance(origin, Dataset) else origin.hash
    stop_words = watched_stop_words(str(resolved.stop_words))
    kept = cached_path(name, corpus_hash, resolved)
    if cache and kept.exists():
        try:
            graph = Graph.load(kept)
            _refuse_other(graph, kept, origin, resolved)
        except ArtefactError as error:
            _log.warning("%s; building it again", error)
        else:
            if isinstance(origin, Corpus):  # the same content may lie in another place now
                graph.source.update(dataset=origin.name, path=origin.path)
            return graph
    with stages(progress) as advance:
        advance("reading documents", 0.0)
        corpus = origin if isinstance(origin, Corpus) else load(origin.name, root, progress=progress)
        advance("cleaning", 0.0)
        clean = clean_corpus(_documents_of(corpus, resolved), resolved)
        stop_words.refuse_change()
        graph = build_text_graph(clean, advance)
        if row is not None and resolved == TextGraphOptions().resolved(row.min_count, row.stop_words, "published"):
            check_counts(graph, row)
        if cache:
            advance("saving", 0.0)
            try:
                graph.save(kept)
            except ArtefactError as error:
                _log.warning("%s; going on without the cache", error)
    return graph


def _refuse_other(graph: Graph, kept: Path, origin: Dataset | Corpus, options: TextGraphOptions) -> None:
    """Refuse a kept graph that lies under the name of another.

    Raises:
        ArtefactError: as said.
    """
    own = origin.hash if isinstance(origin, Corpus) and options.documents == "all" else None  # a part has another hash
    if graph.source.get("options") != options.to_json() or own not in (None, graph.source.get("corpus_hash")):
        raise ArtefactError(f"{kept} is of another corpus or of other options than its name says")


def _documents_of(corpus: Corpus, options: TextGraphOptions) -> Corpus:
    """The documents that become nodes."""
    return corpus if options.documents == "all" else corpus.only("train", "validation")


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        _log.warning("%s", note)


def cached_path(name: str, corpus_hash: str, options: TextGraphOptions) -> Path:
    """Where the graph of a corpus, published or in a file, with these (resolved) options is kept."""
    stop_words = content_hash(sorted(read_stop_words(str(options.stop_words))))
    parts = [TEXT_GRAPH_VERSION, corpus_hash, options.to_json(), stop_words]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return _kept_graph(name, key)


def _kept_graph(name: str, key: str) -> Path:
    """The place of a graph in the cache folder: by a dataset, published or a path, and a hash."""
    return cache_folder() / "graphs" / f"{Path(name).stem.lower()}-{key[:16]}.safetensors"


def file_of_graph(graph: Graph) -> Path:
    """The file of a graph, from which processes read their parts; one that has none is written to the cache folder.

    >>> file_of_graph(load_graph("karate")).suffix
    '.safetensors'

    Args:
        graph: of :func:`load_graph`.

    Raises:
        ArtefactError: the cache folder cannot be written.
    """
    if graph.file is not None and is_graph_file(graph.file):
        return graph.file
    name = str(graph.source.get("dataset", "graph"))
    own = _kept_graph(name, graph.fingerprint)
    if not own.exists():
        own.parent.mkdir(parents=True, exist_ok=True)
        graph.save(own)
    return own


def published_row(name_or_path: str | Path) -> Dataset | None:
    """The row of a published name; None for a path that exists."""
    if not isinstance(name_or_path, str | os.PathLike):
        raise InputTypeError(f"a dataset is a name or a path, and {type(name_or_path).__name__} is given")
    if isinstance(name_or_path, str) and name_or_path.lower() in DATASETS:
        return DATASETS[name_or_path.lower()]
    return None if os.path.lexists(name_or_path) else find(str(name_or_path))
