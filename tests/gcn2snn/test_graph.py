from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, InputError, MissingPackageError
from gcn2snn.files import load_tensors, save_tensors
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR
from gcn2snn.normalisation import normalise


def random_graph(nodes: int = 7, *, loops: bool = False, seed: int = 0, **changes: Any) -> Graph:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(nodes, nodes, generator=generator, dtype=torch.float64)
    dense = torch.where(dense > 0.6, dense, 0.0)
    dense = dense + dense.T
    if not loops:
        dense.fill_diagonal_(0.0)
    fields: dict[str, Any] = {
        "raw": CSR.from_dense(dense, symmetric=True),
        "labels": torch.arange(nodes) % 2,
        "train_mask": torch.arange(nodes) < 3,
        "test_mask": torch.arange(nodes) >= 4,
        "class_names": ("a", "b"),
        "node_names": tuple(f"n{number}" for number in range(nodes)),
        "source": {"dataset": "random", "options": {"seed": seed}},
    }
    return Graph(**(fields | changes))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 13), st.booleans(), st.integers(0, 1000))
def test_normalise_equals_the_dense_equation(nodes: int, loops: bool, seed: int) -> None:
    raw = random_graph(nodes, loops=loops, seed=seed).raw
    dense = raw.to_dense() + torch.eye(nodes, dtype=torch.float64)
    inverse_root = dense.sum(1).rsqrt()
    expected = dense * (inverse_root[:, None] * inverse_root[None, :])
    built = normalise(raw).validate()
    assert built.dtype == torch.float32
    assert built.symmetric
    # One rounding to float32 (relative 6e-8) on top of float64 arithmetic in another order.
    torch.testing.assert_close(built.to_dense(), expected.float(), rtol=1.2e-7, atol=0.0)
    assert built.nnz == int((expected != 0).sum())
    again = CSR.from_dense(built.to_dense())
    assert torch.equal(again.rowptr, built.rowptr)
    assert torch.equal(again.col, built.col)
    assert torch.equal(built.to_dense(), built.to_dense().T)


def test_normalise_keeps_stored_zeros_and_isolated_nodes() -> None:
    raw = CSR.from_coo(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.zeros(2, dtype=torch.float64), (3, 3))
    built = normalise(raw)
    assert built.nnz == 5
    assert torch.equal(built.to_dense(), torch.eye(3))


def test_normalise_without_edges_and_without_nodes() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    for nodes in (0, 4):
        raw = CSR.from_coo(nothing, nothing, nothing.double(), (nodes, nodes))
        assert torch.equal(normalise(raw).to_dense(), torch.eye(nodes))


def test_normalise_leaves_its_input_alone() -> None:
    raw = random_graph(loops=True).raw
    before = raw.to_dense()
    normalise(raw)
    assert torch.equal(raw.to_dense(), before)


def test_normalise_refuses_a_degree_that_is_not_positive() -> None:
    raw = CSR.from_dense(torch.tensor([[0.0, -1.0], [-1.0, 0.0]], dtype=torch.float64))
    with pytest.raises(
        InputError, match=r"node 0 has degree 0.0; symmetric normalisation needs positive degrees. Remove"
    ):
        normalise(raw)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": torch.zeros(3, dtype=torch.int64)},
            r"labels has shape \[3\]; the graph has 7 nodes, so \[7\] is needed",
        ),
        ({"val_mask": torch.zeros(8, dtype=torch.bool)}, r"val_mask has shape \[8\]"),
        ({"features": torch.zeros(6, 2)}, r"features have shape \[6, 2\]; \[7, F\] is needed, or None"),
        ({"node_names": ("x",)}, "1 node names for 7 nodes"),
        ({"class_names": ("a",)}, "a label is 1, but only 1 classes are named"),
        ({"labels": torch.full((7,), -1)}, "node 0 is in a split but has no label"),
        ({"raw": CSR.from_dense(torch.zeros(2, 3))}, r"an adjacency is square, got \(2, 3\)"),
    ],
)
def test_graph_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        random_graph(**changes)


def test_graph_names_documents_and_words() -> None:
    graph = random_graph(num_documents=5)
    assert graph.document_names == ("n0", "n1", "n2", "n3", "n4")
    assert graph.vocabulary == ("n5", "n6")
    assert random_graph().num_documents == 7
    assert random_graph().vocabulary == ()


def test_num_loops_counts_the_diagonal() -> None:
    dense = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    graph = random_graph(2, raw=CSR.from_dense(dense), train_mask=torch.ones(2, dtype=torch.bool))
    assert graph.num_loops == 1


