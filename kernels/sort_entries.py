"""Entries in the order of their rows and columns: by the compiled helper, or in torch, some rows at a time to take little memory."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels import backend

SORTED_AT_ONCE = 1 << 22
"""Entries that are sorted together: the numbers that order them take 16 bytes each, four times what an entry takes."""

MOST_COLUMNS_AN_ENTRY = 4
"""The compiled helper counts the entries of each column; a matrix with many more columns than entries is sorted in torch."""


def compress(row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor] | None:
    """(rowptr, columns, values) of entries by the compiled helper; None where it cannot, or where some lie outside of the matrix.

    >>> row, col, value = torch.tensor([1, 0, 1]), torch.tensor([2, 1, 0]), torch.tensor([5.0, 6.0, 7.0])
    >>> found = compress(row, col, value, (2, 3))
    >>> found is None or [part.tolist() for part in found] == [[0, 1, 3], [1, 0, 2], [6.0, 7.0, 5.0]]
    True

    Args:
        row, col, value: of each entry, [nnz]; the helper sorts values of float32 and float64 on a CPU that need no gradient.
        shape: rows and columns of the matrix.
    """
    empty = shape[1] > MOST_COLUMNS_AN_ENTRY * max(value.numel(), SORTED_AT_ONCE)
    if empty or not value.is_floating_point() or not backend.is_compiled(row, col, value):
        return None
    from gcn2snn.kernels import native

    return native.sort_entries(row, col, value, shape)


def sort_entries(
    row: Tensor, col: Tensor, value: Tensor, rowptr: Tensor, columns: int, at_once: int = SORTED_AT_ONCE
) -> tuple[Tensor, Tensor]:
    """(columns, values) of a matrix in compressed rows; entries at equal positions stay in the order given.

    >>> row, col, value = torch.tensor([1, 0, 1]), torch.tensor([2, 1, 0]), torch.tensor([5.0, 6.0, 7.0])
    >>> sort_entries(row, col, value, torch.tensor([0, 1, 3]), 3)
    (tensor([1, 0, 2], dtype=torch.int32), tensor([6., 7., 5.]))

    Args:
        row, col, value: of each entry, in range, [nnz].
        rowptr: where each row begins, [rows + 1].
        columns: of the matrix.
        at_once: entries that are sorted together, more where one row has more; on a CPU only.
    """
    if row.numel() <= at_once or row.device.type != "cpu":
        order = _order(row, col, rowptr.numel() - 1, columns)
        return col[order].int(), value[order]
    sorted_col, sorted_value = torch.empty_like(col, dtype=torch.int32), torch.empty_like(value)
    cuts = torch.searchsorted(rowptr, torch.arange(at_once, row.numel(), at_once))
    ends = torch.cat([cuts, torch.tensor([rowptr.numel() - 1])]).unique().tolist()
    begin = 0
    for end in ends:
        part = slice(int(rowptr[begin]), int(rowptr[end]))
        chosen = (row >= begin).logical_and_(row < end).nonzero().flatten()
        chosen = chosen[_order(row[chosen] - begin, col[chosen], end - begin, columns)]
        sorted_col[part] = col[chosen].int()
        sorted_value[part] = value[chosen]
        begin = end
    return sorted_col, sorted_value


def _order(row: Tensor, col: Tensor, rows: int, columns: int) -> Tensor:
    """What sorts the entries of so many rows; numbers of 32 bits, where those do, sort in half the time of 64."""
    kind = torch.int32 if rows * columns < 1 << 31 else torch.int64
    return torch.argsort(row.to(kind) * columns + col.to(kind), stable=True)
