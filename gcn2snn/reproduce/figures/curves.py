"""Pictures of the curves over T."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gcn2snn.reproduce.figures.drawing import COLOURS, blank, save, title

LOOKS = (("blue", "o", "-"), ("orange", "s", "--"), ("green", "^", "-."), ("red", "D", ":"))
"""Colour, marker and line of each curve: no curve is told by its colour alone."""

LABELS = {"fixed": "$Q=1.3$", "optimal": "$Q$ of Eq. 5", "fitted": "$Q$ of Eq. 5, mse per channel"}

DEEPEST = 6.0
"""Losses beyond so many points are off the picture; the table has them."""

LOWEST = 15.0
"""So are accuracies so many points below the source's, where codes are compared."""


def draw_tcurve(rows: Sequence[dict[str, Any]], within: float, out: Path) -> list[str]:
    """Loss over T, one panel for each dataset; the band spans the seeds."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    columns = min(3, len(datasets))
    lines = -(-len(datasets) // columns)
    figure, axes = blank(lines, columns, (3.2 * columns + 0.6, 2.7 * lines), sharey=True, sharex=True)
    for ax in axes[len(datasets) :]:
        ax.set_visible(False)
    for ax, dataset in zip(axes, datasets, strict=False):
        for mode, (colour, marker, line) in zip(modes, LOOKS, strict=False):
            own = [row for row in rows if row["dataset"] == dataset and row["mode"] == mode]
            steps = [row["timesteps"] for row in own]
            look: dict[str, Any] = {
                "color": COLOURS[colour],
                "linestyle": line,
                "marker": marker,
                "markersize": 3.5,
                "linewidth": 1.4,
            }
            ax.plot(steps, [row["loss"] for row in own], label=LABELS.get(mode, mode), **look)
            bounds = [row["least_loss"] for row in own], [row["most_loss"] for row in own]
            ax.fill_between(steps, *bounds, color=COLOURS[colour], alpha=0.15, linewidth=0)
        ax.axhline(within, color=COLOURS["grey"], linewidth=0.9, linestyle=(0, (2, 2)))
        ax.axhline(0.0, color=COLOURS["grey"], linewidth=0.6)
        title(ax, dataset)
        ax.tick_params(labelbottom=True)  # also where no panel stands below
        ax.set(xlabel="phases $T$", ylim=(-1.0, DEEPEST), xlim=(0.5, max(row["timesteps"] for row in rows) + 0.5))
    axes[0].set_ylabel("accuracy lost (points)")
    axes[0].annotate(
        f"{within:g} point", (1.0, within), (0, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", fontsize=7.5, color=COLOURS["grey"],
    )  # fmt: skip
    axes[0].legend(loc="upper right", frameon=False)
    return save(figure, rows, out, "tcurve")


def draw_codings(rows: Sequence[dict[str, Any]], out: Path) -> list[str]:
    """Accuracy over T and over additions, one picture for each dataset."""
    files: list[str] = []
    if not rows:
        return files
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        figure, (over_time, over_additions) = blank(1, 2, (7.6, 3.1), sharey=True)
        for coding, (colour, marker, line) in zip(dict.fromkeys(row["coding"] for row in own), LOOKS, strict=False):
            points = [row for row in own if row["coding"] == coding]
            look: dict[str, Any] = {
                "color": COLOURS[colour],
                "linestyle": line,
                "marker": marker,
                "markersize": 4,
                "linewidth": 1.4,
            }
            accuracy = [row["accuracy"] for row in points]
            over_time.plot([row["timesteps"] for row in points], accuracy, label=coding, **look)
            over_additions.plot([row["additions"] / 1e6 for row in points], accuracy, label=coding, **look)
        for ax in (over_time, over_additions):
            ax.axhline(own[0]["ann"], color=COLOURS["grey"], linewidth=0.9, linestyle=(0, (2, 2)))
            ax.set_xscale("log", base=2 if ax is over_time else 10)
            ax.set_ylim(own[0]["ann"] - LOWEST, own[0]["ann"] + 1.5)
        over_time.annotate(
            "ANN", (0.0, own[0]["ann"]), (2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
            fontsize=7.5, color=COLOURS["grey"],
        )  # fmt: skip
        from matplotlib.ticker import LogLocator, NullFormatter  # after ``blank``, which says how to install it

        over_time.xaxis.set_major_formatter("{x:g}")
        over_additions.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        over_additions.xaxis.set_major_formatter("{x:,g}")
        over_additions.xaxis.set_minor_formatter(NullFormatter())
        title(over_time, f"{dataset}: accuracy over timesteps")
        title(over_additions, "accuracy over additions")
        over_time.set(xlabel="timesteps $T$", ylabel="test accuracy (%)")
        over_additions.set(xlabel="additions (millions, exact events)")
        over_additions.legend(loc="lower right", frameon=False)
        files += save(figure, own, out, f"codings-{dataset}")
    return files
