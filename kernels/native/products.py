"""Calls of the compiled CPU helper for products of matrices. Arguments are checked by the public operations."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import torch
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.event_blocks import EventBlocks, event_blocks
from gcn2snn.kernels.native import loading
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.coding import decode
from gcn2snn.kernels.native.signatures import SUFFIX
from gcn2snn.kernels.native.structures import Blocks, Epilogue, Keep
from gcn2snn.kernels.phase import PhaseCode, Spikes


def decodes_in_registers(spikes: Spikes) -> bool:
    """Whether :func:`phase_spmm` can read this population on this machine."""
    helper = loading.load()
    short = spikes.code.dtype == torch.int8 and spikes.coding.timesteps <= helper.register_phases
    return short and helper.register_bits > 0


def spmm(matrix: CSR, x: Tensor, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
    """diag(rows) A diag(columns) X, [columns, C] -> [rows, C], float32 or float64; None is all ones."""
    out = x.new_empty(matrix.shape[0], x.shape[1])
    entries, x = matrix.checked, x.contiguous()
    if out.numel():
        rows, columns = (None if mask is None else mask.contiguous() for mask in (rows, columns))
        value = entries.values(x.dtype)
        call(f"spmm_{SUFFIX[x.dtype]}", *_indices(entries), value, x, *x.shape, rows, columns, out)
    return out


def phase_spmm(matrix: CSR, spikes: Spikes, bias: Tensor | None, add: Tensor | None, fire: Fire | None) -> Tensor:
    """Potentials [rows, C] in float32, or the codes that ``fire`` makes of them."""
    return product_by_blocks(matrix, spikes, event_blocks(matrix, spikes), bias, add, fire)


def product_by_blocks(
    matrix: CSR,
    spikes: Spikes,
    blocks: EventBlocks | None,
    bias: Tensor | None,
    add: Tensor | None,
    fire: Fire | None,
) -> Tensor:
    """:func:`phase_spmm` by the blocks that were found for these operands; None is the whole product."""
    channels, scale = spikes.code.shape[1], spikes.scale.detach().float().contiguous()
    table = register_levels(spikes.coding) if scale.dim() else register_levels(spikes.coding) * scale
    out = torch.empty(matrix.shape[0], channels, dtype=fire.coding.code_dtype if fire else torch.float32)
    if not out.numel():
        return out
    keep, real = Keep(), torch.float32
    structure = Epilogue(
        scale=keep.pointer(scale if scale.dim() else None, real),
        bias=keep.pointer(bias, real),
        add=keep.pointer(add, real),
    )
    if fire is None:
        structure.out = keep.pointer(out, real)
    else:
        structure.fire = ctypes.addressof(keep.fire(fire, real, out, (out.shape[0], channels), out.shape))
    if blocks is None:
        _call_with_codes("phase_spmm", matrix, spikes, table, structure)
    else:
        numbers = (spikes.coding.timesteps, int(spikes.coding.signed))
        call("block_spmm", _blocks(blocks, keep), *out.shape, table, *numbers, structure)
    return out


def _blocks(blocks: EventBlocks, keep: Keep) -> Blocks:
    """The structure of ``blocks.h``."""
    real, index, long = torch.float32, torch.int32, torch.int64
    return Blocks(
        count=blocks.count,
        start=keep.pointer(blocks.start, long),
        first_entry=keep.pointer(blocks.first_entry, long),
        first_code=keep.pointer(blocks.first_code, long),
        rowptr=keep.pointer(blocks.rowptr, index),
        col=keep.pointer(blocks.col, index),
        value=keep.pointer(blocks.value, real),
        code=keep.pointer(blocks.code, torch.int8),
        place=keep.pointer(blocks.place, index),
    )


def spmm_steps(
    matrix: CSR,
    spikes: Spikes,
    fire: Fire,
    look: tuple[Tensor, Tensor],
    bias: Tensor | None,
    add: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Codes [rows, C] of neurons that read A X at several moments; ``look`` is ``(limits, moment_of)`` of ``moments``."""
    out = torch.empty(matrix.shape[0], spikes.code.shape[1], dtype=_wider(spikes, fire))
    if not out.numel():
        return out.to(fire.coding.code_dtype)
    keep = Keep()
    structure = keep.steps(fire, dtype, out, look, bias, add)
    if dtype == torch.float32 and spikes.scale.dim() == 0 and decodes_in_registers(spikes):
        levels = register_levels(spikes.coding) * spikes.scale.detach().float()
        tables = torch.where(torch.arange(levels.shape[0]) <= look[0][:, None], levels, 0.0)
        _call_with_codes("phase_steps", matrix, spikes, tables, structure)
        return out.to(fire.coding.code_dtype)
    x, code, entries = decode(spikes, dtype), spikes.code.contiguous().to(out.dtype), matrix.checked
    name = f"spmm_steps_{SUFFIX[dtype]}_{SUFFIX[out.dtype]}"
    call(name, *_indices(entries), entries.values(dtype), code, x, code.shape[1], structure)
    return out.to(fire.coding.code_dtype)


def gemm_steps(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    look: tuple[Tensor, Tensor],
    bias: Tensor | None,
    add: Tensor | None,
) -> Tensor:
    """Codes [N, out] of neurons that read decode(spikes) W^T at several moments."""
    code, dtype = spikes.code.contiguous(), weight.dtype
    out = torch.empty(code.shape[0], weight.shape[0], dtype=_wider(spikes, fire))
    if not out.numel():
        return out.to(fire.coding.code_dtype)
    x, keep = decode(spikes, dtype), Keep()
    structure = keep.steps(fire, dtype, out, look, bias, add)
    name = f"gemm_steps_{SUFFIX[dtype]}_{SUFFIX[out.dtype]}"
    transposed, first = weight.detach().t().contiguous(), first_moments(look[0], code.dtype)
    call(name, code.to(out.dtype), *code.shape, x, transposed, weight.shape[0], first, structure)
    return out.to(fire.coding.code_dtype)


def first_moments(limits: Tensor, code_dtype: torch.dtype) -> Tensor:
    """First moment that has seen each phase the storage can hold; one past the last for phases that no neuron sends."""
    phases = torch.arange(-torch.iinfo(code_dtype).min + 1)
    first = torch.bucketize(phases, limits.long(), out_int32=True)
    first[0] = limits.numel()
    return first


def _call_with_codes(name: str, matrix: CSR, spikes: Spikes, table: Tensor, structure: ctypes.Structure) -> None:
    """A product that reads one-byte codes without copying them."""
    entries, code, coding = matrix.checked, spikes.code.contiguous(), spikes.coding
    numbers = (coding.timesteps, int(coding.signed))
    call(name, *_indices(entries), entries.values(torch.float32), code, *code.shape, table, *numbers, structure)


def _indices(entries: CSR) -> tuple[Tensor, Tensor, int]:
    return entries.rowptr, entries.col, entries.shape[0]


def _wider(spikes: Spikes, fire: Fire) -> torch.dtype:
    """Storage that holds the codes of both populations."""
    return torch.promote_types(spikes.code.dtype, fire.coding.code_dtype)


@lru_cache(maxsize=64)
def register_levels(coding: PhaseCode) -> Tensor:
    """Value of each phase at scale 1, as long as the table in the registers; kept, so callers must not change it."""
    table = torch.zeros(loading.load().register_phases + 1, dtype=torch.float32)
    table[1 : coding.timesteps + 1] = coding.levels(torch.float32)
    return table
