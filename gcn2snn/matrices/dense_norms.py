"""Whole adjacency matrices that the caller passes, weighed as DGL's dense layers do. i is a target, j a source."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR


def weigh_dense(matrix: CSR, norm: str, largest: Tensor | float | None = None) -> CSR:
    """The operand of a layer.

    both: a_ij = max(sum_k a_kj, 1)^-1/2 a_ij max(sum_k a_ik, 1)^-1/2. right: a_ij / max(sum_k a_ik, 1).
    mean_with_self: (a_ij + [i = j]) / (sum_k a_ik + 1). chebyshev: 2 L / lambda - I with
    L = I - D^-1/2 A D^-1/2 and D the sums of rows, at least 1.

    Args:
        matrix: [targets, sources].
        norm: one of the names above.
        largest: lambda, the largest eigenvalue; None: of L itself.

    Raises:
        InputError: the layer needs a square matrix and this is none, or lambda is not positive.
    """
    dtype, (targets, sources) = matrix.value.dtype, matrix.shape
    row, col = matrix.row.long(), matrix.col.long()
    into = matrix.value.new_zeros(targets).index_add_(0, row, matrix.value)
    if norm in ("mean_with_self", "chebyshev") and targets != sources:
        raise InputError(f"the adjacency is {[targets, sources]}; this layer needs a square one")
    every = torch.arange(targets, device=row.device)
    ones = torch.ones(targets, dtype=dtype, device=row.device)
    if norm == "mean_with_self":
        row, col, value = torch.cat([row, every]), torch.cat([col, every]), torch.cat([matrix.value, ones])
        return CSR.from_coo(row, col, value / (into + 1)[row], (targets, sources))
    if norm == "right":
        return CSR.from_coo(row, col, matrix.value / into.clamp(min=1)[row], (targets, sources))
    if norm == "both":
        out = matrix.value.new_zeros(sources).index_add_(0, col, matrix.value)
        value = out.clamp(min=1).rsqrt()[col] * matrix.value * into.clamp(min=1).rsqrt()[row]
        return CSR.from_coo(row, col, value, (targets, sources))
    root = into.clamp(min=1).rsqrt()
    value = torch.cat([-root[row] * matrix.value * root[col], ones])
    laplacian = CSR.from_coo(torch.cat([row, every]), torch.cat([col, every]), value, (targets, sources))
    top = torch.as_tensor(_largest(laplacian) if largest is None else largest, dtype=dtype, device=row.device)
    top = top.reshape(())
    if not bool(top > 0):
        raise InputError(
            f"the largest eigenvalue is {float(top):g}; the Laplacian can only be scaled by a positive number"
        )
    value = torch.cat([2.0 * laplacian.value / top, -ones])
    row, col = torch.cat([laplacian.row.long(), every]), torch.cat([laplacian.col.long(), every])
    return CSR.from_coo(row, col, value, (targets, sources))


def _largest(laplacian: CSR) -> float:
    """The largest real part of the eigenvalues. The caller passed a dense matrix, so a dense one fits."""
    dense = torch.zeros(laplacian.shape, dtype=laplacian.value.dtype, device=laplacian.value.device)
    dense.index_put_((laplacian.row.long(), laplacian.col.long()), laplacian.value, accumulate=True)
    return float(torch.linalg.eigvals(dense).real.max()) if dense.numel() else 2.0
