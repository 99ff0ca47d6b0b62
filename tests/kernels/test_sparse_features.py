from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import sparse

from gcn2snn.errors import InputError
from gcn2snn.kernels import reference, spmm, spmm_features


@settings(max_examples=40, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 13, 31]),
    middle=st.sampled_from([0, 1, 17]),
    columns=st.sampled_from([0, 1, 5, 40]),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_equals_the_product_with_dense_features(
    chosen: str, rows: int, middle: int, columns: int, density: float, dtype: torch.dtype, seed: int
) -> None:
    matrix, x = sparse(rows, middle, density, seed), sparse(middle, columns, density, seed + 1, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        assert torch.equal(spmm_features(matrix, x), reference.spmm(matrix, x.to_dense()))


def test_refuses_sizes_that_do_not_meet() -> None:
    with pytest.raises(InputError, match=r"a matrix of shape \(5, 4\) times features \[3, 2\]: 4 rows are needed"):
        spmm_features(sparse(5, 4, 0.5, 0), sparse(3, 2, 0.5, 0))


def test_equal_to_spmm_bit_for_bit(native: None) -> None:
    matrix, x = sparse(29, 37, 0.4, 5), sparse(37, 50, 0.1, 6)
    assert torch.equal(spmm_features(matrix, x), spmm(matrix, x.to_dense()))
