"""Calls into the compiled CPU helper. Arguments are checked by the callers: contiguous, of the right dtype, in range."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gcn2snn.errors import BackendError
from gcn2snn.kernels import native_build
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.phase import PhaseCode, Spikes

REGISTER_PHASES = 31  # one table of 32 values (0 is silence) fits the registers
SUFFIX = {torch.float32: "f32", torch.float64: "f64", torch.int8: "i8", torch.int16: "i16"}


class FireStructure(ctypes.Structure):
    _fields_ = (
        ("scale", ctypes.c_void_p),
        ("scale_step", ctypes.c_int64),
        ("thresholds", ctypes.c_void_p),
        ("timesteps", ctypes.c_int64),
        ("is_signed", ctypes.c_int64),
        ("horizon", ctypes.c_void_p),
        ("horizon_row", ctypes.c_int64),
        ("horizon_col", ctypes.c_int64),
        ("code", ctypes.c_void_p),
        ("wide", ctypes.c_int64),
    )


class _Epilogue(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("scale", "bias", "add", "out", "fire"))


class _Steps(ctypes.Structure):
    _fields_ = (
        ("limits", ctypes.c_void_p),
        ("moment_of", ctypes.c_void_p),
        ("moments", ctypes.c_int64),
        ("bias", ctypes.c_void_p),
        ("add", ctypes.c_void_p),
        ("fire", FireStructure),
    )


def decodes_in_registers(spikes: Spikes) -> bool:
    """Whether :func:`phase_spmm` can read this population on this machine."""
    return (
        spikes.code.dtype == torch.int8
        and spikes.coding.timesteps <= REGISTER_PHASES
        and native_build.load().register_bits > 0
    )


def spmm(matrix: CSR, x: Tensor, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
    """diag(rows) A diag(columns) X, [columns, C] -> [rows, C], float32 or float64; None is all ones."""
    out = x.new_empty(matrix.shape[0], x.shape[1])
    value, x = matrix.values(x.dtype), x.contiguous()
    if out.numel():
        rows, columns = (None if mask is None else mask.contiguous() for mask in (rows, columns))
        call(f"spmm_{SUFFIX[x.dtype]}", *_sparse(matrix), value, x, *x.shape, rows, columns, out)
    return out


def encode(x: Tensor, fire: Fire) -> Tensor:
    """Codes of x, [N, C, ...]."""
    x = x.contiguous()
    code = torch.empty(x.shape, dtype=fire.coding.code_dtype)
    if not x.numel():
        return code
    rows, channels, scale_rows = _rows_and_channels(x, fire.scale)
    keep = Keep()
    structure = keep.fire(fire, x.dtype, code, (rows, channels), x.shape)
    call(f"encode_{SUFFIX[x.dtype]}_{SUFFIX[code.dtype]}", x, rows, channels, scale_rows, ctypes.byref(structure))
    return code


def decode(spikes: Spikes, dtype: torch.dtype) -> Tensor:
    """Values of spikes, [N, C, ...]."""
    code = spikes.code.contiguous()
    out = torch.empty(code.shape, dtype=dtype)
    if not code.numel():
        return out
    scale = spikes.scale.to(dtype)
    rows, channels, scale_rows = _rows_and_channels(code, scale)
    table = level_table(spikes.coding, dtype)
    if scale.dim() == 0:
        table = table * scale
    per_channel = scale.contiguous() if scale.dim() else None
    name = f"decode_{SUFFIX[dtype]}_{SUFFIX[code.dtype]}"
    call(name, code, rows, channels, table, spikes.coding.timesteps, per_channel, scale_rows, out)
    return out


def emit_step(code: Tensor, first: int, last: int, out: Tensor) -> bool:
    """Codes of the spikes of some phases, written to ``out``; whether there are any."""
    sent = torch.zeros(1, dtype=torch.int64)
    if code.numel():
        call(f"emit_step_{SUFFIX[code.dtype]}", code, code.numel(), first, last, out, sent)
    return bool(sent)


def fire_step(potential: Tensor, arriving: Tensor | None, code: Tensor, fire: Fire, phase: int, until: int) -> None:
    """Advance potentials and codes in place; see :mod:`gcn2snn.kernels.step`."""
    if not potential.numel():
        return
    rows, channels, scale_rows = _rows_and_channels(potential, fire.scale)
    keep = Keep()
    structure = keep.fire(fire, potential.dtype, code, (rows, channels), potential.shape)
    arriving = None if arriving is None else arriving.contiguous()
    name = f"fire_step_{SUFFIX[potential.dtype]}_{SUFFIX[code.dtype]}"
    call(name, potential, arriving, rows, channels, scale_rows, ctypes.byref(structure), phase, until)


def phase_spmm(matrix: CSR, spikes: Spikes, bias: Tensor | None, add: Tensor | None, fire: Fire | None) -> Tensor:
    """Potentials [rows, C] in float32, or the codes that ``fire`` makes of them."""
    code, channels = spikes.code.contiguous(), spikes.code.shape[1]
    scale = spikes.scale.float().contiguous()
    table = _register_levels(spikes.coding) if scale.dim() else _register_levels(spikes.coding) * scale
    out = torch.empty(matrix.shape[0], channels, dtype=fire.coding.code_dtype if fire else torch.float32)
    if not out.numel():
        return out
    keep = Keep()
    structure = _Epilogue(
        scale=keep.pointer(scale if scale.dim() else None), bias=keep.pointer(bias), add=keep.pointer(add)
    )
    if fire is None:
        structure.out = out.data_ptr()
    else:
        firing = keep.fire(fire, torch.float32, out, (out.shape[0], channels), out.shape)
        structure.fire = ctypes.addressof(firing)
    arguments = (
        matrix.values(torch.float32),
        code,
        *code.shape,
        table,
        spikes.coding.timesteps,
        int(spikes.coding.signed),
    )
    call("phase_spmm", *_sparse(matrix), *arguments, ctypes.byref(structure))
    return out


def spmm_steps(
    matrix: CSR,
    spikes: Spikes,
    fire: Fire,
    limits: Tensor,
    moment_of: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Codes [rows, C] of neurons that read A X at several moments; see :mod:`gcn2snn.kernels.bucketed`."""
    code, channels = spikes.code.contiguous(), spikes.code.shape[1]
    out = torch.empty(matrix.shape[0], channels, dtype=_wider(spikes, fire))
    if not out.numel():
        return out.to(fire.coding.code_dtype)
    keep = Keep()
    structure = keep.steps(fire, dtype, out, limits, moment_of, bias, add)
    if dtype == torch.float32 and spikes.scale.dim() == 0 and decodes_in_registers(spikes):
        levels = _register_levels(spikes.coding) * spikes.scale.float()
        tables = torch.where(torch.arange(REGISTER_PHASES + 1) <= limits[:, None], levels, 0.0)
        arguments = (
            matrix.values(dtype),
            code,
            *code.shape,
            tables,
            spikes.coding.timesteps,
            int(spikes.coding.signed),
        )
        call("phase_steps", *_sparse(matrix), *arguments, ctypes.byref(structure))
        return out.to(fire.coding.code_dtype)
    x = decode(spikes, dtype)
    name = f"spmm_steps_{SUFFIX[dtype]}_{SUFFIX[out.dtype]}"
    call(name, *_sparse(matrix), matrix.values(dtype), code.to(out.dtype), x, channels, ctypes.byref(structure))
    return out.to(fire.coding.code_dtype)


