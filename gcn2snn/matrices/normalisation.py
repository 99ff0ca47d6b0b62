"""Edges -> matrix: the ways in which graph layers weigh their neighbours. i is a target, j a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.edges import Edges, sum_at, to_matrix, with_loops

Norm = Callable[[Edges, torch.dtype, float], CSR]
"""norm(edges, dtype, factor) -> matrix."""


def inverse_root(degree: Tensor) -> Tensor:
    """d^-1/2, 0 for 0.

    Raises:
        InputError: a degree is negative, which edge weights below zero can bring about.
    """
    if bool((degree < 0).any()):
        bad = int((degree < 0).nonzero()[0])
        raise InputError(
            f"node {bad} has degree {float(degree[bad]):g}; symmetric normalisation needs degrees of 0 or more. "
            "Remove negative edge weights, or use a layer without normalisation"
        )
    return torch.where(degree > 0, degree.clamp(min=torch.finfo(degree.dtype).tiny).rsqrt(), 0.0)


def _none(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = w_ij."""
    return to_matrix(edges, edges.weights(dtype))


def _gcn(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = d_i^-1/2 w_ij d_j^-1/2, d_i = sum_j w_ij (Kipf & Welling 2017)."""
    weight = edges.weights(dtype)
    root = inverse_root(sum_at(edges.target, weight, edges.targets))
    return to_matrix(edges, root.index_select(0, edges.target) * weight * root.index_select(0, edges.source))


def _mean(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = w_ij / (number of edges into i)."""
    weight = edges.weights(dtype)
    count = _counts(edges, dtype).clamp(min=1)
    return to_matrix(edges, weight / count.index_select(0, edges.target))


def _unit(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = 1: neighbourhoods of a maximum."""
    weight = edges.weights(dtype)
    if not bool((weight == 1).all()):
        raise InputError("a maximum over neighbours needs edges of weight 1: the first spike wins, whatever its weight")
    return to_matrix(edges, weight)


def _degree(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ii = sum_j w_ij, a diagonal matrix [targets, targets]."""
    every = torch.arange(edges.targets, device=edges.target.device)
    value = sum_at(edges.target, edges.weights(dtype), edges.targets)
    return CSR.from_coo(every, every, value, (edges.targets, edges.targets))


def _cluster(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = 1 / d_i, a_ii = (1 + lambda) / d_i, d_i = number of edges into i (Chiang et al. 2019)."""
    value = 1.0 / _counts(edges, dtype).clamp(min=1).index_select(0, edges.target)
    return to_matrix(edges, torch.where(edges.target == edges.source, value * (1 + factor), value))


def _rows(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = w_ij / sum_k w_ik, 0 where the sum is 0."""
    weight = edges.weights(dtype)
    total = sum_at(edges.target, weight, edges.targets)
    return to_matrix(edges, weight * torch.where(total != 0, 1.0 / total, 0.0).index_select(0, edges.target))


def _root(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = w_ij / sqrt(number of edges into i)."""
    weight = edges.weights(dtype)
    return to_matrix(edges, weight * _counts(edges, dtype).clamp(min=1).rsqrt().index_select(0, edges.target))


def _counts(edges: Edges, dtype: torch.dtype) -> Tensor:
    """Number of edges into each target."""
    return torch.bincount(edges.target, minlength=edges.targets).to(dtype)


def _diagonal(value: Callable[[Tensor, float], Tensor]) -> Norm:
    """A diagonal matrix [targets, targets] of value(numbers of edges into each, factor)."""

    def norm(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
        every = torch.arange(edges.targets, device=edges.target.device)
        return CSR.from_coo(every, every, value(_counts(edges, dtype), factor), (edges.targets, edges.targets))

    return norm


def _by_counts(source: float, target: float, same: bool = False) -> Norm:
    """a_ij = max(out_j, 1)^source w_ij max(in_i, 1)^target with numbers of edges; ``same``: in_j in place of out_j."""

    def norm(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
        weight = edges.weights(dtype)
        ones = torch.ones_like(weight)
        into = sum_at(edges.target, ones, edges.targets).clamp(min=1)
        out = into if same else sum_at(edges.source, ones, edges.sources).clamp(min=1)
        return to_matrix(
            edges, out.index_select(0, edges.source) ** source * weight * into.index_select(0, edges.target) ** target
        )

    return norm


def _by_weights(edges: Edges, dtype: torch.dtype, factor: float) -> CSR:
    """a_ij = w_ij (sum_k w_kj)^-1/2 (sum_k w_ik)^-1/2 (DGL's EdgeWeightNorm)."""
    weight = edges.weights(dtype)
    if bool((weight <= 0).any()):
        raise InputError("an edge weight is 0 or less; this normalisation needs positive edge weights")
    into = inverse_root(sum_at(edges.target, weight, edges.targets))
    out = inverse_root(sum_at(edges.source, weight, edges.sources))
    return to_matrix(edges, out.index_select(0, edges.source) * weight * into.index_select(0, edges.target))


NORMS: dict[str, Norm] = {
    "none": _none,
    "gcn": _gcn,
    "mean": _mean,
    "max": _unit,
    "degree": _degree,
    "cluster": _cluster,
    "rows": _rows,
    "root": _root,
    "square_root": _diagonal(lambda count, _: count.sqrt()),
    "any": _diagonal(lambda count, _: (count > 0).to(count.dtype)),
    "amplification": _diagonal(lambda count, average: torch.log(count + 1) / average),
    "attenuation": _diagonal(lambda count, average: average / torch.log(count.clamp(min=1) + 1)),
    "linear": _diagonal(lambda count, average: count / average),
    "inverse_linear": _diagonal(lambda count, average: average / count.clamp(min=1)),
    "left": _by_counts(-1.0, 0.0),
    "right": _by_counts(0.0, -1.0),
    "both": _by_counts(-0.5, -0.5),
    "in": _by_counts(-0.5, -0.5, same=True),
    "weights": _by_weights,
}


def unscaled(edges: Edges, norm: str, dtype: torch.dtype, count: int) -> tuple[tuple[Edges, Tensor], Tensor]:
    """Off-diagonal entries of L and their edges, and the diagonal."""
    if norm == "dgl":  # self-loops of the graph stay in A
        adjacency = _by_counts(-0.5, -0.5, same=True)(edges, dtype, 0.0)
        edges = replace(edges, target=adjacency.row, source=adjacency.col.long(), weight=None)
        return (edges, -adjacency.value), torch.ones(count, dtype=dtype, device=edges.target.device)
    edges = with_loops(edges, "remove")
    weight = edges.weights(dtype)
    degree = sum_at(edges.source, weight, count)
    ones = torch.ones_like(degree)
    if norm == "none":
        return (edges, -weight), degree
    if norm == "rw":
        return (edges, -torch.where(degree != 0, 1.0 / degree, 0.0).index_select(0, edges.source) * weight), ones
    root = inverse_root(degree)
    return (edges, -root.index_select(0, edges.source) * weight * root.index_select(0, edges.target)), ones
