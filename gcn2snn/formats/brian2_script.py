"""Brian2: a script and its data, which build the network neuron by neuron and run given inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray

from gcn2snn import ir
from gcn2snn.engines import bind, run_temporal
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.files import save_text
from gcn2snn.formats.array_files import load_arrays, save_arrays
from gcn2snn.formats.needed_rows import chosen_rows
from gcn2snn.formats.other_python import answer_of, check_modules, interpreter
from gcn2snn.formats.wiring import Cells, Projection, Relay, SourceCode, Train, Wiring, wire
from gcn2snn.kernels import Spikes
from gcn2snn.spiking_network import SpikingNetwork

PYTHON_VARIABLE = "GCN2SNN_BRIAN2_PYTHON"
"""Environment variable that names a Python interpreter with Brian2."""

INSTALL = (
    "Make one: python3 -m venv brian2env && brian2env/bin/pip install brian2 'numpy<2.3' (Brian2 2.9 needs NumPy 2.2), then "
    f"give --python brian2env/bin/python or set {PYTHON_VARIABLE}"
)

PROGRAM = "brian2_program.py"

Arrays = dict[str, NDArray[np.generic]]


class PopulationCheck(TypedDict):
    """One population as Brian2 ran it beside what the network sends."""

    name: str
    neurons: int
    spikes: int
    expected_spikes: int
    differ: int
    most_spikes_of_a_neuron: int


class Brian2Check(TypedDict):
    """What the script reports: every population, and the output's predictions and potentials."""

    populations: list[PopulationCheck]
    rows: int
    predictions_differ: int
    largest_difference: float
    synapses: int
    build_seconds: float
    run_seconds: float


def write_brian2(
    snn: SpikingNetwork, args: Sequence[object], out: Path, rows: Sequence[int] | None = None
) -> dict[str, int]:
    """Write ``out`` (a Python script) and its data, the same name with ``.npz``.

    The data hold all synapses, starting potentials, thresholds and input spikes, and what the engine in time gives in
    double precision (``expected``), with which the script compares. Brian2 computes in double precision.

    Args:
        snn: the network; its wait is kept.
        args: as for the source model; these inputs the script runs.
        out: ends with .py.
        rows: of the output (nodes, documents, images); only what they depend on is written. None for all.

    Returns:
        Numbers of neurons, synapses, clock steps and spikes, and how many spikes of the network in its own precision differ.

    Raises:
        ConfigError: ``out`` has another ending.
        InputError: the inputs are not those of the network, a row does not exist, or there are too many synapses.
    """
    if out.suffix != ".py":
        raise ConfigError(f"the Brian2 export is a Python script, got {out.name}; choose a name that ends with .py")
    network = _in_double(snn)
    with torch.no_grad():
        wiring = wire(network, bind(network, args, {}), snn.config.wait, rows)
        expected = _expected(snn, args)
        single = snn.spikes(*args)
    description = _Description(wiring)
    arrays, spikes, other = description.arrays, 0, 0
    for cells in description.cells:
        code = expected[cells.name][cells.rows]
        arrays[f"{description.numbers[cells.name]}.expected"] = code if cells.coding is None else code.ravel()
        if cells.coding is None:
            continue
        code = code.ravel()
        spikes += int((code != 0).sum())
        other += int((single[cells.name].code.numpy()[cells.rows].ravel() != code).sum())
    arrays["description"] = np.array(json.dumps(description.whole))
    save_arrays(out.with_suffix(".npz"), arrays)
    save_text(out, (package_files("gcn2snn.formats") / PROGRAM).read_text(encoding="utf-8"))
    neurons = sum(train.size for train in wiring.trains) + sum(relay.size for relay in wiring.relays)
    neurons += sum(cells.size for cells in wiring.cells)
    told = {"neurons": neurons, "synapses": wiring.synapses, "steps": wiring.steps, "spikes": spikes}
    return told | {"spikes_that_differ_in_own_precision": other}


def brian2_ready(python: str | None) -> None:
    """Refuse where no interpreter with Brian2 is there.

    Raises:
        MissingPackageError: as said.
    """
    check_modules(interpreter(python, PYTHON_VARIABLE, INSTALL), ["brian2"], INSTALL)


def check_brian2(
    snn: SpikingNetwork, args: Sequence[object], out: Path, rows: Sequence[int] | None, python: str | None
) -> Brian2Check:
    """Run the script with an interpreter that has Brian2 and return what it reports.

    Raises:
        MissingPackageError: there is no interpreter, or it has no Brian2.
        ArtefactError: the data cannot be read, or are those of another network, other inputs or other rows.
        ConfigError: the script fails for another reason.
    """
    # A path that begins with a dash would be an option of the interpreter.
    command = [interpreter(python, PYTHON_VARIABLE, INSTALL), str(out.absolute()), "--json"]
    _refuse_other_data(snn, args, out.with_suffix(".npz"), rows)
    return cast(Brian2Check, answer_of(command, "brian2", INSTALL))


