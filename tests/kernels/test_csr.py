from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, csr, spmm

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


def test_checked_is_contiguous_and_live() -> None:
    stored = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    matrix = replace(MATRIX, value=stored[:, 0])
    assert not matrix.value.is_contiguous()
    assert matrix.checked.value.is_contiguous()
    stored.mul_(2)
    assert matrix.checked.value.tolist() == [2.0, 4.0, 6.0]
    assert MATRIX.checked is MATRIX


def fresh(symmetric: bool = False) -> CSR:
    dense = torch.tensor([[0.0, 2.0, 5.0], [2.0, 4.0, 0.0], [5.0, 0.0, 1.0]])
    dense[0, 2] = 5.0 if symmetric else 7.0
    return CSR.from_dense(dense, symmetric=symmetric)


WRITES: dict[str, Callable[[torch.Tensor, object], None]] = {
    "in place": lambda x, new: x.copy_(torch.as_tensor(new)),
    "data": lambda x, new: x.data.copy_(torch.as_tensor(new)),
    "numpy": lambda x, new: np.copyto(x.numpy(), new, casting="same_kind"),
}


def gradient(matrix: CSR) -> torch.Tensor:
    x = torch.eye(3, dtype=matrix.dtype, requires_grad=True)
    return torch.autograd.grad(spmm(matrix, x).sum(), x)[0]


@pytest.mark.parametrize("write", sorted(WRITES))
@pytest.mark.parametrize("what", ["value", "col", "rowptr"])
def test_nothing_derived_is_out_of_date(backend: str, write: str, what: str) -> None:
    matrix, x = fresh(), torch.eye(3)

    def everything(m: CSR) -> list[torch.Tensor]:
        tensors = [m.row, m.column_counts, m.values(torch.float64), m.values(torch.float32), m.transpose.to_dense()]
        tensors += [spmm(m, x), spmm(m, x.double()), gradient(m), gradient(m.to(torch.float64)), m.to_dense()]
        return [*tensors, m.torch_csr(torch.float32).to_dense(), m.torch_csr(torch.float64).to_dense()]

    before = [tensor.clone() for tensor in everything(matrix)]
    new = {"value": [9.0, 8.0, 7.0, 6.0, 5.0, 4.0], "col": [0, 1, 0, 1, 0, 1], "rowptr": [0, 1, 3, 6]}[what]
    WRITES[write](getattr(matrix, what), new)
    after = everything(matrix)
    wanted = everything(CSR(matrix.rowptr.clone(), matrix.col.clone(), matrix.value.clone(), 3))
    assert all(torch.equal(a, b) for a, b in zip(after, wanted, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_what_has_not_changed_is_kept() -> None:
    matrix = fresh()
    assert matrix.transpose is matrix.transpose
    assert matrix.column_counts is matrix.column_counts
    assert matrix.values(torch.float64) is matrix.values(torch.float64)
    assert matrix.values(torch.float32) is matrix.value
    assert matrix.derive("rows", lambda rowptr: [rowptr]) is matrix.derive("rows", lambda rowptr: [rowptr])


def test_indices_written_after_the_first_use_are_checked_again(backend: str) -> None:
    matrix = fresh()
    spmm(matrix, torch.eye(3))
    matrix.col[0] = 3
    with pytest.raises(InputError, match="column indices run from 0 to 3; allowed are 0 to 2"):
        spmm(matrix, torch.eye(3))
    matrix.col[0] = 0
    spmm(matrix, torch.eye(3))
    matrix.value[0] = torch.inf
    with pytest.raises(InputError, match="NaN or infinite"):
        spmm(matrix, torch.eye(3))


@pytest.mark.parametrize("write", sorted(WRITES))
def test_a_matrix_that_is_not_symmetric_any_more_has_no_gradient(backend: str, write: str) -> None:
    matrix = fresh(symmetric=True)
    gradient(matrix)
    WRITES[write](matrix.value, [3.0, 5.0, 2.0, 4.0, 5.0, 1.0])
    with pytest.raises(InputError, match=r"element \(0, 1\) is 3 and element \(1, 0\) is 2"):
        gradient(matrix)


def test_autograd_refuses_to_go_back_through_a_matrix_that_was_written_to(backend: str) -> None:
    matrix, x = fresh(), torch.eye(3, requires_grad=True)
    product = spmm(matrix, x).sum()
    matrix.value.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


@pytest.mark.parametrize("symmetric", [False, True])
def test_matrices_made_in_inference_mode_train(backend: str, symmetric: bool) -> None:
    with torch.inference_mode():
        matrix = fresh(symmetric)
    assert torch.equal(gradient(matrix), gradient(fresh(symmetric)))


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "copy"])
def test_copies_carry_nothing_derived(way: str) -> None:
    ways = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "deepcopy": copy.deepcopy, "copy": copy.copy}
    matrix = fresh()
    empty = len(pickle.dumps(matrix))
    assert set(vars(matrix.transpose.checked)) > {"rowptr"}
    _ = matrix.column_counts, matrix.row, matrix.values(torch.float64)
    assert len(pickle.dumps(matrix)) == empty
    again = ways[way](matrix)
    assert set(vars(again)) == {"rowptr", "col", "value", "num_cols", "symmetric"}
    assert torch.equal(again.to_dense(), matrix.to_dense())


def test_repr_tells_sizes() -> None:
    assert repr(MATRIX) == "CSR(2 x 3, 3 entries, float32)"
    assert repr(fresh(symmetric=True).to(torch.float64)) == "CSR(3 x 3, 6 entries, float64, symmetric)"
    assert repr(MATRIX.to("meta")) == "CSR(2 x 3, 3 entries, float32, meta)"


@pytest.mark.parametrize("shape", [(-1, 3), (3, -1), (-(2**63), 3), (-3, -3), (2, 2**31), (2**34, 2)])
def test_a_size_that_no_index_reaches_is_refused_before_anything_is_written(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="allowed are 0 to 2147483647 rows and columns"):
        CSR.from_coo(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.ones(2), shape)
