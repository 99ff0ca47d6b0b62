"""Products with spikes that stay the same from call to call: what of a matrix reads any spike is worked out once and kept."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.derived import either, versions
from gcn2snn.kernels.phase import Spikes

T = TypeVar("T")

WIDTH = 64
"""Channels of the smallest block. 32 and 64 measured alike on R8 with a tenth of the events (AVX2); 64 keeps fewer entries."""

MOST_WIDTH = 256
"""Channels of the largest block: what one pass over the entries of a row sums in registers (AVX-512, and a warp in Triton)."""

ENTRY_VECTORS = 3
"""What an entry costs beside its sums, in vectors of 8 floats."""

PASS = 104
"""Channels that the compiled helper sums in one pass over the entries of a row, when it has the whole product to do."""

MOST_SHARE = 0.7
"""Blocks are used where they cost at most this share of the whole product."""

LEAST_WORK = 1 << 20
"""Products of fewer multiplications gain less than it costs to see that nothing changed."""

MOST_FORMS = 4
"""Matrices for which spikes keep something: a population may feed several aggregations."""


class Part(NamedTuple):
    """Channels of a block, the columns of the matrix that fire there, and what its product costs in vectors."""

    channels: Tensor
    speaking: Tensor
    cost: int


class Kept(NamedTuple):
    """What of a product a block needs.

    ``before``: entries that are kept before each entry of the matrix, and their number, [nnz + 1], int32; ``col``: rows of
    ``code``, int32; ``value``; ``code``: spikes of the columns that fire, [those columns, channels of the block].
    """

    before: Tensor
    col: Tensor
    value: Tensor
    code: Tensor


@dataclass(frozen=True, eq=False)
class EventBlocks:
    """A product A X in blocks of channels, each with the entries of A that read a spike there and nothing else.

    Channels are ordered by their events (a spike counts once for each entry that reads it), so that the quiet ones come
    together and their blocks are short. Blocks whose channels are read by about the same entries are one. Entries keep
    their order: each sum has the terms of the whole product that are not zero, in the same order, so its bits are the same.
    This is the layout that the compiled helper reads; that of the Triton kernel is in ``triton/operands.py``.

    Args:
        start: first place of each block in the order of channels, and their number, [blocks + 1], int64.
        first_entry, first_code: where each block begins in ``col`` and ``value``, and in ``code``, [blocks], int64.
        rowptr: [blocks, rows + 1], int32, from 0 in each block.
        col: row of the block's part of ``code``, int32.
        value: float32.
        code: spikes of the columns that fire in a block, [those columns, channels of the block], int8, one block after the
            other, as the compiled helper packs them. A row of 64 codes is a cache line, where floats would take four:
            gathering them is what a product costs.
        place: of each channel in the order of the blocks, [channels], int32.
    """

    start: Tensor
    first_entry: Tensor
    first_code: Tensor
    rowptr: Tensor
    col: Tensor
    value: Tensor
    code: Tensor
    place: Tensor

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.first_entry.numel()


def event_blocks(matrix: CSR, spikes: Spikes) -> EventBlocks | None:
    """Blocks of a product for the compiled helper, or None: :func:`when_met_again`.

    Args:
        matrix: on a CPU.
        spikes: codes [columns, C].
    """
    return when_met_again(matrix, spikes, "native", LEAST_WORK, lambda: _made(matrix.checked, spikes))


def when_met_again(
    matrix: CSR, spikes: Spikes, kind: Hashable, least_work: int, make: Callable[[], T | None]
) -> T | None:
    """What ``make`` gives, where these spikes have met this matrix before and the product is large enough, else None.

    The first product of the two objects only remembers that they met: spikes that depend on the input are new objects at
    each call. The second one makes the blocks, and they are kept with the spikes. To see that both hold the same, each
    further call on a CPU reads matrix and codes: 3 ms for 3.5 million entries. On a device it reads PyTorch's counts of
    changes, which a kernel of others' that writes there passes by. Where blocks were found not to pay that is left out:
    the whole product is right whatever they hold.

    Args:
        matrix, spikes: operands of the product.
        kind: what else the result depends on.
        least_work: multiplications of the smallest product for which anything is made.
        make: blocks, or None where they do not pay.
    """
    if matrix.nnz * spikes.code.shape[1] < least_work:
        return None
    met = spikes.met
    if met.get(id(matrix), _nothing)() is not matrix:
        for number in [number for number, reference in met.items() if reference() is None]:
            met.pop(number, None)
            spikes.derived.forget(f"event blocks {number}")
            spikes.derived.forget(f"no event blocks {number}")
        if len(met) < MOST_FORMS:
            met[id(matrix)] = weakref.ref(matrix)
        return None
    operands, name = (matrix.rowptr, matrix.col, matrix.value, spikes.code, spikes.scale), f"event blocks {id(matrix)}"

    def found() -> T | None:
        return spikes.derived.get(name, (kind, *either(*operands)), make)

    whole = spikes.derived.get(f"no {name}", (kind, *versions(*operands)), lambda: found() is None)
    return None if whole else found()


def _nothing() -> None:
    """A reference to no matrix."""


def paying_parts(matrix: CSR, spikes: Spikes, width: int) -> list[Part] | None:
    """The blocks of a product, channels with the most events first; None where they save too little.

    Args:
        matrix, spikes: operands of the product.
        width: channels that one pass over the entries sums in the whole product.
    """
    fired, counts = spikes.code != 0, matrix.column_counts
    channels = fired.shape[1]
    order = (counts.double() @ fired.double()).argsort(descending=True, stable=True)
    parts = _merged(order, fired, counts)
    whole = matrix.nnz * (-(-channels // 8) + ENTRY_VECTORS * -(-channels // width))
    return None if sum(part.cost for part in parts) > MOST_SHARE * whole else parts


def kept_of(matrix: CSR, values: Tensor, spikes: Spikes, part: Part) -> Kept:
    """The entries in columns that speak in a block, and the codes of these columns, which are counted anew."""
    col = matrix.col.long()
    kept = part.speaking[col]
    before = torch.zeros(matrix.nnz + 1, dtype=torch.int32, device=col.device)
    torch.cumsum(kept, 0, out=before[1:])
    number = torch.cumsum(part.speaking, 0, dtype=torch.int32) - 1
    return Kept(before, number[col[kept]], values[kept], spikes.code[:, part.channels][part.speaking])


def _made(matrix: CSR, spikes: Spikes) -> EventBlocks | None:
    from gcn2snn.kernels.native.coding import pack

    parts = paying_parts(matrix, spikes, PASS)
    if parts is None:
        return None
    values = matrix.values(torch.float32)
    made = [kept_of(matrix, values, spikes, part) for part in parts]
    code = [pack(kept.code).flatten() for kept in made]
    order = torch.cat([part.channels for part in parts])
    place = torch.empty(order.numel(), dtype=torch.int32)
    place[order] = torch.arange(order.numel(), dtype=torch.int32)
    return EventBlocks(
        torch.tensor([0, *(part.channels.numel() for part in parts)]).cumsum(0),
        _starts([kept.col.numel() for kept in made]),
        _starts([part.numel() for part in code]),
        torch.stack([kept.before[matrix.rowptr.long()] for kept in made]),
        torch.cat([kept.col for kept in made]),
        torch.cat([kept.value for kept in made]),
        torch.cat(code),
        place,
    )


def _merged(order: Tensor, fired: Tensor, counts: Tensor) -> list[Part]:
    """Channels in blocks, each with the next one where that costs no more: an entry that both keep is then read once."""

    def part(channels: Tensor, speaking: Tensor) -> Part:
        entries = int(counts[speaking].sum())
        return Part(channels, speaking, entries * (-(-channels.numel() // 8) + ENTRY_VECTORS))

    found: list[Part] = []
    for channels in order.split(WIDTH):
        found.append(part(channels, fired[:, channels].any(1)))
        while len(found) > 1 and found[-2].channels.numel() + found[-1].channels.numel() <= MOST_WIDTH:
            first, second = found[-2:]
            both = part(torch.cat([first.channels, second.channels]), first.speaking | second.speaking)
            if both.cost > first.cost + second.cost:
                break
            found[-2:] = [both]
    return found


def _starts(sizes: list[int]) -> Tensor:
    """Where each of some arrays begins when they lie one after the other."""
    return torch.tensor([0, *sizes[:-1]]).cumsum(0)
