"""Legibility of a report: contrast of its colours, different shapes as well, labels that do not overlap."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import pytest

from gcn2snn.energy.report import LayerEvents
from gcn2snn.report.chart import SHAPES, Axis, Chart, name_points, number
from gcn2snn.report.charts import SHADES, layers
from gcn2snn.report.summary import LOOKS, PRINTED

STYLE = resources.files("gcn2snn.report").joinpath("style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_of_the_palette(palette: dict[str, str]) -> None:
    paper = palette["paper"]
    for text in ("ink", "soft", "blue"):
        assert contrast(palette[text], paper) >= 4.5
    assert contrast(palette["ink"], palette["tint"]) >= 4.5  # numbers of wrong classes
    for shape in ("orange", "green", "shade0"):  # marks, the focus ring, the faintest points
        assert contrast(palette[shape], paper) >= 3
    assert contrast(palette["orange"], palette["tint"]) >= 3  # the hatching itself


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_more_neurons_always_stand_out_more(palette: dict[str, str]) -> None:
    """By lightness, which every kind of colour vision sees."""
    shades = [contrast(palette[f"shade{i}"], palette["paper"]) for i in range(SHADES)]
    assert all(more >= 1.15 * less for less, more in itertools.pairwise(shades))


def test_every_colour_has_a_dark_twin() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert LIGHT
    rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert not re.search(r"#[0-9a-f]{3,8}\b(?!\))", rules)


def test_series_differ_by_more_than_colour() -> None:
    shapes = [shape for shape, _ in (*LOOKS.values(), PRINTED)]
    assert len(set(shapes)) == len(shapes)
    assert set(shapes) <= SHAPES.keys()
    assert re.search(r"\.second \{ fill: url\(#hatch\)", STYLE)


@pytest.mark.parametrize("step", [9, 14, 40])
def test_names_do_not_cover_each_other_or_a_mark(step: int) -> None:
    chart = Chart("k", "t", "d", 860, 420)
    points = [(200.0 + step * i, 200.0, name) for i, name in enumerate(("20ng", "r8", "r52", "ohsumed", "mr"))]
    name_points(chart, points)
    boxes = [(x.x, x.y - 10, x.x + 7 * len(x.text), x.y + 1) for x in chart.labels]
    boxes += [(x - 6, y - 6, x + 6, y + 6) for x, y, _ in points] if step > 12 else []
    assert [x.text for x in chart.labels] == [name for _, _, name in points]
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_name_far_from_its_mark_is_tied_to_it() -> None:
    chart = Chart("k", "t", "d", 860, 420)
    name_points(chart, [(200.0, 200.0, "name")] * 6)
    assert [line.look for line in chart.lines] == ["leader", "leader"]


def test_many_layers_are_parted_on_one_scale() -> None:
    rows = [LayerEvents(f"l{i}", "synapse", i + 1, 1, 1, i, 0, 1) for i in range(30)]
    charts = layers("budget", rows)
    assert [chart.key for chart in charts] == ["budget", "budget-1", "budget-2"]
    assert [sum(x.look == "strong" for x in chart.labels) for chart in charts] == [12, 12, 6]
    widths = [bar.width for chart in charts for bar in chart.bars if bar.title and bar.look == "first"]
    assert widths == pytest.approx([340 * (i + 1) / 30 for i in range(30)], abs=0.06)
    assert max(chart.height for chart in charts) < 700  # a printed page


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis(0, 1, 0, 100), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Axis(-0.9, 1.0, 0, 100), [-0.5, 0.0, 0.5, 1.0]),
        (Axis(3, 40, 0, 100, log=True), [3, 5, 7, 10, 20, 30]),
        (Axis(3, 90, 0, 100, log=True), [5, 10, 20, 50]),
        (Axis(21, 29, 0, 100, log=True), [22, 24, 26, 28]),
        (Axis(1, 1e6, 0, 100, log=True), [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
        (Axis(5, 5, 0, 100), [5]),
    ],
)
def test_ticks(axis: Axis, ticks: list[float]) -> None:
    assert axis.ticks() == pytest.approx(ticks)


def test_pixels_and_numbers() -> None:
    assert [Axis(0, 10, 20, 120).at(value) for value in (0, 5, 10)] == [20, 70, 120]
    assert [Axis(1, 100, 100, 0, log=True).at(value) for value in (1, 10, 100)] == [100, 50, 0]
    assert [number(value) for value in (0, 0.25, 97.85, 1500, 2.5e6, 3e9)] == [
        "0",
        "0.25",
        "97.85",
        "1.5k",
        "2.5M",
        "3G",
    ]
