"""Figures of a run: a raster of spikes, potentials of some neurons, and spikes by phase; made, and saved as PNG or SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gcn2snn import ir
from gcn2snn.engines import Value
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.files import refuse_existing, replacing
from gcn2snn.pictures.activity import Activity, Choice, watch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("raster", "potentials", "phases")
POSITIVE, NEGATIVE, QUIET = "#1f5fa8", "#c2541b", "#e9edf2"
COLOURS = ("#1f5fa8", "#c2541b", "#3d7f3d", "#7b4ea3", "#8a6d1d", "#555555")
TALLEST = 12
"""Populations in one figure; those behind them are left out, and the title says so."""


def draw(
    network: ir.Network,
    inputs: Mapping[str, Value],
    wait: int | None,
    *,
    rows: Sequence[int] | None = None,
    neurons: Mapping[str, Sequence[int]] | None = None,
    limit: int = 60,
) -> dict[str, Figure]:
    """The pictures of one call by kind, :data:`KINDS`.

    Args:
        network: calibrated.
        inputs: by Input name.
        wait: w; None is T - 1, as on the clock of the pipeline.
        rows, neurons, limit: what is drawn, as :class:`gcn2snn.pictures.activity.Choice` says.

    Raises:
        MissingPackageError: matplotlib is not installed.
        InputError: a row, neuron or population is not there, or the network has no population.
    """
    empty_figure(1, 1)  # a missing package is said before the network runs
    seen = watch(network, inputs, wait, Choice(rows, neurons, limit))
    return {"raster": _raster(seen), "potentials": _potentials(seen), "phases": _phases(seen)}


def picture_files(kinds: Iterable[str], out: Path, force: bool = False) -> dict[str, Path]:
    """The file of each kind: ``out`` for a single one, else ``NAME-KIND.png`` or ``.svg``.

    Raises:
        ConfigError: a kind is unknown, or ``out`` has another ending.
        ArtefactError: a file is there, without ``force``.
    """
    wanted = tuple(dict.fromkeys(kinds))
    unknown = [kind for kind in wanted if kind not in KINDS]
    if unknown:
        raise ConfigError(f"there is no picture {unknown[0]!r}; allowed are {', '.join(KINDS)}")
    if out.suffix.lower() not in (".png", ".svg"):
        raise ConfigError(f"{out} does not end in .png or .svg; these are the formats of a picture")
    files = {kind: out if len(wanted) == 1 else out.with_name(f"{out.stem}-{kind}{out.suffix}") for kind in wanted}
    for file in files.values():
        refuse_existing(file, force)
    return files


def save_figures(figures: Mapping[str, Figure], files: Mapping[str, Path]) -> None:
    """Write each figure to its file, as PNG or SVG by the file's ending, as a whole or not at all."""
    for kind, figure in figures.items():
        with replacing(files[kind]) as temporary:
            figure.savefig(temporary, format=files[kind].suffix[1:].lower(), dpi=130)


def empty_figure(width: float, height: float) -> Figure:
    """A figure of inches that belongs to no window.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("pictures need matplotlib: pip install 'gcn2snn[plot]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)


def _whole_steps(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))


def _shown(seen: Sequence[Activity]) -> tuple[Sequence[Activity], str]:
    """The populations that a figure holds, and what its title says of the others."""
    left = len(seen) - TALLEST
    return seen[:TALLEST], f"; {left} more populations are not drawn" if left > 0 else ""


def _raster(seen: Sequence[Activity]) -> Figure:
    """Who fires when: one panel a population on the network's clock, one row of dots a neuron."""
    shown, more = _shown(seen)
    figure = empty_figure(8, 0.9 + 1.5 * len(shown))
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(f"Spikes on the network's clock{more}", fontsize=11)
    for axes, own in zip(panels, shown, strict=True):
        axes.axvspan(own.begins + 0.5, own.ends + 0.5, color=QUIET, zorder=0)
        place = range(len(own.drawn))
        size = max(3.0, min(16.0, 800 / len(own.drawn)))
        for sign, colour, name in ((1, POSITIVE, "positive"), (-1, NEGATIVE, "negative")):
            at = [(int(own.step[i]), i) for i in place if int(own.sign[i]) == sign]
            if at:
                x, y = zip(*at, strict=True)
                axes.scatter(x, y, s=size, color=colour, marker="o" if sign > 0 else "s", label=name, linewidths=0)
        axes.set_ylim(-1, len(own.drawn))
        _neuron_ticks(axes, own)
        drawn = f"{len(own.drawn):,} of {own.size:,}" if len(own.drawn) < own.size else f"all {own.size:,}"
        axes.set_title(f"{own.name}: {drawn} neurons drawn; of all of them {own.spikes:,} fire", fontsize=9, loc="left")
        axes.set_ylabel("neuron", fontsize=8)
        _plain(axes)
    if any(sum(own.negative) for own in shown):
        from matplotlib.lines import Line2D

        marks = [
            Line2D([], [], color=colour, marker=shape, linestyle="", markersize=4, label=name)
            for colour, shape, name in ((POSITIVE, "o", "positive"), (NEGATIVE, "s", "negative"))
        ]
        panels[0].legend(handles=marks, fontsize=7, loc="upper left", frameon=False)
    last = panels[-1]
    last.set_xlim(0, max(own.ends for own in shown) + 1)
    last.set_xlabel("step of the clock (shaded: the steps in which the population may fire)", fontsize=9)
    _whole_steps(last)
    return figure


