"""Codes that a population cannot send are refused by every operation that reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from kernel_problems import sparse

from gcn2snn.errors import InputError
from gcn2snn.kernels import (
    Fire,
    PhaseCode,
    Spikes,
    decode,
    emit_step,
    phase_conv2d,
    phase_conv2d_bucketed,
    phase_conv2d_fire,
    phase_gemm,
    phase_gemm_bucketed,
    phase_gemm_fire,
    phase_spmm,
    phase_spmm_bucketed,
    phase_spmm_fire,
)

FIRE = Fire(torch.tensor(1.0), PhaseCode(2.0, 4))
WEIGHT = torch.ones(2, 3)
MATRIX = sparse(4, 5, 0.5, 1)
OPERATIONS: dict[str, Callable[[Spikes], object]] = {
    "decode": decode,
    "phase_spmm": lambda s: phase_spmm(MATRIX, s),
    "phase_spmm float64": lambda s: phase_spmm(MATRIX, s, torch.float64),
    "phase_spmm_fire": lambda s: phase_spmm_fire(MATRIX, s, FIRE),
    "phase_spmm_bucketed": lambda s: phase_spmm_bucketed(MATRIX, s, FIRE, 1),
    "phase_gemm": lambda s: phase_gemm(s, WEIGHT),
    "phase_gemm_fire": lambda s: phase_gemm_fire(s, WEIGHT, FIRE),
    "phase_gemm_bucketed": lambda s: phase_gemm_bucketed(s, WEIGHT, FIRE, 1),
    "phase_conv2d": lambda s: phase_conv2d(_maps(s), WEIGHT[:, :, None, None]),
    "phase_conv2d_fire": lambda s: phase_conv2d_fire(_maps(s), WEIGHT[:, :, None, None], FIRE),
    "phase_conv2d_bucketed": lambda s: phase_conv2d_bucketed(_maps(s), WEIGHT[:, :, None, None], FIRE, 1),
}


def _maps(spikes: Spikes) -> Spikes:
    return spikes.with_code(spikes.code[:, :, None, None])


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    ("wrong", "coding", "match"),
    [
        (9, PhaseCode(2.0, 4), "codes run from 0 to 9; a population without sign of 4 phases sends 0 to 4"),
        (-1, PhaseCode(2.0, 4), "codes run from -1 to 4; a population without sign"),
        (-5, PhaseCode(2.0, 4, signed=True), "codes run from -5 to 4; a signed population of 4 phases sends -4 to 4"),
        (-128, PhaseCode(1.1, 127, signed=True), "codes run from -128 to 4"),
        (201, PhaseCode(1.05, 200), "codes run from 0 to 201; a population without sign of 200 phases sends 0 to 200"),
    ],
)
def test_codes_out_of_range_are_refused(backend: str, name: str, wrong: int, coding: PhaseCode, match: str) -> None:
    code = torch.zeros(5, 3, dtype=coding.code_dtype)
    code[1, 2] = 4
    OPERATIONS[name](Spikes(code, torch.tensor(1.0), coding))
    code[4, 1] = wrong
    with pytest.raises(InputError, match=match):
        OPERATIONS[name](Spikes(code, torch.tensor(1.0), coding))


def test_phases_past_the_last_are_never_sent(backend: str) -> None:
    spikes = Spikes(torch.tensor([[9, 4]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    out = torch.empty_like(spikes.code)
    emit_step(spikes, 4, 9, out)
    assert out.tolist() == [[0, 4]]
