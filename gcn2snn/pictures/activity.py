"""What a picture shows of a run: the spikes of every population on the network's clock, and some potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Recording, Value, check_wait, depths, input_timesteps, run_temporal
from gcn2snn.errors import InputError
from gcn2snn.kernels import Spikes

TRACES = 6
"""Neurons of a population whose potential is drawn where the caller names none."""


@dataclass(frozen=True)
class Trace:
    """One neuron over its local time steps: potential in units of its scale, the threshold while it may fire, its spike."""

    neuron: int
    potential: tuple[float, ...]
    fired_at: int | None
    sign: int


@dataclass(frozen=True)
class Activity:
    """One population in a run.

    Args:
        name: node.
        size: neurons of the population.
        drawn: flat numbers of the neurons that are drawn, ascending.
        step: clock step of the spike of each drawn neuron, 0 for none; [drawn].
        sign: of that spike, -1, 0 or 1; [drawn].
        opens: clock step at which its first input may arrive, less one; its input lasts until ``closes``.
        begins: clock step before its first possible spike.
        ends: clock step of its last possible spike.
        positive, negative: spikes of all its neurons at each phase; [T].
        traces: potentials of some neurons, by local step from 1 on.
        thresholds: by local step; None while the neurons wait.
    """

    name: str
    size: int
    drawn: tuple[int, ...]
    step: Tensor
    sign: Tensor
    opens: int
    begins: int
    ends: int
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    traces: tuple[Trace, ...]
    thresholds: tuple[float | None, ...]

    @property
    def spikes(self) -> int:
        """Spikes of all its neurons."""
        return sum(self.positive) + sum(self.negative)


@dataclass(frozen=True)
class Choice:
    """What to draw.

    Args:
        rows: rows of the populations that have as many as the output (documents, nodes, images); None is all of them.
        neurons: flat neuron numbers by population, for the traces; populations that are no key of it get some that fire.
        limit: neurons of a population in the raster.
    """

    rows: Sequence[int] | None = None
    neurons: Mapping[str, Sequence[int]] | None = None
    limit: int = 60


def watch(network: ir.Network, inputs: Mapping[str, Value], wait: int | None, choice: Choice) -> list[Activity]:
    """Run a network in time and keep what a picture needs; memory is that of one population and of the chosen neurons.

    The run is made twice: the first says who fires, from which the neurons of the traces are chosen.

    Raises:
        ConfigError: wait is negative or too long.
        InputError: a row or neuron is out of range, or a name is no population.
    """
    names = [node.name for node in network.of(ir.Neuron)]
    if not names:
        raise InputError("the network has no spiking population to draw")
    _check_names(names, choice)
    check_wait(wait)
    wait = _wait(network, wait)
    sent: dict[str, Spikes] = {}
    rows = max(run_temporal(network, inputs, wait, emitted=sent).shape[:1], default=1)
    _check_rows(rows, choice)
    kept = {name: _traced(name, sent[name], rows, choice) for name in names}
    recordings = {name: Recording(neurons=kept[name]) for name in names}
    run_temporal(network, inputs, wait, recordings)
    depth = depths(network)
    return [
        _activity(network, name, sent[name], recordings[name], depth[name] * wait, wait, rows, choice) for name in names
    ]


def _wait(network: ir.Network, wait: int | None) -> int:
    """w of the shared clock, as in ``run_pipeline``: None is T - 1."""
    if wait is not None:
        return wait
    return max(input_timesteps(network, node) for node in network if isinstance(node, ir.Population | ir.Output)) - 1


def _check_names(names: list[str], choice: Choice) -> None:
    if choice.limit < 1:
        raise InputError(f"limit is {choice.limit}; at least 1 neuron of a population is drawn")
    unknown = sorted(set(choice.neurons or {}) - set(names))
    if unknown:
        raise InputError(
            f"neurons are named of {', '.join(unknown)}, which is no population; there are {', '.join(names)}"
        )


def _check_rows(rows: int, choice: Choice) -> None:
    wrong = [row for row in choice.rows or () if not 0 <= row < rows]
    if choice.rows is not None and not len(choice.rows):
        raise InputError("no row is chosen; name at least one, or leave rows out to draw neurons of all rows")
    if wrong:
        raise InputError(f"row {wrong[0]} is out of range; the network's output has rows 0 to {rows - 1}")


def _places(code: Tensor, rows: int, choice: Choice) -> Tensor:
    """Flat numbers of the neurons that may be drawn: those of the chosen rows, where the population has the output's rows."""
    everything = torch.arange(code.numel())
    if choice.rows is None or code.shape[0] != rows:
        return everything
    return everything.view(rows, -1)[torch.tensor(sorted(set(choice.rows)))].flatten()


def _traced(name: str, spikes: Spikes, rows: int, choice: Choice) -> Tensor:
    """Neurons whose potential is kept: those asked for, else some that fire at phases as different as there are."""
    code = spikes.code.cpu()
    if choice.neurons and name in choice.neurons:
        asked = list(choice.neurons[name])
        wrong = [neuron for neuron in asked if not 0 <= neuron < code.numel()]
        if wrong:
            raise InputError(f"neuron {wrong[0]} of {name} is out of range; it has neurons 0 to {code.numel() - 1}")
        return torch.tensor(asked, dtype=torch.int64)
    places = _places(code, rows, choice)
    phase = code.flatten()[places].int().abs()
    silent, firing = places[phase == 0], places[phase > 0]
    by_phase = firing[torch.argsort(phase[phase > 0], stable=True)]
    kept = [_evenly(by_phase, TRACES - 1), silent[: 1 if len(firing) else TRACES]]
    return torch.cat(kept).unique()


def _evenly(values: Tensor, count: int) -> Tensor:
    """At most ``count`` values, from the first to the last."""
    return values[torch.linspace(0, len(values) - 1, min(count, len(values))).round().long()]


def _activity(
    network: ir.Network,
    name: str,
    spikes: Spikes,
    recording: Recording,
    opens: int,
    wait: int,
    rows: int,
    choice: Choice,
) -> Activity:
    node = network[name]
    assert isinstance(node, ir.Neuron)
    code, coding = spikes.code.cpu(), node.coding
    places = _places(code, rows, choice)
    places = _evenly(places, choice.limit)
    begins = opens + wait
    shown = code.flatten()[places].int()
    step = torch.where(shown == 0, 0, begins + coding.step_of(shown.abs().clamp(min=1)))
    counts = torch.bincount(code.flatten().long() + coding.timesteps, minlength=2 * coding.timesteps + 1).tolist()
    return Activity(
        name=name,
        size=code.numel(),
        drawn=tuple(places.tolist()),
        step=step,
        sign=shown.sign(),
        opens=opens,
        begins=begins,
        ends=begins + coding.steps,
        positive=tuple(counts[coding.timesteps + 1 :]),
        negative=tuple(counts[: coding.timesteps][::-1]),
        traces=tuple(_traces(recording)),
        thresholds=tuple(recording.threshold),
    )


def _traces(recording: Recording) -> list[Trace]:
    assert recording.neurons is not None
    found = []
    for index, neuron in enumerate(recording.neurons.tolist()):
        fired = [int(step[index]) for step in recording.fired]
        at = next((place for place, sign in enumerate(fired, 1) if sign), None)
        potential = tuple(float(step[index]) for step in recording.potential)
        found.append(Trace(neuron, potential, at, fired[at - 1] if at else 0))
    return found
