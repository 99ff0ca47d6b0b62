"""The symmetric normalisation of an adjacency, D^-1/2 (A + I) D^-1/2, of a whole graph or of some of its rows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels import CSR


@refuses_misfits
def normalise(raw: CSR) -> CSR:
    """D^-1/2 (A + I) D^-1/2, computed in float64, returned in float32; an isolated node keeps its self-loop.

    The entries stay in order and the missing self-loops are merged in between, so nothing is sorted. Each value is
    a_ij * (d_i^-1/2 * d_j^-1/2), so that a symmetric A gives an exactly symmetric result.

    Args:
        raw: A, symmetric, without self-loops or with them (then one is added to the weight that is there).

    Raises:
        InputError: a row of A + I sums to zero or less, so it has no inverse square root.
    """
    return replace(normalise_rows(raw, 0, degrees_of(raw)), symmetric=True)


def degrees_of(rows: CSR, first: int = 0) -> Tensor:
    """d_i, the sum of each row of A + I, [rows] float64; ``first`` is the number of the first row.

    Raises:
        InputError: a row sums to zero or less.
    """
    row = torch.repeat_interleave(
        torch.arange(rows.shape[0], dtype=torch.int32, device=rows.device), rows.rowptr.diff()
    )
    degree = torch.ones(rows.shape[0], dtype=torch.float64, device=rows.device)
    degree.index_add_(0, row, rows.value.double())
    if bool((degree <= 0).any()):
        bad = int((degree <= 0).nonzero()[0])
        raise InputError(
            f"node {first + bad} has degree {float(degree[bad])}; symmetric normalisation needs positive degrees. "
            f"Remove negative edge weights"
        )
    return degree


def normalise_rows(raw: CSR, first: int, degree: Tensor) -> CSR:
    """Some rows of :func:`normalise`, the same bit for bit as in the whole matrix.

    Args:
        raw: rows of A, [rows, nodes].
        first: number of the first of them.
        degree: d of every node that they read and of the rows themselves, [nodes] float64; others may be anything.
    """
    rows, device = raw.shape[0], raw.device
    lengths = raw.rowptr.diff()
    row = torch.repeat_interleave(torch.arange(first, first + rows, dtype=torch.int32, device=device), lengths)
    inverse_root = degree.rsqrt()
    own = degree[first : first + rows]
    value = torch.repeat_interleave(inverse_root[first : first + rows], lengths)
    value *= inverse_root.index_select(0, raw.col)
    loop = raw.col == row
    lacks_loop = torch.ones(rows, dtype=torch.bool, device=device)
    if bool(loop.any()):
        value *= raw.value + loop
        lacks_loop[row[loop] - first] = False
    else:
        value *= raw.value
    before = torch.zeros(raw.nnz + 1, dtype=torch.int32, device=device)
    torch.cumsum(raw.col < row, 0, dtype=torch.int32, out=before[1:])
    below = before[raw.rowptr].diff()  # entries of each row to the left of the diagonal
    del row, loop, before
    shift = lacks_loop.cumsum(0)  # entries that rows 0 to i have gained
    place = (raw.rowptr[:-1] + below + shift - 1)[lacks_loop]
    rowptr = raw.rowptr.clone()
    rowptr[1:] += shift
    entries = raw.nnz + place.numel()
    old = torch.ones(entries, dtype=torch.bool, device=device)
    old[place] = False
    col = torch.empty(entries, dtype=torch.int32, device=device)
    col.masked_scatter_(old, raw.col)
    col[place] = (lacks_loop.nonzero().squeeze(1) + first).int()
    merged = torch.empty(entries, dtype=torch.float32, device=device)
    merged.masked_scatter_(old, value.float())
    merged[place] = (1.0 / own[lacks_loop]).float()
    return CSR(rowptr, col, merged, raw.num_cols)
