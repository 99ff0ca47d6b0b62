"""Tables and the plot of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gcn2snn.bench.problems import SHAPES
from gcn2snn.bench.timing import Measurement
from gcn2snn.errors import MissingPackageError
from gcn2snn.files import replacing

COLUMNS = (
    *("case", "processor", "backend", "median ms", "min ms", "ratio"),
    *("useful MB", "of copy", "peak MiB", "joules", "difference"),
)


def row(result: Measurement) -> tuple[str, ...]:
    """Cells of one measurement, in the order of ``COLUMNS``."""
    if not result.rounds:
        return (result.case, *["-"] * (len(COLUMNS) - 2), result.note)
    return (
        result.case,
        result.processor,
        result.backend,
        _number(result.median_ms, 2),
        _number(result.min_ms, 2),
        _number(result.ratio, 2),
        _number(result.useful_mb, 0),
        "-" if result.copy_fraction is None else f"{result.copy_fraction:.0%}",
        _number(result.peak_mib, 0),
        _number(result.joules, 3),
        result.note or ("-" if result.difference is None else f"{result.difference:.0e}"),
    )


def markdown(results: Sequence[Measurement]) -> str:
    """The table of one group of one problem, for documents."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|-" * len(COLUMNS) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row(result)) + " |" for result in results])


def left_out(results: Sequence[Measurement]) -> list[str]:
    """A line for each reason why cases are not meant for a problem: a whole group by its name, else its cases."""
    ran = {(result.problem, result.group) for result in results if result.applies}
    names: dict[tuple[str, str], dict[str, None]] = {}
    for result in results:
        if not result.applies:
            some = (result.problem, result.group) in ran
            names.setdefault((result.problem, result.note), {})[result.case if some else result.group] = None
    return [f"not for {problem}: {'; '.join(found)} ({note})" for (problem, note), found in names.items()]


def plot(results: Sequence[Measurement], entries: dict[str, int], path: Path, group: str = "aggregate") -> Path:
    """Time against entries, one panel a kind of matrix, one line a case, both axes logarithmic.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("the plot needs matplotlib: pip install 'gcn2snn[plot]'") from error
    chosen = [r for r in results if r.group == group and r.rounds]
    kinds = list(dict.fromkeys(_kind(r.problem) for r in chosen))
    figure = Figure(figsize=(6 * max(len(kinds), 1), 5), layout="constrained")
    panels: Any = figure.subplots(1, max(len(kinds), 1), squeeze=False, sharey=True)[0]
    cases = list(dict.fromkeys(r.case for r in chosen))
    for axes, kind in zip(panels, kinds, strict=False):
        for index, case in enumerate(cases):
            points = sorted(
                (entries[r.problem], r.median_ms) for r in chosen if r.case == case and _kind(r.problem) == kind
            )
            if points:
                ours = case.startswith("gcn2snn")
                style = {"marker": "o" if ours else "x", "lw": 2.2 if ours else 1, "color": f"C{index % 10}"}
                axes.plot(*zip(*points, strict=True), label=case, **style)
        axes.set(xscale="log", yscale="log", xlabel="entries of the matrix", title=f"{group}: {kind}")
        axes.grid(True, which="both", alpha=0.3)
    panels[0].set_ylabel("median time (ms)")
    panels[-1].legend(fontsize=8, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower())
    return path


def plot_events(results: Sequence[Measurement], path: Path, group: str = "inference by events") -> Path:
    """Ratio to the source network against the share of events that remain, a line for each graph.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("the plot needs matplotlib: pip install 'gcn2snn[plot]'") from error
    points: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        share = re.search(r"(\d+)% of events", result.case)
        if result.group == group and share and result.ratio is not None:
            points.setdefault(f"{result.problem} ({result.processor})", []).append((float(share[1]), result.ratio))
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, line in points.items():
        axes.plot(*zip(*sorted(line), strict=True), marker="o", lw=2, label=name)
    axes.axhline(1.0, color="gray", lw=1, ls="--", label="source network, our kernels")
    axes.set(
        xlabel="share of the first messages' additions that remain (%)", ylabel="time over the source's", ylim=(0, None)
    )
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower())
    return path


def _kind(problem: str) -> str:
    """Matrices of one kind share a panel: the shape of a synthetic one, or text graphs."""
    return next((shape for shape in SHAPES if problem.startswith(f"{shape}-")), "text graphs")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
