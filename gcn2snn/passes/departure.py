"""How far the outputs of a converted network are from its source's, on some of the calibration data and without labels."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, choose_engine, run_bucketed, run_closed, run_float
from gcn2snn.passes.calibration import Batches

COMPARED_ROWS = 1024
"""Rows of the output on which settings are compared, unless one batch alone has more."""


@dataclass(frozen=True)
class Sample:
    """Calibration inputs for a comparison, with the source's outputs.

    Args:
        fitted: inputs that correct means.
        compared: inputs that judge; the same ones where there is a single batch.
        outputs: of the source for ``compared``, [rows, ...] each.
        counted: only so many first rows of each output count; None: all.
    """

    fitted: Sequence[Mapping[str, Value]]
    compared: Sequence[Mapping[str, Value]]
    outputs: Sequence[Tensor]
    counted: int | None = None

    @property
    def rows(self) -> int:
        """Rows of the output that are compared."""
        return sum(self._kept(output).shape[0] for output in self.outputs)

    @property
    def measure(self) -> str:
        """ "kl" where rows have several outputs, which then are classes; else "squared"."""
        return "kl" if all(output.dim() == 2 and output.shape[1] > 1 for output in self.outputs) else "squared"

    def departure(self, network: ir.Network, wait: int | None = None) -> tuple[Tensor, float]:
        """Divergence of each row of a calibrated network from the source by :attr:`measure`, [rows], and percent of rows of
        another class. The mean over the rows is

        kl: mean over rows of sum_c p_c (log p_c - log q_c), p and q the softmax of the source's and the network's outputs
        squared: sum (y - x)^2 / sum (x - mean of its channel)^2

        A short ``wait`` is run as it is, at the moments that neurons look.
        """
        closed = choose_engine(network, wait, "auto") == "closed"
        with torch.no_grad():
            runs = [run_closed(network, x) if closed else run_bucketed(network, x, wait) for x in self.compared]
        found = [self._kept(output).double() for output in runs]
        source = torch.cat([self._kept(output).double() for output in self.outputs])
        own = torch.cat(found)
        if self.measure == "squared":
            variance = (source - source.mean(0)).square().sum()
            error = (own - source).square().flatten(1).sum(1)
            return error * (len(error) / variance.clamp(min=1e-30)), 0.0
        logarithms = source.log_softmax(1)
        rows = (logarithms.exp() * (logarithms - own.log_softmax(1))).sum(1)
        return rows, 100 * float((source.argmax(1) != own.argmax(1)).double().mean())

    def _kept(self, output: Tensor) -> Tensor:
        return output if self.counted is None else output[: self.counted]


def sample_of(network: ir.Network, batches: Batches, counted: int | None = None) -> Sample:
    """Batches for a comparison, as many as :data:`COMPARED_ROWS` allows, at least one; every second one corrects means.

    Which ones they are follows from a hash of what the source computes on them, so the order of the data changes nothing.
    No more than these are held in memory.
    """
    kept: list[_Item] = []
    with torch.no_grad():
        for batch in batches():
            output = run_float(network, batch)
            key = hashlib.sha256(output.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
            kept = _prefix(sorted([*kept, _Item(key, batch, output)], key=lambda item: item.key))
    compared = kept[1::2] or kept
    inputs = [item.batch for item in compared]
    return Sample([item.batch for item in kept[::2]], inputs, [item.output for item in compared], counted)


@dataclass(frozen=True, eq=False)
class _Item:
    key: str
    batch: Mapping[str, Value]
    output: Tensor


def _prefix(items: Sequence[_Item]) -> list[_Item]:
    """The first items whose outputs have :data:`COMPARED_ROWS` together, at least one."""
    rows = list(itertools.accumulate(item.output.shape[0] for item in items))
    return [item for item, count in zip(items, rows, strict=True) if count <= COMPARED_ROWS] or list(items[:1])
