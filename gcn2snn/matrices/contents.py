"""What a graph input holds at this moment, as a short key that differs when anything in it does."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from gcn2snn.kernels import fingerprint
from gcn2snn.matrices.edges import edges_by_number, plain

Contents = tuple[Hashable, ...]


def contents(value: Any) -> Contents | None:
    """Key of a tensor or a DGL graph by what it holds; None for other objects, whose contents are not known.

    Everything is read at each call: PyTorch's own count of changes misses writes through ``.data`` and through a NumPy
    array that shares the memory, and DGL's graphs may share theirs with the tensors they were made from.
    """
    if isinstance(value, Tensor):
        tensors = _stored(plain(value))
        return (value.layout, tuple(value.shape), value.device, *(fingerprint(tensor) for tensor in tensors))
    if hasattr(value, "num_src_nodes"):
        sizes = (value.num_src_nodes(), value.num_dst_nodes(), len(value.ntypes))
        return ("graph", *sizes, value.device, *(fingerprint(end) for end in edges_by_number(value)), _batches(value))
    return None


def _stored(tensor: Tensor) -> tuple[Tensor, ...]:
    """The strided tensors that make up a tensor of any layout."""
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())  # the public names refuse a tensor that is not coalesced
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())


def _batches(graph: Any) -> int | None:
    """Nodes of each graph of a batch; a sampled block, which has two kinds of nodes, is none."""
    return fingerprint(graph.batch_num_nodes()) if len(graph.ntypes) == 1 else None