def _in_double(snn: SpikingNetwork) -> ir.Network:
    return snn.network.map_tensors(lambda t: t.double() if t.is_floating_point() else t)


def _expected(snn: SpikingNetwork, args: Sequence[object]) -> Arrays:
    """sign * phase of every neuron by population, and the output's potentials by its name, from the engine in time."""
    network = _in_double(snn)
    sent: dict[str, Spikes] = {}
    with torch.no_grad():
        output = run_temporal(network, bind(network, args, {}), snn.config.wait, emitted=sent)
    return {name: spikes.code.numpy() for name, spikes in sent.items()} | {network.output.name: output.numpy()}


def _refuse_other_data(snn: SpikingNetwork, args: Sequence[object], data: Path, rows: Sequence[int] | None) -> None:
    """The script compares with what stands in its data, so these have to be what the network sends for these inputs."""
    expected, arrays = _expected(snn, args), load_arrays(data)
    try:
        told = json.loads(str(arrays["description"]))["cells"]
        same = all(_is_part(expected.get(each["name"]), arrays, each["id"]) for each in told)
        wanted = chosen_rows(rows, len(expected[snn.network.output.name]))
        same = same and np.array_equal(arrays[f"{told[-1]['id']}.rows"], wanted)
    except (KeyError, ValueError, TypeError) as error:
        raise ArtefactError(
            f"{data} is not what the Brian2 export writes ({error!r}). Export the network again"
        ) from None
    if not same:
        raise ArtefactError(
            f"{data} was exported from another network, or for other inputs or rows. Export again what is to be checked"
        )


def _is_part(expected: NDArray[np.generic] | None, arrays: Arrays, number: str) -> bool:
    """Whether the spikes that the data expect of a population are those rows of what it sends."""
    rows, found = arrays[f"{number}.rows"], arrays[f"{number}.expected"]
    if expected is None or int(rows.max(initial=0)) >= len(expected):
        return False
    return np.array_equal(expected[rows].ravel(), found.ravel())


class _Description:
    """The wiring as JSON values and arrays; an object is known by a number, for names may hold any character."""

    def __init__(self, wiring: Wiring):
        self.arrays: Arrays = {}
        self.numbers: dict[str, str] = {}
        # Where rows depend on no neighbour some populations have no neuron; simulators know no empty groups.
        self.cells = [each for each in wiring.cells if each.size]
        projections = [each for each in wiring.projections if each.weight.size]
        self.whole: dict[str, object] = {
            "steps": wiring.steps,
            "synapses": wiring.synapses,
            "trains": [self._train(each) for each in wiring.trains if each.size],
            "cells": [self._cells(each) for each in self.cells],
            "relays": [self._relay(each) for each in wiring.relays if each.size],
            "projections": [self._projection(each, place) for place, each in enumerate(projections)],
        }

    def _named(self, name: str) -> dict[str, object]:
        self.numbers[name] = f"g{len(self.numbers)}"
        return {"id": self.numbers[name], "name": name}

    def _keep(self, owner: str, **arrays: NDArray[np.generic]) -> None:
        self.arrays |= {f"{owner}.{name}": value for name, value in arrays.items()}

    def _train(self, train: Train) -> dict[str, object]:
        told = self._named(train.name)
        self._keep(self.numbers[train.name], neuron=train.neuron, step=train.step)
        return told | {"size": train.size, "begins": train.begins, "code": _code(train.code)}

    def _relay(self, relay: Relay) -> dict[str, object]:
        told = self._named(relay.name)
        self._keep(self.numbers[relay.name], members=relay.members)
        return told | {"size": relay.size, "begins": relay.begins, "code": _code(relay.code)}

    def _cells(self, cells: Cells) -> dict[str, object]:
        told = self._named(cells.name)
        self._keep(self.numbers[cells.name], potential=cells.potential, rows=cells.rows)
        if cells.coding is not None:
            last = np.full(cells.size, cells.coding.timesteps) if cells.last is None else cells.last
            thresholds = cells.coding.thresholds().numpy()
            self._keep(self.numbers[cells.name], scale=cells.threshold, last=last, thresholds=thresholds)
        code = None if cells.coding is None else _code(SourceCode.of(cells.coding))
        told |= {"size": cells.size, "shape": cells.shape, "code": code, "growth": cells.growth}
        return told | {"opens": cells.opens, "hears": cells.hears, "wait": cells.wait}

    def _projection(self, each: Projection, place: int) -> dict[str, object]:
        self._keep(f"s{place}", pre=each.pre.astype(np.int32), post=each.post.astype(np.int32), weight=each.weight)
        ends = {"source": self.numbers[each.source], "target": self.numbers[each.target]}
        return {"id": f"s{place}", **ends, "delay": each.delay}


def _code(code: SourceCode) -> dict[str, object]:
    return {"base": code.base, "levels": code.levels, "signed": code.signed, "steps": code.steps}
