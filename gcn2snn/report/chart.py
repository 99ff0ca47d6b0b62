"""Charts as plain geometry: axes, bars, marks and labels in pixels, which one template writes as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from gcn2snn.report.numbers import MINUS


@dataclass(frozen=True)
class Bar:
    """A rectangle; ``look`` is a class of the style sheet, ``title`` what a pointer over it reads."""

    x: float
    y: float
    width: float
    height: float
    look: str
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A polyline through pixels."""

    points: str
    look: str


@dataclass(frozen=True)
class Mark:
    """A point, drawn as a path so that shapes differ as well as colours."""

    path: str
    look: str
    title: str = ""


@dataclass(frozen=True)
class Label:
    """Text; ``anchor`` is start, middle or end, ``turned`` reads upwards."""

    x: float
    y: float
    text: str
    anchor: str = "middle"
    turned: bool = False
    look: str = ""


@dataclass
class Chart:
    """One picture. ``title`` and ``text`` are read out in its place to those who cannot see it."""

    key: str
    title: str
    text: str
    width: int
    height: int
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


@dataclass(frozen=True)
class Axis:
    """Maps values between low and high to pixels between start and end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Pixel of a value, one decimal."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(max(x, 1e-300)) for x in (value, low, high))
        return round(self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start), 1)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values inside the range: multiples of 1, 2 or 5 times a power of ten."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            ratio = self.high / self.low
            every = (1, 2, 3, 5, 7) if ratio < 20 else (1, 2, 5) if ratio < 300 else (1,)
            found = [m * 10.0**p for p in powers for m in every if self.low <= m * 10.0**p <= self.high]
            if len(found) > 1:
                return found
        raw = ((self.high - self.low) or 1.0) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


SHAPES = {
    "circle": "M{x} {y}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "square": "M{x} {y}m-4-4h8v8h-8z",
    "triangle": "M{x} {y}m0-5l5 9h-10z",
    "diamond": "M{x} {y}m0-7l7 7l-7 7l-7-7z",
}


def mark(shape: str, x: float, y: float, look: str, title: str = "") -> Mark:
    """A point of one of the :data:`SHAPES`."""
    return Mark(SHAPES[shape].format(x=x, y=y), look, title)


def name_points(chart: Chart, points: Sequence[tuple[float, float, str]]) -> None:
    """Label points where no mark and no label lies yet: beside, above or below, or farther off at the end of a line."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y, _ in points]
    for x, y, text in points:
        wide = 7.0 * len(text) + 4
        near = [(x + 11, y + 4), (x - 11 - wide, y + 4), (x - wide / 2, y - 10), (x - wide / 2, y + 20)]
        far = [(x - wide / 2, at) for step in range(2, 7) for at in (y - 14 * step, y + 8 + 14 * step)]
        inside = [
            (left, at) for left, at in near + far if 0 <= left <= chart.width - wide and 40 < at < chart.height - 50
        ]
        free = [p for p in inside if not any(_meet((p[0], p[1] - 11, p[0] + wide, p[1] + 2), box) for box in taken)]
        left, at = (free or near)[0]
        taken.append((left, at - 11, left + wide, at + 2))
        chart.labels.append(Label(round(left, 1), round(at, 1), text, "start"))
        if (left, at) in far:
            chart.lines.append(Line(f"{x},{y} {x},{round(at + 2 if at < y else at - 11, 1)}", "leader"))


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def frame(chart: Chart, x: Axis, y: Axis, x_title: str, y_title: str, x_ticks: Sequence[float] | None = None) -> None:
    """Axes with ticks, a light grid, and titles."""
    for value in y.ticks():
        at = y.at(value)
        chart.lines.append(Line(f"{x.start},{at} {x.end},{at}", "grid"))
        chart.labels.append(Label(x.start - 6, at + 4, number(value), "end"))
    chart.labels.append(Label(13, (y.start + y.end) / 2, y_title, "middle", turned=True))
    bottom(chart, x, y, x_title, x_ticks)


def bottom(chart: Chart, x: Axis, y: Axis, title: str, ticks: Sequence[float] | None = None) -> None:
    """The horizontal axis with ticks and title, and the line of the vertical one."""
    for value in x.ticks() if ticks is None else ticks:
        at = x.at(value)
        chart.lines.append(Line(f"{at},{y.start} {at},{y.start + 4}", "axis"))
        chart.labels.append(Label(at, y.start + 17, number(value)))
    chart.lines.append(Line(f"{x.start},{y.end} {x.start},{y.start} {x.end},{y.start}", "axis"))
    chart.labels.append(Label((x.start + x.end) / 2, y.start + 36, title))


def number(value: float) -> str:
    """Short: 1500000 is 1.5M, 0.25 is 0.25; a minus as long as a plus."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}".replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)
