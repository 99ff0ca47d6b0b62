"""A blank figure in one style, and writing it: PNG to look at, SVG to print, CSV to check."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcn2snn.errors import MissingPackageError
from gcn2snn.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"blue": "#2a6fbb", "orange": "#d9731a", "grey": "#8a8a8a", "red": "#b3202c", "green": "#3a8f4d"}

STYLE: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "gcn2snn",
    "svg.fonttype": "none",
}


def blank(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes, row by row; no window is ever opened.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("figures need matplotlib: pip install 'gcn2snn[plot]'") from error
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def title(ax: Axes, text: str) -> None:
    """A heading at the left end of the axes."""
    ax.set_title(text, loc="left", fontsize=9)


def save(figure: Figure, rows: Sequence[Mapping[str, object]], out: Path, name: str) -> list[str]:
    """Write ``name``.png, .svg and .csv below ``out``; gives the paths.

    Raises:
        ArtefactError: ``out`` cannot be written.
    """
    from matplotlib import rc_context

    files = [out / f"{name}.{ending}" for ending in ("png", "svg", "csv")]
    with rc_context(STYLE):
        with replacing(files[0]) as temporary:
            figure.savefig(temporary, format="png", dpi=160)
        with replacing(files[1]) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
    with replacing(files[2]) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [str(file) for file in files]
