"""Questions about the wiring of a network: who feeds a membrane, over which nodes, and for how many time steps.

Everything here counts time steps. A population of ``coding.timesteps`` phases takes ``coding.steps`` time steps: fewer
where groups of neurons share a membrane.
"""

from __future__ import annotations

import math

import torch

from gcn2snn import ir
from gcn2snn.errors import ConfigError

Membraned = ir.Population | ir.Output
"""Nodes with a potential: a population, or the output."""


def input_timesteps(network: ir.Network, membrane: ir.Node) -> int:
    """Time steps during which spikes can reach a membrane: the largest number of the populations and coders that feed it."""
    return max((timesteps_of(network[name]) for name in sources(network, membrane)), default=1)


def timesteps_of(source: ir.Node) -> int:
    """Time steps in which a population or coder may fire; a unit one-hot and an analog input take one step."""
    if isinstance(source, ir.Population):
        return source.coding.steps
    if isinstance(source, ir.InputCode):
        return 1 if source.kind == "analog" else source.timesteps
    return max(source.binary, 1) if isinstance(source, ir.OneHot) else 1


@ir.once_per_network
def least_exact_wait(network: ir.Network) -> int:
    """The shortest wait that hears all input before the first decision: the longest input of a population, less one step."""
    return max((input_timesteps(network, node) - 1 for node in network.of(ir.Population)), default=0)


def wait_of(network: ir.Network, membrane: ir.Node, wait: int | None) -> int:
    """The wait of one membrane: w, or as long as its input lasts."""
    return input_timesteps(network, membrane) if wait is None else wait


@ir.once_per_network
def network_dtype(network: ir.Network) -> torch.dtype:
    """Floating dtype of the weights."""
    return next((t.dtype for node in network for t in node.tensors().values() if t.is_floating_point()), torch.float32)


@ir.once_per_network
def sources(network: ir.Network, membrane: ir.Node) -> tuple[str, ...]:
    """Names of the populations, coders and one-hot inputs whose spikes meet in a membrane, in order of evaluation."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if isinstance(node, ir.Population | ir.InputCode | ir.OneHot):
            found.add(node.name)
        elif node.name not in seen and not isinstance(node, ir.Source | ir.Operator | ir.Kept):
            seen.add(node.name)
            waiting.extend(node.inputs)
    return _ordered(network, found)


@ir.once_per_network
def kept_of(network: ir.Network, membrane: ir.Node) -> tuple[str, ...]:
    """Names of the kept potentials that a membrane begins with, in order of evaluation."""
    return tuple(node.name for node in path(network, membrane) if isinstance(node, ir.Kept))


@ir.once_per_network
def keepers(network: ir.Network) -> dict[str, ir.Population]:
    """The population whose potential is kept, by the name of the :class:`gcn2snn.ir.Kept` node."""
    found = {}
    for node in network.of(ir.Kept):
        found[node.name] = next(x for x in network.readers(node.inputs[0]) if isinstance(x, ir.Population))
    return found


@ir.once_per_network
def depths(network: ir.Network) -> dict[str, int]:
    """Layer of each membrane, 0 for those that read inputs only: the longest way to it, counted in populations."""
    depth: dict[str, int] = {}
    behind: dict[str, int] = {}  # populations on the longest way to a value
    for node in network:
        reached = max((behind[name] for name in node.inputs), default=0)
        if isinstance(node, ir.Neuron | ir.Output):
            depth[node.name] = reached
            reached += isinstance(node, ir.Neuron)
        behind[node.name] = reached
    return depth


@ir.once_per_network
def least_wait(network: ir.Network) -> int:
    """The shortest wait with which every kept potential is complete at the first step of the membrane that begins with it.

    A membrane d layers behind the population begins d w steps after it, and the input of the population takes T steps: d w >= T - 1.
    """
    depth, found = depths(network), 0
    for membrane in (node for node in network if isinstance(node, ir.Neuron | ir.Output)):
        for name in kept_of(network, membrane):
            keeper = keepers(network)[name]
            distance = depth[membrane.name] - depth[keeper.name]
            found = max(found, math.ceil((input_timesteps(network, keeper) - 1) / distance))
    return found


def check_kept_wait(network: ir.Network, wait: int | None) -> None:
    """Refuse a wait with which a kept potential would be handed over before all its input is there.

    Raises:
        ConfigError: it names the shortest wait that is long enough.
    """
    if wait is not None and wait < least_wait(network):
        raise ConfigError(
            f"wait is {wait}, but with residual='kept' a potential must be complete when the next layer of its residual "
            f"branch begins; allowed are {least_wait(network)} and more. Wait longer, or convert with residual='spikes'"
        )


@ir.once_per_network
def path(network: ir.Network, membrane: ir.Node) -> tuple[ir.Node, ...]:
    """Nodes between the sources and a membrane, in order of evaluation; kept potentials are the first of their way."""
    found: set[str] = set()
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if not isinstance(node, ir.Population | ir.InputCode | ir.Source | ir.Operator) and node.name not in found:
            found.add(node.name)
            waiting.extend(() if isinstance(node, ir.Kept) else node.inputs)
    return tuple(network[name] for name in _ordered(network, found))


@ir.once_per_network
def _places(network: ir.Network) -> dict[str, int]:
    return {node.name: place for place, node in enumerate(network)}


def _ordered(network: ir.Network, names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=_places(network).__getitem__))


@ir.once_per_network
def check_calibrated(network: ir.Network) -> None:
    """Refuse a network whose populations or coders have no scale yet.

    Raises:
        ConfigError: it names the first of them.
    """
    for node in network:
        if isinstance(node, ir.UncalibratedNeuron | ir.UncalibratedCoder):
            raise ConfigError(f"{node.name} is not calibrated, so it cannot fire. Call gcn2snn.passes.calibrate first")