def test_from_scipy_shares_the_numbers() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    graph = random_graph()
    matrix = sparse.csr_array((graph.raw.value.numpy(), graph.raw.col.numpy(), graph.raw.rowptr.numpy()), (7, 7))
    again = Graph.from_scipy(
        matrix, labels=graph.labels, train_mask=graph.train_mask, test_mask=graph.test_mask, class_names=("a", "b")
    )
    assert again.fingerprint == graph.fingerprint
    assert again.raw.value.data_ptr() == graph.raw.value.data_ptr()


@pytest.mark.parametrize("full", [False, True])
def test_save_and_load(tmp_path: Path, full: bool) -> None:
    more = {"features": torch.rand(7, 3), "val_mask": torch.arange(7) == 3, "num_documents": 4} if full else {}
    graph = random_graph(**more)
    again = Graph.load(graph.save(tmp_path / "graph.safetensors"))
    for name in ("labels", "train_mask", "test_mask", "features", "val_mask"):
        one, two = getattr(graph, name), getattr(again, name)
        assert (one is None and two is None) or torch.equal(one, two)
    assert torch.equal(graph.raw.to_dense(), again.raw.to_dense())
    assert again.raw.symmetric
    for name in ("class_names", "node_names", "num_documents", "source", "fingerprint"):
        assert getattr(graph, name) == getattr(again, name)


def test_fingerprint_depends_on_every_tensor() -> None:
    graph = random_graph()
    mask = torch.arange(7) == 3
    others = [
        replace(graph, labels=1 - graph.labels),
        replace(graph, train_mask=mask),
        replace(graph, test_mask=mask),
        replace(graph, val_mask=mask),
        replace(graph, features=torch.zeros(7, 1)),
        replace(graph, raw=graph.raw.to(torch.float32)),
        random_graph(seed=1),
    ]
    assert len({graph.fingerprint, *(other.fingerprint for other in others)}) == 8


def test_save_refuses_the_ending_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"graph.npz ends in .npz, but a .safetensors file is written"):
        random_graph().save(tmp_path / "graph.npz")


