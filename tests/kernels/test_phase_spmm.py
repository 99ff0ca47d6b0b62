from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, bound, sparse, spikes

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes, encode, phase_spmm, phase_spmm_fire, reference

CHANNELS = [0, 1, 3, 8, 15, 16, 17, 23, 100, 200, 256, 257, 300, 30, 32, 40, 60]


@settings(max_examples=30, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 2, 13, 31]),
    cols=st.sampled_from([0, 1, 2, 17, 40]),
    channels=st.sampled_from(CHANNELS),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    coding=st.sampled_from(CODES),
    per_channel=st.booleans(),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_phase_spmm_equals_reference(
    chosen: str, rows: int, cols: int, channels: int, density: float, coding: PhaseCode, per_channel: bool, double: bool,
    seed: int,
) -> None:  # fmt: skip
    dtype = torch.float64 if double else torch.float32
    matrix, code = sparse(rows, cols, density, seed), spikes(cols, channels, coding, seed, per_channel)
    limit = bound(matrix, reference.decode(code, dtype))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        assert bool(
            ((phase_spmm(matrix, code, dtype) - reference.phase_spmm(matrix, code, dtype)).abs() <= limit).all()
        )


@pytest.mark.parametrize("coding", CODES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_native_with_one_scale_is_the_reference(native: None, coding: PhaseCode, dtype: torch.dtype) -> None:
    for channels in (*CHANNELS, 41, 72, 73, 104, 137):
        code = spikes(37, channels, coding, 5)
        for rows in (29, 13):  # entries use a row of codes often, which may then become floats first, and seldom
            matrix = sparse(rows, 37, 0.4, 5)
            assert torch.equal(phase_spmm(matrix, code, dtype), reference.phase_spmm(matrix, code, dtype))


@pytest.mark.parametrize("timesteps", [15, 16, 17])
@pytest.mark.parametrize("channels", [33, 49, 50, 63, 64, 80, 200, 255, 256, 257])
def test_a_row_may_use_every_signed_code_or_lack_one(native: None, timesteps: int, channels: int) -> None:
    """Both kinds of rows, each with all widths of the last word: signs that are folded into the codes are those of the others."""
    generator = torch.Generator().manual_seed(channels)
    every = torch.cat(
        [torch.arange(1, timesteps + 1), -torch.arange(1, timesteps + 1), torch.zeros(1, dtype=torch.int64)]
    )
    code = torch.empty(37, channels, dtype=torch.int64)
    for row in range(37):
        used = every[torch.randperm(len(every), generator=generator)][: len(every) - row % 3]
        code[row] = used[torch.randint(len(used), (channels,), generator=generator)]
        code[row, torch.randperm(channels, generator=generator)[: len(used)]] = used[:channels]
    population = Spikes(code.to(torch.int8), torch.tensor(0.7), PhaseCode(1.3, timesteps, signed=True))
    matrix = sparse(29, 37, 0.4, 5)
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))


@pytest.mark.parametrize("level", ["saturated", "silent"])
def test_saturated_and_silent_inputs(backend: str, level: str) -> None:
    matrix = sparse(29, 37, 0.4, 5)
    code = torch.full((37, 19), 1 if level == "saturated" else 0, dtype=torch.int8)
    population = Spikes(code, torch.tensor(2.0), PhaseCode(2.0, 16))
    wanted = matrix.to_dense().sum(1, keepdim=True).expand(-1, 19) if level == "saturated" else torch.zeros(29, 19)
    torch.testing.assert_close(phase_spmm(matrix, population), wanted, atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(
    channels=st.sampled_from(CHANNELS),
    coding=st.sampled_from(CODES),
    out=st.sampled_from(CODES),
    per_channel=st.booleans(),
    epilogue=st.sampled_from(["", "bias", "add", "bias add horizon", "horizon"]),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_fused_neurons_equal_encode_of_the_potentials(
    chosen: str,
    channels: int,
    coding: PhaseCode,
    out: PhaseCode,
    per_channel: bool,
    epilogue: str,
    double: bool,
    seed: int,
) -> None:
    dtype = torch.float64 if double else torch.float32
    matrix, code = sparse(31, 17, 0.3, seed), spikes(17, channels, coding, seed, per_channel)
    bias = torch.randn(channels, dtype=dtype) if "bias" in epilogue else None
    add = torch.randn(31, channels, dtype=dtype) if "add" in epilogue else None
    horizon = torch.randint(0, out.timesteps + 1, (31, 1)) if "horizon" in epilogue else None
    scale = torch.rand(channels, dtype=dtype) + 0.5 if per_channel else torch.tensor(1.3, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        fired = phase_spmm_fire(matrix, code, Fire(scale, out, horizon), dtype, bias=bias, add=add)
        potential = phase_spmm(matrix, code, dtype, bias=bias, add=add)
    assert torch.equal(fired.code, encode(potential, scale, out, horizon).code)
    plain = reference.phase_spmm(matrix, code, dtype)
    plain = plain if bias is None else plain + bias
    plain = plain if add is None else plain + add
    torch.testing.assert_close(
        potential, plain, atol=1e-4, rtol=1e-5
    )  # single elements cancel; the bound is tested above


def test_node_permutation_permutes_outputs(backend: str) -> None:
    matrix, code = sparse(23, 23, 0.3, 2), spikes(23, 9, CODES[0], 2)
    order = torch.randperm(23)
    moved = CSR.from_dense(matrix.to_dense()[order][:, order])
    got = phase_spmm(moved, code.with_code(code.code[order]))
    assert bool(
        ((got - phase_spmm(matrix, code)[order]).abs() <= 2 * bound(moved, reference.decode(code)[order])).all()
    )


def test_phase_spmm_refuses(backend: str) -> None:
    matrix, code = sparse(13, 7, 0.5, 1), spikes(7, 4, CODES[0], 1)
    with pytest.raises(InputError, match=r"spikes \[8, 4\]: spikes must be \[7, channels\]"):
        phase_spmm(matrix, spikes(8, 4, CODES[0], 1))
    with pytest.raises(InputTypeError, match=r"codes are torch.float32; 16 phases are stored as torch.int8"):
        phase_spmm(matrix, code.with_code(code.code.float()))
    with pytest.raises(InputTypeError, match=r"the dtype asked for is torch.bfloat16"):
        phase_spmm(matrix, code, torch.bfloat16)
    with pytest.raises(InputError, match=r"bias has shape \[5\]; the potentials are \[13, 4\], so \[4\] is needed"):
        phase_spmm(matrix, code, bias=torch.ones(5))
    with pytest.raises(InputTypeError, match=r"add is torch.float64 and the potentials are torch.float32"):
        phase_spmm(matrix, code, add=torch.ones(13, 4, dtype=torch.float64))
    with pytest.raises(InputError, match=r"horizon \[7\] does not broadcast"):
        phase_spmm_fire(matrix, code, Fire(torch.ones(()), CODES[0], torch.ones(7)))


def test_non_contiguous_codes(backend: str) -> None:
    matrix, code = sparse(13, 7, 0.5, 1), spikes(14, 8, CODES[0], 1)
    taken = code.with_code(code.code[::2, ::2])
    torch.testing.assert_close(phase_spmm(matrix, taken), reference.phase_spmm(matrix, taken), atol=1e-5, rtol=1e-5)
