"""Whether a sparse matrix equals its transpose, in one pass over the entries where it does."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import backend
from gcn2snn.kernels.fingerprint import INTEGERS, mix, signed

# Odd multipliers of the row, the column and the bits of the value.
LOW, HIGH, BITS = (signed(number) for number in (0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB))
ENTRIES_AT_A_TIME = {"cpu": 1 << 15}  # intermediate results stay in the cache
ROUNDINGS = 16  # relative differences up to 16 eps are two orders of the same products, not another matrix


def is_mirrored(rowptr: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> bool:
    """Whether the compiled helper finds equal sums (see :func:`check_symmetric`); False also where there is no helper.

    Args:
        rowptr, col, value: of a matrix in compressed rows, whose indices are valid.
        shape: of the matrix.
    """
    value = value.detach()
    fits = shape[0] == shape[1] and value.is_floating_point() and col.shape == value.shape
    if not fits or not backend.is_compiled(rowptr, col, value):
        return False
    from gcn2snn.kernels import native

    return native.mirror_sum(rowptr.contiguous(), col.contiguous(), value.contiguous()) == 0


def check_symmetric(row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int]) -> None:
    """Refuse entries that are not those of a symmetric matrix, up to a few roundings of their values.

    The entries above the diagonal and the mirrored ones below it are summed as mixed 64-bit numbers of (row, column,
    value). Equal sums mean equal entries but for a chance of 2^-64. Unequal ones do not decide: duplicates may add up to the
    same element, and an element may differ in its last bit. The elements are then compared one by one.

    Args:
        row, col: [nnz], integers.
        value: [nnz].
        shape: of the matrix.

    Raises:
        InputError: as said; the message names one element.
    """
    if shape[0] != shape[1]:
        raise InputError(f"symmetric=True, but the matrix is {shape[0]} x {shape[1]}. Leave symmetric out")
    if int(mirror_sum(row, col, value)):
        _compare_elements(row.long(), col.long(), value.detach().double(), shape[1], torch.finfo(value.dtype).eps)


def mirror_sum(row: Tensor, col: Tensor, value: Tensor) -> Tensor:
    """The sum over the entries above the diagonal less that over those below it, [], int64, wrapped around."""
    bits = value.detach().resolve_neg().contiguous().view(INTEGERS[value.element_size()])
    size = ENTRIES_AT_A_TIME.get(value.device.type, 1 << 22)
    total = torch.zeros((), dtype=torch.int64, device=value.device)
    for start in range(0, value.numel(), size):
        part = slice(start, start + size)
        r, c = row[part].long(), col[part].long()
        mixed = mix(torch.minimum(r, c).mul_(LOW).add_(torch.maximum(r, c).mul_(HIGH)).add_(bits[part].long() * BITS))
        total += mixed.mul_(torch.sign(c - r)).sum()
    return total


def _compare_elements(row: Tensor, col: Tensor, value: Tensor, columns: int, eps: float) -> None:
    """Add up the entries of each element and of its mirror image, and compare."""
    key = torch.minimum(row, col) * columns + torch.maximum(row, col)
    pairs, index = torch.unique(key, return_inverse=True)
    difference, size = (torch.zeros(pairs.numel(), dtype=torch.float64, device=value.device) for _ in range(2))
    difference.index_add_(0, index, value * torch.sign(col - row))
    size.index_add_(0, index, value.abs())
    wrong = (difference.abs() > ROUNDINGS * eps * size).nonzero()
    if wrong.numel():
        pair = int(pairs[wrong[0, 0]])
        i, j = pair // columns, pair % columns
        one, other = (float(value[(row == a) & (col == b)].sum()) for a, b in ((i, j), (j, i)))
        raise InputError(
            f"symmetric=True, but element ({i}, {j}) is {one:g} and element ({j}, {i}) is {other:g}; gradients would be "
            "wrong. Leave symmetric out, or make the matrix symmetric"
        )
