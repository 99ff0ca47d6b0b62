"""The C structures of the compiled helper, and the tensors they point into."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import torch
from torch import Tensor

from gcn2snn.kernels import epilogue
from gcn2snn.kernels.backend import is_plain
from gcn2snn.kernels.phase import PhaseCode


def _named(kind: type[ctypes.c_int64] | type[ctypes.c_void_p], names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, kind) for name in names.split())


class Fire(ctypes.Structure):
    """``Fire`` of rows.h."""

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


class Epilogue(ctypes.Structure):
    """``Epilogue`` of rows.h."""

    _fields_ = _named(ctypes.c_void_p, "scale bias add out fire")


class Steps(ctypes.Structure):
    """``Steps`` of steps.h."""

    _fields_ = (
        ("limits", ctypes.c_void_p),
        ("moment_of", ctypes.c_void_p),
        ("moments", ctypes.c_int64),
        ("bias", ctypes.c_void_p),
        ("add", ctypes.c_void_p),
        ("fire", Fire),
    )


class Conv(ctypes.Structure):
    """``Conv`` of events.h."""

    _fields_ = (
        *_named(ctypes.c_int64, "images height width groups inputs outputs rows cols kernel_h kernel_w"),
        *_named(ctypes.c_int64, "stride_h stride_w left top dilation_h dilation_w"),
        *_named(ctypes.c_void_p, "code levels"),
        ("timesteps", ctypes.c_int64),
        *_named(ctypes.c_void_p, "channel_scale weight bias add"),
        *_named(ctypes.c_int64, "add_image add_channel add_row add_col add_moment"),
        ("add_levels", ctypes.c_void_p),
        ("add_timesteps", ctypes.c_int64),
        ("add_scale", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("fire", Fire),
        ("horizon", ctypes.c_void_p),
        *_named(ctypes.c_int64, "horizon_image horizon_channel horizon_row horizon_col"),
        *_named(ctypes.c_void_p, "step_of moment_of"),
        ("moments", ctypes.c_int64),
    )


class Blocks(ctypes.Structure):
    """``Blocks`` of blocks.h."""

    _fields_ = (
        *_named(ctypes.c_int64, "count"),
        *_named(ctypes.c_void_p, "start first_entry first_code rowptr col value code place"),
    )


def address_of(tensor: Tensor) -> int:
    """Where the elements of a plain tensor begin.

    Raises:
        TypeError: it has elements and no memory, which somebody has given back.
    """
    address = tensor.data_ptr()
    if not address and tensor.numel():
        raise TypeError(f"a tensor {[*tensor.shape]} has no memory any more: its storage was resized")
    return address


class Keep:
    """Builds C structures and keeps the tensors they point into alive until the call is over."""

    def __init__(self) -> None:
        self.kept: list[Tensor | ctypes.Structure] = []

    def pointer(self, tensor: Tensor | None, dtype: torch.dtype) -> int | None:
        """Address of the elements of a tensor, made contiguous; None stays None.

        Raises:
            TypeError: the tensor is of another dtype than the C code reads.
        """
        if tensor is None:
            return None
        return self.strided(tensor.detach().contiguous(), dtype)

    def strided(self, tensor: Tensor, dtype: torch.dtype) -> int:
        """Address of the first element of a tensor that is read through strides.

        Raises:
            TypeError: as for :meth:`pointer`.
        """
        if tensor.dtype != dtype or not is_plain(tensor):
            view = "a negated view of " if tensor.is_neg() else ""
            raise TypeError(f"a CPU tensor of {dtype} is needed, not {view}one of {tensor.dtype} on {tensor.device}")
        self.kept.append(tensor)
        return address_of(tensor)

    def fire(
        self, fire: epilogue.Fire, dtype: torch.dtype, code: Tensor, view: tuple[int, int], shape: torch.Size
    ) -> Fire:
        """The population that writes ``code``, whose potentials of ``shape`` are read as a matrix ``view``."""
        coding = fire.coding
        structure = Fire(
            scale=self.pointer(fire.scale.to(dtype), dtype),
            scale_step=0 if len(shape) > 2 else min(fire.scale.dim(), 1),
            thresholds=self.pointer(_ascending(coding, dtype), dtype),
            timesteps=coding.timesteps,
            is_signed=int(coding.signed),
            code=self.strided(code, coding.code_dtype if code.dtype != torch.int16 else torch.int16),
            wide=int(code.dtype == torch.int16),
        )
        if fire.horizon is not None:  # a [N, 1] or [1, C] horizon is read through zero strides, never expanded
            horizon = fire.horizon.clamp(-1, 256).to(torch.int16).broadcast_to(shape)
            horizon = horizon if horizon.dim() == 2 and tuple(shape) == view else horizon.reshape(view)
            structure.horizon = self.strided(horizon, torch.int16)
            structure.horizon_row, structure.horizon_col = horizon.stride()
        self.kept.append(structure)
        return structure

    def steps(
        self,
        fire: epilogue.Fire,
        dtype: torch.dtype,
        code: Tensor,
        look: tuple[Tensor, Tensor],
        bias: Tensor | None,
        add: Tensor | None,
    ) -> Steps:
        """A population that looks at several moments; ``look`` is ``(limits, moment_of)``."""
        limits, moment_of = look
        return Steps(
            limits=self.pointer(limits, torch.int32),
            moment_of=self.pointer(moment_of, torch.int32),
            moments=limits.numel(),
            bias=self.pointer(bias, dtype),
            add=self.pointer(add, dtype),
            fire=self.fire(fire, dtype, code, (code.shape[0], code.shape[1]), code.shape),
        )


@lru_cache(maxsize=64)
def _ascending(coding: PhaseCode, dtype: torch.dtype) -> Tensor:
    """Thresholds in ascending order, filled with infinity to the width of the helper's binary search."""
    thresholds = torch.full((max(coding.timesteps, 32),), torch.inf, dtype=dtype)
    thresholds[: coding.timesteps] = coding.thresholds(dtype).flip(0)
    return thresholds
