"""The definition of every operation: plain torch, any float dtype, slow. Tests compare the fast paths with these."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from gcn2snn.errors import refuses_misfits
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.phase import PhaseCode, Spikes

CHANNEL_BLOCK = 16  # input channels that a convolution sums before it goes on to others


@refuses_misfits
def per_channel(scale: Tensor, dims: int) -> Tensor:
    """View a scalar or [C] tensor so that it broadcasts along axis 1 of a ``dims``-dimensional tensor.

    >>> per_channel(torch.tensor([1.0, 2.0]), 4).shape
    torch.Size([1, 2, 1, 1])
    """
    return scale if scale.dim() == 0 or dims < 2 else scale.view(1, -1, *[1] * (dims - 2))


def encode(x: Tensor, scale: Tensor, coding: PhaseCode, horizon: Tensor | None = None) -> Spikes:
    """Phase of the spike that x / scale sends, by comparison with the T thresholds.

    t = min { k : |z| >= threshold_k }, z = x / scale; silent when there is none, when z < 0 in an unsigned population,
    or when t is past the neuron's own horizon. A tie fires.

    Args:
        x: [N, C, ...], potentials.
        scale: [] or [C], > 0.
        coding: phase code.
        horizon: last phase at which a neuron may fire, broadcastable to x, or None for T.

    Source: Eq. 3 (shift=False) and Eq. 4 (shift=True); ties as in Eq. 4, not Eq. 1.
    """
    z = x / per_channel(scale.to(x.dtype), x.dim())
    magnitude = z.abs() if coding.signed else z
    phase = torch.zeros(x.shape, dtype=coding.code_dtype, device=x.device)
    for index, threshold in reversed(list(enumerate(coding.thresholds(x.dtype, x.device)))):
        phase = torch.where(magnitude >= threshold, index + 1, phase)
    if horizon is not None:
        phase = torch.where(phase > horizon, 0, phase)
    phase = phase.to(coding.code_dtype)
    return Spikes(torch.where(z < 0, -phase, phase) if coding.signed else phase, scale, coding)


def decode(spikes: Spikes, dtype: torch.dtype = torch.float32) -> Tensor:
    """Value that each neuron's spike carries: sign * scale * Q^-t, 0 for silence."""
    levels = torch.cat([torch.zeros(1, dtype=torch.float64), spikes.coding.levels()]).to(spikes.code.device)
    value = levels.to(dtype)[spikes.code.abs().long()] * spikes.code.sign()
    return value * per_channel(spikes.scale.to(dtype), spikes.code.dim())


def binary_values(x: Tensor, scale: Tensor, timesteps: int) -> Tensor:
    """Value that the binary word of each number carries: sign(x) floor(min(|x| / s 2^T, 2^T - 1)) 2^-T s.

    Args:
        x: [N, C, ...], finite.
        scale: [] or [C], > 0.
        timesteps: T, bits of a word.

    Source: Section III-A and V-B; sign and magnitude as in the authors' later code.
    """
    scale = per_channel(scale.to(x.dtype), x.dim())
    levels = 2.0**timesteps
    magnitude = torch.clamp(torch.floor((x / scale).abs() * levels), max=levels - 1).int()
    return torch.where(x < 0, -magnitude, magnitude).to(x.dtype) * (1 / levels * scale)


def spmm(matrix: CSR, x: Tensor) -> Tensor:
    """A X: y_i = sum_j a_ij x_j, [columns, C] -> [rows, C]."""
    y = torch.zeros(matrix.shape[0], x.shape[1], dtype=x.dtype, device=x.device)
    return y.index_add_(0, matrix.row, x[matrix.col.long()] * matrix.value.to(x.dtype)[:, None])


def phase_spmm(matrix: CSR, spikes: Spikes, dtype: torch.dtype = torch.float32) -> Tensor:
    """A decode(spikes): potentials of an aggregation layer, [columns, C] -> [rows, C]."""
    return spmm(matrix, decode(spikes, dtype))


