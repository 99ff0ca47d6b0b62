"""Zachary's karate club: a graph dataset that is part of this package, so that it needs no download."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import numpy as np
import torch

from gcn2snn.datasets.registry import find
from gcn2snn.graph import Graph


def karate_graph() -> Graph:
    """34 people, 78 friendships of weight 1, 4 communities; one training and one validation person each, the rest test.

    >>> graph = karate_graph()
    >>> graph.raw.nnz, int(graph.train_mask.sum()), int(graph.test_mask.sum())
    (156, 4, 26)

    Source: Zachary 1977; communities and training nodes as in Kipf & Welling 2017, Appendix A, and PyG's KarateClub.
    """
    from scipy import sparse

    text = (resources.files("gcn2snn.datasets") / "karate.json").read_text("utf-8")
    club = json.loads(text)
    labels = torch.tensor(club["labels"])
    nodes = labels.numel()
    one, two = np.array(club["edges"], dtype=np.int32).T
    upper = sparse.csr_array((np.ones(one.size), (one, two)), shape=(nodes, nodes))
    train, validation = torch.zeros(2, nodes, dtype=torch.bool)
    train[club["train"]] = True
    validation[club["validation"]] = True
    return Graph.from_scipy(
        (upper + upper.T).tocsr(),
        labels=labels,
        train_mask=train,
        test_mask=~train & ~validation,
        val_mask=validation,
        class_names=tuple(f"community {number}" for number in range(int(labels.max()) + 1)),
        node_names=tuple(f"person {number}" for number in range(1, nodes + 1)),
        source={
            "dataset": find("karate").name,
            "corpus_hash": hashlib.sha256(text.encode()).hexdigest(),
            "options": {},
        },
    )
