"""What an aggregation costs, from the rows that it reads: all at once, or some at a time."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.energy.effective import nonzero_counts
from gcn2snn.energy.events import LayerEvents
from gcn2snn.kernels import CSR

Part = tuple[slice, bool, Tensor]
"""Rows, whether what follows are numbers of spikes, and these numbers or else the values of the rows."""


def aggregation_events(node: ir.Aggregate, matrix: CSR, parts: Iterable[Part], timesteps: int) -> LayerEvents:
    """The counts of Y = A X for one run.

    A spike of row j of X costs as many additions as column j of A has entries. Sums of whole numbers in double precision are
    exact, so parts of any size add up to the same.

    Args:
        node: the aggregation.
        matrix: A.
        parts: every row of X once.
        timesteps: in which its spikes can arrive.
    """
    fans = matrix.column_counts.double()
    zeros = matrix.nnz - int(torch.count_nonzero(matrix.value))
    effective_fans = nonzero_counts(matrix) if zeros else fans
    events = effective = neurons = sent = inputs = channels = 0
    spiking = True
    for rows, spiking, seen in parts:
        counts = seen.double() if spiking else (seen != 0).double()
        inputs, channels = inputs + seen.numel(), seen.shape[1]
        effective += int((effective_fans[rows] @ counts).sum())
        if spiking:
            events += int((fans[rows] @ counts).sum())
            neurons, sent = neurons + seen.numel(), sent + int(counts.sum())
    operations, pairs = matrix.nnz * channels, matrix.shape[0] * matrix.shape[1]
    return LayerEvents(
        node.name,
        "synapse",
        operations,
        neurons,
        sent,
        events,
        macs=0 if spiking else operations,
        outputs=matrix.shape[0] * channels,
        shape="sparse",
        effective=effective,
        dense=operations * (timesteps if spiking else 1),
        inputs=inputs,
        connections=pairs,
        missing=pairs - matrix.nnz + zeros,
        stored=matrix.nnz,
    )
