"""ir -> ir: one scale per neuron population, from what the source model's activations are on calibration data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import ByRows, Panel, Value, dense_value, run_float
from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode, decode, encode
from gcn2snn.passes.activation_counts import (
    LEAST_BINS,
    Histograms,
    Maxima,
    PopulationReport,
    Quality,
)
from gcn2snn.passes.neurons import NO_EXCEPTION
from gcn2snn.passes.over_ranks import Place, largest_over_ranks, place_over_ranks, total_over_ranks

SCALE_CANDIDATES = 96
"""Scales that the search for the least encoding error looks at, from 0.25 to 1.05 Q times the maximum; under a cap Q, too."""

LEAST_ERROR_SCALES = 48
"""Scales that ranking codes looks at, in the same range."""

SEARCHED_ROWS = 2048
"""Channels whose scales are searched in one product; their histograms are there once more in double precision."""

Batches = Callable[[], Iterable[Mapping[str, Value]]]
"""Gives the calibration inputs anew at each call; calibration passes over them up to three times."""

Visitor = Callable[[ir.Node, Tensor, Place, bool], None]
"""Looks at an activation or some of its rows: where they lie, and whether they are the first ones of a batch."""

Seen = Callable[[Mapping[str, Value], Mapping[str, Tensor]], None]
"""Called with each batch and the source's outputs on it."""


def calibrate(
    network: ir.Network, batches: Batches, config: ConvertConfig, statistics: Statistics | None = None
) -> tuple[ir.Network, list[PopulationReport]]:
    """The network with a scale for every population and coder that has none, and a report on each population.

    scale = max |a| (Eq. 2), a percentile of |a|, or argmin_s sum (a - decode(encode(a / s)) s)^2, per layer or channel.
    The input coders always take the maximum. Populations that are silent on all data get scale 1.

    Args:
        network: with neurons inserted.
        batches: calibration inputs; no labels are used.
        config: scale, per, percentile, and exceptions by population; what it leaves open is as in the paper.
        statistics: of the network with any codes on these batches, if they were measured already.

    Raises:
        InputError: there are no batches, or an activation is not finite (the message names the layer).

    Source: Section II-C, Eq. 2; percentile and mse are ours.
    """
    statistics = statistics or Statistics(network, batches)
    network = with_scales(network, statistics, config)
    quality = Quality()
    statistics.show(network, quality)
    return network, [quality.report(node) for node in network.of(ir.Neuron)]


def with_scales(network: ir.Network, statistics: Statistics, config: ConvertConfig) -> ir.Network:
    """The network with the scales that the statistics give to its codes; arguments as for :func:`calibrate`."""
    config = config.settled()
    changes: dict[str, list[ir.Node]] = {}
    populations = network.of(ir.UncalibratedNeuron)
    rules = [(node, *_rule(node, config)) for node in populations]
    statistics.search([(node, per) for node, kind, per in rules if kind == "mse"])
    for population in populations:
        kind, per = _rule(population, config)
        changes[population.name] = [population.calibrated(statistics.scale(population, kind, per, config.percentile))]
    for coder in network.of(ir.UncalibratedCoder):
        changes[coder.name] = [coder.calibrated(statistics.largest(coder))]
    return network.replace(changes)


