from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch

from gcn2snn.datasets import load_graph
from gcn2snn.datasets.planetoid import _unpickle, planetoid_graph
from gcn2snn.datasets.registry import DATASETS
from gcn2snn.errors import DataError


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "classes", "unlabelled"),
    [("cora", 2708, 10556, 1433, 7, 0), ("citeseer", 3327, 9104, 3703, 6, 15)],
)
def test_citation_graphs(
    data_root: Path, name: str, nodes: int, edges: int, features: int, classes: int, unlabelled: int
) -> None:
    graph = load_graph(name, data_root)
    assert (graph.num_nodes, graph.raw.nnz, graph.num_classes) == (nodes, edges, classes)
    assert graph.features is not None
    assert graph.features.shape == (nodes, features)
    assert int((graph.labels < 0).sum()) == unlabelled
    assert graph.val_mask is not None
    masks = [int(mask.sum()) for mask in (graph.train_mask, graph.val_mask, graph.test_mask)]
    assert masks == [20 * classes, 500, 1000]
    assert graph.num_loops == 0
    assert bool((graph.raw.value == 1).all())
    sums = graph.features.sum(1)
    assert bool(((sums - 1).abs() < 1e-5).logical_or(sums == 0).all())  # float32 sums of up to 54 equal parts


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the older pickles, in PyG
@pytest.mark.parametrize(("name", "theirs"), [("cora", "Cora"), ("citeseer", "CiteSeer")])
def test_citation_graphs_equal_pyg(data_root: Path, tmp_path: Path, name: str, theirs: str) -> None:
    pytest.importorskip("torch_geometric")
    from torch_geometric.datasets import Planetoid

    raw = tmp_path / theirs / "raw"
    raw.mkdir(parents=True)
    for file in (data_root / "planetoid" / name / "raw").iterdir():
        shutil.copyfile(file, raw / file.name)
    data = Planetoid(str(tmp_path), theirs)[0]
    graph = planetoid_graph(DATASETS[name], data_root, row_normalise=False)
    ours = graph.to_pyg()
    assert torch.equal(data.x, ours.x)
    labelled = graph.labels >= 0
    assert torch.equal(data.y[labelled], ours.y[labelled])
    for mask in ("train_mask", "val_mask", "test_mask"):
        assert torch.equal(data[mask], ours[mask])
    keys = [torch.unique(edges[0] * graph.num_nodes + edges[1]) for edges in (data.edge_index, ours.edge_index)]
    assert torch.equal(*keys)
    assert keys[0].numel() == data.num_edges == ours.num_edges


def test_unpickle_makes_arrays_only() -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[int]]:
            return sys.exit, (3,)

    with pytest.raises(DataError, match=r"a Planetoid file asks for sys.exit, which no published one needs"):
        _unpickle(pickle.dumps(Harm()))


def test_a_changed_file_is_refused(data_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "planetoid/cora/raw"
    folder.mkdir(parents=True)
    for file in (data_root / "planetoid/cora/raw").iterdir():
        shutil.copyfile(file, folder / file.name)
    with (folder / "ind.cora.graph").open("ab") as file:
        file.write(b" ")
    with pytest.raises(DataError, match=r"ind.cora.graph is not the published file"):
        load_graph("cora", tmp_path)