def gemm_steps(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    limits: Tensor,
    moment_of: Tensor,
    bias: Tensor | None,
    add: Tensor | None,
) -> Tensor:
    """Codes [N, out] of neurons that read decode(spikes) W^T at several moments."""
    code, dtype = spikes.code.contiguous(), weight.dtype
    out = torch.empty(code.shape[0], weight.shape[0], dtype=_wider(spikes, fire))
    if not out.numel():
        return out.to(fire.coding.code_dtype)
    x, keep = decode(spikes, dtype), Keep()
    structure = keep.steps(fire, dtype, out, limits, moment_of, bias, add)
    name = f"gemm_steps_{SUFFIX[dtype]}_{SUFFIX[out.dtype]}"
    transposed = weight.detach().t().contiguous()
    call(
        name,
        code.to(out.dtype),
        *code.shape,
        x,
        transposed,
        weight.shape[0],
        first_moments(limits, code.dtype),
        ctypes.byref(structure),
    )
    return out.to(fire.coding.code_dtype)


def first_moments(limits: Tensor, code_dtype: torch.dtype) -> Tensor:
    """First moment that has seen each phase the storage can hold; one past the last for phases that no neuron sends."""
    phases = torch.arange(-torch.iinfo(code_dtype).min + 1)
    first = torch.bucketize(phases, limits.long(), out_int32=True)
    first[0] = limits.numel()
    return first