class Statistics:
    """Largest magnitudes of every population on calibration data, and their histograms once a scale asks for them.

    ``without_rows``: no batch had a row, so that every scale is 1.

    Args:
        network: with neurons inserted.
        batches: calibration inputs.
        seen: called with each batch and the source's outputs on it, in the pass over the data that is made here.

    Raises:
        InputError: there are no batches, or an activation is not finite.
    """

    def __init__(self, network: ir.Network, batches: Batches, seen: Seen | None = None):
        self.network, self.batches = network, batches
        maxima = Maxima()
        count = _observe(network, batches, maxima, seen)
        if count == 0:
            raise InputError("no calibration data: the loader gave no batch. Pass at least one example input")
        self.without_rows = bool(maxima.found) and largest_over_ranks(torch.tensor(float(maxima.values))) == 0
        self.maxima = {name: largest_over_ranks(top) for name, top in maxima.found.items()}
        again = bool(
            largest_over_ranks(torch.tensor(float(maxima.again)))
        )  # ranks with more and with fewer rows do alike
        self._rows = maxima.rows if count == 1 and not again else {}
        self._counts: dict[str, dict[str, Tensor]] = {}
        self._scales: dict[tuple[object, ...], Tensor] = {}
        self._errors: dict[tuple[object, ...], Tensor] = {}
        self._shares: dict[tuple[object, ...], Tensor] = {}

    def counts(self, name: str, per: str) -> Tensor:
        """Histogram of magnitude / maximum of a population, [C or 1, bins]; the first one is another pass over the data."""
        self.count([per])
        return self._counts[per][name]

    def count(self, pers: Iterable[str]) -> None:
        """Make the histograms "layer", "channel" or both, in one pass over the data; those that are there stay."""
        missing = {per: Histograms(self.maxima, per) for per in pers if per not in self._counts}

        def visit(node: ir.Node, x: Tensor, place: Place, fresh: bool) -> None:
            for histograms in missing.values():
                histograms(node, x, place, fresh)

        if missing:
            self.show(self.network, visit)
        for per, found in missing.items():
            self._counts[per] = {name: total_over_ranks(counts) for name, counts in found.counts.items()}

    def show(self, network: ir.Network, visitor: Visitor) -> None:
        """Show the visitor the activations of every population once more, of a large graph some rows that were kept.

        ``network``: the one of the statistics, with any codes and scales.
        """
        if not self._rows:
            _observe(network, self.batches, visitor)
        for name, rows in self._rows.items():
            visitor(network[name], rows, Place(0, rows.shape[0] if rows.dim() else 1), True)

    def largest(self, coder: ir.InputCode) -> Tensor:
        """Scale of an input coder, []: the largest magnitude; 1 where all data are 0."""
        top = self.maxima[coder.name].max()
        return torch.where(top > 0, top, 1.0)

    def scale(self, node: ir.Population, kind: str, per: str, percentile: float = 99.9) -> Tensor:
        """Scale of a population by one of the rules, [] per layer or [C] per channel; 1 where all data are silent.

        Under a cap, no level of the code is above the cap; where the rule's own scale reaches the cap, the largest
        level is the cap itself, Q^-1 s = cap (docs/decisions/0082).
        """
        key = (node.name, node.coding, kind, per, percentile)
        if key not in self._scales:
            self._scales[key] = self._scale(node, kind, per, percentile)
        return self._scales[key]

    def _scale(self, node: ir.Population, kind: str, per: str, percentile: float) -> Tensor:
        maxima = self.maxima[node.name]
        top = maxima if per == "channel" else maxima.max()
        if kind != "max":
            factor = (
                _percentile(self.counts(node.name, per), percentile) if kind == "percentile" else self._share(node, per)
            )
            top = top * (factor if per == "channel" else factor[0]).to(top)
        return _under_cap(node, torch.where(top > 0, top, 1.0), kind)

    def search(self, nodes: Sequence[tuple[ir.Population, str]]) -> None:
        """Find the scales of least error of many populations, "layer" or "channel", together: a table of errors is read once for
        all that share a code."""
        groups: dict[tuple[PhaseCode, bool, str], list[ir.Population]] = {}
        for node, per in nodes:
            if (node.name, node.coding, per) not in self._shares:
                code = replace(node.coding, signed=False)
                groups.setdefault((code, node.activation.cap is not None, per), []).append(node)
        for (coding, capped, per), members in groups.items():
            counts = [self.counts(node.name, per) for node in members]
            shares = torch.cat([_least_error(part, coding, capped) for part in torch.cat(counts).split(SEARCHED_ROWS)])
            parts = shares.split([len(own) for own in counts])
            self._shares |= {(node.name, node.coding, per): own for node, own in zip(members, parts, strict=True)}

    def _share(self, node: ir.Population, per: str) -> Tensor:
        """Scale of least error as a share of the maximum, [C or 1]."""
        key = (node.name, node.coding, per)
        if key not in self._shares:
            self.search([(node, per)])
        return self._shares[key]

    def least_errors(self, nodes: Sequence[ir.Population], codings: tuple[PhaseCode, ...], per: str) -> Tensor:
        """Sum of squared encoding errors of each population under each code, with the scales of least error, from the histograms.

        Bins are taken together, fewer scales are looked at than for a scale itself, and products are in single precision: this
        ranks codes.

        Args:
            nodes: populations.
            codings: codes to rank; signs make no difference.
            per: one scale for a "layer", or for a "channel".

        Returns:
            [populations, codes], float64.
        """
        codings = tuple(replace(coding, signed=False) for coding in codings)
        for capped in (False, True):
            self._rank([node for node in nodes if (node.activation.cap is not None) == capped], codings, per, capped)
        return torch.stack([self._errors[node.name, codings, per] for node in nodes])

    def _rank(self, nodes: Sequence[ir.Population], codings: tuple[PhaseCode, ...], per: str, capped: bool) -> None:
        """The errors of populations that were not ranked yet: for each code one product for all of them."""
        nodes = [node for node in nodes if (node.name, codings, per) not in self._errors]
        if not nodes:
            return
        counts = [self.counts(node.name, per) for node in nodes]
        coarse = torch.cat([own.view(own.shape[0], LEAST_BINS, -1).sum(2).float() for own in counts])
        tops = [self.maxima[node.name] if per == "channel" else self.maxima[node.name].max()[None] for node in nodes]
        weights = torch.cat(tops).double() ** 2
        sizes = [len(own) for own in counts]
        columns = []
        for coding in codings:
            least = (coarse @ _ranking_errors(coding, capped, coarse.device)).amin(1).double() * weights
            columns.append(torch.stack([part.sum() for part in least.split(sizes)]))
        errors = torch.stack(columns, 1)
        self._errors |= {(node.name, codings, per): own for node, own in zip(nodes, errors, strict=True)}