def phase_gemm(spikes: Spikes, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """decode(spikes) W^T + b: potentials of a dense layer, [N, in] -> [N, out]; weight [out, in]."""
    y = decode(spikes, weight.dtype) @ weight.t()
    return y if bias is None else y + bias


def phase_conv2d(spikes: Spikes, weight: Tensor, geometry: Geometry, bias: Tensor | None = None) -> Tensor:
    """Convolution of decoded spikes: potentials [N, out, H', W'] of codes [N, C, H, W]; weight [out, C / groups, kH, kW].

    y(o, y, x) = b(o) + sum of w(o, c, i, j) v(c, y stride_0 + i dilation_0 - top, x stride_1 + j dilation_1 - left), added
    in this order, which the compiled kernel keeps: blocks of 16 channels, kernel columns, kernel rows, channels of the block;
    each product by :func:`plus_product`.
    """
    images, (outputs, inputs, kernel_h, kernel_w) = spikes.code.shape[0], weight.shape
    padded = pad(decode(spikes, weight.dtype), geometry.padding)
    rows, cols = geometry.output_size((spikes.code.shape[2], spikes.code.shape[3]), (kernel_h, kernel_w))
    (stride_h, stride_w), (dilation_h, dilation_w), groups = geometry.stride, geometry.dilation, geometry.groups
    x = padded.unflatten(1, (groups, inputs))
    w = weight.unflatten(0, (groups, outputs // groups))
    y = padded.new_zeros(images, groups, outputs // groups, rows, cols)
    for block in range(0, inputs, CHANNEL_BLOCK):
        for j in range(kernel_w):
            for i in range(kernel_h):
                top, left = i * dilation_h, j * dilation_w
                taps = x[
                    ...,
                    top : top + (rows - 1) * stride_h + 1 : stride_h,
                    left : left + (cols - 1) * stride_w + 1 : stride_w,
                ]
                for c in range(block, min(block + CHANNEL_BLOCK, inputs)):
                    y = plus_product(y, taps[:, :, c, None], w[None, :, :, c, i, j, None, None])
    return _plus(y.flatten(1, 2), None if bias is None else per_channel(bias, 4))


def plus_product(total: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """total + x y, in float32 rounded once, as fused multiply-add does; in other types the product is rounded first.

    >>> x = torch.tensor(1 + 2.0**-12)
    >>> plus_product(torch.tensor(-1.0), x, x).item() == 2.0**-11 + 2.0**-24, (x * x - 1).item() == 2.0**-11
    (True, True)

    A product of two float32 numbers is exact in float64. The sum is rounded there to the neighbour whose last bit is odd, so
    that rounding it once more to float32 gives what one rounding would (Boldo and Melquiond, Emulation of a FMA and correctly
    rounded sums: proved algorithms using rounding to odd, IEEE Transactions on Computers 57(4), 2008).
    """
    if total.dtype != torch.float32:
        return total + x * y
    product, addend = x.double() * y.double(), total.double()
    sum_ = product + addend
    part = sum_ - product
    error = (product - (sum_ - part)) + (addend - part)
    bits = sum_.view(torch.int64)
    inexact = (error != 0) & sum_.isfinite() & (bits % 2 == 0)
    return (bits + torch.where((error > 0) == (sum_ > 0), 1, -1) * inexact).view(torch.float64).float()


def phase_spmm_bucketed(
    matrix: CSR,
    spikes: Spikes,
    scale: Tensor,
    coding: PhaseCode,
    wait: int,
    horizon: Tensor | None = None,
    bias: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Spikes:
    """Neurons that read an aggregation and decide after ``wait`` steps: one product for each input phase.

    U(n) = b + sum of A decode(spikes of phase <= n); a neuron fires at output phase k, step n = k + w, as soon as
    U(min(k + w, T_in)) / scale >= threshold_k, and then is done.

    Args:
        matrix: A, [rows, columns].
        spikes: codes [columns, C].
        scale, coding, horizon: of the population that fires, as in :func:`encode`.
        wait: w >= 0.
        bias: [C].

    Source: One-Spike SNN, Algorithm 1; docs/method.md.
    """
    potentials = [_plus(phase_spmm(matrix, _up_to(spikes, n), dtype), bias) for n in _input_phases(spikes)]
    return first_crossing(potentials, _look(spikes, coding, wait), scale, coding, horizon)


def phase_gemm_bucketed(
    spikes: Spikes,
    weight: Tensor,
    scale: Tensor,
    coding: PhaseCode,
    wait: int,
    horizon: Tensor | None = None,
    bias: Tensor | None = None,
) -> Spikes:
    """:func:`phase_spmm_bucketed` for a dense layer, codes [N, in], weight [out, in]."""
    potentials = [phase_gemm(_up_to(spikes, n), weight, bias) for n in _input_phases(spikes)]
    return first_crossing(potentials, _look(spikes, coding, wait), scale, coding, horizon)


def phase_conv2d_bucketed(
    spikes: Spikes,
    weight: Tensor,
    geometry: Geometry,
    scale: Tensor,
    coding: PhaseCode,
    wait: int,
    horizon: Tensor | None = None,
    bias: Tensor | None = None,
    add: Tensor | None = None,
) -> Spikes:
    """:func:`phase_spmm_bucketed` for a convolution, with the sums of :func:`phase_conv2d`.

    The spikes that arrive between two moments are summed by themselves, and the sums of the moments added in their order;
    bias and ``add`` ([N, out, H', W'], or one for each moment) come last.
    """
    limits = sorted({min(k + wait, spikes.coding.timesteps) for k in range(1, coding.timesteps + 1)})
    potentials: list[Tensor] = []
    running, before = torch.zeros(()), 0
    for index, limit in enumerate(limits):
        arriving = torch.where((spikes.code.abs() > before) & (spikes.code.abs() <= limit), spikes.code, 0)
        arrived = phase_conv2d(spikes.with_code(arriving), weight, geometry)
        running, before = arrived if index == 0 else running + arrived, limit
        potential = _plus(running, None if bias is None else per_channel(bias, 4))
        potentials.append(_plus(potential, add[index] if add is not None and add.dim() == 5 else add))
    moment_of = [limits.index(min(k + wait, spikes.coding.timesteps)) for k in range(1, coding.timesteps + 1)]
    return first_crossing(potentials, moment_of, scale, coding, horizon)


def first_crossing(
    potentials: list[Tensor], moment_of: list[int], scale: Tensor, coding: PhaseCode, horizon: Tensor | None = None
) -> Spikes:
    """Spikes at the first phase k whose moment has potentials[moment_of[k - 1]] / scale >= threshold_k.

    Args:
        potentials: one [N, C] per moment.
        moment_of: index into ``potentials`` of each phase, [T].
        scale, coding, horizon: as in :func:`encode`.
    """
    code = torch.zeros(potentials[0].shape, dtype=torch.int16, device=potentials[0].device)
    thresholds = coding.thresholds(potentials[0].dtype, code.device)
    for phase in range(coding.timesteps, 0, -1):  # downwards: the earliest crossing is written last
        u = potentials[moment_of[phase - 1]]
        z = u / per_channel(scale.to(u.dtype), u.dim())
        fires = (z.abs() if coding.signed else z) >= thresholds[phase - 1]
        code = torch.where(fires, torch.where(z < 0, -phase, phase).to(torch.int16), code)
    if horizon is not None:
        code = torch.where(code.abs() > horizon, 0, code)
    return Spikes(code.to(coding.code_dtype), scale, coding)


def _input_phases(spikes: Spikes) -> range:
    return range(1, spikes.coding.timesteps + 1)


def _look(spikes: Spikes, coding: PhaseCode, wait: int) -> list[int]:
    steps = [-(-phase // coding.group) for phase in range(1, coding.timesteps + 1)]
    return [min((step + wait) * spikes.coding.group, spikes.coding.timesteps) - 1 for step in steps]


def _up_to(spikes: Spikes, phase: int) -> Spikes:
    return spikes.with_code(torch.where(spikes.code.abs() <= phase, spikes.code, 0))


def _plus(potential: Tensor, bias: Tensor | None) -> Tensor:
    return potential if bias is None else potential + bias


def event_count(spikes: Spikes, fan_out: Tensor) -> int:
    """Sum over neurons that fired of the fan-out of their node, [N] -> integer."""
    counts = (spikes.code != 0).reshape(spikes.code.shape[0], -1).sum(1)
    return int((counts * fan_out).sum())
