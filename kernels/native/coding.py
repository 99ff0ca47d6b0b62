"""Calls of the compiled CPU helper that encode and decode. Arguments are checked by :mod:`gcn2snn.kernels.encode`."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.signatures import SUFFIX
from gcn2snn.kernels.native.structures import Keep
from gcn2snn.kernels.phase import PhaseCode, Spikes

PACKED = 16
"""A row of packed codes has a multiple of so many bytes."""


def encode(x: Tensor, fire: Fire) -> Tensor:
    """Codes of x, [N, C, ...]."""
    x = x.contiguous()
    code = torch.empty(x.shape, dtype=fire.coding.code_dtype)
    if not x.numel():
        return code
    rows, channels, scale_rows = rows_and_channels(x, fire.scale)
    keep = Keep()
    structure = keep.fire(fire, x.dtype, code, (rows, channels), x.shape)
    call(f"encode_{SUFFIX[x.dtype]}_{SUFFIX[code.dtype]}", x, rows, channels, scale_rows, None, None, structure)
    return code


def decode(spikes: Spikes, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
    """Values of spikes, [N, C, ...], in a new tensor or in ``out``, which is contiguous."""
    code = spikes.code.contiguous()
    out = torch.empty(code.shape, dtype=dtype) if out is None else out
    if not code.numel():
        return out
    scale = spikes.scale.detach().to(dtype)
    rows, channels, scale_rows = rows_and_channels(code, scale)
    table = level_table(spikes.coding, dtype)
    if scale.dim() == 0:
        table = table * scale
    per_channel = scale.contiguous() if scale.dim() else None
    name = f"decode_{SUFFIX[dtype]}_{SUFFIX[code.dtype]}"
    call(name, code, rows, channels, table, spikes.coding.timesteps, per_channel, scale_rows, out)
    return out


def pack(code: Tensor) -> Tensor:
    """Codes [N, C] in int8 as products with spikes that stay read them (``packed.h``), [N, C rounded up to 16]."""
    packed = torch.empty(code.shape[0], -(-code.shape[1] // PACKED) * PACKED, dtype=torch.int8)
    call("pack_codes", code.contiguous(), *code.shape, packed)
    return packed


def rows_and_channels(x: Tensor, scale: Tensor) -> tuple[int, int, int]:
    """View x as rows of one scale vector, or (maps of an image) as rows of one scale value each, which repeat."""
    if scale.dim() == 0 or x.dim() < 2:
        columns = x.shape[-1] if x.dim() else 1
        return x.numel() // columns, columns, 0
    if x.dim() == 2:
        return x.shape[0], x.shape[1], 0
    return x.shape[0] * x.shape[1], x[0, 0].numel(), x.shape[1]


@lru_cache(maxsize=64)
def level_table(coding: PhaseCode, dtype: torch.dtype) -> Tensor:
    """Value of each code from -T to T at scale 1, [2 T + 1]; kept, so callers must not change it."""
    levels = coding.levels(dtype)
    return torch.cat([-levels.flip(0), levels.new_zeros(1), levels])
