"""Synapses that read spikes: sparse aggregation, dense and convolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.encode import decode
from gcn2snn.kernels.phase import Spikes
from gcn2snn.kernels.spmm import spmm


def phase_spmm(matrix: CSR, spikes: Spikes, dtype: torch.dtype = torch.float32) -> Tensor:
    """Fast :func:`gcn2snn.kernels.reference.phase_spmm`, [columns, C] -> [rows, C]."""
    return spmm(matrix, decode(spikes, dtype))


def phase_gemm(spikes: Spikes, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Fast :func:`gcn2snn.kernels.reference.phase_gemm`, [N, in] -> [N, out]; weight [out, in]."""
    return functional.linear(decode(spikes, weight.dtype), weight, bias)


def phase_conv2d(
    spikes: Spikes,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Convolution of decoded spikes, [N, C, H, W] -> [N, out, H', W']."""
    return functional.conv2d(decode(spikes, weight.dtype), weight, bias, stride, padding, dilation, groups)
