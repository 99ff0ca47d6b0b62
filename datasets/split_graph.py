"""A text graph with all three masks, as models of other libraries train on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gcn2snn.datasets.loading import load_graph
from gcn2snn.datasets.options import TextGraphOptions
from gcn2snn.datasets.registry import DATASETS
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.graph import Graph


def split_text_graph(
    name_or_path: str | Path,
    root: str | Path | None,
    options: TextGraphOptions | None,
    validation: float,
    seed: int,
    progress: bool,
) -> Graph:
    """The text graph of a corpus; without validation documents of its own it gets those that ``gcn2snn train --seed`` draws.

    Args:
        name_or_path, root, options, progress: as in :func:`gcn2snn.datasets.load_graph`.
        validation: share of the training documents that become validation documents, 0 for none.
        seed: of their choice.

    Raises:
        DataError: as :func:`gcn2snn.datasets.load_graph`, or the dataset has no texts, or too few training documents.
        ConfigError: ``validation`` is no share.
    """
    if not 0 <= validation < 1:
        raise ConfigError(f"validation is {validation}; a share of the training documents from 0 to below 1 is allowed")
    graph = load_graph(name_or_path, root, options, progress=progress)
    if not graph.vocabulary:
        texts = ", ".join(row.name for row in DATASETS.values() if row.kind == "text")
        raise DataError(f"{name_or_path} is a graph without texts. Corpora are {texts}, or the path of your own")
    if graph.val_mask is not None or validation == 0:
        return graph
    nodes, held = graph.held_out(validation, seed)
    if not nodes.numel():
        raise DataError(f"{name_or_path} has too few training documents to hold some out. Give validation=0")
    train, val = torch.zeros_like(graph.train_mask), torch.zeros_like(graph.train_mask)
    train[nodes], val[held] = True, True
    return replace(graph, train_mask=train, val_mask=val)
