from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import bound, sparse

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, reference, spmm


@settings(max_examples=30, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 2, 13, 31]),
    cols=st.sampled_from([0, 1, 2, 17, 40]),
    channels=st.sampled_from([0, 1, 3, 8, 15, 16, 17, 100, 257, 300]),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_spmm_equals_reference(
    chosen: str, rows: int, cols: int, channels: int, density: float, double: bool, seed: int
) -> None:
    matrix = sparse(rows, cols, density, seed)
    dtype = torch.float64 if double else torch.float32
    x = torch.randn(cols, channels, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        assert bool(((spmm(matrix, x) - reference.spmm(matrix, x)).abs() <= bound(matrix, x)).all())


@settings(max_examples=30, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 2, 13, 31]),
    cols=st.sampled_from([0, 1, 2, 17, 40]),
    channels=st.sampled_from([1, 3, 8, 17, 100]),
    kept=st.sampled_from([0.0, 0.5, 1.0]),
    wanted=st.sampled_from([None, 0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_rows_and_columns_left_out_are_zeros(
    chosen: str, rows: int, cols: int, channels: int, kept: float, wanted: float | None, seed: int
) -> None:
    matrix, draw = sparse(rows, cols, 0.4, seed), torch.Generator().manual_seed(seed)
    x, direction = torch.randn(cols, channels, generator=draw), torch.randn(rows, channels, generator=draw)
    read = torch.rand(cols, generator=draw) < kept
    asked = None if wanted is None else torch.rand(rows, generator=draw) < wanted
    rest = torch.ones(rows, dtype=torch.bool) if asked is None else asked
    x[~read] = torch.nan  # what is left out is not read
    zeroed, leaf = torch.where(read[:, None], x, 0.0).requires_grad_(), x.clone().requires_grad_()
    expected = torch.where(rest[:, None], reference.spmm(matrix, zeroed), 0.0)
    expected_gradient = torch.autograd.grad((expected * direction).sum(), zeroed)[0] if cols else torch.zeros_like(x)
    expected_gradient = torch.where(read[:, None], expected_gradient, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        got = spmm(matrix, leaf, asked, read)
        gradient = torch.autograd.grad((got * direction).sum(), leaf)[0]
    assert bool(((got - expected).abs() <= bound(matrix, zeroed.detach())).all())
    assert bool(((gradient - expected_gradient).abs() <= bound(matrix.transpose, direction)).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("density", [0.02, 0.7], ids=["many rows to a pack", "rows longer than a pack"])
def test_leaving_columns_out_changes_no_bit(native: None, density: float, dtype: torch.dtype) -> None:
    matrix, x = sparse(40, 9000, density, 3), torch.randn(9000, 21, dtype=dtype)
    read = torch.rand(9000) < 0.5
    assert torch.equal(spmm(matrix, x, columns=read), spmm(matrix, torch.where(read[:, None], x, 0.0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_native_rounds_as_the_reference_does(native: None, dtype: torch.dtype) -> None:
    matrix, x = sparse(60, 45, 0.5, 3), torch.randn(45, 37, dtype=dtype)
    assert torch.equal(spmm(matrix, x), reference.spmm(matrix, x))


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradient(backend: str, symmetric: bool) -> None:
    matrix = sparse(6, 6, 0.4, 1, torch.float64)
    if symmetric:
        matrix = CSR.from_dense(matrix.to_dense() + matrix.to_dense().t(), symmetric=True)
    x = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: spmm(matrix, x), (x,))
    assert torch.autograd.gradgradcheck(lambda x: spmm(matrix, x), (x,))


def test_gradient_equals_reference(backend: str) -> None:
    matrix = sparse(13, 7, 0.5, 1)
    x = torch.randn(7, 5, requires_grad=True)
    direction = torch.randn(13, 5)
    got = torch.autograd.grad((spmm(matrix, x) * direction).sum(), x)[0]
    wanted = torch.autograd.grad((reference.spmm(matrix, x) * direction).sum(), x)[0]
    assert bool(((got - wanted).abs() <= bound(matrix.transpose, direction)).all())


def test_non_contiguous_features(backend: str) -> None:
    matrix = sparse(13, 7, 0.5, 1)
    x = torch.randn(5, 14).t()[::2]
    assert bool(((spmm(matrix, x) - reference.spmm(matrix, x)).abs() <= bound(matrix, x)).all())


def test_the_number_of_threads_changes_nothing(backend: str) -> None:
    matrix, x = sparse(200, 90, 0.2, 1), torch.randn(90, 33)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        many = spmm(matrix, x)
        torch.set_num_threads(1)
        assert torch.equal(spmm(matrix, x), many)
    finally:
        torch.set_num_threads(before)


def test_spmm_refuses(backend: str) -> None:
    matrix = sparse(13, 7, 0.5, 1)
    with pytest.raises(InputError, match=r"features \[8, 2\]: features must be \[7, channels\]"):
        spmm(matrix, torch.ones(8, 2))
    with pytest.raises(InputTypeError, match=r"rows is a list; a mask is a tensor of torch.bool"):
        spmm(matrix, torch.ones(7, 2), rows=[True] * 13)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"rows is torch.int64; a mask is torch.bool"):
        spmm(matrix, torch.ones(7, 2), rows=torch.ones(13, dtype=torch.int64))
    with pytest.raises(InputError, match=r"columns has shape \[13\]; one value for each .* is needed, \[7\]"):
        spmm(matrix, torch.ones(7, 2), columns=torch.ones(13, dtype=torch.bool))
    with pytest.raises(InputTypeError, match=r"x is torch.float16"):
        spmm(matrix, torch.ones(7, 2, dtype=torch.float16))
    with pytest.raises(InputError, match="the matrix is on cpu and the features are on meta"):
        spmm(matrix, torch.ones(7, 2, device="meta"))
    broken = CSR(matrix.rowptr, matrix.col + 1, matrix.value, 7)
    with pytest.raises(InputError, match="column indices run from"):
        spmm(broken, torch.ones(7, 2))
