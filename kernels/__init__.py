"""Sparse-dense operations on spike phases, shared by graphs and images. Knows nothing of graphs or models.

Every operation has a plain-torch definition in :mod:`gcn2snn.kernels.reference`; the other files are speed.
"""

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.encode import decode, encode
from gcn2snn.kernels.phase import PhaseCode, Spikes
from gcn2snn.kernels.products import phase_conv2d, phase_gemm, phase_spmm
from gcn2snn.kernels.spmm import spmm

__all__ = ["CSR", "PhaseCode", "Spikes", "decode", "encode", "phase_conv2d", "phase_gemm", "phase_spmm", "spmm"]
