"""Whether a tensor holds finite numbers only."""

from __future__ import annotations

import math

from torch import Tensor

from gcn2snn.errors import refuses_misfits


@refuses_misfits
def all_finite(x: Tensor) -> bool:
    """True if no element is NaN or infinite; one pass without copies, where ``isfinite`` makes several of the size of x.

    The extremes are finite exactly if all elements are: NaN passes through both of them.

    >>> import torch
    >>> all_finite(torch.tensor([1.0, -2.0])), all_finite(torch.tensor([1.0, torch.nan])), all_finite(torch.empty(0))
    (True, False, True)

    Args:
        x: any real floating-point tensor.
    """
    return not x.numel() or all(map(math.isfinite, x.detach().aminmax()))
