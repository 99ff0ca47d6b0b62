"""ir -> ir: the identity branch of a residual sum stays in the potential of the neuron, and is not rounded again."""

from __future__ import annotations

from dataclasses import replace

from gcn2snn import ir

MOVES = (ir.Subsample, ir.Pad)
"""What may stand on an identity branch: it only says at which place, and in which channel, the next neuron is."""


def keep_residuals(network: ir.Network) -> ir.Network:
    """The network in which a neuron that fired for a residual block begins the sum behind the block with its own potential.

    With U_k the potential of a population, c_k what its spikes say, and B the block:

        spikes:  U_k+1 = B(c_k) + c_k             kept:  U_k+1 = B(c_k) + f(U_k)

    f is the population's activation. f(U_k) = c_k + r_k, so the neuron at the place of the sum begins with the remainder r_k that the
    spike could not say (error feedback), and the spike that said c_k need not be sent along the identity branch. The block still
    sees spikes alone. A term of a sum is kept where it is a population, subsampled or padded perhaps, whose spikes go into a block too,
    where another term of the sum comes through a synapse, and where nothing but populations, or an output, reads the sum.

    Args:
        network: with neurons inserted, calibrated or not.

    Source: ours; error feedback as in sigma-delta coding (docs/decisions/0148-residuals-that-are-kept.md).
    """
    draft = ir.Draft(network)
    for total in network.of(ir.Add):
        for name in dict.fromkeys(total.inputs):
            if _is_residual(network, total, name):
                _keep(draft, total, name)
    return draft.network()


def _way(network: ir.Network, name: str) -> list[ir.Node]:
    """The nodes from a value back to the first that is no move."""
    way = [network[name]]
    while isinstance(way[-1], MOVES):
        way.append(network[way[-1].inputs[0]])
    return way


def _is_residual(network: ir.Network, total: ir.Add, name: str) -> bool:
    *moves, population = _way(network, name)
    if not isinstance(population, ir.Population):
        return False
    follows = population.coding.signed or population.activation.rectifies  # else the negative part is dropped
    alone = all(len(network.readers(node.name)) == 1 for node in moves)
    goes_on = len(network.readers(population.name)) > 1
    ends = all(isinstance(reader, ir.Population | ir.Output) for reader in network.readers(total.name))
    block = any(_through_synapse(network, other) for other in total.inputs if other != name)
    return follows and alone and goes_on and ends and block


def _through_synapse(network: ir.Network, name: str) -> bool:
    """Whether a value is a potential: a synapse stands between it and the populations before it."""
    node = network[name]
    while isinstance(node, ir.Wire | ir.BatchNorm) and len(node.inputs) == 1:
        node = network[node.inputs[0]]
    if isinstance(node, ir.Add):
        return any(_through_synapse(network, each) for each in node.inputs)
    return isinstance(node, ir.Synapse)


def _keep(draft: ir.Draft, total: ir.Add, name: str) -> None:
    moves = []
    node = draft[name]
    while isinstance(node, MOVES):
        moves.append(node)
        node = draft[node.inputs[0]]
    assert isinstance(node, ir.Population), "only populations have a potential to keep"
    kept = f"{node.name}.kept"
    if kept not in draft:
        first = next(iter(draft.readers(node.inputs[0])))  # anything that reads the potential: it stands behind it
        draft.insert_before(
            first.name, ir.Kept(name=kept, inputs=node.inputs, activation=node.activation, gain=node.gain)
        )
    reader = moves[-1] if moves else draft[total.name]
    draft.put(replace(reader, inputs=tuple(kept if each == node.name else each for each in reader.inputs)))
