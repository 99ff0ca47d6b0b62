"""How far the outputs of a converted network are from its source's, on some of the calibration data and without labels."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, choose_engine, dense_value, run_bucketed, run_closed, run_float
from gcn2snn.memory import current_limit
from gcn2snn.passes.calibration import Batches
from gcn2snn.passes.over_ranks import rows_over_ranks, total_over_ranks
from gcn2snn.passes.side_by_side import rows_alone, run_side_by_side

COMPARED_ROWS = 1024
"""Rows of the output on which settings are compared, unless one batch alone has more."""


Heads = Mapping[str, Tensor]
"""The results of one call by name."""


@dataclass(frozen=True)
class Sample:
    """Calibration inputs for a comparison, with the source's outputs.

    Args:
        inputs: batches, which correct means and judge.
        outputs: of the source for each of them, by head, [rows, ...].
        classes: every head has several outputs for each row, which then are classes.
        counted: only so many first rows of each output count; None: all.
    """

    inputs: Sequence[Mapping[str, Value]]
    outputs: Sequence[Heads]
    classes: bool
    counted: int | None = None

    @property
    def rows(self) -> int:
        """Rows of the outputs that are compared."""
        return int(total_over_ranks(torch.tensor(self._rows_here)))

    @property
    def _rows_here(self) -> int:
        """Those of this process."""
        return sum(self._kept(output).shape[0] for heads in self.outputs for output in heads.values())

    @property
    def measure(self) -> Literal["kl", "squared"]:
        """The divergence: "kl" of classes, else "squared"."""
        return "kl" if self.classes else "squared"

    def part(self, network: ir.Network, rows: int) -> Sample:
        """About so many rows of ``inputs``, evenly spread over it; all where rows are not computed by themselves."""
        have = [rows_alone(network, batch) for batch in self.inputs]
        known = [count for count in have if count is not None]
        step = sum(known) // max(rows, 1)
        if len(known) < len(have) or self.counted is not None or step < 2:
            return self
        inputs: list[Mapping[str, Value]] = []
        outputs: list[Heads] = []
        first = 0
        for count, batch, heads in zip(known, self.inputs, self.outputs, strict=True):
            inputs.append({name: dense_value(value)[first::step] for name, value in batch.items()})
            outputs.append({name: value[first::step] for name, value in heads.items()})
            first = (first - count) % step
        kept = [number for number, heads in enumerate(outputs) if len(heads[network.heads[0]])]
        return replace(self, inputs=[inputs[i] for i in kept], outputs=[outputs[i] for i in kept])

    def departures(self, networks: Sequence[ir.Network], wait: int | None = None) -> list[tuple[Tensor, float]]:
        """Divergence of each row of calibrated networks from the source by :attr:`measure`, [rows], and percent of rows of
        another class, for each network. The mean over the rows of a head is

        kl: mean over rows of sum_c p_c (log p_c - log q_c), p and q the softmax of the source's and the network's outputs
        squared: sum (y - x)^2 / sum (x - mean of x)^2

        and of several heads each counts alike. A short ``wait`` is run as it is, at the moments that neurons look.

        Args:
            networks: conversions of one network, which differ in what their populations are.
            wait: w, the same for all.
        """
        found = [_results(networks, batch, wait) for batch in self.inputs]
        return [self.departure(networks[0], results) for results in zip(*found, strict=True)]

    def departure(self, network: ir.Network, found: Sequence[Heads]) -> tuple[Tensor, float]:
        """Of one network, from its results for each of ``inputs``, as in :meth:`departures`."""
        parts, changed = [], []
        for name in network.heads:
            pairs = [(self._kept(a[name]), self._kept(b[name])) for a, b in zip(self.outputs, found, strict=True)]
            own = _divergences(pairs) if self.classes else _squared_errors(pairs)
            parts.append(own * (self._rows_here / (len(network.heads) * max(len(own), 1))))
            changed += [(a.argmax(1) != b.argmax(1)).double() for a, b in pairs if self.classes]
        share = 100 * float(rows_over_ranks(torch.cat(changed)).mean()) if changed else 0.0
        return rows_over_ranks(torch.cat(parts)), share

    def _kept(self, output: Tensor) -> Tensor:
        output = output if self.counted is None else output[: self.counted]
        return (output.flatten(1) if output.dim() > 1 else output.reshape(-1, 1)).double()


def _results(networks: Sequence[ir.Network], inputs: Mapping[str, Value], wait: int | None) -> Sequence[Heads]:
    closed = choose_engine(networks[0], wait, "auto") == "closed"
    if closed and current_limit() is None:
        return run_side_by_side(networks, inputs)
    found: list[dict[str, Tensor]] = []
    with torch.no_grad():
        for network in networks:
            found.append({})
            if closed:
                run_closed(network, inputs, heads=found[-1])
            else:
                run_bucketed(network, inputs, wait, heads=found[-1])
    return found


def _divergences(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    found = []
    for source, own in pairs:
        logarithms = source.log_softmax(1)
        found.append((logarithms.exp() * (logarithms - own.log_softmax(1))).sum(1))
    return torch.cat(found)


def _squared_errors(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    values = torch.cat([source.flatten() for source, _ in pairs])
    errors = torch.cat([(own - source).square().sum(1) for source, own in pairs])
    return errors * (len(errors) / (values - values.mean()).square().sum().clamp(min=1e-30))


class Sampler:
    """Batches for a comparison, as many as :data:`COMPARED_ROWS` allows, at least one.

    Which ones they are follows from a hash of what the source computes on them, so the order of the data changes nothing.
    No more than these are held in memory. A sampler is shown every batch with the source's outputs on it.
    """

    def __init__(self, network: ir.Network, counted: int | None = None):
        self.network, self.counted = network, counted
        self._kept: list[_Item] = []

    def __call__(self, batch: Mapping[str, Value], heads: Heads) -> None:
        first = heads[self.network.heads[0]]
        if first.dim() and not len(first):
            return  # a batch without rows says nothing
        key = hashlib.sha256(first.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        self._kept = _prefix(sorted([*self._kept, _Item(key, batch, heads)], key=lambda item: item.key))

    def sample(self) -> Sample:
        """What was kept."""
        classes = all(_are_classes(self.network, name) for name in self.network.heads)
        inputs, outputs = [item.batch for item in self._kept], [item.heads for item in self._kept]
        return Sample(inputs, outputs, classes, self.counted)


def sample_of(network: ir.Network, batches: Batches, counted: int | None = None) -> Sample:
    """What a :class:`Sampler` keeps of all batches."""
    sampler = Sampler(network, counted)
    with torch.no_grad():
        for batch in batches():
            heads: dict[str, Tensor] = {}
            run_float(network, batch, heads=heads)
            sampler(batch, heads)
    return sampler.sample()


def _are_classes(network: ir.Network, name: str) -> bool:
    shape = network.shapes[name]
    return isinstance(network[name], ir.Output) and len(shape) == 2 and (shape[1] or 0) > 1


@dataclass(frozen=True, eq=False)
class _Item:
    key: str
    batch: Mapping[str, Value]
    heads: Heads

    @property
    def rows(self) -> int:
        """Of all heads together."""
        return sum(output.shape[0] if output.dim() else 1 for output in self.heads.values())


def _prefix(items: Sequence[_Item]) -> list[_Item]:
    """The first items whose outputs have :data:`COMPARED_ROWS` together, at least one."""
    rows = list(itertools.accumulate(item.rows for item in items))
    return [item for item, count in zip(items, rows, strict=True) if count <= COMPARED_ROWS] or list(items[:1])
