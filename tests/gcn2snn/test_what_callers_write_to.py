"""What a matrix or a network hands out may be written to without changing what it computes later."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from gcn2snn import convert, load_graph
from gcn2snn.kernels import CSR, spmm
from gcn2snn.normalisation import normalise


def test_values_in_another_dtype_are_made_again() -> None:
    matrix = CSR.from_dense(torch.eye(3) * 2)
    matrix.values(torch.float64).zero_()
    assert spmm(matrix, torch.ones(3, 1, dtype=torch.float64)).flatten().tolist() == [2.0, 2.0, 2.0]


def test_the_transpose_is_made_again() -> None:
    matrix, x = CSR.from_dense(torch.tensor([[1.0, 2.0], [0.0, 4.0]])), torch.ones(2, 1, requires_grad=True)
    matrix.transpose.value.zero_()
    spmm(matrix, x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [1.0, 6.0]


@pytest.mark.parametrize("name", ["row", "column_counts"])
def test_rows_and_counts_are_made_again(name: str) -> None:
    matrix = CSR.from_dense(torch.eye(3) * 2)
    expected = getattr(matrix, name).clone()
    getattr(matrix, name).zero_()
    assert torch.equal(getattr(matrix, name), expected)


def test_scales_of_spikes_are_the_callers_own() -> None:
    x = torch.rand(6, 6)
    snn = convert(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), x)
    before = snn(x)
    for spikes in snn.spikes(x).values():
        spikes.scale.mul_(2)
    assert torch.equal(snn(x), before)


@pytest.mark.parametrize("numpy", [False, True])
def test_the_adjacency_follows_the_raw_matrix(numpy: bool) -> None:
    graph = load_graph("karate")
    first, fingerprint = graph.adjacency, graph.fingerprint
    assert graph.adjacency is first
    if numpy:
        graph.raw.value.numpy()[:] *= 9
    else:
        graph.raw.value.mul_(9)
    assert torch.equal(graph.adjacency.to_dense(), normalise(graph.raw).to_dense())
    assert not torch.equal(graph.adjacency.to_dense(), first.to_dense())
    assert graph.fingerprint != fingerprint


def test_copies_of_a_graph_do_not_carry_what_is_derived() -> None:
    graph = load_graph("karate")
    bare = len(pickle.dumps(graph))
    expected, fingerprint = graph.adjacency, graph.fingerprint
    assert len(pickle.dumps(graph)) < bare + 200
    for again in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert again.adjacency is again.adjacency
        assert torch.equal(again.adjacency.value, expected.value)
        assert again.fingerprint == fingerprint
