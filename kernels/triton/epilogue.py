"""Pieces that Triton kernels share: levels from a table, and potentials that meet thresholds."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
from __future__ import annotations

import os

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.phase import Spikes

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@triton.jit
def level_of(code, table_ptr):
    """sign(code) * table[|code|]; a table of up to 32 phases is one cache line, so its look-up costs one access."""
    wide = code.to(tl.int32)
    level = tl.load(table_ptr + tl.abs(wide))
    return tl.where(wide < 0, -level, level)


@triton.jit
def phase_of(y, scale, threshold_ptr, horizon, TIMESTEPS, SIGNED: tl.constexpr, HAS_HORIZON: tl.constexpr):
    """Code of the spike that y / scale sends: a correctly rounded division, then the comparisons of the reference."""
    z = tl.div_rn(y, scale) if y.dtype == tl.float32 else y / scale
    magnitude = tl.abs(z) if SIGNED else z
    reached = tl.zeros(y.shape, dtype=tl.int32)
    for k in range(TIMESTEPS):
        reached += (magnitude >= tl.load(threshold_ptr + k)).to(tl.int32)
    phase = tl.where(reached > 0, TIMESTEPS + 1 - reached, 0)
    if HAS_HORIZON:
        phase = tl.where(phase > horizon, 0, phase)
    return tl.where(z < 0, -phase, phase) if SIGNED else phase


def aligned(x: Tensor) -> Tensor:
    """x [..., C] with zeros up to a multiple of 16 columns: only then does Triton read several values of a row at once."""
    missing = -x.shape[-1] % 16
    return functional.pad(x, (0, missing)) if missing else x.contiguous()


def table_of(spikes: Spikes, dtype: torch.dtype) -> Tensor:
    """[T + 1]: 0 for silence, then the levels, times the scale when it is one for all channels."""
    levels = spikes.coding.levels(dtype, spikes.code.device)
    if spikes.scale.dim() == 0:
        levels = levels * spikes.scale.to(dtype)
    return torch.cat([levels.new_zeros(1), levels])


class FireArguments:
    """Tensors and flags that a kernel needs to fire; placeholders when it does not."""

    def __init__(self, fire: Fire | None, shape: tuple[int, ...], dtype: torch.dtype, placeholder: Tensor):
        self.fires = fire is not None
        self.scale = self.thresholds = self.horizon = placeholder
        self.timesteps, self.is_signed = 1, False
        self.scale_step = self.horizon_row = self.horizon_col = 0
        if fire is None:
            return
        self.scale, self.scale_step = fire.scale.to(placeholder.device, dtype).contiguous(), fire.scale.dim()
        self.thresholds = fire.coding.thresholds(dtype, placeholder.device)
        self.timesteps, self.is_signed = fire.coding.timesteps, fire.coding.signed
        if fire.horizon is not None:
            self.horizon = fire.horizon.to(placeholder.device).clamp(-1, 256).to(torch.int16).expand(shape)
            if self.horizon.dim() != 2:
                self.horizon = self.horizon.reshape(1, -1)
            self.horizon_row, self.horizon_col = self.horizon.stride()

    @property
    def has_horizon(self) -> bool:
        """Whether a horizon was given."""
        return self.horizon.dtype == torch.int16
