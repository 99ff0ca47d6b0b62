"""Calls of the compiled CPU helper for input words and sparse features. Arguments are checked by the public operations."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.coding import rows_and_channels
from gcn2snn.kernels.native.signatures import SUFFIX


def binary_values(x: Tensor, scale: Tensor, timesteps: int) -> tuple[Tensor, int]:
    """(values of the words of x, [N, C, ...]; how many numbers of x are not finite)."""
    x = x.contiguous()
    out, bad = torch.empty_like(x), torch.zeros(1, dtype=torch.int64)
    if x.numel():
        scale = scale.detach().contiguous()
        rows, columns, scale_rows = rows_and_channels(x, scale)
        numbers = (min(scale.dim(), 1), scale_rows, timesteps)
        call(f"code_words_{SUFFIX[x.dtype]}", x, rows, columns, scale, *numbers, out, bad)
    return out, int(bad)


def binary_entries(x: Tensor, scale: Tensor, timesteps: int, most: int) -> tuple[CSR | None, int]:
    """(the words of x [N, C] that are not zero, None when they are more than ``most``; numbers that are not finite)."""
    x, (rows, columns) = x.contiguous(), x.shape
    room = min(most, x.numel())
    rowptr = torch.zeros(rows + 1, dtype=torch.int32)
    # Memory that is not written to costs nothing; tests fill it with NaN, which costs them only.
    col, value = torch.empty(room, dtype=torch.int32), torch.empty(room, dtype=x.dtype)
    found = torch.zeros(2, dtype=torch.int64)
    numbers = (min(scale.dim(), 1), timesteps, room)
    if x.numel():
        arrays = (rowptr, col, value, found)
        call(f"code_entries_{SUFFIX[x.dtype]}", x, rows, columns, scale.detach().contiguous(), *numbers, *arrays)
    count, bad = found.tolist()
    return None if count < 0 else CSR(rowptr, col[:count].clone(), value[:count].clone(), columns), bad


def spmm_sparse(matrix: CSR, x: CSR) -> Tensor:
    """A X of two sparse matrices, [rows, C] dense."""
    a, b = matrix.checked, x.checked
    out = torch.empty(a.shape[0], x.num_cols, dtype=x.dtype)
    if out.numel():
        operand = (b.rowptr, b.col, b.shape[0], b.values(x.dtype), b.num_cols)
        call(f"spmm_sparse_{SUFFIX[x.dtype]}", a.rowptr, a.col, a.shape[0], a.values(x.dtype), *operand, out)
    return out
