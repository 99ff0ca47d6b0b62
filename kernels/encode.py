"""Float -> phase -> float in one pass each."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels.phase import PhaseCode, Spikes
from gcn2snn.kernels.reference import per_channel


def encode(x: Tensor, scale: Tensor, coding: PhaseCode, horizon: Tensor | None = None) -> Spikes:
    """Fast :func:`gcn2snn.kernels.reference.encode`; bit for bit the same (a binary search makes the same comparisons)."""
    z = x / per_channel(scale.to(x.dtype), x.dim())
    boundaries = coding.thresholds(x.dtype, x.device).flip(0)
    reached = torch.bucketize(z.abs() if coding.signed else z, boundaries, out_int32=True, right=True)
    phase = torch.where(reached > 0, coding.timesteps + 1 - reached, 0)
    if horizon is not None:
        phase = torch.where(phase > horizon, 0, phase)
    phase = phase.to(coding.code_dtype)
    return Spikes(torch.where(z < 0, -phase, phase) if coding.signed else phase, scale, coding)


def decode(spikes: Spikes, dtype: torch.dtype = torch.float32) -> Tensor:
    """Fast :func:`gcn2snn.kernels.reference.decode`: one gather from a table of 2T + 1 values."""
    coding, code = spikes.coding, spikes.code
    levels = coding.levels(dtype, code.device)
    table = torch.cat([-levels.flip(0), levels.new_zeros(1), levels])
    value = table.index_select(0, code.flatten().int() + coding.timesteps).view(code.shape)
    return value * per_channel(spikes.scale.to(dtype), code.dim())
