"""Features of which most are zero: as a sparse matrix, and as the spikes that their input coder makes of them."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from gcn2snn.kernels import CSR, binary_entries, looks_sparse
from gcn2snn.matrices.cache import FEATURES
from gcn2snn.matrices.contents import contents

SPARSE_SHARE = 0.125
"""Share of numbers that are not zero up to which features are coded sparsely. A sparse product costs three to four times the
dense one for a number that it adds, and coding a dense tensor costs a pass over it either way."""


def sparse_features(x: Tensor, dtype: torch.dtype) -> CSR:
    """A sparse tensor [N, C] of any layout as a matrix of ``dtype``, kept while the tensor holds the same.

    Entries at equal positions are added up, as ``to_dense`` does.
    """
    found = FEATURES.get(x, ("features", dtype, contents(x)), lambda: _of_tensor(x, dtype))
    assert isinstance(found, CSR)
    return found


def _of_tensor(x: Tensor, dtype: torch.dtype) -> CSR:
    if x.layout in (torch.sparse_bsr, torch.sparse_bsc):  # their blocks hold zeros: as the dense tensor
        return CSR.from_dense(x.to_dense().to(dtype))
    entries = (x if x.layout is torch.sparse_coo else x.to_sparse_coo()).to(dtype).coalesce()
    row, col = entries.indices()
    return CSR.from_coo(row, col, entries.values(), (x.shape[0], x.shape[1]))


def coded_features(x: Tensor | CSR, scale: Tensor, timesteps: int, name: str) -> CSR | None:
    """Values of the binary words of features that are not zero; None for dense features, which a dense coder serves better.

    Kept while the features hold the same: a call then reads them once, to see that.

    Args:
        x: [N, C].
        scale: [] or [C].
        timesteps: bits of a word.
        name: of the coder, for errors.

    Raises:
        InputError: a number is not finite.
    """
    if isinstance(x, CSR):
        key: tuple[Hashable, ...] = (contents(x.rowptr), contents(x.col), contents(x.value))
    elif looks_sparse(x, SPARSE_SHARE):
        key = (contents(x),)
    else:
        return None
    most = None if isinstance(x, CSR) else int(SPARSE_SHARE * x.numel())

    def make() -> CSR | Tensor:
        found = binary_entries(x, scale, timesteps, name, most)
        return torch.empty(0) if found is None else found  # remembered too: the few numbers that were looked at misled

    found = FEATURES.get(x, ("words", timesteps, contents(scale), key), make)
    return found if isinstance(found, CSR) else None