def _wider(spikes: Spikes, fire: Fire) -> torch.dtype:
    """Storage that holds the codes of both populations."""
    return torch.promote_types(spikes.code.dtype, fire.coding.code_dtype)


class Keep:
    """Builds C structures and keeps the tensors they point into alive until the call is over."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []

    def pointer(self, tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        tensor = tensor.detach().contiguous()
        self.tensors.append(tensor)
        return tensor.data_ptr()

    def fire(
        self, fire: Fire, dtype: torch.dtype, code: Tensor, view: tuple[int, int], shape: torch.Size
    ) -> FireStructure:
        coding = fire.coding
        horizon = None
        if fire.horizon is not None:  # a [N, 1] or [1, C] horizon is read through zero strides, never expanded
            horizon = fire.horizon.clamp(-1, 256).to(torch.int16).broadcast_to(shape)
            horizon = horizon if horizon.dim() == 2 and tuple(shape) == view else horizon.reshape(view)
            self.tensors.append(horizon)
        structure = FireStructure(
            scale=self.pointer(fire.scale.to(dtype)),
            scale_step=min(fire.scale.dim(), 1),
            thresholds=self.pointer(_ascending(coding, dtype)),
            timesteps=coding.timesteps,
            is_signed=int(coding.signed),
            horizon=horizon.data_ptr() if horizon is not None else None,
            horizon_row=horizon.stride(0) if horizon is not None else 0,
            horizon_col=horizon.stride(1) if horizon is not None else 0,
            code=code.data_ptr(),
            wide=int(code.dtype == torch.int16),
        )
        if fire.scale.dim() == 1 and len(shape) > 2:
            structure.scale_step = 0
        self.tensors.append(structure)
        return structure

    def steps(
        self,
        fire: Fire,
        dtype: torch.dtype,
        code: Tensor,
        limits: Tensor,
        moment_of: Tensor,
        bias: Tensor | None,
        add: Tensor | None,
    ) -> _Steps:
        return _Steps(
            limits=self.pointer(limits),
            moment_of=self.pointer(moment_of),
            moments=limits.numel(),
            bias=self.pointer(bias),
            add=self.pointer(add),
            fire=self.fire(fire, dtype, code, (code.shape[0], code.shape[1]), code.shape),
        )


@lru_cache(maxsize=64)
def level_table(coding: PhaseCode, dtype: torch.dtype) -> Tensor:
    """Value of each code from -T to T at scale 1, [2 T + 1]; kept, so callers must not change it."""
    levels = coding.levels(dtype)
    return torch.cat([-levels.flip(0), levels.new_zeros(1), levels])


@lru_cache(maxsize=64)
def _register_levels(coding: PhaseCode) -> Tensor:
    """Value of each phase from 0 to 31 at scale 1, [32]; kept, so callers must not change it."""
    table = torch.zeros(REGISTER_PHASES + 1)
    table[1 : coding.timesteps + 1] = coding.levels(torch.float32)
    return table


@lru_cache(maxsize=64)
def _ascending(coding: PhaseCode, dtype: torch.dtype) -> Tensor:
    """Thresholds in ascending order, filled with infinity to the width of the helper's binary search."""
    thresholds = torch.full((max(coding.timesteps, 32),), torch.inf, dtype=dtype)
    thresholds[: coding.timesteps] = coding.thresholds(dtype).flip(0)
    return thresholds


def _rows_and_channels(x: Tensor, scale: Tensor) -> tuple[int, int, int]:
    """View x as rows of one scale vector, or (maps of an image) as rows of one scale value each, which repeat."""
    if scale.dim() == 0 or x.dim() < 2:
        columns = x.shape[-1] if x.dim() else 1
        return x.numel() // columns, columns, 0
    if x.dim() == 2:
        return x.shape[0], x.shape[1], 0
    return x.shape[0] * x.shape[1], x[0, 0].numel(), x.shape[1]


def _sparse(matrix: CSR) -> tuple[Tensor, Tensor, int]:
    checked = matrix.checked
    return checked.rowptr, checked.col, checked.shape[0]


def call(name: str, *arguments: Any) -> None:
    library = native_build.load().library
    if library is None:
        raise BackendError(native_build.load().reason)
    converted = [_argument(a) for a in arguments]
    function = getattr(library, f"gcn2snn_{name}")
    function.restype = None
    function(*converted, ctypes.c_int64(torch.get_num_threads()))


def _argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, int):
        return ctypes.c_int64(value)
    return value if value is not None else ctypes.c_void_p(None)
