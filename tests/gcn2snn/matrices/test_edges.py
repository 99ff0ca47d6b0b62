"""Edges as callers pass them: what is accepted, what is refused, and self-loops."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.matrices.edges import coordinates, edges_by_number, edges_of, sum_at, with_loops

FORWARD = "source_to_target"


def test_flow_says_which_row_of_an_index_is_the_source() -> None:
    index = torch.tensor([[0, 1], [2, 3]])
    there, back = edges_of(index, None, FORWARD, 4, 4), edges_of(index, None, "target_to_source", 4, 4)
    assert (there.source.tolist(), there.target.tolist()) == ([0, 1], [2, 3])
    assert (back.source.tolist(), back.target.tolist()) == ([2, 3], [0, 1])
    assert there.weights(torch.float64).tolist() == [1.0, 1.0]


def test_a_sparse_tensor_has_targets_as_rows() -> None:
    sparse = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]).to_sparse()
    edges = edges_of(sparse, None, FORWARD, 2, 3)
    assert (edges.target.tolist(), edges.source.tolist()) == ([0, 1], [1, 2])
    assert edges.weights(torch.float32).tolist() == [2.0, 3.0]
    with pytest.raises(InputError, match=r"sparse adjacency is \[2, 3\], but there are 3 target and 2 source nodes"):
        edges_of(sparse, None, FORWARD, 3, 2)


@pytest.mark.parametrize(
    ("index", "weight", "error", "message"),
    [
        (
            torch.tensor([[0, 3], [1, 0]]),
            None,
            InputError,
            r"holds nodes 0 to 3, but there are 3 nodes: allowed are 0 to 2",
        ),
        (torch.tensor([[0, -1], [1, 0]]), None, InputError, "holds nodes -1 to 0"),
        (torch.zeros(2, 2), None, InputTypeError, "edge_index has dtype torch.float32"),
        (torch.zeros(2, 2, dtype=torch.bool), None, InputTypeError, "edge_index has dtype torch.bool"),
        (torch.zeros(3, 2, dtype=torch.int64), None, InputError, r"has shape \[3, 2\]"),
        (torch.zeros(2, 2, dtype=torch.int64), torch.ones(3), InputError, "there are 3 edge weights for 2 edges"),
        (torch.zeros(2, 1, dtype=torch.int64), torch.tensor([float("nan")]), InputError, "an edge weight is NaN"),
        ("edges", None, InputTypeError, "the graph is str; pass an edge index"),
    ],
)
def test_refused(index: object, weight: torch.Tensor | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        edges_of(index, weight, FORWARD, 3, 3)


def test_last_of_several_loops_is_kept() -> None:
    edges = edges_of(torch.tensor([[0, 0], [0, 0]]), torch.tensor([3.0, 4.0]), FORWARD, 1, 1)
    kept = with_loops(edges, "remaining")
    assert kept.weight is not None
    assert kept.weight.tolist() == [4.0]


def test_a_sparse_tensor_gets_loops_on_top_of_its_own() -> None:
    edges = edges_of(torch.eye(2).to_sparse(), None, FORWARD, 2, 2)
    added = with_loops(edges, "remaining", 2.0)
    assert (added.target.tolist(), added.weights(torch.float32).tolist()) == ([0, 1, 0, 1], [1, 1, 2, 2])


def test_equal_places_are_summed() -> None:
    assert sum_at(torch.tensor([1, 1, 0]), torch.tensor([1.0, 2.0, 5.0]), 3).tolist() == [5, 3, 0]
    target, source, value = coordinates(
        torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 4.0], (2, 2), check_invariants=True)
    )
    assert (target.tolist(), source.tolist(), value.tolist()) == ([0], [1], [5.0])


@pytest.mark.parametrize("formats", ["coo", "csr", "csc"])
def test_dgl_edges_come_in_the_order_of_their_frames(formats: str) -> None:
    dgl = pytest.importorskip("dgl")
    source, target = torch.tensor([0, 3, 1, 2, 0]), torch.tensor([1, 2, 0, 0, 3])
    graph = dgl.graph((source, target)).formats(formats)
    assert [end.tolist() for end in edges_by_number(graph)] == [source.tolist(), target.tolist()]
    assert edges_of(graph, None, FORWARD, 0, 4).targets == 4
    with pytest.raises(InputError, match="the graph has 4 source nodes, but the features have 5 rows"):
        edges_of(graph, None, FORWARD, 0, 5)
