"""Sparse aggregation of spikes: one byte is gathered for each entry and channel instead of four."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.encode import check_codes, decode_checked, encode
from gcn2snn.kernels.epilogue import Fire, check_epilogue, check_float, check_scale, finish, wants_gradient
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.spmm import check_device, refuse_followed_values, spmm


@refuses_misfits
def phase_spmm(
    matrix: CSR,
    spikes: Spikes,
    dtype: torch.dtype = torch.float32,
    *,
    bias: Tensor | None = None,
    add: Tensor | None = None,
) -> Tensor:
    """A decode(spikes) + bias + add: potentials of an aggregation layer.

    With the compiled helper and with Triton, entries that read silence are left out where that pays. What is left out would
    have added zero, and the rest keeps its order, so nothing changes but the time: rows without a spike in one call, and,
    where the same ``Spikes`` meet the same matrix again, all that reads no spike in a block of channels (``event_blocks.py``).

    >>> from gcn2snn.kernels import CSR, PhaseCode, Spikes
    >>> A = CSR.from_dense(torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
    >>> spikes = Spikes(torch.tensor([[1], [2]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    >>> phase_spmm(A, spikes)
    tensor([[0.5000],
            [2.5000]])

    Args:
        matrix: A, [rows, columns].
        spikes: codes [columns, C].
        dtype: of the potentials and of the sums, float32 or float64.
        bias: [C], of ``dtype``.
        add: [rows, C], of ``dtype``: a second input of the same membrane.

    Returns:
        [rows, C]. Gradients reach bias, add and the scale. With one scale for all channels the compiled helper is equal to the reference
        bit for bit. A scale per channel is multiplied after the sum, A (X diag s) = (A X) diag s; then, and on other backends,
        an element differs from the reference by at most (n + 3) eps sum_j |a_ij x_jc| for a row of n entries.

    Raises:
        InputError: shapes or devices do not meet, or the matrix breaks an invariant of ``CSR``.
        InputTypeError: a dtype is not allowed.
    """
    check_float("the dtype asked for", dtype)
    check_operands(matrix, spikes)
    check_epilogue(matrix.shape[0], spikes.code.shape[1], dtype, bias, add)
    refuse_followed_values(matrix)
    if wants_gradient(spikes.scale):
        return finish(spmm(matrix, decode_checked(spikes, dtype)), bias, add)
    if wants_gradient(bias, add):
        return finish(phase_spmm(matrix, spikes, dtype), bias, add)
    backend = choose(spikes.code.device)
    if backend == "native" and dtype == torch.float32:
        from gcn2snn.kernels import native

        if native.decodes_in_registers(spikes):
            return native.phase_spmm(matrix, spikes, bias, add, None)
    if backend == "triton":
        from gcn2snn.kernels.triton import phase_spmm as on_device

        return on_device.phase_spmm(matrix, spikes, dtype, bias, add, None)
    return finish(spmm(matrix, decode_checked(spikes, dtype)), bias, add)


@refuses_misfits
def phase_spmm_fire(
    matrix: CSR,
    spikes: Spikes,
    fire: Fire,
    dtype: torch.dtype = torch.float32,
    *,
    bias: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """Spikes of the population that reads ``phase_spmm``: potentials meet the thresholds and are never stored.

    Equal to ``encode(phase_spmm(matrix, spikes, dtype, bias=bias, add=add), ...)`` bit for bit.

    >>> from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes
    >>> code = PhaseCode(2.0, 4)
    >>> spikes = Spikes(torch.tensor([[1], [2]], dtype=torch.int8), torch.tensor(1.0), code)
    >>> phase_spmm_fire(CSR.from_dense(torch.tensor([[0.9, -0.5]])), spikes, Fire(torch.tensor(1.0), code)).code.tolist()
    [[2]]

    Args:
        matrix, spikes, dtype, bias, add: as in :func:`phase_spmm`.
        fire: the population.

    Returns:
        codes [rows, C].

    Raises:
        InputError, InputTypeError: as in :func:`phase_spmm` and ``encode``.
    """
    check_float("the dtype asked for", dtype)
    check_operands(matrix, spikes)
    rows, channels = matrix.shape[0], spikes.code.shape[1]
    check_epilogue(rows, channels, dtype, bias, add)
    check_scale(fire.scale, channels)
    fire.check_horizon((rows, channels))
    backend = choose(spikes.code.device)
    if backend == "native" and dtype == torch.float32:
        from gcn2snn.kernels import native

        if native.decodes_in_registers(spikes):
            return Spikes(native.phase_spmm(matrix, spikes, bias, add, fire), fire.scale, fire.coding)
    if backend == "triton":
        from gcn2snn.kernels.triton import phase_spmm as on_device

        code = on_device.phase_spmm(matrix, spikes, dtype, bias, add, fire)
        return Spikes(code, fire.scale, fire.coding)
    potential = phase_spmm(matrix, spikes, dtype, bias=bias, add=add)
    return encode(potential, fire.scale, fire.coding, fire.horizon)


def check_operands(matrix: CSR, spikes: Spikes) -> None:
    """Refuse spikes that do not meet the matrix in shape, storage or device.

    Raises:
        InputError, InputTypeError: as said.
    """
    code = spikes.code
    if code.dim() != 2 or code.shape[0] != matrix.shape[1]:
        raise InputError(
            f"a matrix of shape {matrix.shape} times spikes {[*code.shape]}: spikes must be [{matrix.shape[1]}, channels]"
        )
    check_codes(spikes)
    check_device(matrix, code)
