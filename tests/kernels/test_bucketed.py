from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, sparse, spikes

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import (
    CSR,
    Fire,
    PhaseCode,
    Spikes,
    phase_conv2d_bucketed,
    phase_gemm_bucketed,
    phase_spmm_bucketed,
    phase_spmm_fire,
    reference,
)

OUT = (*CODES[:4], PhaseCode(1.2, 25), PhaseCode(1.15, 24, signed=True, group=3))
IN = (*CODES[:6], PhaseCode(1.2, 21, group=2))


@settings(max_examples=20, deadline=None)
@given(
    channels=st.sampled_from([0, 1, 3, 8, 16, 17, 40]),
    coding=st.sampled_from(IN),
    out=st.sampled_from(OUT),
    wait=st.sampled_from([0, 1, 4, 14, 15, 30, 300]),
    per_channel=st.booleans(),
    horizon=st.booleans(),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_phase_spmm_bucketed_equals_reference(
    chosen: str, channels: int, coding: PhaseCode, out: PhaseCode, wait: int, per_channel: bool, horizon: bool,
    double: bool, seed: int,
) -> None:  # fmt: skip
    dtype = torch.float64 if double else torch.float32
    matrix, code = sparse(13, 11, 0.4, seed), spikes(11, channels, coding, seed, per_channel)
    bias = torch.randn(channels, dtype=dtype)
    scale = (torch.rand(channels, dtype=dtype) + 0.5) if per_channel else torch.tensor(1.3, dtype=dtype)
    last = torch.randint(1, out.timesteps + 1, (13, 1)) if horizon else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        got = phase_spmm_bucketed(matrix, code, Fire(scale, out, last), wait, dtype, bias=bias)
    wanted = reference.phase_spmm_bucketed(matrix, code, scale, out, wait, last, bias, dtype)
    assert got.code.dtype == out.code_dtype
    assert torch.equal(got.code, wanted.code)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.sampled_from([0, 1, 13]),
    inputs=st.sampled_from([1, 17, 40]),
    outputs=st.sampled_from([0, 1, 8, 23]),
    coding=st.sampled_from(IN),
    out=st.sampled_from(OUT),
    wait=st.sampled_from([0, 1, 4, 14, 15, 300]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chosen", ["torch", "auto"])
def test_phase_gemm_bucketed_equals_reference(
    chosen: str, rows: int, inputs: int, outputs: int, coding: PhaseCode, out: PhaseCode, wait: int, seed: int
) -> None:
    code, weight = spikes(rows, inputs, coding, seed), torch.randn(outputs, inputs, dtype=torch.float64)
    bias, scale = torch.randn(outputs, dtype=torch.float64), torch.tensor(3.1, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCN2SNN_BACKEND", chosen)
        got = phase_gemm_bucketed(code, weight, Fire(scale, out), wait, bias)
    # Sums in another order differ by 1e-14 in float64: no random potential lies that near to a threshold.
    assert torch.equal(got.code, reference.phase_gemm_bucketed(code, weight, scale, out, wait, None, bias).code)


@pytest.mark.parametrize(("coding", "out"), [(PhaseCode(1.2, 130), CODES[0]), (CODES[0], PhaseCode(1.2, 130))])
def test_one_and_two_byte_codes_meet(backend: str, coding: PhaseCode, out: PhaseCode) -> None:
    matrix, code = sparse(13, 11, 0.4, 3), spikes(11, 5, coding, 3)
    fire = Fire(torch.tensor(1.3), out)
    got = phase_spmm_bucketed(matrix, code, fire, 9)
    assert got.code.dtype == out.code_dtype
    assert torch.equal(got.code, reference.phase_spmm_bucketed(matrix, code, fire.scale, out, 9).code)


@pytest.mark.parametrize("wait", [15, 16, 40, 2**62])  # the last one times a group of neurons is beyond 64 bits
def test_waiting_for_all_input_is_the_closed_form(backend: str, wait: int) -> None:
    matrix, code = sparse(40, 40, 0.3, 7), spikes(40, 21, CODES[0], 7)
    fire = Fire(torch.tensor(2.0), CODES[0])
    assert torch.equal(phase_spmm_bucketed(matrix, code, fire, wait).code, phase_spmm_fire(matrix, code, fire).code)


def test_short_waits_change_phases(backend: str) -> None:
    matrix, code = sparse(40, 40, 0.3, 7), spikes(40, 21, CODES[0], 7)
    fire = Fire(torch.tensor(2.0), CODES[0])
    full = phase_spmm_fire(matrix, code, fire).code
    wrong = [int((phase_spmm_bucketed(matrix, code, fire, wait).code != full).sum()) for wait in (0, 8, 14)]
    assert wrong[0] > wrong[1] >= wrong[2]


def test_bucketed_refuses(backend: str) -> None:
    matrix, code = sparse(13, 7, 0.5, 1), spikes(7, 4, CODES[0], 1)
    with pytest.raises(InputError, match="wait is -1; allowed are 0 and more steps"):
        phase_spmm_bucketed(matrix, code, Fire(torch.ones(()), CODES[0]), -1)
    with pytest.raises(InputError, match=r"scale has shape \[3\]"):
        phase_gemm_bucketed(code, torch.ones(5, 4), Fire(torch.ones(3), CODES[0]), 2)


@pytest.mark.parametrize("wait", [0.5, float("nan"), True, None, "3"])
def test_a_wait_that_is_no_number_of_steps_is_refused(wait: object) -> None:
    code = PhaseCode(2.0, 4)
    spikes, fire = Spikes(torch.ones(2, 2, dtype=torch.int8), torch.tensor(1.0), code), Fire(torch.tensor(1.0), code)
    images = Spikes(torch.ones(1, 1, 2, 2, dtype=torch.int8), torch.tensor(1.0), code)
    for call in (
        lambda: phase_gemm_bucketed(spikes, torch.ones(1, 2), fire, wait),  # type: ignore[arg-type]
        lambda: phase_spmm_bucketed(CSR.from_dense(torch.eye(2)), spikes, fire, wait),  # type: ignore[arg-type]
        lambda: phase_conv2d_bucketed(images, torch.ones(1, 1, 2, 2), fire, wait=wait),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputTypeError, match=r"wait is .*; a whole number of steps is needed"):
            call()
