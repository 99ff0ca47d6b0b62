"""The pictures of a report, from what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gcn2snn.energy import LayerEvents
from gcn2snn.report.chart import Axis, Bar, Chart, Label, Line, Mark, frame, mark, number
from gcn2snn.report.collect import BINS, Degrees, Population

SHADES = 6
"""Steps of a scatter's shade, from one neuron to the fullest cell, evenly on a logarithmic scale."""


def scatter(key: str, population: Population) -> Chart:
    """Source activation against spike value, the number of neurons as shade; on the diagonal nothing is lost."""
    name = population.node.name
    text = (
        f"Source activation of {name} on the horizontal axis, value of its spike on the vertical axis, in units of the "
        f"scale; {population.neurons:,} neurons, root mean square error {100 * population.error:.1f} % of the activation."
    )
    chart = Chart(key, f"{name}: spike value over activation", text, 352, 280)
    x = Axis(population.low, population.high, 52, 258)
    y = Axis(population.low, population.high, 235, 12)
    frame(chart, x, y, "activation / scale", "spike value / scale")
    chart.marks += _shaded(population.cells, x, y)
    chart.lines.append(Line(f"{x.start},{y.start} {x.end},{y.end}", "diagonal"))
    most = max(int(population.cells.max()), 1)
    for shade in range(SHADES):
        low = math.ceil(most ** (shade / SHADES))
        top = 40 + 18 * (SHADES - 1 - shade)
        chart.bars.append(Bar(270, top, 12, 12, f"shade{shade}"))
        chart.labels.append(Label(287, top + 10, f"from {number(low)}", "start"))
    chart.labels.append(Label(270, 30, "neurons", "start"))
    return chart


def _shaded(cells: Tensor, x: Axis, y: Axis) -> list[Mark]:
    """One path for each shade."""
    most = max(int(cells.max()), 1)
    width, height = (x.end - x.start) / BINS, (y.start - y.end) / BINS
    paths = [""] * SHADES
    for i, j in cells.nonzero().tolist():
        shade = min(int(SHADES * math.log(int(cells[i, j])) / math.log(most)), SHADES - 1) if most > 1 else 0
        corner = f"M{x.start + i * width:.1f} {y.start - (j + 1) * height:.1f}"
        paths[shade] += f"{corner}h{width:.1f}v{height:.1f}h-{width:.1f}z"
    return [Mark(path, f"shade{shade}") for shade, path in enumerate(paths) if path]


