"""The symmetric normalisation of an adjacency, D^-1/2 (A + I) D^-1/2, of a whole graph or of some of its rows."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels import CSR, degrees, normalised_rows


@refuses_misfits
def normalise(raw: CSR) -> CSR:
    """D^-1/2 (A + I) D^-1/2, computed in float64, returned in float32; an isolated node keeps its self-loop.

    The entries stay in order and the missing self-loops are merged in between, so nothing is sorted. Each value is
    a_ij * (d_i^-1/2 * d_j^-1/2), so that a symmetric A gives an exactly symmetric result.

    Args:
        raw: A, symmetric, without self-loops or with them (then one is added to the weight that is there).

    Raises:
        InputError: a row of A + I sums to zero or less, so it has no inverse square root.
    """
    return replace(normalised_rows(raw, 0, degrees_of(raw)), symmetric=True)


def degrees_of(rows: CSR, first: int = 0) -> Tensor:
    """d_i, the sum of each row of A + I, [rows] float64; ``first`` is the number of the first row.

    Raises:
        InputError: a row sums to zero or less.
    """
    degree = degrees(rows)
    if bool((degree <= 0).any()):
        bad = int((degree <= 0).nonzero()[0])
        raise InputError(
            f"node {first + bad} has degree {float(degree[bad])}; symmetric normalisation needs positive degrees. "
            f"Remove negative edge weights"
        )
    return degree
