from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, binary_entries, binary_values, looks_sparse, reference


def bits(x: Tensor) -> Tensor:
    """The bytes of floats, so that 0 and -0 differ."""
    return x.view(torch.int32 if x.dtype == torch.float32 else torch.int64)


def features(shape: tuple[int, ...], density: float, dtype: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=dtype) * 2
    x = torch.where(torch.rand(shape, generator=generator) < density, x, 0.0)
    if x.numel() > 2:
        x.view(-1)[0], x.view(-1)[1] = -0.0, -1e-12
    return x


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from([(0, 3), (3, 0), (1, 1), (5, 33), (40, 17), (2, 3, 4, 5), (7, 200)]),
    density=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    timesteps=st.sampled_from([1, 2, 8, 16, 24]),
    per_channel=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_values_and_entries_are_those_of_the_reference(
    chosen: str,
    shape: tuple[int, ...],
    density: float,
    timesteps: int,
    per_channel: bool,
    dtype: torch.dtype,
    seed: int,
) -> None:
    x = features(shape, density, dtype, seed)
    scale = torch.rand(shape[1], dtype=dtype) + 0.3 if per_channel else torch.tensor(1.3, dtype=dtype)
    wanted = reference.binary_values(x, scale, timesteps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        assert torch.equal(bits(binary_values(x, scale, timesteps)), bits(wanted))
        if len(shape) != 2:
            return
        for operand in (x, CSR.from_dense(x)):
            found = binary_entries(operand, scale, timesteps)
            assert found is not None
            found.validate()
            assert bool((found.value != 0).all())  # a word without a bit sends nothing
            assert torch.equal(bits(found.to_dense()), bits(wanted))


def test_no_entries_beyond_the_bound(backend: str) -> None:
    x = torch.eye(10)
    one = torch.tensor(1.0)
    found = binary_entries(x, one, 4, most=10)
    assert found is not None
    assert found.nnz == 10
    assert binary_entries(x, one, 4, most=9) is None
    assert binary_entries(CSR.from_dense(x), one, 4, most=9) is None


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_not_finite_are_refused(backend: str, value: float) -> None:
    x = torch.zeros(6, 40)
    x[2, 1], x[4, 39] = value, value
    for operand in (x, CSR.from_dense(x)):
        with pytest.raises(InputError, match="features holds 2 values that are NaN or infinite"):
            binary_entries(operand, torch.tensor(1.0), 8, "features")
    with pytest.raises(InputError, match="x holds 2 values"):
        binary_values(x, torch.ones(40), 8)


def test_refuses_bits_scales_and_dtypes() -> None:
    for timesteps in (0, 25):
        with pytest.raises(InputError, match=f"a binary input code of {timesteps} bits; allowed are 1 to 24"):
            binary_values(torch.zeros(1, 1), torch.tensor(1.0), timesteps)
    with pytest.raises(InputError, match="scale"):
        binary_values(torch.zeros(2, 3), torch.ones(2), 4)
    with pytest.raises(InputTypeError, match="int64"):
        binary_values(torch.zeros(2, 3, dtype=torch.int64), torch.tensor(1.0), 4)


def test_looks_sparse_at_numbers_of_every_column() -> None:
    x = torch.zeros(4096, 64)
    x[:, 5] = 1.0
    assert looks_sparse(x, 0.05)
    assert not looks_sparse(x, 0.005)
    assert looks_sparse(torch.zeros(0, 3), 0.1)
