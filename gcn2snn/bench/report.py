"""Tables and the plot of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gcn2snn.bench.measure import Measurement
from gcn2snn.errors import MissingPackageError

COLUMNS = ("case", "backend", "median ms", "min ms", "ratio", "useful MB", "of copy", "peak MiB", "difference")


def row(result: Measurement) -> tuple[str, ...]:
    """Cells of one measurement, in the order of ``COLUMNS``."""
    if not result.rounds:
        return (result.case, "", "-", "-", "-", "-", "-", "-", result.note)
    return (
        result.case,
        result.backend,
        _number(result.median_ms, 2),
        _number(result.min_ms, 2),
        _number(result.ratio, 2),
        _number(result.useful_mb, 0),
        "-" if result.copy_fraction is None else f"{result.copy_fraction:.0%}",
        _number(result.peak_mib, 0),
        result.note or ("-" if result.difference is None else f"{result.difference:.0e}"),
    )


def markdown(results: Sequence[Measurement]) -> str:
    """The table of one group of one problem, for documents."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|-" * len(COLUMNS) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row(result)) + " |" for result in results])


def plot(results: Sequence[Measurement], entries: dict[str, int], path: Path, group: str = "aggregate") -> Path:
    """Time against entries, one line a case, both axes logarithmic.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("the plot needs matplotlib: pip install 'gcn2snn[plot]'") from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Any = figure.subplots()
    chosen = [r for r in results if r.group == group and r.rounds]
    for index, case in enumerate(dict.fromkeys(r.case for r in chosen)):
        points = sorted((entries[r.problem], r.median_ms) for r in chosen if r.case == case)
        ours = case.startswith("gcn2snn")
        axes.plot(
            *zip(*points, strict=True),
            marker="o" if ours else "x",
            lw=2.2 if ours else 1,
            label=case,
            color=f"C{index % 10}",
        )
    axes.set(xscale="log", yscale="log", xlabel="entries of the matrix", ylabel="median time (ms)", title=group)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path)
    return path


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
