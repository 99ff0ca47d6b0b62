"""The pictures of a report, from what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gcn2snn.energy import LayerEvents
from gcn2snn.report.chart import Axis, Bar, Chart, Label, Line, Mark, bottom, frame, mark, number
from gcn2snn.report.population import BINS, Degrees, Population

SHADES = 6
"""Steps of a scatter's shade, from one neuron to the fullest cell, evenly on a logarithmic scale."""

TALLEST = 12
"""Layers in one chart."""


def scatter(key: str, population: Population) -> Chart:
    """Source activation against spike value, the number of neurons as shade; points on the diagonal have no error."""
    name = population.node.name
    text = (
        f"Source activation of {name} on the horizontal axis, value of its spike on the vertical axis, in units of the "
        f"scale; {population.neurons:,} neurons, root mean square error {100 * population.error:.1f} % of the activation."
    )
    chart = Chart(key, f"{name}: spike value over activation", text, 372, 280)
    x = Axis(population.low, population.high, 60, 258)
    y = Axis(population.low, population.high, 235, 12)
    frame(chart, x, y, "activation / scale", "spike value / scale")
    chart.marks += _shaded(population.cells, x, y)
    chart.lines.append(Line(f"{x.start},{y.start} {x.end},{y.end}", "diagonal"))
    most = max(int(population.cells.max()), 1)
    for shade in range(SHADES):
        low = math.ceil(most ** (shade / SHADES))
        top = 46 + 18 * (SHADES - 1 - shade)
        chart.bars.append(Bar(270, top, 12, 12, f"shade{shade}"))
        chart.labels.append(Label(287, top + 10, f"{number(low)} or more", "start"))
    chart.labels += [Label(270, 22, "neurons", "start"), Label(270, 37, "at a point", "start")]
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
    x, y = Axis(0.5, steps + 0.5, 60, 342), Axis(0, max(max(totals), 1), 235, 26)
    every = max(1, -(-steps // 12))
    frame(chart, x, y, "phase t (1 is the first and largest)", "spikes", range(1, steps + 1, every))
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
    """Operations of the source model and additions of the spikes by the degree of the sending node."""
    widest = max(classes, key=lambda c: c.operations)
    text = (
        f"Multiply-accumulates of the source and additions of the spikes of {name} by node degree; degrees "
        f"{widest.low} to {widest.high} are most of the work. The table below has every number."
    )
    chart = Chart(key, f"{name}: operations by node degree", text, 352, 280)
    x = Axis(0, len(classes), 60, 342)
    y = Axis(0, max(max(c.operations, c.events) for c in classes) or 1, 235, 26)
    frame(chart, x, y, "degree of the sending node, from", "operations", ())
    width, every = (x.end - x.start) / len(classes), -(-len(classes) // 9)
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


def layers(key: str, rows: Sequence[LayerEvents]) -> list[Chart]:
    """Operations of the source and additions of the spikes, layer by layer, as horizontal bars.

    One chart for each dozen of layers, all on one scale, so that each fits a printed page.
    """
    most = max(max(row.operations, row.events + row.macs) for row in rows) or 1
    parts = [rows[i : i + TALLEST] for i in range(0, len(rows), TALLEST)]
    return [_layers(f"{key}-{i}" if i else key, part, most) for i, part in enumerate(parts)]


def _layers(key: str, rows: Sequence[LayerEvents], most: int) -> Chart:
    largest = max(rows, key=lambda row: row.operations)
    text = (
        f"From {rows[0].name} to {rows[-1].name}, {largest.name} does the most: {number(largest.operations)} operations "
        f"in the source, {number(largest.events + largest.macs)} additions in the network. "
        "The table below has every number."
    )
    title = "Operations by layer" if len(rows) == 1 else f"Operations by layer, {rows[0].name} to {rows[-1].name}"
    chart = Chart(key, title, text, 420, 70 + 48 * len(rows))
    x, y = Axis(0, most, 10, 350), Axis(0, 1, 30 + 48 * len(rows), 26)
    bottom(chart, x, y, "multiply-accumulates of the source, additions of the spikes")
    for index, row in enumerate(rows):
        top = 30 + 48 * index
        chart.labels.append(Label(x.start + 4, top + 12, row.name, "start", look="strong"))
        for offset, value, look, what in (
            (17, row.operations, "first", "operations of the source"),
            (30, row.events + row.macs, "second", "additions of the spikes"),
        ):
            length = max(round(x.at(value) - x.start, 1), 0.5)
            chart.bars.append(Bar(x.start, top + offset, length, 11, look, f"{row.name}: {value:,} {what}"))
            chart.labels.append(Label(x.start + length + 5, top + offset + 10, number(value), "start"))
    _legend(chart, ("source", "spikes"), left=10)
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
    chart = Chart(key, "Pareto front: estimated loss over alpha", text, 420, 320)
    x = Axis(0.8 * min(alphas), 1.25 * max(alphas), 60, 405, log=True)
    y = Axis(min(losses) - margin, max(losses) + margin, 275, 12)
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
    # the front rises to the right, so the free side is above and left of a point
    side = (at[0] - 9, "end") if at[0] > x.start + 60 else (at[0] + 9, "start")
    chart.labels.append(Label(side[0], max(at[1] - 9, y.end + 10), "chosen", side[1], look="strong"))
    return chart
