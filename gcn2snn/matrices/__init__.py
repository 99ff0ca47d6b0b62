"""From what a caller passes as a graph to the sparse matrix that a layer multiplies by."""

from gcn2snn.matrices.build import build_operand, to_csr

__all__ = [
    "build_operand",
    "to_csr",
]