def phases(key: str, population: Population) -> Chart:
    """Spikes at each phase, positive ones plain and negative ones hatched on top."""
    name = population.node.name
    steps = len(population.positive)
    totals = [a + b for a, b in zip(population.positive, population.negative, strict=True)]
    busiest = max(range(steps), key=totals.__getitem__) + 1
    text = (
        f"Spikes of {name} at phases 1 to {steps}; most, {max(totals):,}, are sent at phase {busiest}, "
        f"{sum(population.negative):,} of {population.spikes:,} are negative. The table below has every number."
    )
    chart = Chart(key, f"{name}: spikes at each phase", text, 352, 280)
    x, y = Axis(0.5, steps + 0.5, 52, 342), Axis(0, max(max(totals), 1), 235, 26)
    every = max(1, -(-steps // 16))
    frame(chart, x, y, "phase t", "spikes", range(1, steps + 1, every))
    width = 0.8 * (x.end - x.start) / steps
    for step, (plus, minus) in enumerate(zip(population.positive, population.negative, strict=True), start=1):
        left = x.at(step) - width / 2
        top, split = y.at(plus + minus), y.at(plus)
        what = f"phase {step}: {plus:,} positive, {minus:,} negative"
        chart.bars.append(Bar(round(left, 1), split, round(width, 1), round(y.start - split, 1), "first", what))
        if minus:
            chart.bars.append(Bar(round(left, 1), top, round(width, 1), round(split - top, 1), "second", what))
    _legend(chart, ("positive", "negative") if any(population.negative) else ("positive",))
    return chart


def degrees(key: str, name: str, classes: Sequence[Degrees]) -> Chart:
    """Additions of the source model and of the spikes by the degree of the sending node."""
    widest = max(classes, key=lambda c: c.operations)
    text = (
        f"Multiply-accumulates of the source and additions of the spikes of {name} by node degree; degrees "
        f"{widest.low} to {widest.high} are most of the work. The table below has every number."
    )
    chart = Chart(key, f"{name}: additions by node degree", text, 352, 280)
    x = Axis(0, len(classes), 52, 342)
    y = Axis(0, max(max(c.operations, c.events) for c in classes) or 1, 235, 26)
    frame(chart, x, y, "entries in the node's column, from", "additions", ())
    width, every = (x.end - x.start) / len(classes), -(-len(classes) // 13)
    for index, own in enumerate(classes):
        left = x.at(index)
        span = degree_range(own)
        for share, value, look, what in (
            (0.12, own.operations, "first", "multiply-accumulates of the source"),
            (0.5, own.events, "second", "additions of the spikes"),
        ):
            top = y.at(value)
            title = f"degree {span}: {value:,} {what}"
            bar = (round(left + share * width, 1), top, round(0.38 * width, 1), round(y.start - top, 1))
            chart.bars.append(Bar(*bar, look, title))
        if index % every == 0:
            chart.labels.append(Label(round(left + width / 2, 1), y.start + 17, _power(own.low)))
    _legend(chart, ("source", "spikes"))
    return chart


def _power(low: int) -> str:
    """A power of two, or 0, for a crowded axis: 4096 is 4k."""
    return f"{low >> 10}k" if low >= 1 << 10 else str(low)


def degree_range(own: Degrees) -> str:
    """ "4 to 7", "1" or "0"."""
    return f"{own.low:,} to {own.high:,}" if own.high > own.low else f"{own.low:,}"


def layers(key: str, rows: Sequence[LayerEvents]) -> Chart:
    """Operations of the source and additions of the spikes, layer by layer, as horizontal bars."""
    most = max(max(row.operations, row.events + row.macs) for row in rows) or 1
    total = sum(row.operations for row in rows) or 1
    largest = max(rows, key=lambda row: row.operations)
    text = (
        f"{largest.name} does {100 * largest.operations / total:.0f} % of the source's operations. "
        "The table below has every number."
    )
    chart = Chart(key, "Operations by layer", text, 860, 40 + 46 * len(rows))
    x = Axis(0, most, 210, 760)
    for index, row in enumerate(rows):
        top = 30 + 46 * index
        chart.labels.append(Label(200, top + 19, row.name, "end"))
        for offset, value, look, what in (
            (0, row.operations, "first", "operations of the source"),
            (16, row.events + row.macs, "second", "additions of the spikes"),
        ):
            length = max(round(x.at(value) - x.start, 1), 0.5)
            chart.bars.append(Bar(x.start, top + offset, length, 13, look, f"{row.name}: {value:,} {what}"))
            chart.labels.append(Label(x.start + length + 6, top + offset + 11, number(value), "start"))
    _legend(chart, ("source", "spikes"), left=210)
    return chart


def _legend(chart: Chart, names: Sequence[str], left: int = 60) -> None:
    for index, (look, name) in enumerate(zip(("first", "second"), names, strict=False)):
        chart.bars.append(Bar(left + 90 * index, 4, 12, 12, look))
        chart.labels.append(Label(left + 17 + 90 * index, 14, name, "start"))


def pareto(key: str, tuned: dict[str, Any]) -> Chart:
    """The front of a search: estimated loss over alpha, the chosen point as a diamond."""
    points, chosen = tuned["front"], tuned["chosen"]
    every = [*points, chosen]
    alphas = [point["alpha"] for point in every]
    losses = [0.0, *(point["loss"] for point in every)]
    margin = 0.06 * (max(losses) - min(losses)) or 1.0
    text = (
        f"{len(points)} points that no other one beats; the chosen point loses {chosen['loss']:.2f} points by the tuner's "
        f"estimate, at alpha {chosen['alpha']:.1f}. The table below has every number."
    )
    chart = Chart(key, "Estimated loss over alpha", text, 620, 340)
    x = Axis(0.8 * min(alphas), 1.25 * max(alphas), 60, 600, log=True)
    y = Axis(min(losses) - margin, max(losses) + margin, 295, 26)
    frame(chart, x, y, "alpha by exact events (logarithmic)", "estimated loss (points)")
    chart.lines.append(Line(f"{x.start},{y.at(0.0)} {x.end},{y.at(0.0)}", "diagonal"))
    chart.labels.append(Label(x.end, y.at(0.0) - 5, "source", "end"))
    way = " ".join(f"{x.at(p['alpha'])},{y.at(p['loss'])}" for p in sorted(points, key=lambda p: p["alpha"]))
    chart.lines.append(Line(way, "curve"))
    for point in points:
        title = f"{point['loss']:.2f} points at alpha {point['alpha']:.1f}"
        chart.marks.append(mark("circle", x.at(point["alpha"]), y.at(point["loss"]), "first", title))
    at = x.at(chosen["alpha"]), y.at(chosen["loss"])
    chart.marks.append(
        mark("diamond", *at, "chosen", f"chosen: {chosen['loss']:.2f} points at alpha {chosen['alpha']:.1f}")
    )
    chart.labels.append(Label(at[0], at[1] + 24, "chosen", look="strong"))
    return chart
