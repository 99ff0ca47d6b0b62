"""The closed form (Eq. 4): one evaluation of each synapse, when all input has arrived."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.fused import fire_synapse
from gcn2snn.engines.interpreter import code_input, fire, run, run_or_by_rows, started
from gcn2snn.engines.node_evaluation import Observer
from gcn2snn.engines.node_rules import Value
from gcn2snn.engines.prepared import run_prepared
from gcn2snn.engines.sparse_inputs import sparse_codes
from gcn2snn.engines.topology import check_calibrated
from gcn2snn.memory import current_limit


def run_closed(
    network: ir.Network,
    inputs: Mapping[str, Value],
    observe: Observer | None = None,
    known: Mapping[str, Value] | None = None,
    heads: dict[str, Tensor] | None = None,
) -> Tensor:
    """One evaluation per synapse: each population sends the phase of Eq. 4 of its exact potential.

    Equal to the temporal engine for every wait >= T - 1 of the layers that feed it: all input has arrived before
    phase 1 decides (docs/method.md). Each synapse is evaluated once; the temporal engine evaluates it T times.

    Features of which most are zero are coded sparsely: the first layer then adds the values of the words that are not zero,
    one after the other. For a row of n such words its potential differs from the dense product's by at most (n + C) eps
    sum |w x|, which is how far the dense product may be from itself in another order. With an observer everything is dense.

    ``heads``: as for :func:`run`.

    Raises:
        ConfigError: the network is not calibrated.
    """
    check_calibrated(network)
    if observe is not None:  # observers need the potentials, which fusing never stores
        return run_or_by_rows(network, inputs, fire, code_input, observe, known, None, started, heads)
    sparse = sparse_codes(network, inputs, known or {})
    known = {**(known or {}), **sparse}
    if current_limit() is not None:
        return run_or_by_rows(network, inputs, fire, code_input, None, known, fire_synapse, started, heads)
    found = run_prepared(network, inputs, known)
    if found is None:
        return run(network, inputs, fire, code_input, None, known, fire_synapse, started, heads)
    if heads is not None:
        heads |= found
    return found[network.heads[0]]
