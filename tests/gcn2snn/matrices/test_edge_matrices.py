"""Operands of edges, hyperedges, degrees and graphs against matrices worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices import build_operand
from gcn2snn.matrices.dense_norms import weigh_dense

EDGES = torch.tensor([[0, 2, 1, 1], [1, 1, 0, 1]])  # 0 -> 1, 2 -> 1, 1 -> 0, 1 -> 1
X = torch.zeros(3, 2)


def built(node: ir.Operator, *inputs: object) -> list[list[float]]:
    found = build_operand(node, *inputs)
    assert isinstance(found, CSR)
    return dense(found).tolist()


def dense(matrix: CSR) -> Tensor:
    whole = torch.zeros(matrix.shape)
    return whole.index_put_((matrix.row.long(), matrix.col.long()), matrix.value, accumulate=True)


def test_ends_of_edges() -> None:
    names = ("edges", "x", "x")
    assert built(ir.Incidence(name="s", inputs=names), EDGES, X, X) == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]
    target = ir.Incidence(name="t", inputs=names, end="target")
    assert built(target, EDGES, X, X) == [[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]
    weighted = ir.Incidence(name="w", inputs=("edges", "w", "x", "x"), weighted=True)
    weight = torch.tensor([2.0, 3.0, 4.0, 5.0])
    assert built(weighted, EDGES, weight, X, X) == [[2, 0, 0], [0, 0, 3], [0, 4, 0], [0, 5, 0]]


def test_gathering_edges() -> None:
    sums = ir.Incidence(name="sum", inputs=("edges", "x", "x"), onto_nodes=True)
    assert built(sums, EDGES, X, X) == [[0, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 0]]
    means = ir.Incidence(name="mean", inputs=("edges", "x", "x"), onto_nodes=True, norm="mean")
    assert built(means, EDGES, X, X)[1] == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    looped = ir.Incidence(name="loop", inputs=("edges", "x", "x"), onto_nodes=True, loops="replace")
    assert built(looped, EDGES, X, X) == [[0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]


def test_relations_and_diagonals() -> None:
    types = torch.tensor([0, 1, 1, 1])
    one = ir.Adjacency(name="r", inputs=("edges", "t", "x", "x"), relation=1, norm="mean")
    assert built(one, EDGES, types, X, X) == [[0, 1, 0], [0, 0.5, 0.5], [0, 0, 0]]
    names = ("edges", "x", "x")
    assert built(ir.Adjacency(name="a", inputs=names, norm="any"), EDGES, X, X) == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    linear = ir.Adjacency(name="l", inputs=names, norm="linear", factor=2.0)
    assert built(linear, EDGES, X, X) == [[0.5, 0, 0], [0, 1.5, 0], [0, 0, 0]]
    second = ir.OfDegree(name="d", inputs=names, degree=2, cap=2)
    assert built(second, EDGES, X, X) == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    with pytest.raises(InputError, match="2 relations for 4 edges"):
        build_operand(one, EDGES, types[:2], X, X)
    with pytest.raises(InputTypeError, match="a tensor of whole numbers"):
        build_operand(one, EDGES, types.float(), X, X)


def test_hypergraphs_and_graphs() -> None:
    index = torch.tensor([[0, 1, 1], [0, 0, 1]])  # {0, 1} and {1}
    there = ir.Hyperedges(name="h", inputs=("i", "x"))
    assert built(there, index, X) == [[0.5, 0.5, 0], [0, 1, 0]]
    back = ir.Hyperedges(name="b", inputs=("i", "w", "x"), onto_nodes=True, weighted=True)
    assert built(back, index, torch.tensor([1.0, 3.0]), X) == [[1, 0], [0.25, 0.25], [0, 0]]
    with pytest.raises(InputError, match="1 weights for 2 hyperedges"):
        build_operand(back, index, torch.ones(1), X)
    batch = torch.tensor([0, 0, 1])
    assert built(ir.OfGraphs(name="g", inputs=("b", "x")), batch, X) == [[1, 0], [1, 0], [0, 1]]
    root = ir.OfGraphs(name="n", inputs=("b", "x"), root_size=True)
    assert built(root, batch, X)[0] == pytest.approx([2**-0.5, 0, 0])
    with pytest.raises(InputError, match="batch has 2 entries for 3 nodes"):
        build_operand(root, batch[:2], X)


def test_edges_turned_round_are_kept_with_their_graph() -> None:
    node = ir.Reversed(name="r", inputs=("edges",))
    found = build_operand(node, EDGES)
    assert found.tolist() == EDGES.flip(0).tolist()
    assert build_operand(node, EDGES) is found
    with pytest.raises(InputTypeError, match="only an edge index"):
        build_operand(node, torch.eye(3).to_sparse())


def test_whole_matrices() -> None:
    matrix = CSR.from_dense(torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    assert dense(weigh_dense(matrix, "right")).tolist() == [[0, 1], [1, 0]]
    assert dense(weigh_dense(matrix, "both")).flatten().tolist() == pytest.approx([0, 1, 1, 0])
    assert dense(weigh_dense(matrix, "mean_with_self")).flatten().tolist() == pytest.approx(
        [1 / 3, 2 / 3, 2 / 3, 1 / 3]
    )
    # L = [[1, -1], [-1, 1]] has the largest eigenvalue 2, so 2 L / 2 - I = [[0, -1], [-1, 0]]
    assert dense(weigh_dense(matrix, "chebyshev")).flatten().tolist() == pytest.approx([0, -1, -1, 0], abs=1e-6)
    with pytest.raises(InputError, match="needs a square one"):
        weigh_dense(CSR.from_dense(torch.ones(2, 3)), "chebyshev")
    with pytest.raises(InputError, match="largest eigenvalue is 0"):
        weigh_dense(matrix, "chebyshev", torch.tensor(0.0))
