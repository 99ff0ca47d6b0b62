"""npz: every number of a network under documented names, and its wiring as JSON, for programs that are not Python too."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gcn2snn import ir
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.files import save_json
from gcn2snn.formats.array_files import load_arrays, save_arrays
from gcn2snn.formats.clock import Window, windows_of
from gcn2snn.kernels import PhaseCode
from gcn2snn.network_state import tensors_of, thresholds_of
from gcn2snn.spiking_network import SpikingNetwork

DESCRIPTION = "description"
"""Name of the array that holds the JSON text."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def write_arrays(snn: SpikingNetwork, out: Path) -> dict[str, int]:
    """Write ``out`` (NumPy's .npz) and, beside it, the description alone as ``.json``.

    Arrays are called ``NODE.FIELD``: ``weight`` and ``bias`` of synapses, ``scale``, ``gain``, ``start`` (starting potential
    beside the bias), ``horizon`` (last phase) and ``thresholds`` of populations. docs/export.md explains the description.

    Returns:
        Numbers of arrays, populations and values.

    Raises:
        ConfigError: ``out`` does not end with .npz.
    """
    if out.suffix != ".npz":
        raise ConfigError(f"the npz export is a NumPy archive, got {out.name}; choose a name that ends with .npz")
    arrays = arrays_of(snn)
    description = description_of(snn)
    text = np.array(json.dumps(description))
    save_arrays(out, {DESCRIPTION: text, **arrays})
    save_json(out.with_suffix(".json"), description)
    values = sum(array.size for array in arrays.values())
    return {"arrays": len(arrays), "populations": len(snn.network.of(ir.Neuron)), "values": values}


def check_arrays(snn: SpikingNetwork, out: Path) -> dict[str, int]:
    """How many arrays of the file differ from the network's, and how many there are.

    Raises:
        ArtefactError: the file cannot be read.
    """
    expected, found = arrays_of(snn), load_arrays(out)
    try:
        told = json.loads(str(found.pop(DESCRIPTION)))
    except (KeyError, ValueError) as error:
        raise ArtefactError(f"{out} holds no description ({error!r}). Export the network again") from error
    differ = sum(name not in found or not np.array_equal(found[name], array) for name, array in expected.items())
    return {"arrays": len(found), "differ": differ + int(told != json.loads(json.dumps(description_of(snn))))}


def arrays_of(snn: SpikingNetwork) -> dict[str, NDArray[np.generic]]:
    """Every tensor of the network as ``NODE.FIELD``, and the thresholds of each population in units of its scale."""
    tensors = tensors_of(snn.network) | thresholds_of(snn.network)
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def description_of(snn: SpikingNetwork) -> dict[str, Json]:
    """Nodes in the order of evaluation with their inputs and options, and the clock of each membrane."""
    windows = windows_of(snn.network, snn.config.wait)
    nodes: list[Json] = [_node(node, windows.get(node.name)) for node in snn.network]
    return {"format": "gcn2snn.npz", "version": 1, "output": snn.network.output.name, "nodes": nodes}


def _node(node: ir.Node, window: Window | None) -> dict[str, Json]:
    told: dict[str, Json] = {"name": node.name, "type": type(node).__name__, "inputs": list(node.inputs)}
    for item in fields(node):
        value = getattr(node, item.name)
        if item.name in ("name", "inputs") or value is None or isinstance(value, Tensor):
            continue
        told[item.name] = _plain(value)
    if window is not None:
        told["clock"] = {"opens": window.opens, "hears": window.hears, "wait": window.wait, "delays": {**window.delays}}
    return told


def _plain(value: object) -> Json:
    """An option of a node as JSON values."""
    if isinstance(value, PhaseCode):
        return {**asdict(value), "steps": value.steps}
    told: Json = json.loads(json.dumps(asdict(value) if isinstance(value, ir.Activation) else value))
    return told
