"""Questions about the wiring of a network: who feeds a membrane, over which nodes, and for how many steps."""

from __future__ import annotations

import torch

from gcn2snn import ir


def input_timesteps(network: ir.Network, membrane: ir.Node) -> int:
    """Steps during which spikes can reach a membrane: the largest T of the populations and coders that feed it."""
    return max((timesteps_of(network[name]) for name in sources(network, membrane)), default=1)


def timesteps_of(source: ir.Node) -> int:
    """Steps in which a population or coder may fire; a unit one-hot and an analog input take one step."""
    if isinstance(source, ir.Neuron):
        return source.coding.steps
    if isinstance(source, ir.Coder):
        return 1 if source.kind == "analog" else source.timesteps
    return max(source.binary, 1) if isinstance(source, ir.OneHot) else 1


def sources(network: ir.Network, membrane: ir.Node) -> list[str]:
    """Names of the populations, coders and one-hot inputs whose spikes meet in a membrane, in order."""
    found: list[str] = []
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if isinstance(node, ir.Neuron | ir.Coder | ir.OneHot):
            if node.name not in found:
                found.append(node.name)
        elif not isinstance(node, ir.Source | ir.Operator):
            waiting.extend(node.inputs)
    order = [node.name for node in network]
    return sorted(found, key=order.index)


def wait_of(network: ir.Network, membrane: ir.Node, wait: int | None) -> int:
    """The wait of one membrane: w, or as long as its input lasts."""
    return input_timesteps(network, membrane) if wait is None else wait


def network_dtype(network: ir.Network) -> torch.dtype:
    """Floating dtype of the weights."""
    return next((t.dtype for node in network for t in node.tensors().values() if t.is_floating_point()), torch.float32)


def path(network: ir.Network, membrane: ir.Node) -> list[ir.Node]:
    """Nodes between the sources and a membrane, in order of evaluation."""
    needed: set[str] = set()
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if not isinstance(node, ir.Neuron | ir.Coder | ir.Source | ir.Operator) and node.name not in needed:
            needed.add(node.name)
            waiting.extend(node.inputs)
    return [node for node in network if node.name in needed]
