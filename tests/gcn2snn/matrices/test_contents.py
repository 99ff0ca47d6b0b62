"""Keys of graph inputs: equal for equal contents, different for whatever may differ."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.matrices.contents import contents


def test_a_copy_has_the_same_contents() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    assert contents(edges) == contents(edges.clone())
    assert contents(edges.t().contiguous().t()) == contents(edges)


def test_value_order_dtype_and_shape_enter() -> None:
    numbers = torch.tensor([1, 2, 3, 4])
    others = (numbers.flip(0), numbers.int(), numbers.view(2, 2), numbers[:3], numbers.float())
    assert len({contents(numbers), *(contents(other) for other in others)}) == 6


def test_layout_of_sparse_tensors() -> None:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    twice = torch.sparse_coo_tensor(
        [[0, 0], [1, 1]], [1.0, 1.0], (2, 2), check_invariants=True
    )  # not coalesced: the public names refuse it
    keys = [
        contents(value) for value in (dense, dense.to_sparse(), dense.to_sparse_csr(), dense.to_sparse_csc(), twice)
    ]
    assert len(set(keys)) == 5
    assert contents(dense.to_sparse()) == keys[1]


def test_other_objects_have_no_known_contents() -> None:
    assert contents([1, 2]) is None
    assert contents(None) is None


def test_dgl_graphs() -> None:
    dgl = pytest.importorskip("dgl")
    source, target = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0])
    graph = dgl.graph((source, target))
    before = contents(graph)
    assert contents(dgl.graph((source.clone(), target.clone()))) == before
    assert contents(graph.formats("csc")) == before
    source.numpy()[0] = 2  # DGL reads the memory of the tensors that it was given
    assert graph.edges()[0].tolist() == [2, 1, 2]
    written = contents(graph)
    assert written != before
    graph.add_edges([0], [2])
    assert contents(graph) != written
    graph.remove_edges([3])
    assert contents(graph) == written
    graph.add_nodes(1)
    assert contents(graph) != written


def test_batches_of_dgl_graphs() -> None:
    dgl = pytest.importorskip("dgl")
    edges = (torch.tensor([0, 2]), torch.tensor([0, 2]))
    graphs = [dgl.graph(edges, num_nodes=4) for _ in range(2)]
    for graph, sizes in zip(graphs, ([1, 3], [2, 2]), strict=True):
        graph.set_batch_num_nodes(torch.tensor(sizes))
        graph.set_batch_num_edges(torch.tensor([1, 1]))
    assert contents(graphs[0]) != contents(graphs[1])
    assert contents(dgl.to_block(graphs[0], torch.tensor([0]))) is not None
