"""Which parts of a network NIR cannot carry, as its importers read NIR, and why."""

from __future__ import annotations

from collections.abc import Callable

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.formats.refusals import KEPT, SENT

INSTEAD = "The format brian2 carries it."

NOT_SQUARE = (
    "NIR 1.0 works out the size behind a convolution from the height of its kernel alone, so kernels have to be square."
)


def refusals_of(network: ir.Network) -> list[Refusal]:
    """Every part of a network that NIR's nodes, as importers read them, cannot carry."""
    own = [refusal for node in network if (refusal := _refusal(network, node)) is not None]
    return [*own, *_signed_maxima(network)]


def _refusal(network: ir.Network, node: ir.Node) -> Refusal | None:
    def refused(what: str, why: str) -> Refusal:
        return Refusal(node.name, what, why, INSTEAD)

    rule: Callable[[ir.Node], str | None] | None = _REASONS.get(type(node))
    if rule is None:
        if isinstance(node, ir.Aggregate | ir.AggregateMax):
            return refused("an aggregation over a graph", f"NIR has dense weights only{_cost(network, node)}.")
        if isinstance(node, ir.Operator | ir.Source | ir.Lookup):
            return refused(f"a graph's {type(node).__name__}", "NIR has no sparse matrices and no graphs as inputs.")
        if isinstance(node, ir.Kept):
            return Refusal(node.name, "a kept potential", KEPT, SENT)
        if isinstance(node, ir.Add):
            return refused("a sum of branches", "importers do not agree on what two edges into one node mean.")
        return refused(f"a {type(node).__name__}", "NIR has no such node.")
    why = rule(node)
    return None if why is None else refused(type(node).__name__, why)


def _cost(network: ir.Network, node: ir.Node) -> str:
    """What a dense matrix in place of the graph would take, where the number of nodes is known."""
    count = network.shapes[node.inputs[-1]][0]
    if count is None:
        return ""
    return f", and those of all pairs of {count:,} nodes would take {4e-6 * count**2:,.{0 if count > 1000 else 3}f} MB"


def _anything(node: ir.Node) -> str | None:
    return None


def _why_not_input(node: ir.Node) -> str | None:
    assert isinstance(node, ir.Input)
    if node.role != "dense":
        return "NIR has no graphs or matrices as inputs."
    return "the size of the input is not known." if None in node.size[1:] else None


def _why_not_conv(node: ir.Node) -> str | None:
    assert isinstance(node, ir.Conv)
    left, right, top, bottom = node.padding
    if node.groups != 1:
        return "importers (SpikingJelly) take no grouped convolution."
    if node.weight.shape[2] != node.weight.shape[3]:
        return NOT_SQUARE
    return None if left == right and top == bottom else "NIR pads both sides of an axis alike."


def _why_not_neuron(node: ir.Node) -> str | None:
    assert isinstance(node, ir.Neuron)
    return None if node.horizon is None else "a last phase for each neuron has no counterpart in a bank of thresholds."


def _why_not_pool(node: ir.Node) -> str | None:
    assert isinstance(node, ir.MaxPool | ir.AvgPool)
    if node.ceil_mode:
        return "ceil_mode has windows that reach over the edge, which NIR does not have."
    if node.kernel[0] != node.kernel[1]:
        return NOT_SQUARE
    if isinstance(node, ir.AvgPool) and any(node.padding) and not node.count_padding:
        return "a mean that leaves the padding out divides by another number at the edge."
    return None


_REASONS: dict[type[ir.Node], Callable[[ir.Node], str | None]] = {
    ir.Input: _why_not_input,
    ir.Coder: _anything,
    ir.Dense: _anything,
    ir.Conv: _why_not_conv,
    ir.Neuron: _why_not_neuron,
    ir.MaxPool: _why_not_pool,
    ir.AvgPool: _why_not_pool,
    ir.Flatten: _anything,
    ir.Output: _anything,
}


def _signed_maxima(network: ir.Network) -> list[Refusal]:
    """A maximum of signed values passes a negative one only if all are negative, which no sum of a bank tells."""
    why = "a bank of thresholds tells the largest positive value only."
    found = []
    for node in network.of(ir.MaxPool):
        feed = network[node.inputs[0]]
        while isinstance(feed, ir.MaxPool):
            feed = network[feed.inputs[0]]
        if not isinstance(feed, ir.Neuron) or feed.coding.signed:
            found.append(Refusal(node.name, "a maximum of signed values", why, INSTEAD))
    return found
