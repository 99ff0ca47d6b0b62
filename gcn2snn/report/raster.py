"""The raster of a report: who fires when, on the clock of the whole network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gcn2snn import ir
from gcn2snn.clock import timing_of
from gcn2snn.engines import depths
from gcn2snn.report.chart import Axis, Bar, Chart, Label, Mark, bottom
from gcn2snn.report.population import Population

BAND = 96
"""Pixels of one population: its name, and a row for each drawn neuron."""

TALLEST = 10
"""Populations in one chart, so that each fits a printed page."""


def rasters(key: str, network: ir.Network, wait: int | None, populations: Sequence[Population]) -> list[Chart]:
    """Spikes of some neurons of every population over the steps of the clock, on which all layers work at once.

    A population at depth l hears from step l w on and sends phase step k at step l w + w + k (Section V-C2).
    """
    timing, depth = timing_of(network, wait), depths(network)
    drawn = [own for own in populations if own.sample is not None]
    begins = [(depth[own.node.name] + 1) * timing.wait for own in drawn]
    last = max((begin + own.node.coding.steps for begin, own in zip(begins, drawn, strict=True)), default=1)
    x = Axis(0, last + 1, 10, 408)
    parts = range(0, len(drawn), TALLEST)
    return [_chart(f"{key}-{i}" if i else key, x, drawn[i : i + TALLEST], begins[i : i + TALLEST]) for i in parts]


def _chart(key: str, x: Axis, populations: Sequence[Population], begins: Sequence[int]) -> Chart:
    names = (
        f"{populations[0].node.name} to {populations[-1].node.name}"
        if len(populations) > 1
        else populations[0].node.name
    )
    text = (
        f"Spikes of at most 40 neurons of each population, {names}, over the steps of the clock; each row of marks is a neuron, "
        f"and each has at most one."
    )
    chart = Chart(key, f"Spikes on the clock, {names}", text, 420, 56 + BAND * len(populations))
    y = Axis(0, 1, 8 + BAND * len(populations), 4)
    bottom(chart, x, y, "step of the clock; shaded: when it may fire")
    for index, (own, begin) in enumerate(zip(populations, begins, strict=True)):
        assert own.sample is not None
        top = 8 + BAND * index
        steps, sample = own.node.coding.steps, own.sample
        width = x.at(begin + steps + 0.5) - x.at(begin + 0.5)
        chart.bars.append(Bar(x.at(begin + 0.5), top + 16, round(width, 1), BAND - 18, "window"))
        fired = int((sample != 0).sum())
        told = f"{own.node.name}: {fired} of {len(sample)} drawn neurons fire"
        chart.labels.append(Label(x.start + 4, top + 12, told, "start", look="strong"))
        step = begin + own.node.coding.step_of(sample.abs())
        for sign, look in ((1, "first"), (-1, "second")):
            path = _dots(x, top + 18, step, sample.sign() == sign)
            if path:
                chart.marks.append(Mark(path, look))
    return chart


def _dots(x: Axis, top: int, step: Tensor, chosen: Tensor) -> str:
    """A little square for each spike."""
    rise = (BAND - 24) / max(len(step) - 1, 1)
    return "".join(
        f"M{x.at(int(step[i])) - 2:.1f} {top + rise * i:.1f}h4v2.5h-4z" for i in chosen.nonzero().flatten().tolist()
    )
