"""Operands that pick rows: a slice of them, those with given numbers, those under a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels import CSR
from gcn2snn.matrices.edges import INDEX_TYPES, count_rows, plain


def row_slice(node: ir.RowSlice, rows: Tensor | CSR, stop: object = None) -> CSR:
    """The rows of ``x[start:stop:step]``, as Python counts them: a slice may reach beyond the end."""
    count = count_rows(rows)
    last = count_rows(stop) if node.counted else node.stop
    picked = torch.arange(*slice(node.start, last, node.step).indices(count), device=rows.device)
    return _picking(picked, count, rows)


def row_index(node: ir.RowIndex, index: object, rows: Tensor | CSR) -> CSR:
    """The rows of ``x[index]``.

    Raises:
        InputTypeError: the index is neither whole numbers nor a mask.
        InputError: it has more than one axis, a mask has another length than x, or a number is out of range.
    """
    count = count_rows(rows)
    if not isinstance(index, Tensor) or index.dtype not in (*INDEX_TYPES, torch.bool):
        got = index.dtype if isinstance(index, Tensor) else type(index).__name__
        raise InputTypeError(f"rows are picked by {got}; pass whole numbers, such as torch.int64, or a mask of bool")
    if index.dim() != 1:
        raise InputError(f"rows are picked by an index of shape {list(index.shape)}; one axis is needed")
    if index.dtype is torch.bool:
        if index.numel() != count:
            raise InputError(f"the mask has {index.numel()} entries for {count} rows; one each is needed")
        return _picking(plain(index).nonzero().view(-1), count, rows)
    if index.dtype is torch.uint8:
        raise InputTypeError(
            "rows are picked by torch.uint8, which torch takes for a mask; pass torch.int64 or torch.bool"
        )
    picked = plain(index).long()
    if picked.numel() and not -count <= int(picked.min()) <= int(picked.max()) < count:
        raise InputError(
            f"the index has numbers from {int(picked.min())} to {int(picked.max())}, but there are {count} rows"
        )
    return _picking(torch.where(picked < 0, picked + count, picked), count, rows)


def _picking(picked: Tensor, count: int, rows: Tensor | CSR) -> CSR:
    number = torch.arange(picked.numel(), device=picked.device)
    dtype = rows.dtype if rows.dtype.is_floating_point else torch.get_default_dtype()
    value = torch.ones(picked.shape, dtype=dtype, device=picked.device)
    return CSR.from_coo(number, picked, value, (picked.numel(), count))
