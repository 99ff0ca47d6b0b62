"""Products whose dense operand is sparse as well: features of which most are zero."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.spmm import check_device, refuse_followed_values, spmm


@refuses_misfits
def spmm_features(matrix: CSR, x: CSR) -> Tensor:
    """A X of two sparse matrices as a dense one: what an aggregation makes of sparse features.

    y_ic = sum_j a_ij x_jc, the sum over the entries of A in their order and, for each, the entries of its row of X.

    >>> A, X = CSR.from_dense(torch.tensor([[0.0, 2.0], [3.0, 4.0]])), CSR.from_dense(torch.tensor([[1.0], [10.0]]))
    >>> spmm_features(A, X)
    tensor([[20.],
            [43.]])

    Args:
        matrix: A, [rows, columns].
        x: X, [columns, C]; A's values are converted to its dtype.

    Returns:
        [rows, C], dense: X itself is never made dense on a CPU. Equal to ``spmm(matrix, x.to_dense())`` bit for bit.

    Raises:
        InputError: shapes or devices do not meet, or a matrix breaks an invariant of ``CSR``.
    """
    if x.shape[0] != matrix.shape[1]:
        raise InputError(
            f"a matrix of shape {matrix.shape} times features {[*x.shape]}: {matrix.shape[1]} rows are needed"
        )
    check_device(matrix, x.value)
    refuse_followed_values(matrix)
    refuse_followed_values(x)
    backend = choose(x.device)
    if backend == "native":
        from gcn2snn.kernels import native

        return native.spmm_sparse(matrix, x)
    if backend == "triton":  # additions to memory in no fixed order would be another sum in each run
        return spmm(matrix, x.to_dense())
    a, b = matrix.checked, x.checked
    col = a.col.long()
    counts = b.rowptr.diff().long()[col]
    before = torch.cumsum(counts, 0) - counts
    entry = torch.repeat_interleave(b.rowptr[:-1].long()[col] - before, counts)
    entry += torch.arange(entry.numel(), device=entry.device)
    place = torch.repeat_interleave(a.row * x.num_cols, counts) + b.col.long()[entry]
    y = torch.zeros(a.shape[0] * x.num_cols, dtype=x.dtype, device=x.device)
    y.index_add_(0, place, torch.repeat_interleave(a.values(x.dtype), counts) * b.value[entry])
    return y.view(a.shape[0], x.num_cols)
