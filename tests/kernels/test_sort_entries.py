"""Sorting entries some rows at a time: the very order of sorting all at once."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.kernels.sort_entries import sort_entries


@pytest.mark.parametrize(
    ("rows", "columns", "entries"), [(1, 1, 50), (13, 7, 500), (100, 3, 90), (40, 40, 0), (5, 5, 9)]
)
@pytest.mark.parametrize("at_once", [1, 8, 60])
def test_parts_give_the_order_of_the_whole(rows: int, columns: int, entries: int, at_once: int) -> None:
    source = torch.Generator().manual_seed(0)
    row = torch.randint(0, rows, (entries,), generator=source)
    row[: entries // 2] = rows // 2  # one row alone has more than a part
    col = torch.randint(0, columns, (entries,), generator=source)
    value = torch.arange(float(entries))
    rowptr = torch.zeros(rows + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(row, minlength=rows), 0, out=rowptr[1:])
    order = sorted(range(entries), key=lambda number: (int(row[number]), int(col[number])))
    found_col, found_value = sort_entries(row, col, value, rowptr, columns, at_once)
    assert found_value.tolist() == order
    assert found_col.tolist() == [int(col[number]) for number in order]
