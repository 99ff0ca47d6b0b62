"""Sparse times dense in float, with the backward pass that training needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError
from gcn2snn.kernels.csr import CSR


def spmm(matrix: CSR, x: Tensor) -> Tensor:
    """A X, differentiable in X; the backward pass is A^T G (A itself when it is symmetric).

    Args:
        matrix: A, [rows, columns].
        x: X, [columns, C], the dtype of A.

    Returns:
        [rows, C].

    Raises:
        InputError: the shapes do not meet.
    """
    if x.dim() != 2 or x.shape[0] != matrix.shape[1]:
        raise InputError(f"a matrix of shape {matrix.shape} times features {[*x.shape]}: features must be [{matrix.shape[1]}, channels]")
    return _SparseProduct.apply(x, matrix)


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: CSR) -> Tensor:
        ctx.matrix = matrix
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return spmm(ctx.matrix.transpose, grad.contiguous()), None


def _product(matrix: CSR, x: Tensor) -> Tensor:
    # embedding_bag is the fastest float product torch ships for CPU, about 3 x torch's own CSR product.
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return torch.sparse.mm(matrix.to_torch().to(x.dtype), x)
    return functional.embedding_bag(
        matrix.col, x, matrix.rowptr, mode="sum", per_sample_weights=matrix.value, include_last_offset=True
    )
