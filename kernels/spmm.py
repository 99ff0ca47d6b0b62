"""Sparse times dense in float, with the backward pass that training needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import check_float


def spmm(matrix: CSR, x: Tensor) -> Tensor:
    """A X, differentiable in X; the backward pass is A^T G (A itself when it is symmetric).

    >>> A = CSR.from_dense(torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
    >>> spmm(A, torch.tensor([[1.0], [10.0]]))
    tensor([[20.],
            [43.]])

    Args:
        matrix: A, [rows, columns].
        x: X, [columns, C], float32 or float64; the values of A are converted to it (once).

    Returns:
        [rows, C]. The compiled helper sums each row in the order of its entries: equal to the reference bit for bit.
        The other backends differ by at most (n + 2) eps sum_j |a_ij x_jc| for a row of n entries.

    Raises:
        InputError: the shapes do not meet, they are on two devices, or the matrix breaks an invariant of ``CSR``.
        InputTypeError: x is not float32 or float64.
    """
    if x.dim() != 2 or x.shape[0] != matrix.shape[1]:
        raise InputError(
            f"a matrix of shape {matrix.shape} times features {[*x.shape]}: "
            f"features must be [{matrix.shape[1]}, channels]"
        )
    check_float("x", x.dtype)
    check_device(matrix, x)
    return _SparseProduct.apply(x, matrix)


def check_device(matrix: CSR, x: Tensor) -> None:
    """Refuse operands on two devices.

    Raises:
        InputError: as said.
    """
    if matrix.device != x.device:
        raise InputError(f"the matrix is on {matrix.device} and the features are on {x.device}. Move one with .to()")


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: CSR) -> Tensor:
        ctx.matrix = matrix
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return spmm(ctx.matrix.transpose, grad.contiguous()), None


def _product(matrix: CSR, x: Tensor) -> Tensor:
    if choose(x.device) == "native":
        from gcn2snn.kernels import native

        return native.spmm(matrix, x)
    # embedding_bag is the fastest float32 product torch ships for CPU, about 3 x its own CSR product.
    if x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() and matrix.nnz:
        entries = matrix.checked
        return functional.embedding_bag(
            entries.col,
            x.contiguous(),
            entries.rowptr,
            mode="sum",
            per_sample_weights=matrix.values(x.dtype),
            include_last_offset=True,
        )
    if not x.numel() or not matrix.nnz:
        return x.new_zeros(matrix.shape[0], x.shape[1])
    return torch.sparse.mm(matrix.torch_csr(x.dtype), x)
