"""Calls of the compiled CPU helper that go over the entries of a matrix once. The callers check arguments."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.signatures import SUFFIX


def sort_entries(
    row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor] | None:
    """(rowptr, columns, values) in compressed rows, equal positions in the order given; None where an entry lies outside."""
    row, col, value = row.long().contiguous(), col.long().contiguous(), value.contiguous()
    rowptr = torch.empty(shape[0] + 1, dtype=torch.int32)
    sorted_col, sorted_value = torch.empty(row.shape, dtype=torch.int32), torch.empty_like(value)
    outside = torch.zeros(1, dtype=torch.int64)
    numbers = (value.numel(), *shape)
    call(f"sort_entries_{SUFFIX[value.dtype]}", row, col, value, *numbers, rowptr, sorted_col, sorted_value, outside)
    return None if outside.item() else (rowptr, sorted_col, sorted_value)


def degrees(rowptr: Tensor, col: Tensor, value: Tensor) -> Tensor:
    """Row sums of A + I, [rows], float64."""
    degree = torch.empty(rowptr.numel() - 1, dtype=torch.float64)
    call(f"degrees_{SUFFIX[value.dtype]}", rowptr, col, degree.numel(), value, degree)
    return degree


def normalise_rows(
    rowptr: Tensor, col: Tensor, value: Tensor, first: int, degree: Tensor, inverse_root: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(rowptr, columns, values) of rows ``first``... of D^-1/2 (A + I) D^-1/2, values float32."""
    rows, most = rowptr.numel() - 1, value.numel() + rowptr.numel() - 1
    new_rowptr, new_col, new_value = (
        torch.empty_like(rowptr),
        torch.empty(most, dtype=torch.int32),
        torch.empty(most, dtype=torch.float32),
    )
    numbers = (rowptr, col, rows, value, first, degree, inverse_root)
    call(f"normalise_rows_{SUFFIX[value.dtype]}", *numbers, new_rowptr, new_col, new_value)
    entries = int(new_rowptr[-1])
    return new_rowptr, new_col[:entries], new_value[:entries]


def mirror_sum(rowptr: Tensor, col: Tensor, value: Tensor) -> int:
    """The sum of :func:`gcn2snn.kernels.symmetry.check_symmetric`: 0 where each entry has its mirror image."""
    total = torch.empty(1, dtype=torch.int64)
    call(f"mirror_sum_{SUFFIX[value.dtype]}", rowptr, col, rowptr.numel() - 1, value, total)
    return int(total)
