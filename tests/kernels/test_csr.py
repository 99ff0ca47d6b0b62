from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, csr

MATRIX = CSR.from_dense(torch.tensor([[0.0, 2.0, 0.0], [3.0, 4.0, 0.0]]))


def test_from_coo_keeps_duplicates_as_entries_in_order() -> None:
    matrix = CSR.from_coo(torch.tensor([1, 0, 1]), torch.tensor([0, 1, 0]), torch.tensor([1.0, 2.0, 3.0]), (2, 2))
    assert matrix.value.tolist() == [2.0, 1.0, 3.0]
    assert torch.equal(matrix.to_dense(), torch.tensor([[0.0, 2.0], [4.0, 0.0]]))


@pytest.mark.parametrize(
    ("row", "col", "match"),
    [
        ([0, 2], [0, 0], "row indices run from 0 to 2; allowed are 0 to 1"),
        ([0, 1], [0, -1], "column indices run from -1 to 0"),
    ],
)
def test_from_coo_refuses_indices_out_of_range(row: list[int], col: list[int], match: str) -> None:
    with pytest.raises(InputError, match=match):
        CSR.from_coo(torch.tensor(row), torch.tensor(col), torch.ones(2), (2, 2))


def test_indices_that_are_no_integers_are_refused() -> None:
    with pytest.raises(InputTypeError, match=r"row is torch.float32 and col is torch.int64; indices are integers"):
        CSR.from_coo(torch.tensor([0.7]), torch.tensor([0]), torch.ones(1), (2, 2))


def test_more_entries_than_32_bits_are_refused() -> None:
    zero = torch.zeros(1, dtype=torch.int64)
    many = zero.expand(2**31)  # no storage behind it
    with pytest.raises(InputError, match="2147483648 entries do not fit 32-bit row pointers; at most 2147483584"):
        CSR.from_coo(many, many, torch.zeros(1).expand(2**31), (1, 1))
    with pytest.raises(InputError, match="2147483648 entries do not fit 32-bit row pointers"):
        CSR(torch.zeros(2, dtype=torch.int32), zero.int().expand(2**31), torch.zeros(1).expand(2**31), 1).validate()
    assert csr.MAX_ENTRIES == 2**31 - 64


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"rowptr": torch.tensor([0, 1, 3])}, InputTypeError, "rowptr and col must be int32, got torch.int64"),
        (
            {"value": torch.ones(3, dtype=torch.float16)},
            InputTypeError,
            "values must be float32 or float64, got torch.float16",
        ),
        ({"value": torch.ones(2)}, InputError, "do not describe one matrix"),
        ({"rowptr": torch.tensor([0, 2, 1], dtype=torch.int32)}, InputError, "rowptr must ascend from 0 to 3"),
        ({"rowptr": torch.tensor([0, 4, 3], dtype=torch.int32)}, InputError, "rowptr must ascend from 0 to 3"),
        (
            {"col": torch.tensor([0, 3, 1], dtype=torch.int32)},
            InputError,
            "column indices run from 0 to 3; allowed are 0 to 2",
        ),
        ({"value": torch.tensor([1.0, torch.nan, 1.0])}, InputError, "NaN or infinite"),
    ],
)
def test_validate_names_what_is_broken(change: dict[str, torch.Tensor], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        replace(MATRIX, **change).validate()


def test_transpose_rows_and_dtype() -> None:
    assert torch.equal(MATRIX.transpose.to_dense(), MATRIX.to_dense().t())
    assert torch.equal(MATRIX.rows(torch.tensor([1, 1, 0])).to_dense(), MATRIX.to_dense()[[1, 1, 0]])
    assert MATRIX.values(torch.float64).dtype == torch.float64
    assert MATRIX.values(torch.float64) is MATRIX.values(torch.float64)
    assert MATRIX.column_counts.tolist() == [1, 2, 0]


def test_checked_makes_contiguous_once() -> None:
    stored = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    matrix = replace(MATRIX, value=stored[:, 0])
    assert not matrix.value.is_contiguous()
    assert matrix.checked.value.is_contiguous()
    assert matrix.checked is matrix.checked
