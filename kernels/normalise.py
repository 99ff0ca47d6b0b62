"""Entries of D^-1/2 (A + I) D^-1/2: by the compiled helper in one pass, or in torch."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels import backend
from gcn2snn.kernels.csr import CSR, MAX_ENTRIES


@refuses_misfits
def degrees(matrix: CSR) -> Tensor:
    """Row sums of A + I, added up in the order of the entries, [rows] float64.

    >>> degrees(CSR.from_dense(torch.tensor([[0.0, 2.0], [2.0, 0.0]]))).tolist()
    [3.0, 3.0]
    """
    if _is_compiled(matrix):
        from gcn2snn.kernels import native

        return native.degrees(*_parts(matrix))
    row = torch.repeat_interleave(
        torch.arange(matrix.shape[0], dtype=torch.int32, device=matrix.device), matrix.rowptr.diff()
    )
    degree = torch.ones(matrix.shape[0], dtype=torch.float64, device=matrix.device)
    return degree.index_add_(0, row, matrix.value.double())


@refuses_misfits
def normalised_rows(matrix: CSR, first: int, degree: Tensor) -> CSR:
    """Rows of D^-1/2 (A + I) D^-1/2, computed in float64, returned in float32; missing self-loops are merged in.

    Each value is (d_i^-1/2 * d_j^-1/2) * a_ij, and 1 / d_i for a self-loop that A lacks. Equal bit for bit with the compiled
    helper and without it.

    >>> A = CSR.from_dense(torch.tensor([[0.0, 3.0], [3.0, 0.0]]))
    >>> normalised_rows(A, 0, degrees(A)).to_dense().tolist()
    [[0.25, 0.75], [0.75, 0.25]]

    Args:
        matrix: rows of A, [rows, nodes].
        first: number of the first of them.
        degree: d of every node that they read and of the rows themselves, [nodes] float64; others may be anything.

    Raises:
        InputError: an index lies outside of the matrix, or there are more than 2^31 - 64 entries with the self-loops.
    """
    rows, device = matrix.shape[0], matrix.device
    if matrix.nnz + rows > MAX_ENTRIES:
        raise InputError(
            f"{matrix.nnz} entries and {rows} self-loops; at most {MAX_ENTRIES} fit. Split the matrix by rows"
        )
    whole = first >= 0 and degree.dtype == torch.float64 and degree.dim() == 1
    if whole and degree.shape[0] >= max(matrix.num_cols, first + rows) and _is_compiled(matrix, degree):
        from gcn2snn.kernels import native

        parts = native.normalise_rows(*_parts(matrix), first, degree.contiguous(), degree.rsqrt().contiguous())
        return CSR(*parts, matrix.num_cols)
    lengths = matrix.rowptr.diff()
    row = torch.repeat_interleave(torch.arange(first, first + rows, dtype=torch.int32, device=device), lengths)
    inverse_root = degree.rsqrt()
    own = degree[first : first + rows]
    value = torch.repeat_interleave(inverse_root[first : first + rows], lengths)
    value *= inverse_root.index_select(0, matrix.col)
    loop = matrix.col == row
    lacks_loop = torch.ones(rows, dtype=torch.bool, device=device)
    if bool(loop.any()):
        repeated = torch.zeros_like(loop)  # of several entries on the diagonal the first one is added to
        repeated[1:] = loop[1:] & loop[:-1] & (row[1:] == row[:-1])
        value *= matrix.value + (loop & ~repeated)
        lacks_loop[row[loop] - first] = False
    else:
        value *= matrix.value
    before = torch.zeros(matrix.nnz + 1, dtype=torch.int32, device=device)
    torch.cumsum(matrix.col < row, 0, dtype=torch.int32, out=before[1:])
    below = before[matrix.rowptr].diff()  # entries of each row to the left of the diagonal
    del row, loop, before
    shift = lacks_loop.cumsum(0)  # entries that rows 0 to i have gained
    place = (matrix.rowptr[:-1] + below + shift - 1)[lacks_loop]
    rowptr = matrix.rowptr.clone()
    rowptr[1:] += shift
    entries = matrix.nnz + place.numel()
    old = torch.ones(entries, dtype=torch.bool, device=device)
    old[place] = False
    col = torch.empty(entries, dtype=torch.int32, device=device)
    col.masked_scatter_(old, matrix.col)
    col[place] = (lacks_loop.nonzero().squeeze(1) + first).int()
    merged = torch.empty(entries, dtype=torch.float32, device=device)
    merged.masked_scatter_(old, value.float())
    merged[place] = (1.0 / own[lacks_loop]).float()
    return CSR(rowptr, col, merged, matrix.num_cols)


def _is_compiled(matrix: CSR, *others: Tensor) -> bool:
    """Whether the compiled helper may read a matrix, whose indices are then looked at."""
    fits = matrix.value.is_floating_point() and matrix.value.shape == matrix.col.shape
    if not fits or not backend.is_compiled(matrix.rowptr, matrix.col, matrix.value, *others):
        return False
    matrix.check_indices()
    return True


def _parts(matrix: CSR) -> tuple[Tensor, Tensor, Tensor]:
    return matrix.rowptr.contiguous(), matrix.col.contiguous(), matrix.value.contiguous()
