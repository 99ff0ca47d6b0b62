"""A 64-bit hash of the contents of a tensor: it changes with them, whichever way the memory was written to."""

from __future__ import annotations

import torch
import xxhash
from torch import Tensor

from gcn2snn.errors import refuses_misfits

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}  # by bytes an element


def signed(number: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    return number - 2**64 if number >= 2**63 else number


GOLDEN = signed(0x9E3779B97F4A7C15)
# The finaliser of splitmix64: (shift, multiplier) twice, then a last shift.
ROUNDS = ((30, signed(0xBF58476D1CE4E5B9)), (27, signed(0x94D049BB133111EB)))


@refuses_misfits
def fingerprint(tensor: Tensor) -> int:
    """Hash of the contents, the dtype and the shape of a tensor; the layout in memory does not enter.

    PyTorch counts in-place operations on a tensor, but not writes through ``.data`` or through a NumPy array that shares
    its memory. The contents show those too. On a CPU this is XXH3 (about 10 GB a second). On another device a sum of
    mixed elements and positions is made there, and the caller waits for it.

    >>> x = torch.tensor([1.0, 2.0])
    >>> before = fingerprint(x)
    >>> x.numpy()[0] = 3.0
    >>> fingerprint(x) == before, fingerprint(torch.tensor([3.0, 2.0])) == fingerprint(x)
    (False, True)

    Args:
        tensor: any strided tensor.

    Returns:
        0 to 2^64 - 1. Two contents on one kind of device share a number with a chance of about 2^-64.
    """
    seed = xxhash.xxh3_64_intdigest(f"{tensor.dtype}{[*tensor.shape]}".encode())
    # A tensor of at most one element counts as contiguous with any stride, but only stride 1 can be read as bytes.
    flat = tensor.detach().resolve_neg().contiguous().as_strided((tensor.numel(),), (1,))
    if flat.device.type == "cpu":
        return xxhash.xxh3_64_intdigest(flat.view(torch.uint8).numpy().data, seed=seed)
    return xxhash.xxh3_64_intdigest(content_sum(flat).to_bytes(8, "little", signed=True), seed=seed)


def content_sum(flat: Tensor) -> int:
    """Sum of mix(element + position * odd number) in wrap-around int64 arithmetic, on the device of the tensor."""
    words = flat.view(INTEGERS[flat.element_size()]).to(torch.int64, copy=True)  # mix writes to it
    position = torch.arange(1, words.numel() + 1, device=words.device)
    return int(mix(mix(words).add_(position.mul_(GOLDEN))).sum())


def mix(x: Tensor) -> Tensor:
    """Scatter the bits of int64 numbers, one to one and in place (the finaliser of splitmix64)."""
    for shift, multiplier in ROUNDS:
        x.bitwise_xor_(_shifted(x, shift)).mul_(multiplier)
    return x.bitwise_xor_(_shifted(x, 31))


def _shifted(x: Tensor, bits: int) -> Tensor:
    """x >> bits with zeros coming in, which torch has for no signed dtype."""
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)
