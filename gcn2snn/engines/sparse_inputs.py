"""Which inputs of a network may stay sparse, and the spikes of sparse features as the first layer reads them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import check_finite
from gcn2snn.engines.node_rules import Value
from gcn2snn.kernels import CSR
from gcn2snn.matrices import coded_features


@ir.once_per_network
def may_be_sparse(network: ir.Network) -> frozenset[str]:
    """Inputs [N, C], or parts of an input, that reach dense layers and aggregations through their coders only.

    Operators that ask how many rows there are may read them too.
    """
    ends: list[ir.Input | ir.Part] = [*network.of(ir.Input), *network.of(ir.Part)]
    return frozenset(
        node.name
        for node in ends
        if node.role == "dense"
        and len(node.size) == 2
        and any(isinstance(reader, ir.Coder) for reader in network.readers(node.name))
        and all(_is_fit(network, node.name, reader) for reader in network.readers(node.name))
    )


def _is_fit(network: ir.Network, name: str, reader: ir.Node) -> bool:
    if isinstance(reader, ir.Operator):
        return name not in reader.inputs[: len(reader.inputs) - reader.row_inputs]
    return isinstance(reader, ir.Coder) and reader.kind in ("binary", "analog") and _feeds_products(network, reader)


def _feeds_products(network: ir.Network, coder: ir.Coder) -> bool:
    """Whether all that reads the coder multiplies by it."""
    readers = network.readers(coder.name)
    return bool(readers) and all(
        isinstance(reader, ir.Dense) or (isinstance(reader, ir.Aggregate) and reader.inputs.count(coder.name) == 1)
        for reader in readers
    )


def sparse_codes(network: ir.Network, inputs: Mapping[str, Value], known: Mapping[str, Value]) -> dict[str, Value]:
    """What the coders of sparse features send, by coder: the features may be dense tensors of which most is zero.

    Args:
        network: calibrated.
        inputs: by Input name.
        known: results that are there already.

    Raises:
        InputError: a number is not finite.
    """
    found: dict[str, Value] = {}
    kept = may_be_sparse(network)
    if not kept:
        return found
    for node in network.of(ir.Coder):
        name = node.inputs[0]
        if node.name in known or name not in kept:
            continue
        x = inputs[name]
        if node.kind == "analog" and isinstance(x, CSR):
            check_finite(node.name, x.value)
            found[node.name] = x
        elif node.kind == "binary" and isinstance(x, Tensor | CSR):
            sent = coded_features(x, node.scale, node.timesteps, node.name)
            if sent is not None:
                found[node.name] = sent
    return found


def sparse_values(network: ir.Network, inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Sparse inputs in the places of their coders, as the source model reads them."""
    values = {node.name: inputs.get(node.inputs[0]) for node in network.of(ir.Coder)}
    return {name: value for name, value in values.items() if isinstance(value, CSR)}