def test_load_refuses_damaged_files(tmp_path: Path) -> None:
    path = random_graph().save(tmp_path / "graph.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(ArtefactError, match=r"cannot be read"):
        Graph.load(path)
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    with pytest.raises(ArtefactError, match=r"was changed after it was written"):
        Graph.load(path)
    with pytest.raises(ArtefactError, match=r"does not exist"):
        Graph.load(tmp_path / "nothing")


def test_load_refuses_another_version(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "graph.safetensors", {}, kind="graph", version=99, meta={})
    with pytest.raises(ArtefactError, match=r"format version 99; this release reads version 1"):
        Graph.load(path)


def test_load_refuses_a_file_without_all_tensors(tmp_path: Path) -> None:
    told = {"class_names": [], "node_names": [], "num_documents": 0, "source": {}, "fingerprint": "0" * 64}
    path = save_tensors(tmp_path / "part", {"labels": torch.zeros(1).long()}, kind="graph", version=1, meta=told)
    with pytest.raises(ArtefactError, match=r"is not a whole graph file: 'rowptr'. Delete it"):
        Graph.load(path)


@pytest.mark.parametrize("change", [{"num_documents": 8}, {"fingerprint": "0" * 64}])
def test_load_refuses_what_the_file_says_of_itself_alone(tmp_path: Path, change: dict[str, Any]) -> None:
    tensors, meta = load_tensors(random_graph().save(tmp_path / "graph.safetensors"), kind="graph", version=1)
    path = save_tensors(tmp_path / "edited.safetensors", tensors, kind="graph", version=1, meta=meta | change)
    with pytest.raises(
        ArtefactError,
        match=r"says of itself what it does not hold: it was edited|allowed are 0 to 7, the number of nodes",
    ):
        Graph.load(path)


def test_a_kept_graph_with_one_way_edges_is_refused_where_it_is_used(tmp_path: Path) -> None:
    """To compare every edge with its opposite at each reading would take longer than the reading."""
    one_way = CSR.from_dense(torch.diag(torch.ones(6), 1))
    graph = Graph.load(random_graph(raw=one_way).save(tmp_path / "graph.safetensors"))
    assert graph.raw.nnz == 6
    with pytest.raises(InputError, match=r"symmetric=True, but element \(0, 1\) is .*, or make the matrix symmetric"):
        graph.adjacency.validate()


def test_nodes_without_a_class_are_saved_and_loaded(tmp_path: Path) -> None:
    labels = torch.tensor([0, 1, 0, -1, 1, 0, 1])
    graph = random_graph(labels=labels)
    assert torch.equal(Graph.load(graph.save(tmp_path / "graph.safetensors")).labels, labels)


def test_to_pyg_carries_everything() -> None:
    pytest.importorskip("torch_geometric")
    graph = random_graph(features=torch.rand(7, 3), val_mask=torch.arange(7) == 3)
    data = graph.to_pyg()
    dense = torch.zeros(7, 7).index_put_((data.edge_index[1], data.edge_index[0]), data.edge_weight)
    assert torch.equal(dense, graph.raw.to_dense().float())
    assert (data.num_nodes, data.num_edges) == (7, graph.raw.nnz)
    for theirs, ours in ((data.x, graph.features), (data.y, graph.labels), (data.val_mask, graph.val_mask)):
        assert torch.equal(theirs, ours)
    assert data.validate(raise_on_error=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of DGL's own imports
def test_to_dgl_carries_everything() -> None:
    pytest.importorskip("dgl", exc_type=ImportError)
    graph = random_graph(features=torch.rand(7, 3), val_mask=torch.arange(7) == 3)
    theirs = graph.to_dgl()
    source, target = theirs.edges()
    dense = torch.zeros(7, 7).index_put_((target, source), theirs.edata["weight"])
    assert torch.equal(dense, graph.raw.to_dense().float())
    assert torch.equal(theirs.ndata["feat"], graph.features)
    assert torch.equal(theirs.ndata["label"], graph.labels)
    assert torch.equal(theirs.ndata["val_mask"], graph.val_mask)


@pytest.mark.parametrize(
    ("package", "method", "extra"), [("torch_geometric.data", "to_pyg", "pyg"), ("dgl", "to_dgl", "dgl")]
)
def test_missing_package_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, package: str, method: str, extra: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"pip install 'gcn2snn\[{extra}\]'"):
        getattr(random_graph(), method)()


def test_a_graph_prints_in_one_line():
    assert repr(load_graph("karate")) == (
        "Graph(karate: 34 nodes, 156 entries, 4 classes, 4 training and 26 test nodes, no features)"
    )


def test_features_that_are_parameters_are_saved_by_their_values(tmp_path: Path) -> None:
    values = torch.rand(7, 3)
    graph = random_graph(features=torch.nn.Parameter(values))
    assert graph.fingerprint == random_graph(features=values).fingerprint
    again = Graph.load(graph.save(tmp_path / "graph.safetensors"))
    assert again.features is not None
    assert torch.equal(again.features, values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", torch.tensor([0, 1, 0, -1, 1, 0, 1], dtype=torch.int8)),
        ("features", torch.rand(7, 3, dtype=torch.float64)),
        ("features", torch.rand(7, 3).bfloat16()),
    ],
)
def test_every_number_type_that_a_graph_may_have_is_saved_and_loaded(tmp_path: Path, name: str, value: Tensor) -> None:
    again = Graph.load(random_graph(**{name: value}).save(tmp_path / "graph.safetensors"))
    assert getattr(again, name).dtype == value.dtype
    assert torch.equal(getattr(again, name), value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_documents": 8}, "num_documents is 8; allowed are 0 to 7"),
        ({"labels": torch.tensor([0, 1, 0, -2, 1, 0, 1])}, "a label is -2"),
        ({"features": torch.full((7, 2), torch.nan)}, "features hold values that are NaN"),
    ],
)
def test_save_refuses_what_load_would_refuse(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = random_graph().save(tmp_path / "graph.safetensors")
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        random_graph(**change).save(path)
    assert path.read_bytes() == before


def test_names_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="surrogates not allowed"):
        random_graph(class_names=("a", "\ud800")).save(tmp_path / "graph.safetensors")
    assert not list(tmp_path.iterdir())


def test_masks_that_are_one_tensor_are_saved(tmp_path: Path) -> None:
    mask = torch.arange(7) >= 4
    again = Graph.load(random_graph(test_mask=mask, val_mask=mask).save(tmp_path / "graph.safetensors"))
    assert again.val_mask is not None
    assert torch.equal(again.val_mask, mask)


def test_a_graph_that_was_written_to_is_saved_as_it_is(tmp_path: Path) -> None:
    graph = random_graph()
    before = graph.fingerprint
    graph.labels[0] = 1
    again = Graph.load(graph.save(tmp_path / "graph.safetensors"))
    assert again.fingerprint == graph.fingerprint != before
    graph.labels[0] = 7
    with pytest.raises(InputError, match="a label is 7"):
        graph.save(tmp_path / "graph.safetensors")
