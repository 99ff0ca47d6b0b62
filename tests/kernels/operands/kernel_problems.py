"""Random operands for kernel tests."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels import CSR, PhaseCode, Spikes

CODES = (
    PhaseCode(1.3, 16, signed=True),
    PhaseCode(1.3, 16),
    PhaseCode(2.0, 1),
    PhaseCode(1.5, 7, signed=True, shift=False),
    PhaseCode(1.2, 31, signed=True, last="half"),
    PhaseCode(1.1, 40, signed=True),
    PhaseCode(1.05, 200, signed=True),
    PhaseCode(1.2, 24, last="half"),
)


def sparse(rows: int, cols: int, density: float, seed: int, dtype: torch.dtype = torch.float32) -> CSR:
    """A matrix with empty rows and columns, and one full row when there is room."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, cols, generator=generator, dtype=dtype)
    dense = dense * (torch.rand(rows, cols, generator=generator) < density)
    if rows > 3 and cols > 3:
        dense[1], dense[:, 2] = 0, 0
        dense[0, :2] = 1.0
    return CSR.from_dense(dense)


def spikes(rows: int, channels: int, coding: PhaseCode, seed: int, per_channel: bool = False) -> Spikes:
    """Any codes that the population may send, silence among them."""
    generator = torch.Generator().manual_seed(seed)
    low = -coding.timesteps if coding.signed else 0
    code = torch.randint(low, coding.timesteps + 1, (rows, channels), generator=generator).to(coding.code_dtype)
    scale = torch.rand(channels, generator=generator) + 0.5 if per_channel else torch.tensor(1.7)
    return Spikes(code, scale, coding)


def bound(matrix: CSR, x: Tensor) -> Tensor:
    """(n + 3) eps sum_j |a_ij x_jc|: the difference that two orders of summation may have."""
    entries = matrix.rowptr.diff().to(x.dtype)[:, None]
    return (entries + 3) * torch.finfo(x.dtype).eps * (matrix.to_dense().to(x.dtype).abs() @ x.abs())
