"""Run a NIR graph in the simulators of this interpreter that import NIR, and compare with what the network gives.

    python nir_program.py GRAPH.nir DATA.npz

DATA.npz holds ``inputs``, the values that the input coder sends, and ``expected``, the output. Prints one JSON object: for
each of Norse and SpikingJelly that is installed, how many predictions differ and the largest difference of an output.
"""

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec

import nir
import numpy as np
import torch


def in_norse(graph: nir.NIRGraph, step: float) -> torch.nn.Module:
    from norse.torch import from_nir

    return from_nir(graph, ignore_warnings=True, dt=step)


def in_spikingjelly(graph: nir.NIRGraph, step: float) -> torch.nn.Module:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(graph, dt=step)


SIMULATORS = {"norse": in_norse, "spikingjelly": in_spikingjelly}


def main() -> None:
    graph = nir.read(sys.argv[1])
    step = float(graph.metadata["dt"])
    with np.load(sys.argv[2]) as data:
        inputs, expected = torch.from_numpy(data["inputs"]).float(), data["expected"]
    found = []
    for name, load in SIMULATORS.items():
        if find_spec(name) is None:
            continue
        with torch.no_grad():
            output = load(graph, step)(inputs)[0].numpy()
        wrong = int((output.argmax(1) != expected.argmax(1)).sum())
        largest = float(np.abs(output - expected).max(initial=0.0))
        told = {"name": name, "version": version(name), "predictions_differ": wrong, "largest_difference": largest}
        found.append(told)
    print(json.dumps({"rows": len(expected), "simulators": found}))


if __name__ == "__main__":
    main()
