"""One hash over everything that a search reads: weights, inputs, labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from gcn2snn.kernels import CSR, Spikes
from gcn2snn.tune.readout import Example


def contents_hash(*values: object) -> str:
    """sha256 over values and whatever they hold, in order: equal contents give equal hashes in every process.

    >>> contents_hash(torch.ones(2), "a") == contents_hash(torch.ones(2), "a")
    True
    >>> contents_hash(torch.ones(2)) == contents_hash(torch.zeros(2))
    False

    Args:
        values: tensors, matrices in compressed rows, examples of a search, texts and numbers, and lists and mappings of
            them. Of any other object its type alone enters: what an operator is made of enters as the operator.
    """
    digest = hashlib.sha256()
    for part in _parts(values):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, Tensor):
        dense = value.detach().cpu()
        if dense.layout is not torch.strided:
            dense = dense.coalesce() if dense.layout is torch.sparse_coo else dense.to_sparse_coo().coalesce()
            yield from _parts([list(dense.shape), dense.indices(), dense.values()])
            return
        yield f"{dense.dtype} {list(dense.shape)}".encode()
        yield dense.contiguous().flatten().view(torch.uint8).numpy().data if dense.numel() else b""
    elif isinstance(value, CSR):
        yield from _parts([value.num_cols, value.rowptr, value.col, value.value])
    elif isinstance(value, Spikes):
        yield from _parts([repr(value.coding), value.code, value.scale])
    elif isinstance(value, Example):
        yield from _parts([value.inputs, value.rows, value.operators])
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield str(key).encode()
            yield from _parts(value[key])
    elif isinstance(value, list | tuple):
        yield str(len(value)).encode()
        for part in value:
            yield from _parts(part)
    elif isinstance(value, str | bytes | int | float | None):
        yield value if isinstance(value, bytes) else repr(value).encode()
    else:
        yield type(value).__qualname__.encode()
