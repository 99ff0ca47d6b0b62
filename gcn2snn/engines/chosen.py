"""Running a description by the engine that was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.membrane import Recording
from gcn2snn.engines.node_evaluation import Observer
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.temporal import run_temporal


def run_chosen(
    chosen: str,
    network: ir.Network,
    inputs: dict[str, Value],
    wait: int | None,
    observe: Observer | None = None,
    recordings: dict[str, Recording] | None = None,
    known: Mapping[str, Value] | None = None,
) -> dict[str, Tensor]:
    """Potentials of the network's results by name.

    Args:
        chosen: "closed", "bucketed" or "temporal", as :func:`gcn2snn.engines.choose_engine` gives it.
        network: calibrated.
        inputs: by name of Input node.
        wait: w.
        observe: called with every node, its inputs and its result.
        recordings: to fill; by the temporal engine only.
        known: spikes that no input changes, for the closed form.
    """
    heads: dict[str, Tensor] = {}
    if chosen == "closed":
        run_closed(network, inputs, observe, known, heads)
    elif chosen == "bucketed":
        run_bucketed(network, inputs, wait, observe=observe, heads=heads)
    else:
        run_temporal(network, inputs, wait, recordings, observe=observe, heads=heads)
    return heads
