"""Corpora and graphs: find or fetch, clean, build the text graph.

>>> from gcn2snn.datasets import load_graph
>>> graph = load_graph("karate")
>>> graph.num_nodes, graph.num_classes
(34, 4)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcn2snn.datasets.clean import CleanCorpus, clean_corpus
    from gcn2snn.datasets.corpus import Corpus
    from gcn2snn.datasets.counts import count_graph
    from gcn2snn.datasets.fetching import fetch
    from gcn2snn.datasets.loading import load, load_graph
    from gcn2snn.datasets.options import TextGraphOptions
    from gcn2snn.datasets.registry import names
    from gcn2snn.datasets.text_graph import build_text_graph

# Names load on first use, so that the command line lists datasets without importing torch.
_HOME = {
    "CleanCorpus": "clean",
    "Corpus": "corpus",
    "TextGraphOptions": "options",
    "build_text_graph": "text_graph",
    "clean_corpus": "clean",
    "count_graph": "counts",
    "fetch": "fetching",
    "load": "loading",
    "load_graph": "loading",
    "names": "registry",
}

__all__ = [
    "CleanCorpus",
    "Corpus",
    "TextGraphOptions",
    "build_text_graph",
    "clean_corpus",
    "count_graph",
    "fetch",
    "load",
    "load_graph",
    "names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gcn2snn.datasets' has no attribute {name!r}")
    return getattr(import_module(f"gcn2snn.datasets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
