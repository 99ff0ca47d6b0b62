"""Corpora and graphs: find or fetch, clean, build the text graph.

>>> from gcn2snn.datasets import load_graph
>>> graph = load_graph("karate")
>>> graph.num_nodes, graph.num_classes
(34, 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.datasets.build import BuiltGraph, build_graph_file
    from gcn2snn.datasets.checks import chosen_note, corpus_warnings
    from gcn2snn.datasets.clean import CleanCorpus, clean_corpus
    from gcn2snn.datasets.corpus import Corpus
    from gcn2snn.datasets.counts import count_graph
    from gcn2snn.datasets.dgl_dataset import TextGraphDGLDataset as TextGraphDGLDataset
    from gcn2snn.datasets.fetching import fetch
    from gcn2snn.datasets.graph_file import LabelledCall, load_labelled
    from gcn2snn.datasets.loading import file_of_graph, is_graph_file, load, load_graph, refuse_other_corpus
    from gcn2snn.datasets.locate import fetched_root, located, search_roots
    from gcn2snn.datasets.options import TextGraphOptions, suitable_min_count
    from gcn2snn.datasets.package_client import download_package
    from gcn2snn.datasets.progress import stages
    from gcn2snn.datasets.pyg_dataset import TextGraphDataset as TextGraphDataset
    from gcn2snn.datasets.registry import DATASETS, Archive, Dataset, find, names
    from gcn2snn.datasets.synthetic import SyntheticCorpus
    from gcn2snn.datasets.text_file import marked_encoding, refuse_binary, wrong_encoding
    from gcn2snn.datasets.text_graph import build_text_graph
    from gcn2snn.datasets.tokenisers import import_tokeniser, refuse_other_tokeniser, register_tokeniser
    from gcn2snn.datasets.unmarked_text import LOOKED, refuse_unmarked
    from gcn2snn.datasets.words import words_of

# Names load on first use, so that the command line lists datasets without importing torch.
_HOME = {
    "Archive": "gcn2snn.datasets.registry",
    "BuiltGraph": "gcn2snn.datasets.build",
    "CleanCorpus": "gcn2snn.datasets.clean",
    "Corpus": "gcn2snn.datasets.corpus",
    "DATASETS": "gcn2snn.datasets.registry",
    "Dataset": "gcn2snn.datasets.registry",
    "SyntheticCorpus": "gcn2snn.datasets.synthetic",
    "LOOKED": "gcn2snn.datasets.unmarked_text",
    "LabelledCall": "gcn2snn.datasets.graph_file",
    "TextGraphDGLDataset": "gcn2snn.datasets.dgl_dataset",
    "TextGraphDataset": "gcn2snn.datasets.pyg_dataset",
    "TextGraphOptions": "gcn2snn.datasets.options",
    "build_graph_file": "gcn2snn.datasets.build",
    "build_text_graph": "gcn2snn.datasets.text_graph",
    "chosen_note": "gcn2snn.datasets.checks",
    "clean_corpus": "gcn2snn.datasets.clean",
    "corpus_warnings": "gcn2snn.datasets.checks",
    "count_graph": "gcn2snn.datasets.counts",
    "download_package": "gcn2snn.datasets.package_client",
    "fetch": "gcn2snn.datasets.fetching",
    "fetched_root": "gcn2snn.datasets.locate",
    "find": "gcn2snn.datasets.registry",
    "import_tokeniser": "gcn2snn.datasets.tokenisers",
    "is_graph_file": "gcn2snn.datasets.loading",
    "load": "gcn2snn.datasets.loading",
    "file_of_graph": "gcn2snn.datasets.loading",
    "load_graph": "gcn2snn.datasets.loading",
    "load_labelled": "gcn2snn.datasets.graph_file",
    "located": "gcn2snn.datasets.locate",
    "marked_encoding": "gcn2snn.datasets.text_file",
    "names": "gcn2snn.datasets.registry",
    "refuse_binary": "gcn2snn.datasets.text_file",
    "refuse_other_corpus": "gcn2snn.datasets.loading",
    "refuse_other_tokeniser": "gcn2snn.datasets.tokenisers",
    "refuse_unmarked": "gcn2snn.datasets.unmarked_text",
    "register_tokeniser": "gcn2snn.datasets.tokenisers",
    "search_roots": "gcn2snn.datasets.locate",
    "stages": "gcn2snn.datasets.progress",
    "suitable_min_count": "gcn2snn.datasets.options",
    "words_of": "gcn2snn.datasets.words",
    "wrong_encoding": "gcn2snn.datasets.text_file",
}

# TextGraphDataset and TextGraphDGLDataset need an optional package each, so `import *` leaves them out.
__all__ = [
    "DATASETS",
    "LOOKED",
    "Archive",
    "BuiltGraph",
    "CleanCorpus",
    "Corpus",
    "Dataset",
    "LabelledCall",
    "SyntheticCorpus",
    "TextGraphOptions",
    "build_graph_file",
    "build_text_graph",
    "chosen_note",
    "clean_corpus",
    "corpus_warnings",
    "count_graph",
    "download_package",
    "fetch",
    "fetched_root",
    "file_of_graph",
    "find",
    "import_tokeniser",
    "is_graph_file",
    "load",
    "load_graph",
    "load_labelled",
    "located",
    "marked_encoding",
    "names",
    "refuse_binary",
    "refuse_other_corpus",
    "refuse_other_tokeniser",
    "refuse_unmarked",
    "register_tokeniser",
    "search_roots",
    "stages",
    "suitable_min_count",
    "words_of",
    "wrong_encoding",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
