"""Normalisations against their equations, written with dense matrices."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcn2snn.errors import InputError
from gcn2snn.matrices.edges import Edges
from gcn2snn.matrices.normalisation import NORMS, inverse_root, unscaled

NODES = 4
edge_lists = st.lists(
    st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1), st.integers(1, 5)),
    min_size=1,
    max_size=12,
    unique_by=lambda e: e[:2],
)


def edges_from(triples: list[tuple[int, int, int]], weighted: bool = True) -> tuple[Edges, torch.Tensor]:
    """Edges, and the same as a dense matrix [targets, sources]."""
    target, source, weight = (torch.tensor(column) for column in zip(*triples, strict=True))
    values = weight.double() if weighted else torch.ones(len(triples), dtype=torch.float64)
    dense = torch.zeros(NODES, NODES, dtype=torch.float64)
    dense[target, source] = values
    return Edges(target, source, values if weighted else None, NODES, NODES), dense


def safe(power: float, degree: torch.Tensor) -> torch.Tensor:
    return torch.where(degree > 0, degree**power, 0.0)


@settings(max_examples=30, deadline=None)
@given(edge_lists)
def test_against_dense_equations(triples: list[tuple[int, int, int]]) -> None:
    edges, dense = edges_from(triples)
    pattern = (dense != 0).double()
    count = pattern.sum(1)
    rows, columns = dense.sum(1), dense.sum(0)
    into, out = pattern.sum(1).clamp(min=1), pattern.sum(0).clamp(min=1)
    expected = {
        "none": dense,
        "gcn": safe(-0.5, rows)[:, None] * dense * safe(-0.5, rows),
        "mean": dense / into[:, None],
        "degree": torch.diag(rows),
        "left": dense / out,
        "right": dense / into[:, None],
        "both": dense / (into[:, None] * out) ** 0.5,
        "in": dense / (into[:, None] * into) ** 0.5,
        "weights": safe(-0.5, rows)[:, None] * dense * safe(-0.5, columns),
        "rows": safe(-1.0, rows)[:, None] * dense,
        "root": dense / into[:, None] ** 0.5,
        "any": torch.diag((count > 0).double()),
        "square_root": torch.diag(count**0.5),
        "amplification": torch.diag((count + 1).log() / 0.5),
        "attenuation": torch.diag(0.5 / (into + 1).log()),
        "linear": torch.diag(count / 0.5),
        "inverse_linear": torch.diag(0.5 / into),
        "cluster": (pattern + 0.5 * torch.diag(pattern.diag())) / into[:, None],
    }
    assert {*expected, "max"} == set(NORMS)
    for name, wanted in expected.items():
        torch.testing.assert_close(NORMS[name](edges, torch.float64, 0.5).to_dense(), wanted, msg=name)


@settings(max_examples=30, deadline=None)
@given(edge_lists)
def test_laplacians_against_dense_equations(triples: list[tuple[int, int, int]]) -> None:
    edges, dense = edges_from(triples)
    dense = dense - torch.diag(dense.diag())
    degree = dense.sum(0)
    one = torch.eye(NODES, dtype=torch.float64)
    expected = {
        "none": torch.diag(degree) - dense,
        "rw": one - dense * safe(-1.0, degree),
        "sym": one - safe(-0.5, degree)[:, None] * dense * safe(-0.5, degree),
    }
    for name, wanted in expected.items():
        (kept, value), diagonal = unscaled(edges, name, torch.float64, NODES)
        got = torch.diag(diagonal).index_put((kept.target, kept.source), value, accumulate=True)
        torch.testing.assert_close(got, wanted, msg=name)


def test_negative_degrees_are_refused() -> None:
    assert inverse_root(torch.tensor([0.0, 4.0])).tolist() == [0.0, 0.5]
    with pytest.raises(InputError, match="node 1 has degree -2; symmetric normalisation needs degrees of 0 or more"):
        inverse_root(torch.tensor([1.0, -2.0]))


def test_weights_that_a_normalisation_cannot_use() -> None:
    edges, _ = edges_from([(0, 1, 2)])
    with pytest.raises(InputError, match="needs edges of weight 1"):
        NORMS["max"](edges, torch.float64, 0.0)
    assert edges.weight is not None
    edges.weight[0] = 0.0
    with pytest.raises(InputError, match="needs positive edge weights"):
        NORMS["weights"](edges, torch.float64, 0.0)
