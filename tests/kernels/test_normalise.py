"""Normalised rows, degrees and symmetry: the compiled helper and torch give the same bits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, backend, degrees, normalised_rows
from gcn2snn.kernels.fingerprint import signed
from gcn2snn.kernels.symmetry import is_mirrored

needs_helper = pytest.mark.skipif(bool(backend.why_not("native", "cpu")), reason="no compiled helper on this machine")


def _matrix(seed: int, nodes: int, density: float, dtype: torch.dtype, loops: bool) -> CSR:
    """A random symmetric adjacency with weights of every size, with some self-loops or without."""
    chance = torch.Generator().manual_seed(seed)
    dense = torch.rand(nodes, nodes, generator=chance, dtype=torch.float64)
    dense = torch.where(torch.rand(nodes, nodes, generator=chance) < density, dense.exp() ** 9, 0.0)
    dense = (dense + dense.t()).to(dtype)
    diagonal = torch.rand(nodes, generator=chance) < 0.4
    dense.diagonal().mul_(diagonal & torch.tensor(loops))
    return CSR.from_dense(dense, symmetric=True)


def _by(name: str, matrix: CSR, first: int, degree: torch.Tensor | None) -> tuple[torch.Tensor, CSR]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(backend.SWITCH, name)
        own = degrees(matrix)
        return own, normalised_rows(matrix, first, own if degree is None else degree)


@needs_helper
@given(
    st.integers(0, 10**6),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([torch.float32, torch.float64]),
    st.booleans(),
)
def test_both_give_the_same_bits(seed: int, nodes: int, density: float, dtype: torch.dtype, loops: bool) -> None:
    matrix = _matrix(seed, nodes, density, dtype, loops)
    (one, fast), (other, slow) = _by("native", matrix, 0, None), _by("torch", matrix, 0, None)
    assert torch.equal(one, other)
    for name in ("rowptr", "col", "value"):
        assert torch.equal(getattr(fast, name), getattr(slow, name))
        assert getattr(fast, name).dtype == getattr(slow, name).dtype
    first = nodes // 3
    part = matrix.rows(torch.arange(first, nodes))
    for name in ("native", "torch"):
        _, rows = _by(name, part, first, one)
        expected = fast.rows(torch.arange(first, nodes))
        assert torch.equal(rows.to_dense(), expected.to_dense())
        assert torch.equal(rows.rowptr, expected.rowptr)


def test_the_definition() -> None:
    matrix = _matrix(3, 12, 0.4, torch.float64, True)
    whole = matrix.to_dense() + torch.eye(12, dtype=torch.float64)
    root = whole.sum(1).rsqrt()
    found = normalised_rows(matrix, 0, degrees(matrix))
    assert torch.allclose(found.to_dense(), (root[:, None] * whole * root).float(), rtol=1e-6, atol=0)


@needs_helper
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mirrored_matrix_is_seen_and_one_changed_value_too(dtype: torch.dtype) -> None:
    matrix = _matrix(5, 25, 0.3, dtype, True)
    parts = (matrix.rowptr, matrix.col, matrix.value)
    assert is_mirrored(*parts, matrix.shape)
    assert not is_mirrored(*parts, (25, 26))
    off_diagonal = int((matrix.row != matrix.col).nonzero()[0])
    matrix.value[off_diagonal] = -matrix.value[off_diagonal]
    assert not is_mirrored(*parts, matrix.shape)
    with pytest.raises(InputError, match="symmetric=True, but element"):
        _ = matrix.transpose


@needs_helper
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_sum_is_the_one_of_torch(dtype: torch.dtype) -> None:
    from gcn2snn.kernels import native
    from gcn2snn.kernels.symmetry import mirror_sum

    matrix = CSR.from_dense(torch.randn(9, 9, dtype=dtype))
    found = native.mirror_sum(matrix.rowptr, matrix.col, matrix.value)
    assert found == int(mirror_sum(matrix.row, matrix.col, matrix.value)) != 0
    assert found == signed(found % 2**64)


@needs_helper
def test_indices_that_lie_outside_are_refused_before_they_are_read() -> None:
    matrix = _matrix(1, 6, 0.5, torch.float64, False)
    broken = CSR(matrix.rowptr, matrix.col + 6, matrix.value, 6, symmetric=True)
    for use in (degrees, lambda m: m.transpose, lambda m: normalised_rows(m, 0, torch.ones(6, dtype=torch.float64))):
        with pytest.raises(InputError, match="column indices run from"):
            use(broken)


def test_too_few_degrees_and_other_dtypes_are_left_to_torch() -> None:
    matrix = _matrix(1, 6, 0.5, torch.float64, False)
    single = normalised_rows(matrix, 0, degrees(matrix).float())
    assert single.value.dtype == torch.float32
    with pytest.raises(InputError, match="normalised_rows cannot work with"):
        normalised_rows(matrix, 0, torch.ones(2, dtype=torch.float64))


def test_nested_degrees_are_refused() -> None:
    """They say that they are contiguous on the CPU, and their address is none."""
    matrix = _matrix(1, 6, 0.5, torch.float64, False)
    nested = torch.nested.nested_tensor([degrees(matrix), torch.ones(1, dtype=torch.float64)], layout=torch.jagged)
    with pytest.raises((InputError, InputTypeError), match="normalised_rows cannot work with"):
        normalised_rows(matrix, 0, nested)


@pytest.mark.parametrize("name", ["native", "torch"])
def test_of_several_loops_of_a_node_one_is_added_to(name: str) -> None:
    matrix = CSR.from_coo(
        torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 0]), torch.tensor([1.0, 1.0, 2.0, 2.0]), (2, 2)
    )
    if name == "native" and backend.why_not("native", "cpu"):
        pytest.skip("no compiled helper on this machine")
    _, found = _by(name, matrix, 0, None)
    whole = matrix.to_dense().double() + torch.eye(2)
    root = whole.sum(1).rsqrt()
    assert torch.allclose(found.to_dense(), (root[:, None] * whole * root).float())


@needs_helper
def test_indices_written_behind_the_back_of_torch_are_refused_too() -> None:
    matrix = _matrix(2, 8, 0.5, torch.float64, False)
    normalised_rows(matrix, 0, degrees(matrix))
    for array, place, value in ((matrix.col, 0, 50_000_000), (matrix.rowptr, 2, 1_000_000)):
        before = int(array[place])
        array.numpy()[place] = value
        for use in (degrees, lambda m: m.transpose, lambda m: normalised_rows(m, 0, torch.ones(8).double())):
            with pytest.raises(InputError, match=r"column indices run from|rowptr must ascend"):
                use(matrix)
        array.numpy()[place] = before
    assert degrees(matrix).numel() == 8


def test_a_negated_view_counts_with_its_sign() -> None:
    matrix = _matrix(2, 8, 0.5, torch.float64, False)
    negated = CSR(matrix.rowptr, matrix.col, torch._neg_view(-matrix.value), 8, symmetric=True)
    assert torch.equal(degrees(negated), degrees(matrix))
    assert negated.transpose is negated
    assert torch.equal(
        normalised_rows(negated, 0, degrees(matrix)).value, normalised_rows(matrix, 0, degrees(matrix)).value
    )
