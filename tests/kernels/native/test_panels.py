"""Operands larger than the caches, which the compiled helper multiplies a panel of columns at a time (panels.h)."""

from __future__ import annotations

import pytest
import torch
from kernel_problems import CODES, spikes
from torch import Tensor

from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes, phase_spmm, phase_spmm_fire, spmm

ROWS, REUSE = 37, 9  # entries a column: more than kMinReuse


def flat(cols: int, dtype: torch.dtype = torch.float32) -> CSR:
    """Few rows, many columns, an empty row."""
    generator = torch.Generator().manual_seed(cols)
    row = torch.randint(1, ROWS, (REUSE * cols,), generator=generator)
    col = torch.randint(cols, (REUSE * cols,), generator=generator)
    value = torch.randn(REUSE * cols, generator=generator, dtype=dtype)
    return CSR.from_coo(row, col, value, (ROWS, cols))


def narrow(channels: int) -> list[slice]:
    """Columns that are small enough to be multiplied where they are."""
    return [slice(start, min(start + 24, channels)) for start in range(0, channels, 24)]


# Rows of two cache lines and of one; the last pass of each is narrower than a panel.
@pytest.mark.parametrize(
    ("cols", "channels", "dtype"),
    [(33_000, 161, torch.float32), (70_000, 70, torch.float32), (33_000, 67, torch.float64)],
)
def test_float_panels_are_the_columns_of_the_product(
    native: None, cols: int, channels: int, dtype: torch.dtype
) -> None:
    matrix = flat(cols, dtype)
    x = torch.randn(cols, channels, dtype=dtype)
    wanted = torch.cat([spmm(matrix, x[:, part]) for part in narrow(channels)], 1)
    assert torch.equal(spmm(matrix, x), wanted)
    rows = torch.rand(ROWS) < 0.5
    assert torch.equal(spmm(matrix, x, rows), wanted * rows[:, None])


@pytest.mark.parametrize(("cols", "channels"), [(33_000, 161), (70_000, 89)])
@pytest.mark.parametrize("coding", [CODES[0], CODES[1], CODES[4]], ids=str)
@pytest.mark.parametrize("per_channel", [False, True])
def test_phase_panels_are_the_columns_of_the_product(
    native: None, cols: int, channels: int, coding: PhaseCode, per_channel: bool
) -> None:
    matrix, code = flat(cols), spikes(cols, channels, coding, 3, per_channel)
    bias, add, horizon = torch.randn(channels), torch.randn(ROWS, channels), torch.randint(0, 17, (ROWS, channels))
    scale = torch.rand(channels) + 50 if per_channel else torch.tensor(50.0)

    def of(part: slice, one: Tensor) -> Tensor:
        return one[part] if per_channel else one

    def alone(part: slice, out: PhaseCode | None) -> Tensor:
        some = Spikes(code.code[:, part].contiguous(), of(part, code.scale), coding)
        if out is None:
            return phase_spmm(matrix, some, bias=bias[part], add=add[:, part].contiguous())
        fire = Fire(of(part, scale), out, horizon[:, part].contiguous())
        return phase_spmm_fire(matrix, some, fire, bias=bias[part], add=add[:, part].contiguous()).code

    potential = phase_spmm(matrix, code, bias=bias, add=add)
    assert torch.equal(potential, torch.cat([alone(part, None) for part in narrow(channels)], 1))
    for out in (PhaseCode(1.3, 16, signed=True), PhaseCode(1.02, 200, signed=True)):  # codes of one byte and of two
        fired = phase_spmm_fire(matrix, code, Fire(scale, out, horizon), bias=bias, add=add)
        assert fired.code.unique().numel() > 5
        assert torch.equal(fired.code, torch.cat([alone(part, out) for part in narrow(channels)], 1))
