"""Neurons that fire before all their input is there (wait < T - 1): potentials at several moments, first crossing.

A neuron of phase code (Q, T_out) that waits w steps fires at output phase k as soon as U(min(k + w, T_in)) reaches
threshold k, where U(n) counts the input spikes of phase <= n. Only the moments min(1 + w, T_in) .. T_in are ever read, so
one pass over the operand keeps T_in - w sums per neuron instead of making T_in passes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, kind_of, refuses_misfits
from gcn2snn.kernels import phase_gemm as dense
from gcn2snn.kernels import phase_spmm as sparse
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.encode import decode_checked
from gcn2snn.kernels.epilogue import Fire, check_epilogue, check_float, check_scale, finish
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.reference import first_crossing
from gcn2snn.kernels.spmm import spmm


@refuses_misfits
def phase_spmm_bucketed(
    matrix: CSR,
    spikes: Spikes,
    fire: Fire,
    wait: int,
    dtype: torch.dtype = torch.float32,
    *,
    bias: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of neurons that read A decode(spikes) + bias + add phase by phase after ``wait`` steps.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.tensor([[1], [2]], dtype=torch.int8), torch.tensor(1.0), code)
    >>> A = CSR.from_dense(torch.tensor([[0.9, -0.5]]))
    >>> [phase_spmm_bucketed(A, spikes, Fire(torch.tensor(1.0), code), wait).code.tolist() for wait in (0, 3)]
    [[[1]], [[2]]]

    Args:
        matrix: A, [rows, columns].
        spikes: codes [columns, C].
        fire: the population; its thresholds, scale and horizon.
        wait: w >= 0; from T_in - 1 on the result is that of ``phase_spmm_fire`` (on CUDA up to the
            rounding of sums).
        dtype: of the potentials.
        bias: [C], there from the start.
        add: [rows, C], there from the start.

    Returns:
        codes [rows, C].

    Raises:
        InputError: wait < 0, or shapes or devices do not meet.
        InputTypeError: a dtype is not allowed.

    Source: One-Spike SNN, Algorithm 1, potential and threshold both divided by Q_in^n.
    """
    check_float("the dtype asked for", dtype)
    sparse.check_operands(matrix, spikes)
    rows, channels = matrix.shape[0], spikes.code.shape[1]
    _check(fire, wait, rows, channels, dtype, bias, add)
    limits, moment_of = moments(spikes, fire, wait)
    backend = choose(spikes.code.device)
    if backend == "native":
        from gcn2snn.kernels import native

        code = native.spmm_steps(matrix, spikes, fire, (limits, moment_of), bias, add, dtype)
        return Spikes(code, fire.scale, fire.coding)
    if backend == "triton":
        from gcn2snn.kernels.triton import bucketed as on_device

        code = on_device.phase_spmm(matrix, spikes, fire, limits, moment_of, bias, add, dtype)
        return Spikes(code, fire.scale, fire.coding)
    potentials = [finish(spmm(matrix, decode_checked(up_to(spikes, n), dtype)), bias, add) for n in limits.tolist()]
    return first_crossing(potentials, moment_of.tolist(), fire.scale, fire.coding, fire.horizon)


@refuses_misfits
def phase_gemm_bucketed(
    spikes: Spikes,
    weight: Tensor,
    fire: Fire,
    wait: int,
    bias: Tensor | None = None,
    *,
    weight_scale: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of neurons that read decode(spikes) W^T + bias + add phase by phase after ``wait`` steps.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor(1.0), code)
    >>> weight = torch.tensor([[0.9, -0.5]])  # the negative weight comes a phase later
    >>> [phase_gemm_bucketed(spikes, weight, Fire(torch.tensor(1.0), code), wait).code.tolist() for wait in (0, 3)]
    [[[1]], [[2]]]

    Args:
        spikes: codes [N, in].
        weight, bias, weight_scale, add: as in ``phase_gemm``.
        fire, wait: as in :func:`phase_spmm_bucketed`.

    Returns:
        codes [N, out].

    Raises:
        InputError, InputTypeError: as in ``phase_gemm``; wait < 0.
    """
    dense.check_operands(spikes, weight, weight_scale)
    matrix = dense.dequantise(weight, weight_scale).detach()
    rows, channels, dtype = spikes.code.shape[0], weight.shape[0], matrix.dtype
    _check(fire, wait, rows, channels, dtype, bias, add)
    limits, moment_of = moments(spikes, fire, wait)
    backend = choose(weight.device)
    if backend == "native":
        from gcn2snn.kernels import native

        code = native.gemm_steps(spikes, matrix, fire, (limits, moment_of), bias, add)
        return Spikes(code, fire.scale, fire.coding)
    if backend == "triton":
        from gcn2snn.kernels.triton import bucketed as on_device

        code = on_device.phase_gemm(spikes, matrix, fire, limits, moment_of, bias, add)
        return Spikes(code, fire.scale, fire.coding)
    potentials = [finish(decode_checked(up_to(spikes, n), dtype) @ matrix.t(), bias, add) for n in limits.tolist()]
    return first_crossing(potentials, moment_of.tolist(), fire.scale, fire.coding, fire.horizon)


@refuses_misfits
def moments(spikes: Spikes, fire: Fire, wait: int) -> tuple[Tensor, Tensor]:
    """The moments at which neurons look: ``limits`` [M] (last input phase seen), ``moment_of`` [T_out] (index into it).

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> spikes = Spikes(torch.tensor([[1]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    >>> limits, moment_of = moments(spikes, Fire(torch.tensor(1.0), PhaseCode(2.0, 4)), wait=2)
    >>> limits.tolist(), moment_of.tolist()  # after two more phases each, and after all of them
    ([3, 4], [0, 1, 1, 1])
    """
    step = fire.coding.step_of(torch.arange(1, fire.coding.timesteps + 1))
    heard_all = min(
        wait, spikes.coding.timesteps
    )  # a longer wait hears the same, and its product with the group may overflow
    seen = step.add(heard_all).mul(spikes.coding.group).clamp(max=spikes.coding.timesteps)
    limits, moment_of = torch.unique(seen, sorted=True, return_inverse=True)
    return limits.int(), moment_of.int()


@refuses_misfits
def up_to(spikes: Spikes, phase: int) -> Spikes:
    """The spikes sent until a phase, the others silent.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> up_to(Spikes(torch.tensor([[1, 3]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4)), 2).code.tolist()
    [[1, 0]]
    """
    return spikes.with_code(torch.where(spikes.code.abs() <= phase, spikes.code, 0))


def check_wait(wait: int) -> None:
    """Refuse a wait that is no number of steps.

    Raises:
        InputError, InputTypeError: as said.
    """
    if not isinstance(wait, int) or isinstance(wait, bool):
        raise InputTypeError(f"wait is {kind_of(wait)}; a whole number of steps is needed")
    if wait < 0:
        raise InputError(f"wait is {wait}; allowed are 0 and more steps")


def _check(
    fire: Fire, wait: int, rows: int, channels: int, dtype: torch.dtype, bias: Tensor | None, add: Tensor | None
) -> None:
    check_wait(wait)
    check_epilogue(rows, channels, dtype, bias, add)
    check_scale(fire.scale, channels)
    fire.check_horizon((rows, channels))
