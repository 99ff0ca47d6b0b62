"""The network as a picture: a box for each population, from top to bottom, and spikes that flow between them by width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gcn2snn import ir
from gcn2snn.engines import sources
from gcn2snn.report.chart import Bar, Chart, Label, Mark, number
from gcn2snn.report.collect import Measured

WIDTH, BOX, STEP = 380, 40, 88
"""Pixels: of the picture, of the height of a box, from box to box."""

LEFT, RIGHT = 10, 250
"""Where boxes begin and end."""

WIDEST, WIDEST_BESIDE = 200.0, 22.0
"""Pixels of the largest flow, straight down and beside the boxes."""

TALLEST = 9
"""Boxes of one picture; a deeper network goes on in the next one."""


@dataclass(frozen=True)
class Stage:
    """A box: an input, a population, or the output.

    Args:
        name: of the node.
        neurons, spikes: how many of them there are in all runs, and how many fired; None where nothing spikes.
        reads: stages whose spikes arrive here.
    """

    name: str
    neurons: int | None
    spikes: int | None
    reads: tuple[str, ...]

    @property
    def words(self) -> str:
        """What stands in the box below the name."""
        if self.neurons is None:
            return "the largest potential is the class"
        if self.spikes is None:
            return f"{number(self.neurons)} values"
        each = self.spikes / max(self.neurons, 1)
        share = f"{100 * each:.0f} %" if each <= 1 else f"{each:.1f} each"
        return f"{number(self.neurons)} neurons, {number(self.spikes)} spikes ({share})"


def stages(measured: Measured) -> list[Stage]:
    """Inputs, populations and the output, in order of evaluation."""
    network = measured.network
    populations = {own.node.name: own for own in measured.populations}
    found: list[Stage] = []
    for node in network:
        if isinstance(node, ir.Neuron):
            own = populations[node.name]
            found.append(Stage(node.name, own.neurons, own.spikes, sources(network, node)))
        elif isinstance(node, ir.Output):
            found.append(Stage(node.name, None, None, sources(network, node)))
        elif isinstance(node, ir.Population | ir.InputCode | ir.OneHot):
            found.append(Stage(node.name, *_sent(measured, node.name), ()))
    read = {name for stage in found for name in stage.reads}
    return [stage for stage in found if stage.name in read or stage.reads]


def _sent(measured: Measured, name: str) -> tuple[int, int]:
    """Neurons of an input and the spikes that they sent, by the first synapse that reads this input only."""
    network = measured.network
    for layer in measured.evaluation.energy.layers:
        if sources(network, network[layer.name]) == (name,):
            return layer.input_neurons, layer.input_spikes
    return 0, 0


def flows(key: str, measured: Measured) -> list[Chart]:
    """The whole network, in parts of at most :data:`TALLEST` boxes; all widths are on one scale."""
    every = stages(measured)
    most = max((stage.spikes or 0 for stage in every), default=0) or 1
    parts = [every[i : i + TALLEST] for i in range(0, len(every), TALLEST)]
    return [_part(f"{key}-{i}" if i else key, part, every, most) for i, part in enumerate(parts)]


def _part(key: str, part: Sequence[Stage], every: Sequence[Stage], most: int) -> Chart:
    told = "; ".join(f"{stage.name}: {stage.words}" for stage in part)
    name = "The network" if len(part) == len(every) else f"The network, {part[0].name} to {part[-1].name}"
    chart = Chart(key, f"{name}: spikes from layer to layer", f"{told}.", WIDTH, 8 + STEP * (len(part) - 1) + BOX + 8)
    place = {stage.name: 8 + STEP * index for index, stage in enumerate(part)}
    by_name = {stage.name: stage for stage in every}
    beside = 0
    for index, stage in enumerate(part):
        elsewhere = 0  # senders in an earlier picture
        for reads in stage.reads:
            sender = by_name[reads]
            if index and part[index - 1].name == reads:
                _down(chart, sender, place[reads] + BOX, place[stage.name], most)
            elif reads in place:
                _beside(chart, sender, place[reads] + BOX / 2, place[stage.name] + BOX / 2, most, beside)
                beside += 1
            else:
                told = f"from {_short(reads, 14)}"
                top = place[stage.name] + 14 + 14 * elsewhere
                chart.labels.append(Label(RIGHT + 8, top, told, "start", look="over"))
                elsewhere += 1
    for stage in part:
        top = place[stage.name]
        chart.bars.append(Bar(LEFT, top, RIGHT - LEFT, BOX, "box", f"{stage.name}: {stage.words}"))
        chart.labels.append(Label(LEFT + 8, top + 16, _short(stage.name, 32), "start", look="strong"))
        chart.labels.append(Label(LEFT + 8, top + 32, stage.words, "start"))
    return chart


def _down(chart: Chart, sender: Stage, top: float, end: float, most: int) -> None:
    """A band from the box above."""
    width = _width(sender, most, WIDEST)
    middle = (LEFT + RIGHT) / 2
    what = f"{sender.spikes:,} spikes of {sender.name}" if sender.spikes is not None else f"values of {sender.name}"
    chart.bars.append(Bar(round(middle - width / 2, 1), top, width, round(end - top, 1), "flow", what))
    words = "values" if sender.spikes is None else f"{number(sender.spikes)} spikes"
    chart.labels.append(Label(round(middle + width / 2 + 8, 1), (top + end) / 2 + 4, words, "start"))


def _beside(chart: Chart, sender: Stage, start: float, end: float, most: int, nth: int) -> None:
    """A band that passes the boxes between, on the right."""
    width = _width(sender, most, WIDEST_BESIDE)
    away = RIGHT + 18 + 26 * (nth % 4)
    path = (
        f"M{RIGHT} {start - width / 2:.1f}H{away + width:.1f}V{end + width / 2:.1f}H{RIGHT}v-{width:.1f}"
        f"H{away:.1f}V{start + width / 2:.1f}H{RIGHT}z"
    )
    chart.marks.append(Mark(path, "flow", f"spikes of {sender.name}, read again further down"))


def _width(sender: Stage, most: int, widest: float) -> float:
    return round(max(1.5, widest * (sender.spikes or 0) / most), 1)


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else f"\N{HORIZONTAL ELLIPSIS}{name[1 - length :]}"
