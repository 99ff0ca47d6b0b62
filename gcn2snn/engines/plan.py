"""The steps of one evaluation of a network: what is computed in which order and let go when, worked out once a network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from gcn2snn import ir


@dataclass(frozen=True)
class Fusion:
    """A synapse, the population that alone reads it, and the other term of the sum between them, if there is one."""

    synapse: ir.Synapse
    neuron: ir.Neuron
    beside: str | None = None


@dataclass(frozen=True)
class Step:
    """Nodes that are evaluated one after the other, or by one kernel where ``fusion`` says so.

    Args:
        nodes: in order; a synapse, perhaps a sum, and their population where there is a fusion, else one node.
        fusion: what one kernel may do instead, or None.
        dropped: values that nothing reads after this step.
    """

    nodes: tuple[ir.Node, ...]
    fusion: Fusion | None
    dropped: tuple[str, ...]


@ir.once_per_network
def steps_to_heads(network: ir.Network, fuse: bool, known: frozenset[str], started: bool = False) -> tuple[Step, ...]:
    """The steps that lead to the heads of the result, which stay.

    Args:
        network: to evaluate.
        fuse: whether a synapse and its population may be one step.
        known: names of the nodes whose results are there before the first step.
        started: as for :func:`fusions`.
    """
    needed = _needed(network, known)
    at = {name: each for name, each in fusions(network, started).items() if name in needed} if fuse else {}
    inside = {name for each in at.values() for name in (each.neuron.name, each.synapse.name)} - at.keys()
    groups: list[tuple[tuple[ir.Node, ...], Fusion | None]] = []
    for node in needed.values():
        fusion = at.get(node.name)
        if fusion is not None:
            synapse = () if fusion.synapse is node else (fusion.synapse,)
            groups.append(((*synapse, node, fusion.neuron), fusion))
        elif node.name not in inside:
            groups.append(((node,), None))
    last_reader = {name: place for place, (nodes, _) in enumerate(groups) for node in nodes for name in node.inputs}
    dropped: list[list[str]] = [[] for _ in groups]
    for name, place in last_reader.items():
        if name not in network.heads:
            dropped[place].append(name)
    return tuple(Step(nodes, fusion, tuple(names)) for (nodes, fusion), names in zip(groups, dropped, strict=True))


def _needed(network: ir.Network, known: Set[str]) -> Mapping[str, ir.Node]:
    """Nodes that the heads depend on, other than through known results, by name and in order."""
    wanted = set(network.heads)
    found = []
    for node in reversed(network.nodes):
        if node.name in wanted and node.name not in known:
            found.append(node)
            wanted.update(node.inputs)
    return {node.name: node for node in reversed(found)}


def fusions(network: ir.Network, started: bool = False) -> dict[str, Fusion]:
    """What one kernel may do at once, by the node at which all operands are there: the synapse, or the sum behind it.

    A sum has to have two terms, so that the kernel adds them in the same order: a residual branch, or a node's own
    features beside those of its neighbours.

    Args:
        network: to evaluate.
        started: also where membranes start from something behind a sum, for kernels that add it last.
    """
    found = {}
    for neuron in network.of(ir.Neuron):
        feed = network[neuron.inputs[0]]
        if len(network.readers(feed.name)) > 1:
            continue
        if isinstance(feed, ir.Synapse):
            found[feed.name] = Fusion(feed, neuron)
        elif isinstance(feed, ir.Add) and feed.bias is None and (started or neuron.start is None):
            term = _lone_term(network, feed)
            if term is not None:
                (other,) = (name for name in feed.inputs if name != term.name)
                found[feed.name] = Fusion(term, neuron, other)
    return found


def _lone_term(network: ir.Network, total: ir.Add) -> ir.Synapse | None:
    """A synapse that only this sum of two terms reads; rather one that reads spikes, for which there are kernels."""
    if total.coefficients != (1.0, 1.0):
        return None
    terms = [network[name] for name in set(total.inputs)]
    alone = [x for x in terms if isinstance(x, ir.Synapse) and len(network.readers(x.name)) == 1]

    def rank(term: ir.Synapse) -> tuple[bool, int]:
        return isinstance(network[term.inputs[-1]], ir.Neuron), total.inputs.index(term.name)

    return max(alone, key=rank) if len(terms) == 2 and alone else None
