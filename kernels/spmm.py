"""Sparse times dense in float, with the backward pass that training needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.errors import InputError, InputTypeError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import check_float, wants_gradient


@refuses_misfits
def spmm(matrix: CSR, x: Tensor, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
    """diag(rows) A diag(columns) X, differentiable in X; the backward pass is diag(columns) A^T diag(rows) G.

    Rows and columns that are left out cost nothing in the compiled helper, forward and backward: a training step with
    dropout on the columns and a loss on some rows makes the products that it needs.

    >>> A = CSR.from_dense(torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
    >>> spmm(A, torch.tensor([[1.0], [10.0]]))
    tensor([[20.],
            [43.]])
    >>> spmm(A, torch.tensor([[1.0], [10.0]]), columns=torch.tensor([True, False]))
    tensor([[0.],
            [3.]])

    Args:
        matrix: A, [rows, columns].
        x: X, [columns, C], float32 or float64; the values of A are converted to it (once).
        rows: bool, [rows]: the rows wanted, others are zero. None: all.
        columns: bool, [columns]: the rows of X that are read, others count as zero. None: all.

    Returns:
        [rows, C]. The compiled helper sums each row in the order of its entries: equal to the reference bit for bit.
        The other backends differ by at most (n + 2) eps sum_j |a_ij x_jc| for a row of n entries.

    Raises:
        InputError: the shapes do not meet, they are on two devices, the matrix breaks an invariant of ``CSR``, or its values want
            a gradient.
        InputTypeError: x is not float32 or float64, or a mask is not bool.
    """
    if x.dim() != 2 or x.shape[0] != matrix.shape[1]:
        raise InputError(
            f"a matrix of shape {matrix.shape} times features {[*x.shape]}: "
            f"features must be [{matrix.shape[1]}, channels]"
        )
    check_float("x", x.dtype)
    check_device(matrix, x)
    refuse_followed_values(matrix)
    for name, mask, size in (("rows", rows, matrix.shape[0]), ("columns", columns, matrix.shape[1])):
        if mask is not None:
            _check_mask(name, mask, size)
            check_device(matrix, mask)
    return _SparseProduct.apply(x, matrix, rows, columns)


def _check_mask(name: str, mask: Tensor, size: int) -> None:
    if not isinstance(mask, Tensor):
        raise InputTypeError(f"{name} is a {type(mask).__name__}; a mask is a tensor of torch.bool")
    if mask.dtype != torch.bool:
        raise InputTypeError(f"{name} is {mask.dtype}; a mask is torch.bool. Convert with .bool()")
    if tuple(mask.shape) != (size,):
        raise InputError(
            f"{name} has shape {[*mask.shape]}; one value for each of the matrix's {name} is needed, [{size}]"
        )


def check_device(matrix: CSR, x: Tensor) -> None:
    """Refuse operands on two devices.

    Raises:
        InputError: as said.
    """
    if matrix.device != x.device:
        raise InputError(f"the matrix is on {matrix.device} and the features are on {x.device}. Move one with .to()")


def refuse_followed_values(matrix: CSR) -> None:
    """Refuse a matrix whose values want a gradient, which no product here gives them.

    Raises:
        InputError: as said.
    """
    if wants_gradient(matrix.value):
        raise InputError(
            "the values of the matrix require a gradient, and products of a CSR give them none. Build it with value.detach(), "
            "call this under torch.no_grad(), or use torch.sparse.mm"
        )


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: CSR, rows: Tensor | None, columns: Tensor | None) -> Tensor:
        ctx.matrix = matrix
        if ctx.needs_input_grad[0]:  # saved with the matrix, so that autograd refuses to go back after a write to it
            stored = (matrix.rowptr, matrix.col, matrix.value)
            ctx.save_for_backward(rows, columns, *(tensor for tensor in stored if not tensor.is_inference()))
        if choose(x.device) == "native":
            from gcn2snn.kernels import native

            return native.spmm(matrix, x, rows, columns)
        product = _product(matrix, _only(columns, x))
        return _only(rows, product)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        rows, columns, *_ = ctx.saved_tensors
        return spmm(ctx.matrix.transpose, grad.contiguous(), columns, rows), None, None, None


def _only(mask: Tensor | None, x: Tensor) -> Tensor:
    return x if mask is None else torch.where(mask[:, None], x, 0.0)


def _product(matrix: CSR, x: Tensor) -> Tensor:
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
