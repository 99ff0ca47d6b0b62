"""One step of neurons in time: the spikes of a phase on their way out, and neurons that add what arrives and may fire."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.encode import as_pixels, check_storage, pixels_last
from gcn2snn.kernels.epilogue import Fire, check_float, check_scale
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.reference import per_channel


@refuses_misfits
def emit_step(spikes: Spikes, first: int, last: int, out: Tensor) -> bool:
    """Write the codes of the spikes of phases ``first`` to ``last``, and silence elsewhere; say whether there are any.

    >>> from gcn2snn.kernels import PhaseCode
    >>> spikes = Spikes(torch.tensor([[1, -2, 0, 2]], dtype=torch.int8), torch.tensor(8.0), PhaseCode(2.0, 4, signed=True))
    >>> out = torch.empty(1, 4, dtype=torch.int8)
    >>> emit_step(spikes, 2, 2, out), out.tolist()
    (True, [[0, -2, 0, 2]])

    Args:
        spikes: codes [N, C, ...]; those past the last phase are never sent.
        first, last: phases, 1 <= first <= last; past the last phase of the population nothing is sent.
        out: overwritten; like the codes, dense, with their strides.

    Raises:
        InputError: the phases are no range, or ``out`` does not fit the codes.
        InputTypeError: a dtype is not allowed.
    """
    check_storage(spikes)
    if not 1 <= first <= last:
        raise InputError(f"phases {first} to {last} were asked for; neurons fire at phase 1 and later")
    if out.dtype != spikes.code.dtype:
        raise InputTypeError(f"out is {out.dtype}; the codes are {spikes.code.dtype}")
    _check_buffer("out", out, spikes.code)
    last = min(last, spikes.coding.timesteps)
    if first > last:
        out.zero_()
        return False
    if choose(spikes.code.device) == "native":
        from gcn2snn.kernels import native

        return native.emit_step(_rows(spikes.code), first, last, _rows(out))
    phase = spikes.code.abs()
    sent = (phase >= first) & (phase <= last)
    torch.mul(spikes.code, sent, out=out)
    return bool(sent.any())


@refuses_misfits
def fire_step(
    potential: Tensor, arriving: Tensor | None, code: Tensor, fire: Fire, phase: int, until: int | None = None
) -> None:
    """Add what arrives and fire at one phase, in place: a line of Algorithm 1 for every neuron.

    U <- U + arriving; a silent neuron with U / scale >= threshold_phase sends phase (with U < 0 in a signed population
    -phase, by magnitude), unless the phase is past its horizon. With ``until`` later phases follow at the same potential.
    z = U / scale is rounded as in ``encode``, so that a tie fires in both.

    >>> from gcn2snn.kernels import Fire, PhaseCode
    >>> potential, code = torch.tensor([[0.125, 0.75]]), torch.zeros(1, 2, dtype=torch.int8)
    >>> fire_step(potential, torch.tensor([[0.125, 0.0]]), code, Fire(torch.tensor(1.0), PhaseCode(2.0, 4)), 2)
    >>> potential.tolist(), code.tolist()  # the threshold of phase 2 is 3/16
    ([[0.25, 0.75]], [[2, 2]])

    Args:
        potential: U, [N, C, ...], changed; contiguous, images with channels first or last in memory.
        arriving: like ``potential``, or None when nothing arrives.
        code: what each neuron has sent, changed; laid out like ``potential``, in the storage of the population.
        fire: the population.
        phase: k, 1 to T.
        until: last phase at which neurons look at this potential, by default ``phase`` itself.

    Raises:
        InputError: the phases are none of the population, or shapes or memory layouts do not meet.
        InputTypeError: a dtype is not allowed.

    Source: One-Spike SNN, Algorithm 1, potential and threshold both divided by Q_in^n (docs/method.md).
    """
    check_float("potential", potential.dtype)
    check_scale(fire.scale, potential.shape[1])
    fire.check_horizon(tuple(potential.shape))
    until = phase if until is None else until
    if not 1 <= phase <= until <= fire.coding.timesteps:
        raise InputError(
            f"phases {phase} to {until} were asked for; the population fires at 1 to {fire.coding.timesteps}"
        )
    if code.dtype != fire.coding.code_dtype:
        raise InputTypeError(f"codes are {code.dtype}; the population stores {fire.coding.code_dtype}")
    _check_buffer("code", code, potential)
    if arriving is not None and (arriving.shape != potential.shape or arriving.dtype != potential.dtype):
        raise InputError(
            f"{[*arriving.shape]} of {arriving.dtype} arrives at potentials {[*potential.shape]} of {potential.dtype}"
        )
    if choose(potential.device) == "native":
        from gcn2snn.kernels import native

        horizon = None if fire.horizon is None else _rows(fire.horizon.expand(potential.shape), potential)
        arriving = None if arriving is None else _rows(arriving, potential)
        native.fire_step(_rows(potential), arriving, _rows(code), replace(fire, horizon=horizon), phase, until)
        return
    if arriving is not None:
        potential += arriving
    z = potential / per_channel(fire.scale.to(potential.dtype), potential.dim())
    magnitude = z.abs() if fire.coding.signed else z
    for k, threshold in enumerate(fire.coding.thresholds(z.dtype, z.device)[phase - 1 : until], start=phase):
        fires = (magnitude >= threshold) & (code == 0)
        if fire.horizon is not None:
            fires &= k <= fire.horizon
        code += torch.where(fires, torch.where(z < 0, -k, k), 0).to(code.dtype)


def _check_buffer(name: str, buffer: Tensor, like: Tensor) -> None:
    if buffer.shape != like.shape or buffer.device != like.device:
        raise InputError(f"{name} is {[*buffer.shape]} on {buffer.device}; {[*like.shape]} on {like.device} is needed")
    if buffer.stride() != like.stride() or not _rows(like).is_contiguous():
        raise InputError(
            f"{name} has strides {buffer.stride()} beside {like.stride()}; it is written in place and must be laid out "
            "alike, contiguous, images with channels first or last"
        )


def _rows(x: Tensor, like: Tensor | None = None) -> Tensor:
    """View images with channels last in memory as rows of pixels [N H W, C]; others as they are."""
    return as_pixels(x) if pixels_last(x if like is None else like) else x
