"""Sparse-dense operations on spike phases, shared by graphs and images. Knows nothing of graphs or models.

Every operation has a plain-torch definition in :mod:`gcn2snn.kernels.reference`; the other files are fast. The rest of the
package imports from here only. The compiled helper (``native``) and ``triton`` load when an operation needs them.
"""

from gcn2snn.kernels import backend, reference
from gcn2snn.kernels.bucketed import moments, phase_gemm_bucketed, phase_spmm_bucketed, up_to
from gcn2snn.kernels.counts import event_count, spike_count
from gcn2snn.kernels.csr import CSR, MAX_ENTRIES
from gcn2snn.kernels.derived import Derived, contents
from gcn2snn.kernels.encode import decode, decode_into, decode_torch, encode, encode_torch
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.fingerprint import fingerprint
from gcn2snn.kernels.finite import all_finite
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.input_words import binary_entries, binary_values, looks_sparse
from gcn2snn.kernels.mismatch import Mismatch
from gcn2snn.kernels.normalise import degrees, normalised_rows
from gcn2snn.kernels.phase import LAST_THRESHOLDS, PhaseCode, Spikes
from gcn2snn.kernels.phase_conv2d import event_driven, phase_conv2d, phase_conv2d_bucketed, phase_conv2d_fire
from gcn2snn.kernels.phase_gemm import phase_gemm, phase_gemm_fire
from gcn2snn.kernels.phase_spmm import phase_spmm, phase_spmm_fire
from gcn2snn.kernels.reference import per_channel
from gcn2snn.kernels.sparse_features import spmm_features
from gcn2snn.kernels.spmm import spmm
from gcn2snn.kernels.step import emit_step, fire_step

__all__ = [
    "CSR",
    "LAST_THRESHOLDS",
    "MAX_ENTRIES",
    "Derived",
    "Fire",
    "Geometry",
    "Mismatch",
    "PhaseCode",
    "Spikes",
    "all_finite",
    "backend",
    "binary_entries",
    "binary_values",
    "contents",
    "decode",
    "decode_into",
    "decode_torch",
    "degrees",
    "emit_step",
    "encode",
    "encode_torch",
    "event_count",
    "event_driven",
    "fingerprint",
    "fire_step",
    "looks_sparse",
    "moments",
    "normalised_rows",
    "per_channel",
    "phase_conv2d",
    "phase_conv2d_bucketed",
    "phase_conv2d_fire",
    "phase_gemm",
    "phase_gemm_bucketed",
    "phase_gemm_fire",
    "phase_spmm",
    "phase_spmm_bucketed",
    "phase_spmm_fire",
    "reference",
    "spike_count",
    "spmm",
    "spmm_features",
    "up_to",
]
