"""Questions about the wiring of a network: who feeds a membrane, over which nodes, and for how many time steps.

Everything here counts time steps. A population of ``coding.timesteps`` phases takes ``coding.steps`` time steps: fewer
where groups of neurons share a membrane.
"""

from __future__ import annotations

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
        elif node.name not in seen and not isinstance(node, ir.Source | ir.Operator):
            seen.add(node.name)
            waiting.extend(node.inputs)
    return _ordered(network, found)


@ir.once_per_network
def path(network: ir.Network, membrane: ir.Node) -> tuple[ir.Node, ...]:
    """Nodes between the sources and a membrane, in order of evaluation."""
    found: set[str] = set()
    waiting = list(membrane.inputs)
    while waiting:
        node = network[waiting.pop()]
        if not isinstance(node, ir.Population | ir.InputCode | ir.Source | ir.Operator) and node.name not in found:
            found.add(node.name)
            waiting.extend(node.inputs)
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
