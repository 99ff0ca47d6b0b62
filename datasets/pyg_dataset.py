"""The text graphs as a dataset of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import torch

from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.split_graph import split_text_graph
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.graph import Graph

try:
    from torch_geometric.data import Data, InMemoryDataset
except ImportError as error:
    raise MissingPackageError("TextGraphDataset needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error

Features = Literal["one-hot", "index"]


class TextGraphDataset(InMemoryDataset):
    """The graph that ``gcn2snn train`` uses, as one ``Data``: other people's models train on exactly these edges.

    Nodes are the documents, then the words. ``edge_index`` [2, entries] and ``edge_weight`` [entries] float32 hold both
    directions of every edge, with PMI and TF-IDF as they are: no self-loops, not normalised, which ``GCNConv`` does itself, and
    then multiplies by the same matrix as a Text GCN here.

    >>> dataset = TextGraphDataset("r8")  # doctest: +SKIP
    >>> data = dataset[0]  # doctest: +SKIP
    >>> GCNConv(dataset.num_features, 200)(data.x, data.edge_index, data.edge_weight)  # doctest: +SKIP

    Args:
        name_or_path: "20ng", "r8", "r52", "ohsumed", "mr", or the path of a corpus of your own.
        root: data root that is searched first; then GCN2SNN_DATA, the cache folder, and the network. Nothing is written there;
            graphs are kept in the cache folder of this package.
        options: how text becomes a graph.
        features: what ``x`` is. "one-hot": the identity as a sparse COO tensor [nodes, nodes] with one entry a row, for layers
            that multiply by their weights first: ``Linear``, ``GCNConv``, ``GATConv``, ``models.GCN``. Layers that aggregate
            first (``SAGEConv``, ``GINConv``, ``GraphConv``, ``ChebConv``) refuse sparse features: "index" gives the number of
            each node, [nodes] int64, for a ``torch.nn.Embedding(dataset[0].num_nodes, channels)`` in front of any layer, which
            is the same as one-hot features times a matrix. There is no dense identity: 20ng would need 15 GB.
        validation: share of the training documents that becomes ``val_mask`` where the corpus has no validation documents.
        seed: of their choice; with the defaults they are those of ``gcn2snn train --seed``.
        transform, pre_transform: as in any dataset of PyTorch Geometric.
        progress: show what takes long on standard error.

    Attributes:
        classes: names, [classes].
        graph: the :class:`gcn2snn.Graph`, with the names of documents and words.

    The ``Data`` has ``y`` [nodes] int64 (-1 for words), ``train_mask``, ``val_mask`` and ``test_mask`` [nodes] bool,
    ``num_documents`` and ``class_names`` as well.

    Raises:
        MissingPackageError: PyTorch Geometric is not installed (when the class is imported).
        DataError: no such corpus, or it has no texts.
        ConfigError: ``features`` or ``validation`` is not allowed.

    Source: Yao et al. 2019, Section 3; the counts are checked against the published graphs.
    """

    def __init__(
        self,
        name_or_path: str | Path,
        root: str | Path | None = None,
        options: TextGraphOptions | None = None,
        *,
        features: Features = "one-hot",
        validation: float = 0.1,
        seed: int = 0,
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        progress: bool = True,
    ):
        if features not in get_args(Features):
            raise ConfigError(f"features is {features!r}; allowed are {' and '.join(get_args(Features))}")
        graph = split_text_graph(name_or_path, root, options, validation, seed, progress)
        super().__init__(None, transform, pre_transform)
        self.graph: Graph = graph
        self.classes = list(graph.class_names)
        data = graph.to_pyg()
        if graph.val_mask is None:
            data.val_mask = torch.zeros_like(graph.train_mask)
        number = torch.arange(graph.num_nodes)
        data.x = number
        if features == "one-hot":
            # Each row has its one entry, in order, so there is nothing to add up.
            size, ones = (graph.num_nodes, graph.num_nodes), torch.ones(graph.num_nodes)
            data.x = torch.sparse_coo_tensor(number.repeat(2, 1), ones, size, check_invariants=True, is_coalesced=True)
        data.num_documents, data.class_names = graph.num_documents, self.classes
        self.data, self.slices = self.collate([data if pre_transform is None else pre_transform(data)])

    def __repr__(self) -> str:
        """``TextGraphDataset(r8)``."""
        return f"TextGraphDataset({self.graph.source['dataset']})"
