"""Names of functions as a tracer meets them: what shares memory, Python's operators on tensors, and products."""

from __future__ import annotations

import operator

VIEWS = frozenset((
    "view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "t", "chunk", "split", "expand",
    "narrow", "select", "unbind", "unflatten", "movedim", "swapaxes", "swapdims", "transpose_", "moveaxis",
    "unsafe_chunk", "unsafe_split", "tensor_split", "hsplit", "vsplit", "split_with_sizes", "adjoint", "getitem",
    "view_as", "detach", "contiguous", "float", "dropout", "to",
))  # fmt: skip
"""Functions whose result may share the memory of what they are given."""

OPERATORS = {
    f"__{name}__": getattr(operator, name.rstrip("_"), getattr(operator, name, None))
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "matmul",
        "neg",
        "getitem",
        "setitem",
        "iadd",
        "isub",
        "imul",
        "itruediv",
    )
}
REFLECTED = {
    "__radd__": operator.add,
    "__rsub__": operator.sub,
    "__rmul__": operator.mul,
    "__rmatmul__": operator.matmul,
}
"""Tensor's own operators, as torch names them -> those that handlers know; the second kind with its operands swapped."""


PRODUCTS = frozenset(("mm", "matmul", "__matmul__", "spmm", "smm", "addmm", "_sparse_mm", "sparse_mm", "sparse_addmm"))
"""Names of products: with a sparse matrix of the model they are aggregations of the network, not constants."""
