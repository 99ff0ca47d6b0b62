"""What is counted over a network's activations while calibration runs: largest values, histograms, how well a code fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import check_finite
from gcn2snn.kernels import decode, encode, per_channel
from gcn2snn.memory import current_limit
from gcn2snn.passes.over_ranks import Place, total_over_ranks
from gcn2snn.passes.some_rows import SEEN_ROWS, some_rows

BINS = 8192
"""Histogram bins between 0 and the maximum; counts are integers, so the order of the data changes nothing."""

LEAST_BINS, HISTOGRAM_BYTES = 512, 256 * 2**20
"""A network of so many channels that their histograms would need more memory gets fewer bins, but not below the least."""

KEPT_BYTES = 256 * 2**20
"""Activations of a single batch that are kept between two looks at them, on some rows of a large graph; with more, or under a
memory limit, the network is run again."""

PART_VALUES = 2**20
"""Activations that are counted at a time."""

ERROR_UNITS = 2**30
"""Relative errors are added up as whole multiples of 2^-30, so that the sum, too, has no order."""


@dataclass(frozen=True)
class PopulationReport:
    """How well a population's code fits the activations it was calibrated on.

    Args:
        name: population.
        neurons: activations seen.
        scale_min, scale_max: smallest and largest scale among its channels.
        saturated: percent of the active ones too large for phase 1, which would round to a phase 0: z >= Q threshold_1.
        underflow: percent of the active ones that send no spike.
        mape: mean absolute percentage error over the active ones (Eq. 5, with the measured distribution).
        spike_rate: mean spikes per neuron.
    """

    name: str
    neurons: int
    scale_min: float
    scale_max: float
    saturated: float
    underflow: float
    mape: float
    spike_rate: float


def magnitudes(node: ir.Node, x: Tensor) -> Tensor:
    """What the population can send of x: |x| when signed, else the positive part; channels first, [C, values]."""
    signed = not isinstance(node, ir.Population) or node.coding.signed
    x = x.abs() if signed else x.clamp(min=0)
    return x.transpose(0, 1).reshape(x.shape[1], -1) if x.dim() > 1 else x[None]


def _largest_of_channels(x: Tensor, signed: bool) -> Tensor:
    """The largest of :func:`magnitudes` in each channel, without a copy of the values."""
    axes = [axis for axis in range(x.dim()) if axis != 1] if x.dim() > 1 else []
    if not x.numel():
        return x.new_zeros(x.shape[1] if x.dim() > 1 else 1)
    high = x.amax(axes) if axes else x.max()[None]
    if not signed:
        return high.clamp(min=0)
    return torch.maximum(high, -(x.amin(axes) if axes else x.min()[None]))


class Maxima:
    """Largest magnitude of each channel.

    The activations of a batch are kept, of many rows (a large graph) those that are counted, so that no further pass is needed for
    what else is counted. ``again``: another pass is needed, for there are several batches, all activations are too many, or a
    memory limit holds and rows are few. ``values``: how many activations were seen.
    """

    def __init__(self) -> None:
        self.found: dict[str, Tensor] = {}
        self.again = False
        self._parts: dict[str, list[Tensor]] = {}
        self._bytes = 0
        self.values = 0

    def __call__(self, node: ir.Node, x: Tensor, place: Place, fresh: bool) -> None:
        """Look at an activation.

        Args:
            node, x: what has it, and its value or a part of its rows.
            place: of the rows.
            fresh: whether it is the first part of a batch.
        """
        self.values += x.numel()
        if isinstance(node, ir.Population):
            self._keep(node.name, x, place, fresh)
        largest = _largest_of_channels(x, signed=not isinstance(node, ir.Population) or node.coding.signed)
        if not bool(torch.isfinite(largest).all()):
            check_finite(f"the activation of {node.name}", x)
        self.found[node.name] = torch.maximum(self.found[node.name], largest) if node.name in self.found else largest

    def _keep(self, name: str, x: Tensor, place: Place, fresh: bool) -> None:
        """Keep the rows that are counted, of one batch and up to :data:`KEPT_BYTES`."""
        few = x.dim() < 2 or place.rows <= SEEN_ROWS
        another = fresh and name in self._parts
        self.again |= another or self._bytes > KEPT_BYTES or (few and current_limit() is not None)
        if self.again:
            self._parts.clear()
            return
        rows = x.clone() if few else some_rows(x, place)  # what an engine does with x later must not be seen here
        self._bytes += rows.nbytes
        self._parts.setdefault(name, []).append(rows)

    @property
    def rows(self) -> dict[str, Tensor]:
        """The rows that were kept, by population."""
        return {name: torch.cat(parts) if len(parts) > 1 else parts[0] for name, parts in self._parts.items()}


class Histograms:
    """Counts of magnitude / maximum in equal bins, for each channel or for the layer as a whole."""

    def __init__(self, maxima: dict[str, Tensor], per: str) -> None:
        self.maxima = maxima if per == "channel" else {name: top.max()[None] for name, top in maxima.items()}
        self.counts: dict[str, Tensor] = {}
        self.bins = BINS
        rows = sum(top.numel() for top in self.maxima.values())
        while self.bins > LEAST_BINS and 8 * rows * self.bins > HISTOGRAM_BYTES:
            self.bins //= 2

    def __call__(self, node: ir.Node, x: Tensor, place: Place, fresh: bool) -> None:
        """Count an activation; arguments as for :class:`Maxima`."""
        if not isinstance(node, ir.Population):
            return
        x = some_rows(x, place)
        top, size = self.maxima[node.name].clamp(min=1e-30), self.bins
        whole = top.numel() == 1
        rows = x.reshape(1, -1) if whole else x
        factor = top if whole else per_channel(top, x.dim())
        first = torch.arange(
            top.numel(), device=x.device, dtype=torch.int32 if top.numel() * size < 2**31 else torch.int64
        )
        first = first * size if whole else per_channel(first * size, x.dim())
        counts = torch.zeros(top.numel() * size, dtype=torch.int64, device=x.device)
        # Parts that stay in the cache: new memory for every step costs more than the steps.
        most = PART_VALUES if whole else max(1, PART_VALUES * x.shape[0] // max(x.numel(), 1))
        for part in rows.split(most, 1 if whole else 0):
            bins = (part / factor).mul_(size)
            bins = (bins.abs_() if node.coding.signed else bins).to(first.dtype).clamp_(0, size - 1).add_(first)
            counts += torch.bincount(bins.flatten(), minlength=counts.numel())
        counts = counts.view(-1, size)
        self.counts[node.name] = self.counts[node.name] + counts if node.name in self.counts else counts


def _nonzero(x: Tensor) -> int:
    return int(torch.count_nonzero(x))


class Quality:
    """Counts and error sums of each population with its final scale, all in integers."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, int]] = {}

    def __call__(self, node: ir.Node, x: Tensor, place: Place, fresh: bool) -> None:
        """Count an activation; arguments as for :class:`Maxima`."""
        if not isinstance(node, ir.Neuron):
            return
        own, x = x.shape[:1], some_rows(x, place)
        by_rows = node.horizon is not None and node.horizon.dim() > 1 and node.horizon.shape[:1] == own
        horizon = some_rows(node.horizon, place) if by_rows and node.horizon is not None else node.horizon
        spikes = encode(x, node.scale, node.coding, horizon)
        active, fired = _nonzero((x != 0).view(torch.int8)), _nonzero(spikes.code)
        sums = self.sums.setdefault(
            node.name, dict.fromkeys(("neurons", "active", "fired", "silent", "over", "error"), 0)
        )
        sums["neurons"] += x.numel()
        sums["active"] += active
        sums["fired"] += fired
        sums["silent"] += active - fired  # what is 0 never fires
        # What would round to phase 0 if there were one: |x| >= Q * threshold_1 * s.
        over = replace(node.coding, timesteps=1, last="midpoint")
        bar = per_channel((node.scale.double() * (over.base * over.thresholds()[0])).to(x.dtype), x.dim())
        sums["over"] += _nonzero(((x.abs() if node.coding.signed else x) >= bar).view(torch.int8))
        error = decode(spikes, x.dtype).sub_(x).div_(x).abs_().nan_to_num_(nan=0.0)  # 0 / 0 where nothing is to be sent
        units = error.mul_(ERROR_UNITS).round_().flatten()
        # No error is above 2, so the sum of a part is exact in double precision, which torch adds up ten times as fast as integers.
        sums["error"] += sum(int(part.sum(dtype=torch.float64)) for part in units.split(2**22))

    def report(self, node: ir.Neuron) -> PopulationReport:
        names = list(self.sums[node.name])
        counts = torch.tensor([self.sums[node.name][name] for name in names], dtype=torch.int64)
        sums = dict(zip(names, total_over_ranks(counts).tolist(), strict=True))
        active = max(sums["active"], 1)
        return PopulationReport(
            node.name,
            sums["neurons"],
            float(node.scale.min()),
            float(node.scale.max()),
            100 * sums["over"] / active,
            100 * sums["silent"] / active,
            100 * sums["error"] / ERROR_UNITS / active,
            sums["fired"] / max(sums["neurons"], 1),
        )
