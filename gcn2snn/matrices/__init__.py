"""From what a caller passes as a graph to the sparse matrix that a layer multiplies by."""

from gcn2snn.matrices.build import build_operand, to_csr
from gcn2snn.matrices.features import coded_features, sparse_features

__all__ = [
    "build_operand",
    "coded_features",
    "sparse_features",
    "to_csr",
]
