from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from gcn2snn.datasets.karate import karate_graph


def test_karate_is_the_club() -> None:
    graph = karate_graph()
    assert (graph.num_nodes, graph.raw.nnz, graph.num_classes) == (34, 156, 4)
    assert torch.equal(graph.raw.to_dense(), graph.raw.to_dense().T)
    assert graph.features is None
    assert graph.num_documents == 34
    assert graph.node_names[0] == "person 1"


def test_karate_split_covers_everyone_once() -> None:
    graph = karate_graph()
    assert graph.val_mask is not None
    total = graph.train_mask.int() + graph.val_mask.int() + graph.test_mask.int()
    assert total.tolist() == [1] * 34
    for mask in (graph.train_mask, graph.val_mask):
        assert sorted(graph.labels[mask].tolist()) == [0, 1, 2, 3]


def test_karate_equals_pyg() -> None:
    pytest.importorskip("torch_geometric")
    from torch_geometric.datasets import KarateClub

    theirs, ours = KarateClub()[0], karate_graph()
    assert torch.equal(theirs.y, ours.labels)
    assert torch.equal(theirs.train_mask, ours.train_mask)
    dense = torch.zeros(34, 34, dtype=torch.float64)
    dense[theirs.edge_index[0], theirs.edge_index[1]] = 1.0
    assert torch.equal(dense, ours.raw.to_dense())


def test_karate_needs_no_optional_package() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch_geometric', 'networkx', 'dgl', 'sklearn', 'nltk', 'pooch')))\n"
        "from gcn2snn.datasets import load_graph; print(load_graph('karate').num_nodes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "34"
