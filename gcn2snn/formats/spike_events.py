"""spikes: what each population sends for given inputs, as events (time, neuron, sign)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gcn2snn import ir
from gcn2snn.engines import bind, constants, dense_value
from gcn2snn.errors import ArtefactError, ConfigError, reason_of
from gcn2snn.files import replacing
from gcn2snn.formats.array_files import load_arrays, save_arrays
from gcn2snn.formats.clock import windows_of
from gcn2snn.formats.input_spikes import input_spikes
from gcn2snn.formats.refusals import package
from gcn2snn.spiking_network import SpikingNetwork

COLUMNS = ("time", "neuron", "sign", "phase")
ENDINGS = (".npz", ".csv", ".nir")
NIR_STEP = 1e-4
"""Seconds of a clock step in NIR, whose times are seconds: the customary dt of its importers."""


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of one population or input, by time and then by neuron.

    Args:
        shape: of the population's value, [N, C, ...].
        time: clock step at which each spike leaves, from 1 (``clock.py``).
        neuron: its place in the flattened value, 0 to N C ... - 1.
        sign: 1 or -1.
        phase: 1 to T: the spike carries sign * scale * Q^-phase.
    """

    shape: tuple[int, ...]
    time: NDArray[np.int64]
    neuron: NDArray[np.int64]
    sign: NDArray[np.int64]
    phase: NDArray[np.int64]

    @classmethod
    def in_order(cls, shape: tuple[int, ...], *columns: NDArray[np.int64]) -> Events:
        """Events sorted by time, then neuron."""
        order = np.lexsort((columns[1], columns[0]))
        return cls(shape, *(column[order] for column in columns))


def events_of(snn: SpikingNetwork, args: Sequence[object], engine: str = "auto") -> dict[str, Events]:
    """The spikes of every input coder and population, by name; those that are really sent, at the network's wait.

    One-hot inputs and analog inputs are left out: the former send the same in every run, the latter are no spikes.

    Args:
        snn: converted.
        args: as for the source model.
        engine: as for ``snn.spikes``.
    """
    inputs = bind(snn.network, args, {})
    with torch.no_grad():
        fixed = constants(snn.network, inputs)
        sent = snn.spikes(*args, engine=engine)
    begins = {name: window.begins for name, window in windows_of(snn.network, snn.config.wait).items()}
    found: dict[str, Events] = {}
    for node in snn.network:
        if isinstance(node, ir.Coder) and node.kind != "analog":
            x = dense_value(fixed[node.inputs[0]])
            spikes = input_spikes(node, x)
            columns = (spikes.step, spikes.value, spikes.sign, spikes.step)
            found[node.name] = Events.in_order(tuple(x.shape), *columns)
        elif isinstance(node, ir.Neuron):
            code = sent[node.name].code.flatten().cpu().numpy().astype(np.int64)
            neuron = np.flatnonzero(code)
            phase = np.abs(code[neuron])
            time = begins[node.name] + -(-phase // node.coding.group)
            shape = tuple(sent[node.name].shape)
            found[node.name] = Events.in_order(shape, time, neuron, np.sign(code[neuron]), phase)
    return found


def write_spikes(snn: SpikingNetwork, args: Sequence[object], out: Path) -> dict[str, int]:
    """Write the events as ``.npz`` (arrays ``POPULATION.time``, ``.neuron``, ``.sign``, ``.phase``, ``.shape``), ``.csv``, or ``.nir``.

    The last is NIR's own format for spike trains: one ``ValuedEventData`` a population, values are signs, times seconds.

    Returns:
        Numbers of populations and of spikes.

    Raises:
        ConfigError: ``out`` has another ending.
        InputError, InputTypeError: the inputs are not those of the network.
    """
    if out.suffix not in ENDINGS:
        raise ConfigError(
            f"spikes are written as {', '.join(ENDINGS)}, got {out.name}; choose a name with one of these endings"
        )
    events = events_of(snn, args)
    if out.suffix == ".npz":
        save_arrays(out, _arrays(events))
    else:
        with replacing(out) as temporary:
            write = _write_nir if out.suffix == ".nir" else _write_csv
            write(temporary, events)
    return {"populations": len(events), "spikes": sum(each.time.size for each in events.values())}


def _arrays(events: Mapping[str, Events]) -> dict[str, NDArray[np.int64]]:
    arrays = {f"{name}.{column}": getattr(each, column) for name, each in events.items() for column in COLUMNS}
    return arrays | {f"{name}.shape": np.array(each.shape, dtype=np.int64) for name, each in events.items()}


def _write_csv(path: Path, events: Mapping[str, Events]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("population", *COLUMNS))
        for name, each in events.items():
            columns = (getattr(each, column).tolist() for column in COLUMNS)
            writer.writerows((name, *row) for row in zip(*columns, strict=True))


def _write_nir(path: Path, events: Mapping[str, Events]) -> None:
    nir = package("nir")
    nodes = {}
    for name, each in events.items():
        neurons, last = int(np.prod(each.shape)), int(each.time.max(initial=0))
        columns = (each.neuron[None], each.time[None] * NIR_STEP, neurons, (last + 1) * NIR_STEP, each.sign[None])
        nodes[name] = nir.NIRNodeData({"spikes": nir.ValuedEventData(*columns)})
    nir.write_data(path, nir.NIRGraphData(nodes))


def read_events(out: Path) -> dict[str, NDArray[np.int64]]:
    """Events of a file that :func:`write_spikes` wrote, [spikes, 4] by population, in the order of :data:`COLUMNS`.

    A ``.nir`` file has no phases, so its events are [spikes, 3].

    Raises:
        ArtefactError: the file cannot be read.
    """
    try:
        if out.suffix == ".npz":
            data = load_arrays(out)
            names = [name.removesuffix(".time") for name in data if name.endswith(".time")]
            return {
                name: np.stack([data[f"{name}.{column}"] for column in COLUMNS], axis=1).astype(np.int64)
                for name in names
            }
        if out.suffix == ".nir":
            return _read_nir(out)
        with out.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        found: dict[str, list[list[int]]] = {}
        for row in rows:
            found.setdefault(row["population"], []).append([int(row[column]) for column in COLUMNS])
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ArtefactError(f"{out} cannot be read: {reason_of(error)}. Export the spikes again") from error
    return {name: np.array(columns, dtype=np.int64) for name, columns in found.items()}


def _read_nir(out: Path) -> dict[str, NDArray[np.int64]]:
    found = {}
    for name, node in package("nir").read_data(out).nodes.items():
        data = node.observables["spikes"]
        columns = (np.rint(data.time[0] / NIR_STEP), data.idx[0], data.value[0])
        found[name] = np.stack([np.asarray(column).astype(np.int64) for column in columns], axis=1)
    return found


def check_spikes(snn: SpikingNetwork, args: Sequence[object], out: Path) -> dict[str, int]:
    """How many events of the file are others than those of the engine in time, which computes them again step by step."""
    found = read_events(out)
    expected = events_of(snn, args, engine="temporal")
    differ = spikes = 0
    for name, events in expected.items():
        own = np.stack([getattr(events, column) for column in COLUMNS], axis=1)
        read = found.get(name, own[:0])
        spikes += len(read)
        if len(read) == len(own):
            differ += int((read != own[:, : read.shape[1]]).any(axis=1).sum())
        else:
            differ += abs(len(read) - len(own))
    return {"populations": len(expected), "spikes": spikes, "differ": differ}
