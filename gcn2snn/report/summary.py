"""A folder of ``reproduce table5`` as tables and pictures: every mode beside the paper, and the curves if they are there."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gcn2snn.report.chart import Axis, Chart, Label, Line, frame, mark, name_points
from gcn2snn.report.numbers import MINUS, fixed
from gcn2snn.report.rows import ModeRow, SeedRow
from gcn2snn.reproduce import PAPER, spread

LOOKS = {"paper": ("circle", "fourth"), "signed": ("square", "first"), "tuned": ("diamond", "chosen")}
MEANINGS = {
    "paper": "the paper's settings; a message that is negative is dropped",
    "signed": "the same with signed messages",
    "tuned": "one configuration for all seeds, found by a search on validation data",
}
PRINTED = ("triangle", "third")
ALPHAS = ("eq6", "binary", "events", "total")


@dataclass(frozen=True)
class Dataset:
    """One dataset of the table: its name and every seed."""

    name: str
    seeds: list[SeedRow]


def summary_of(content: dict[str, Any]) -> dict[str, object]:
    """What the template shows: rows of all datasets, each dataset's seeds, a chart, what is missing, the curves over T."""
    rows = content["rows"]
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    by_name = {name: [row for row in rows if row["dataset"] == name] for name in names}
    return {
        "rows": [shown for name in names for shown in _mode_rows(name, by_name[name])],
        "datasets": [Dataset(name, _seeds(by_name[name])) for name in names],
        "chart": _chart(rows) if rows else None,
        "modes": {mode: MEANINGS[mode] for mode in dict.fromkeys(row["mode"] for row in rows)},
        "missing": {**content.get("missing", {}), **content.get("broken", {})},
        "smallest": content.get("tcurve", {}).get("smallest", {}),
        "codings": content.get("codings", {}).get("rows", []),
    }


def _mode_rows(name: str, rows: Sequence[dict[str, Any]]) -> list[ModeRow]:
    """What the paper prints, and the mean and spread of each mode."""
    shown = []
    if name in PAPER:
        ann, snn, alpha = PAPER[name]
        loss = fixed(ann - snn)
        shown.append(
            ModeRow(name, "printed in the paper", "", fixed(ann), fixed(snn), loss, fixed(alpha), look="paper")
        )
    for row in rows:
        losses = [a - b for a, b in zip(row["ann"], row["snn"], strict=True)]
        measured = {"ann": row["ann"], "snn": row["snn"], "loss": losses} | {key: row["alpha"][key] for key in ALPHAS}
        cells = {key: spread(values).replace("-", MINUS) for key, values in measured.items()}
        shown.append(ModeRow(name, row["mode"], str(len(row["ann"])), **cells))
    return shown


def _seeds(rows: Sequence[dict[str, Any]]) -> list[SeedRow]:
    return [
        SeedRow(row["mode"], seed, ann, snn, row["alpha"]["events"][seed])
        for row in rows
        for seed, (ann, snn) in enumerate(zip(row["ann"], row["snn"], strict=True))
    ]


def _points(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, float, float]]:
    """(dataset, mode, alpha, loss), the paper's own first."""
    printed = [
        (name, "printed", PAPER[name]) for name in dict.fromkeys(row["dataset"] for row in rows) if name in PAPER
    ]
    points = [(name, mode, alpha, ann - snn) for name, mode, (ann, snn, alpha) in printed]
    for row in rows:
        loss = statistics.fmean(row["ann"]) - statistics.fmean(row["snn"])
        points.append((row["dataset"], row["mode"], statistics.fmean(row["alpha"]["events"]), loss))
    return points


def _chart(rows: Sequence[dict[str, object]]) -> Chart:
    points = _points(rows)
    alphas, losses = [p[2] for p in points], [*(p[3] for p in points), 0.0]
    margin = 0.08 * (max(losses) - min(losses)) or 0.1
    text = "Accuracy lost by conversion over alpha, a mark for each dataset and mode; right and low is better. The table below has every number."
    chart = Chart("overview", "Accuracy lost over alpha", text, 860, 420)
    x = Axis(0.8 * min(alphas), 1.3 * max(alphas), 60, 840, log=True)
    y = Axis(min(losses) - margin, max(losses) + margin, 375, 36)
    frame(chart, x, y, "alpha by exact events (logarithmic)", "accuracy lost (points)")
    chart.lines.append(Line(f"{x.start},{y.at(0.0)} {x.end},{y.at(0.0)}", "diagonal"))
    named: list[tuple[float, float, str]] = []
    for dataset, mode, alpha, loss in points:
        shape, look = PRINTED if mode == "printed" else LOOKS[mode]
        at = x.at(alpha), y.at(loss)
        chart.marks.append(mark(shape, *at, look, f"{dataset}, {mode}: {loss:.2f} points at alpha {alpha:.2f}"))
        named.append((*at, dataset))
    name_points(chart, named)
    modes = list(dict.fromkeys(mode for _, mode, _, _ in points))
    for index, mode in enumerate(modes):
        shape, look = PRINTED if mode == "printed" else LOOKS[mode]
        chart.marks.append(mark(shape, 75 + 170 * index, 14, look))
        name = "printed in the paper" if mode == "printed" else f"mode {mode}"
        chart.labels.append(Label(86 + 170 * index, 18, name, "start"))
    return chart
