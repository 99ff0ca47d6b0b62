"""Calls of the compiled CPU helper for one step in time. Arguments are checked by :mod:`gcn2snn.kernels.step`."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.coding import rows_and_channels
from gcn2snn.kernels.native.signatures import SUFFIX
from gcn2snn.kernels.native.structures import Keep


def emit_step(code: Tensor, first: int, last: int, out: Tensor) -> bool:
    """Codes of the spikes of some phases, written to ``out``; whether there are any."""
    sent = torch.zeros(1, dtype=torch.int64)
    if code.numel():
        call(f"emit_step_{SUFFIX[code.dtype]}", code, code.numel(), first, last, out, sent)
    return bool(sent)


def fire_step(potential: Tensor, arriving: Tensor | None, code: Tensor, fire: Fire, phase: int, until: int) -> None:
    """Advance potentials and codes in place."""
    if not potential.numel():
        return
    rows, channels, scale_rows = rows_and_channels(potential, fire.scale)
    keep = Keep()
    structure = keep.fire(fire, potential.dtype, code, (rows, channels), potential.shape)
    arriving = None if arriving is None else arriving.contiguous()
    name = f"fire_step_{SUFFIX[potential.dtype]}_{SUFFIX[code.dtype]}"
    call(name, potential, arriving, rows, channels, scale_rows, structure, phase, until)
