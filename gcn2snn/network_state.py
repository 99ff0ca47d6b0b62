"""The tensors of a network by name, as a module's state has them: in order, checked, replaced."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.kernels import all_finite

ALIGNMENT = 64
"""Bytes. Products of matrices may sum in another order where an operand begins elsewhere in a cache line."""


def in_order(tensor: Tensor) -> Tensor:
    """The tensor in the memory layout of a loaded file: contiguous and aligned, so that sums have the same order."""
    kept = tensor.is_contiguous() and tensor.data_ptr() % ALIGNMENT == 0 and not tensor.is_inference()
    return tensor if kept else tensor.detach().clone(memory_format=torch.contiguous_format)


def wrong_values(name: str, new: object, old: Tensor) -> str:
    """Why a value of a state cannot stand in a network's place of that name, "" if it can."""
    if not isinstance(new, Tensor):
        return f"is {type(new).__name__}; a tensor is needed"
    if new.is_floating_point() != old.is_floating_point() or new.is_complex():
        return f"has dtype {new.dtype}; {old.dtype} is needed"
    if new.is_floating_point() and not all_finite(new):
        return "holds values that are NaN or infinite; all must be finite"
    if name.endswith(".scale") and not bool((new > 0).all()):
        return "holds a scale that is not positive"
    return ""


@ir.once_per_network
def device_of(network: ir.Network) -> torch.device:
    """Where the tensors of a description are."""
    return next((tensor.device for node in network for tensor in node.tensors().values()), torch.device("cpu"))


def tensors_of(network: ir.Network) -> dict[str, Tensor]:
    """Every tensor of a description as ``NODE.FIELD``."""
    return {f"{node.name}.{field}": tensor for node in network for field, tensor in node.tensors().items()}


def thresholds_of(network: ir.Network) -> dict[str, Tensor]:
    """Least potential, in units of the scale, at which each population fires at phase 1 to T, float64."""
    return {f"{node.name}.thresholds": node.coding.thresholds() for node in network.of(ir.Neuron)}


def with_tensors(network: ir.Network, new: Mapping[str, Tensor]) -> ir.Network:
    """The description with new tensors in the places of those names."""
    names = iter(tensors_of(network))
    return network.map_tensors(lambda tensor: new.get(next(names), tensor))