def _neuron_ticks(axes: Axes, own: Activity) -> None:
    """A few neuron numbers beside the rows."""
    count = len(own.drawn)
    places = sorted({0, count // 2, count - 1})
    axes.set_yticks(places, [f"{own.drawn[place]:,}" for place in places])


def _potentials(seen: Sequence[Activity]) -> Figure:
    """Potentials of some neurons over their local steps, with the threshold and a dot where each fires."""
    shown, more = _shown(seen)
    figure = empty_figure(8, 0.9 + 2.3 * len(shown))
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    figure.suptitle(f"Potentials, in units of the population's scale{more}", fontsize=11)
    for axes, own in zip(panels, shown, strict=True):
        steps = range(1, len(own.thresholds) + 1)
        limits = [(n, value) for n, value in zip(steps, own.thresholds, strict=True) if value is not None]
        places, values = [n for n, _ in limits], [value for _, value in limits]
        axes.step(places, values, where="mid", color="black", linewidth=1, linestyle="--", label="threshold")
        if sum(own.negative):
            axes.step(places, [-value for value in values], where="mid", color="black", linewidth=1, linestyle=":")
        for index, trace in enumerate(own.traces):
            colour = COLOURS[index % len(COLOURS)]
            end = "" if trace.fired_at else ", silent"
            axes.plot(steps, trace.potential, color=colour, linewidth=1.1, label=f"neuron {trace.neuron:,}{end}")
            if trace.fired_at is not None:
                height = trace.potential[trace.fired_at - 1]
                axes.plot([trace.fired_at], [height], color=colour, marker="o" if trace.sign > 0 else "s", markersize=5)
        axes.axhline(0, color="#999999", linewidth=0.5)
        axes.set_title(
            f"{own.name}: {len(own.traces)} of {own.size:,} neurons drawn; a mark is a spike", fontsize=9, loc="left"
        )
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        axes.set_ylabel("potential", fontsize=8)
        axes.set_xlim(0.5, len(own.thresholds) + 0.5)
        _plain(axes)
        _whole_steps(axes)
    panels[-1].set_xlabel(
        "local step of the population: it hears from 1 on and fires where the threshold is drawn", fontsize=9
    )
    return figure


def _phases(seen: Sequence[Activity]) -> Figure:
    """How many neurons of each population fire at each phase."""
    shown, more = _shown(seen)
    wide = min(3, len(shown))
    high = -(-len(shown) // wide)
    figure = empty_figure(max(4.5, 3.4 * wide), 0.9 + 2.4 * high)
    panels = figure.subplots(high, wide, squeeze=False).flatten()
    figure.suptitle(f"Spikes of all neurons by phase{more}", fontsize=11)
    for axes, own in zip(panels, shown, strict=False):
        phase = range(1, len(own.positive) + 1)
        axes.bar(phase, own.positive, color=POSITIVE, label="positive")
        if sum(own.negative):
            axes.bar(
                phase,
                own.negative,
                bottom=own.positive,
                color=NEGATIVE,
                hatch="///",
                edgecolor="white",
                label="negative",
            )
            axes.legend(fontsize=7, frameon=False)
        axes.set_title(f"{own.name}: {own.spikes:,} of {own.size:,} fire", fontsize=9, loc="left")
        axes.set_xlabel("phase (1 is the largest value)", fontsize=8)
        axes.set_ylabel("spikes", fontsize=8)
        _plain(axes)
        _whole_steps(axes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    return figure
