"""The result of one node of any kind, and the kinds of functions that say what neurons, coders, outputs and observers do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.node_rules import Value, apply, dense_value
from gcn2snn.engines.plan import Fusion
from gcn2snn.kernels import Spikes

Observer = Callable[[ir.Node, tuple[Value, ...], Value], None]
"""Called with each node, its inputs and its result."""

Firing = Callable[[ir.Neuron, Value], Value]
"""What a population makes of its potential."""

Coding = Callable[[ir.Coder, Tensor], Value]
"""What an input coder makes of the data."""

Closing = Callable[[ir.Output, Tensor], Tensor]
"""What an output makes of the sum that flows into it."""

Fuse = Callable[[Fusion, tuple[Value, ...], Value], Spikes | None]
"""Called with what may be done at once, the synapse's inputs and the other term of its sum; None: not at once."""


def evaluate_node(
    node: ir.Node, args: tuple[Value, ...], inputs: Mapping[str, Value], population: Firing, coder: Coding
) -> Value:
    """Result of one node of any kind; arguments as for :func:`gcn2snn.engines.run`."""
    if node.name in inputs:
        return inputs[node.name]
    if isinstance(node, ir.OneHot):
        return 1.0 - 2.0**-node.binary if node.binary else 1.0
    if isinstance(node, ir.Neuron):
        return population(node, args[0])
    if isinstance(node, ir.Coder):
        return coder(node, dense_value(args[0]))
    return apply(node, *args)
