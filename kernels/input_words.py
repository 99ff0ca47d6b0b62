"""Input data as binary words: the value that each word carries, for all numbers or for those that send anything."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels import reference
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.epilogue import check_float, check_scale

MOST_BITS = 24  # a float32 holds 24 bits of a whole number
SAMPLE = 4096


@refuses_misfits
def binary_values(x: Tensor, scale: Tensor, timesteps: int, name: str = "x") -> Tensor:
    """Value that the binary word of each number carries: fast :func:`gcn2snn.kernels.reference.binary_values`.

    >>> binary_values(torch.tensor([[0.0, 0.3, -0.3, 9.0]]), torch.tensor(1.0), 2)
    tensor([[ 0.0000,  0.2500, -0.2500,  0.7500]])

    Args:
        x: [N, C, ...], float32 or float64, finite.
        scale: [] or [C], > 0, of the dtype of x; larger magnitudes saturate at (1 - 2^-T) s.
        timesteps: T, bits of a word, 1 to 24.
        name: what an error calls x.

    Returns:
        The shape of x. Every backend is equal to the reference bit for bit.

    Raises:
        InputError: x is not finite, the scale does not fit it, or T is out of range.
        InputTypeError: x is not float32 or float64.
    """
    _check(x, scale, timesteps)
    backend = choose(x.device)
    if backend == "native":
        from gcn2snn.kernels import native

        values, bad = native.binary_values(x.detach(), scale.to(x.dtype), timesteps)
        _refuse(name, bad)
        return values
    _refuse(name, int((~torch.isfinite(x)).sum()))
    if backend == "triton":
        from gcn2snn.kernels.triton import input_words

        return input_words.binary_values(x.detach(), scale.to(x.dtype), timesteps)
    return reference.binary_values(x, scale, timesteps)


@refuses_misfits
def binary_entries(
    x: Tensor | CSR, scale: Tensor, timesteps: int, name: str = "x", most: int | None = None
) -> CSR | None:
    """The same values as a sparse matrix of those that are not zero: a word without a bit sends nothing.

    >>> binary_entries(torch.tensor([[0.0, 0.3], [0.1, 9.0]]), torch.tensor(1.0), 2).to_dense()
    tensor([[0.0000, 0.2500],
            [0.0000, 0.7500]])

    Args:
        x: [N, C], dense or sparse. Entries of a sparse one at equal positions are coded one by one, so there must be none.
        scale, timesteps, name: as for :func:`binary_values`.
        most: None where there would be more entries than that; None allows any number.

    Returns:
        [N, C], its entries in the order of rows and columns, with the bits of :func:`binary_values`; or None.

    Raises:
        InputError, InputTypeError: as :func:`binary_values`.
    """
    most = 2**31 - 64 if most is None else most
    if isinstance(x, CSR):
        return None if x.nnz > most else _of_entries(x, scale, timesteps, name)
    _check(x, scale, timesteps)
    if choose(x.device) == "native":
        from gcn2snn.kernels import native

        found, bad = native.binary_entries(x.detach(), scale.to(x.dtype), timesteps, most)
        _refuse(name, bad)
        return found
    return None if int(torch.count_nonzero(x)) > most else _of_entries(CSR.from_dense(x), scale, timesteps, name)


def _of_entries(x: CSR, scale: Tensor, timesteps: int, name: str) -> CSR:
    """The words of the entries of a matrix; those of zero are dropped."""
    scales = scale.to(x.dtype)
    if scales.dim():
        check_scale(scales, x.num_cols)
        # a scale for each entry: the entries as one row of so many channels
        scales = scales[x.col.long()]
    value = binary_values(x.value[None], scales, timesteps, name)[0] if x.nnz else x.value
    sent = value != 0
    if bool(sent.all()):
        return CSR(x.rowptr, x.col, value, x.num_cols)
    before = torch.zeros(x.nnz + 1, dtype=torch.int32, device=x.device)
    torch.cumsum(sent, 0, out=before[1:])
    return CSR(before[x.rowptr.long()], x.col[sent], value[sent], x.num_cols)


@refuses_misfits
def looks_sparse(x: Tensor, share: float) -> bool:
    """Whether at most this share of the numbers is not zero, judged by a few thousand spread over the tensor.

    >>> looks_sparse(torch.eye(100), 0.1), looks_sparse(torch.ones(100, 100), 0.1)
    (True, False)
    """
    flat = x.detach().reshape(-1) if x.is_contiguous() else x.detach().flatten()
    step = max(flat.numel() // SAMPLE, 1) | 1  # odd: an even one could meet the same columns of every row
    some = flat[::step]
    return int(torch.count_nonzero(some)) <= share * some.numel()


def _check(x: Tensor, scale: Tensor, timesteps: int) -> None:
    check_float("x", x.dtype)
    check_scale(scale, x.shape[min(1, x.dim() - 1)] if x.dim() else 1)
    if not 1 <= timesteps <= MOST_BITS:
        raise InputError(
            f"a binary input code of {timesteps} bits; allowed are 1 to {MOST_BITS}, since single precision holds no more"
        )


def _refuse(name: str, bad: int) -> None:
    if bad:
        raise InputError(f"{name} holds {bad} values that are NaN or infinite; spikes need finite values")
