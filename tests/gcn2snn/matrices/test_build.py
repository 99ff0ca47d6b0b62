"""What operators compute from graph inputs, by hand, and when they compute it again."""

from __future__ import annotations

import gc

import pytest
import torch

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.matrices import build
from gcn2snn.matrices.build import build_operand, to_csr
from gcn2snn.matrices.edges import edges_of, with_loops

EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 1, 1]])  # 0 -> 1, 1 -> 0, a loop at 1, 2 -> 1
X = torch.zeros(3, 2)


def adjacency(**options: object) -> torch.Tensor:
    weighted = "weight" in options
    weight = (options.pop("weight"),) if weighted else ()
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), weighted=weighted, **options)
    return build_operand(node, EDGES, *weight, X, X).to_dense()


def test_plain_rows_are_targets() -> None:
    assert adjacency().tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert adjacency(flow="target_to_source").tolist() == [[0, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_loops() -> None:
    assert adjacency(loops="add").diag().tolist() == [1, 2, 1]
    assert adjacency(loops="remove").diag().tolist() == [0, 0, 0]
    weight = torch.tensor([1.0, 2.0, 5.0, 3.0])
    assert adjacency(loops="remaining", weight=weight, loop_weight=2.0).diag().tolist() == [2, 5, 2]
    assert adjacency(loops="replace", weight=weight).diag().tolist() == [1, 1, 1]


def test_last_of_several_loops_is_kept() -> None:
    edges = edges_of(torch.tensor([[0, 0], [0, 0]]), torch.tensor([3.0, 4.0]), "source_to_target", 1, 1)
    kept = with_loops(edges, "remaining")
    assert kept.weight is not None
    assert kept.weight.tolist() == [4.0]


def test_normalisations_by_hand() -> None:
    # in-degrees with loops: node 0: 2, node 1: 3, node 2: 1
    gcn = adjacency(norm="gcn", loops="remaining")
    torch.testing.assert_close(gcn[1], torch.tensor([1 / 6**0.5, 1 / 3, 1 / 3**0.5]))
    torch.testing.assert_close(adjacency(norm="mean")[1], torch.full((3,), 1 / 3))
    assert adjacency(norm="degree", weight=torch.tensor([1.0, 2.0, 5.0, 3.0])).diag().tolist() == [2, 9, 0]
    # out-degrees 1, 2, 1; in-degrees 1, 3, 0
    torch.testing.assert_close(adjacency(norm="both")[1], torch.tensor([1.0, 0.5**0.5, 1.0]) / 3**0.5)
    torch.testing.assert_close(adjacency(norm="left")[1], torch.tensor([1.0, 0.5, 1.0]))
    torch.testing.assert_close(adjacency(norm="right")[1], torch.full((3,), 1 / 3))


def test_laplacian_by_hand() -> None:
    node = ir.Laplacian(name="l", inputs=("e", "x"), lambda_max=2.0)
    path = torch.tensor([[0, 1], [1, 0]])
    assert build_operand(node, path, X).to_dense().tolist() == [[0, -1, 0], [-1, 0, 0], [0, 0, 0]]


def test_membership() -> None:
    batch = torch.tensor([0, 2, 2])
    node = ir.Membership(name="m", inputs=("b", "x"), mean=True)
    assert build_operand(node, batch, X).to_dense().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0.5, 0.5]]
    one = ir.Membership(name="m", inputs=("x",), batched=False)
    assert build_operand(one, X).to_dense().tolist() == [[1, 1, 1]]
    with pytest.raises(InputError, match="batch has 3 entries for 2 nodes"):
        build_operand(node, batch, X[:2])


def test_dtype_follows_the_features() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="gcn")
    assert build_operand(node, EDGES, X.double(), X.double()).dtype is torch.float64


def test_a_matrix_is_built_once_per_graph() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="gcn")
    edges = EDGES.clone()
    first = build_operand(node, edges, X, X)
    assert build_operand(node, edges, X + 1, X + 1) is first
    assert build_operand(ir.Adjacency(name="other", inputs=("e", "x", "x"), norm="gcn"), edges, X, X) is first
    assert build_operand(node, edges.clone(), X, X) is not first
    assert build_operand(ir.Adjacency(name="a", inputs=("e", "x", "x"), norm="mean"), edges, X, X) is not first
    edges[0, 0] = 2  # written in place: the cached matrix is old
    assert build_operand(node, edges, X, X) is not first


def test_written_weights_are_seen() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "w", "x", "x"), weighted=True)
    edges, weight = EDGES.clone(), torch.ones(4)
    build_operand(node, edges, weight, X, X)
    weight[0] = 7.0
    assert build_operand(node, edges, weight, X, X).to_dense()[1, 0] == 7.0


def test_the_cache_does_not_keep_graphs_alive() -> None:
    node = ir.Adjacency(name="a", inputs=("e", "w", "x", "x"), weighted=True)
    gc.collect()
    before = len(build._CACHE)
    edges = EDGES.clone()
    build_operand(node, edges, torch.ones(4), X, X)
    assert len(build._CACHE) == before + 1
    del edges
    gc.collect()
    assert len(build._CACHE) == before


def test_matrices() -> None:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    for matrix in (dense, dense.to_sparse(), dense.to_sparse_csr()):
        assert torch.equal(to_csr(matrix).to_dense(), dense)
    with pytest.raises(InputTypeError, match="an adjacency is list"):
        to_csr([[1.0]])


def test_maximum_needs_unit_weights() -> None:
    with pytest.raises(InputError, match="needs edges of weight 1"):
        adjacency(norm="max", weight=torch.tensor([1.0, 2.0, 1.0, 1.0]))


def test_parts() -> None:
    node = ir.Part(name="blocks[1]", inputs=("blocks",), key=1, by="item", size=(None, None))
    assert build_operand(node, ["a", "b"]) == "b"
    with pytest.raises(InputError, match="the input has no"):
        build_operand(node, ["a"])
    dense = ir.Part(name="data.x", inputs=("data",), key="x", by="item", size=(None, 2), role="dense")
    with pytest.raises(InputTypeError, match=r"data\.x is str"):
        build_operand(dense, {"x": "text"})
