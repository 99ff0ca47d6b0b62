"""Sorting entries, some rows at a time or in the compiled helper: the very order of sorting all at once."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, csr
from gcn2snn.kernels.sort_entries import MOST_COLUMNS_AN_ENTRY, SORTED_AT_ONCE, compress, sort_entries


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


SIZES = [(1, 1, 50), (13, 7, 500), (100, 3, 90), (3, 900, 700), (40, 40, 0), (0, 0, 0), (2000, 2000, 9000)]


@pytest.mark.parametrize(("rows", "columns", "entries"), SIZES)
@pytest.mark.parametrize("order", ["any", "ascending", "descending"])
@pytest.mark.parametrize("index", [torch.int64, torch.int32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_helper_gives_the_order_of_torch(
    native: None, rows: int, columns: int, entries: int, order: str, index: torch.dtype, dtype: torch.dtype
) -> None:
    source = torch.Generator().manual_seed(0)
    row, col = (torch.randint(0, max(size, 1), (entries,), generator=source) for size in (rows, columns))
    if order != "any":
        placed = (row * columns + col).argsort(descending=order == "descending")
        row, col = row[placed], col[placed]
    value = torch.arange(entries).to(dtype)
    found = compress(row.to(index), col.to(index), value, (rows, columns))
    assert found is not None
    rowptr = torch.zeros(rows + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(row, minlength=rows), 0, out=rowptr[1:])
    wanted = (rowptr.int(), *sort_entries(row, col, value, rowptr, columns))
    assert all(
        torch.equal(ours, theirs) and ours.dtype == theirs.dtype for ours, theirs in zip(found, wanted, strict=True)
    )
    CSR(*found, columns).validate()


def test_what_the_helper_leaves_to_torch(native: None) -> None:
    row, value = torch.tensor([1, 0]), torch.ones(2)
    assert compress(row, row, value, (2, 2)) is not None
    for outside in ([2, 0], [-1, 0], [2**40, 0]):
        assert compress(torch.tensor(outside), row, value, (2, 2)) is None
        assert compress(row, torch.tensor(outside), value, (2, 2)) is None
    assert compress(row, row, value.half(), (2, 2)) is None
    assert compress(row, row, value.clone().requires_grad_(), (2, 2)) is None
    assert compress(row, row, value, (2, MOST_COLUMNS_AN_ENTRY * SORTED_AT_ONCE + 1)) is None
    learnt = torch.ones(2, requires_grad=True)
    CSR.from_coo(row, row, learnt, (2, 2)).value.sum().backward()
    assert learnt.grad is not None
    with pytest.raises(InputError, match="row indices run from 0 to 2"):
        CSR.from_coo(torch.tensor([2, 0]), row, value, (2, 2))


def test_indices_that_were_sorted_are_not_checked_again(native: None, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = CSR.from_coo(torch.tensor([1, 0]), torch.tensor([0, 1]), torch.ones(2), (2, 2))
    monkeypatch.setattr(csr.CSR, "check_indices", lambda self: pytest.fail("looked at once more"))
    assert matrix.checked is matrix
    monkeypatch.undo()
    matrix.col[0] = 7  # written to: checked again
    with pytest.raises(InputError, match="column indices run from 0 to 7"):
        _ = matrix.checked
