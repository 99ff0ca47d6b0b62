"""Calls of the compiled CPU helper that sort entries. Arguments are checked by :mod:`gcn2snn.kernels.csr`."""

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