def _under_cap(node: ir.Population, scale: Tensor, kind: str) -> Tensor:
    """The scale that the rule ``kind`` gives, so that no level is above the cap of the population's activation.

    A maximum or percentile says how large values are. If they reach the cap, the largest level becomes the cap. The
    search for the least error has looked at that scale already, so its choice stays unless it is above.
    """
    cap, largest = node.activation.cap, node.activation.largest_scale(node.coding, scale.dtype)
    if cap is None or largest is None:
        return scale
    largest = largest.to(scale.device)
    return torch.minimum(scale, largest) if kind == "mse" else torch.where(scale >= cap, largest, scale)


def _rule(node: ir.Population, config: ConvertConfig) -> tuple[str, str]:
    own = config.layers.get(node.name, NO_EXCEPTION)
    return own.scale or config.scale, own.per or config.per


def _observe(network: ir.Network, batches: Batches, visitor: Visitor, seen: Seen | None = None) -> int:
    """Show the visitor every activation of every batch, ``seen`` every batch and what it gives; returns their number."""

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value, panel: Panel) -> None:
        if isinstance(node, ir.Population | ir.InputCode):
            visitor(node, dense_value(value), place_over_ranks(panel.part.start, panel.rows), panel.first)

    count = 0
    with torch.no_grad():
        for count, batch in enumerate(batches(), start=1):  # noqa: B007 - the number of the last one is the result
            heads: dict[str, Tensor] = {}
            run_float(network, batch, ByRows(observe), heads)
            if seen is not None:
                seen(batch, heads)
    return count


def _percentile(counts: Tensor, percentile: float) -> Tensor:
    """Upper edge of the bin in which the percentile falls, as a share of the maximum, [C]."""
    # In float64: single precision cannot count beyond 2^24 activations.
    reached = counts.cumsum(1) >= torch.ceil(counts.sum(1, keepdim=True).double() * (percentile / 100)).long()
    return (reached.int().argmax(1) + 1) / counts.shape[1]


def _least_error(counts: Tensor, coding: PhaseCode, capped: bool = False) -> Tensor:
    """Share of the maximum that, as a scale, has the least squared encoding error, [C]."""
    shares, error = _errors(replace(coding, signed=False), capped, counts.shape[1], SCALE_CANDIDATES, counts.device)
    return shares[(counts.double() @ error).argmin(1)]


def _error_table(
    coding: PhaseCode, capped: bool, bins: int, candidates: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Scales as shares of the maximum [S], and the squared error of each bin's centre under each of them, [bins, S]."""
    centre = (torch.arange(bins, dtype=torch.float64, device=device) + 0.5) / bins
    low, high = math.log(0.25), math.log(1.05 * coding.base)
    shares = torch.linspace(low, high, candidates, dtype=torch.float64, device=device).exp()
    if capped:  # many values equal the maximum, so the scale that sends it without any error is worth a look
        shares = torch.cat([shares, shares.new_tensor([coding.base])])
    values = centre[:, None].expand(-1, shares.numel()).contiguous()
    return shares, (values - decode(encode(values, shares, coding), torch.float64)).square()


_errors = lru_cache(maxsize=16)(_error_table)  # populations often share a code; a table takes up to 6 megabytes


@lru_cache(maxsize=64)
def _ranking_errors(coding: PhaseCode, capped: bool, device: torch.device) -> Tensor:
    """Squared errors by which codes are ranked, [LEAST_BINS, scales]."""
    return _error_table(coding, capped, LEAST_BINS, LEAST_ERROR_SCALES, device)[1].float()
