"""Cora and CiteSeer with the public split, from the raw files that every package shares.

Source: Yang, Cohen, Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings", ICML 2016.
"""

from __future__ import annotations

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcn2snn.datasets.corpus import published_hash
from gcn2snn.datasets.locate import read_files
from gcn2snn.datasets.registry import Dataset
from gcn2snn.errors import DataError
from gcn2snn.graph import Graph

VALIDATION_NODES = 500

_CLASSES = {
    "cora": (
        "Theory",
        "Reinforcement Learning",
        "Genetic Algorithms",
        "Neural Networks",
        "Probabilistic Methods",
        "Case Based",
        "Rule Learning",
    ),
    "citeseer": ("Agents", "AI", "DB", "IR", "ML", "HCI"),
}


def planetoid_graph(
    row: Dataset, root: str | Path | None = None, *, row_normalise: bool = True, progress: bool = True
) -> Graph:
    """Papers, undirected citations of weight 1 without self-loops, bag-of-words features.

    Args:
        row: its row in the registry.
        root: data root, as in :func:`gcn2snn.datasets.load_graph`.
        row_normalise: divide each paper's features by their sum, as Kipf & Welling 2017 do.

    Returns:
        A graph with 20 training papers a class, 500 validation and 1,000 test papers. CiteSeer has 15 papers without
        words and label; they keep features of 0 and the label -1.

    Raises:
        DataError: a file is missing or not the published one.
    """
    contents = dict(
        zip(
            (file.path.rsplit(f"{row.name}.", 1)[1] for file in row.files),
            read_files(row, root, progress=progress),
            strict=True,
        )
    )
    x, y, allx, ally, tx, ty = (_unpickle(contents[part]) for part in ("x", "y", "allx", "ally", "tx", "ty"))
    neighbours = _unpickle(contents["graph"])
    tested = np.array(contents["test.index"].split(), dtype=np.int64)
    nodes = len(neighbours)
    features = np.zeros((nodes, allx.shape[1]), dtype=np.float32)
    one_hot = np.zeros((nodes, ally.shape[1]), dtype=np.int64)
    features[: allx.shape[0]], one_hot[: ally.shape[0]] = allx.toarray(), ally
    features[tested], one_hot[tested] = tx.toarray(), ty
    if row_normalise:
        features /= np.maximum(features.sum(axis=1, keepdims=True), 1)
    masks = torch.zeros(3, nodes, dtype=torch.bool)
    masks[0, : x.shape[0]] = True
    masks[1, y.shape[0] : y.shape[0] + VALIDATION_NODES] = True
    masks[2, torch.from_numpy(tested)] = True
    labels = np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1)
    return Graph.from_scipy(
        _adjacency(neighbours, nodes),
        labels=torch.from_numpy(labels),
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        class_names=_CLASSES[row.name],
        features=torch.from_numpy(features),
        source={
            "dataset": row.name,
            "corpus_hash": published_hash(row),
            "options": {},
            "row_normalise": row_normalise,
        },
    )


def _adjacency(neighbours: dict[int, list[int]], nodes: int) -> object:
    from scipy import sparse

    one = np.repeat(list(neighbours), [len(others) for others in neighbours.values()])
    two = np.concatenate([np.asarray(others, dtype=np.int64) for others in neighbours.values()])
    apart = one != two
    one, two = one[apart], two[apart]
    ones = np.ones(2 * one.size)
    matrix = sparse.coo_array(
        (ones, (np.concatenate([one, two]), np.concatenate([two, one]))), shape=(nodes, nodes)
    ).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


class _ArraysOnly(pickle.Unpickler):
    """Reads arrays, sparse matrices and lists out of a pickle, and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> object:
        from scipy import sparse

        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("scipy.sparse.csr", "csr_matrix"): sparse.csr_matrix,
            ("collections", "defaultdict"): collections.defaultdict,
            ("__builtin__", "list"): list,
        }
        if (module, name) not in allowed:
            raise DataError(f"a Planetoid file asks for {module}.{name}, which no published one needs; it was not read")
        return allowed[module, name]


def _unpickle(data: bytes) -> Any:
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
