"""The compiled CPU helper: C++ sources, packaged or compiled at first use (decision notes 0020, 0118), and calls through ctypes.

Importing this compiles nothing; :func:`load` does.
"""

from gcn2snn.kernels.native.coding import decode, encode
from gcn2snn.kernels.native.conv import conv2d
from gcn2snn.kernels.native.entries import degrees, mirror_sum, normalise_rows, sort_entries
from gcn2snn.kernels.native.loading import Native, load
from gcn2snn.kernels.native.prepared import Conv2d, Decode, Encode, Gemm, Spmm, Words
from gcn2snn.kernels.native.products import decodes_in_registers, gemm_steps, phase_spmm, spmm, spmm_steps
from gcn2snn.kernels.native.step import emit_step, fire_step
from gcn2snn.kernels.native.words import binary_entries, binary_values, spmm_sparse

__all__ = [
    "Conv2d",
    "Decode",
    "Encode",
    "Gemm",
    "Native",
    "Spmm",
    "Words",
    "binary_entries",
    "binary_values",
    "conv2d",
    "decode",
    "decodes_in_registers",
    "degrees",
    "emit_step",
    "encode",
    "fire_step",
    "gemm_steps",
    "load",
    "mirror_sum",
    "normalise_rows",
    "phase_spmm",
    "sort_entries",
    "spmm",
    "spmm_sparse",
    "spmm_steps",
]
