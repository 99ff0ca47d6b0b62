"""The text graphs as a dataset of DGL."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.split_graph import split_text_graph
from gcn2snn.errors import InputError, MissingPackageError
from gcn2snn.files import cache_folder
from gcn2snn.graph import Graph

os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
try:
    from dgl.data import DGLDataset
except ImportError as error:
    raise MissingPackageError("TextGraphDGLDataset needs DGL: pip install 'gcn2snn[dgl]'") from error


class TextGraphDGLDataset(DGLDataset):
    """The graph that ``gcn2snn train`` uses, as one ``DGLGraph``: the twin of :class:`gcn2snn.datasets.TextGraphDataset`.

    Nodes are the documents, then the words. ``edata["weight"]`` float32 holds PMI and TF-IDF as they are, in both directions, no
    self-loops, not normalised: ``dgl.add_self_loop(graph, fill_data=1.0)`` and ``dgl.nn.EdgeWeightNorm("both")`` give the
    weights by which a Text GCN here multiplies.

    >>> dataset = TextGraphDGLDataset("r8")  # doctest: +SKIP
    >>> graph = dgl.add_self_loop(dataset[0], fill_data=1.0)  # doctest: +SKIP
    >>> weight = EdgeWeightNorm("both")(graph, graph.edata["weight"])  # doctest: +SKIP
    >>> h = GraphConv(200, 8, norm="none")(graph, embedding(graph.ndata["index"]), edge_weight=weight)  # doctest: +SKIP

    ``ndata`` has ``label`` int64 (-1 for words), ``train_mask``, ``val_mask`` and ``test_mask`` bool, and ``index`` int64, the
    number of each node for a ``torch.nn.Embedding(graph.num_nodes(), channels)``, which is the same as one-hot features times a
    matrix: DGL keeps no sparse features, and a dense identity would need 15 GB for 20ng.

    Args:
        name_or_path, root, options, validation, seed, progress: as in :class:`gcn2snn.datasets.TextGraphDataset`.
        transform: called with the graph at every access.

    Attributes:
        classes, num_classes: names of the classes, and their number.
        graph: the :class:`gcn2snn.Graph`, with the names of documents and words.

    Raises:
        MissingPackageError: DGL is not installed (when the class is imported).
        DataError, ConfigError: as :class:`gcn2snn.datasets.TextGraphDataset`.
    """

    def __init__(
        self,
        name_or_path: str | Path,
        root: str | Path | None = None,
        options: TextGraphOptions | None = None,
        *,
        validation: float = 0.1,
        seed: int = 0,
        transform: Callable[[object], object] | None = None,
        progress: bool = True,
    ):
        graph = split_text_graph(name_or_path, root, options, validation, seed, progress)
        self.graph: Graph = graph
        self.classes = list(graph.class_names)
        self.num_classes = graph.num_classes
        self._made = graph.to_dgl()
        self._made.ndata["index"] = torch.arange(graph.num_nodes)
        if graph.val_mask is None:
            self._made.ndata["val_mask"] = torch.zeros_like(graph.train_mask)
        # Without a folder DGL would make one in the home folder; this one is named and nothing is written to it.
        super().__init__(graph.source["dataset"], raw_dir=str(cache_folder()), transform=transform)

    def has_cache(self) -> bool:
        """The graph is there already: this package keeps it in its own cache."""
        return True

    def load(self) -> None:
        """Nothing is left to load."""

    def process(self) -> None:
        """Never called, for there is always a graph."""

    def __getitem__(self, index: int) -> object:
        if index not in (0, -1):
            raise InputError(f"the graph number {index} was asked for; this dataset holds one graph, number 0")
        return self._made if self._transform is None else self._transform(self._made)

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        """``TextGraphDGLDataset(r8)``."""
        return f"TextGraphDGLDataset({self.graph.source['dataset']})"
