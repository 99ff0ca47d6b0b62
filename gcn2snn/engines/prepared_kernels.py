"""The prepared kernel of each kind of step, or none: ``prepared.py`` runs them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.fused import firing
from gcn2snn.kernels import Fire, Geometry, Spikes, event_driven

MOST_BITS = 24
"""Longest word that the coder takes."""

FLOATS = (torch.float32, torch.float64)


class Decoders:
    """Spikes -> the values they carry, in the dtype of their scale; what each population needs is made once."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Tensor, object, Callable[[Tensor], Tensor]]] = {}

    def __call__(self, spikes: Spikes) -> Tensor:
        scale, coding = spikes.scale, spikes.coding
        kept = self._found.get(id(scale))
        if kept is None or kept[0] is not scale or kept[1] is not coding:
            from gcn2snn.kernels import native

            kept = self._found[id(scale)] = (scale, coding, native.Decode(scale, coding, scale.dtype))
        return kept[2](spikes.code)


def synapse_kernel(
    node: ir.Synapse, x: Spikes, fire: Fire | None, start: Tensor | None, beside: bool = False
) -> Callable[..., Tensor] | None:
    """What computes a synapse on the spikes of a population, and fires if there is a population behind it; None: nothing.

    Args:
        node: the synapse.
        x: spikes as it will get them at every call.
        fire: the population that reads it, or None.
        start: what its membranes start from.
        beside: the synapse is a term of a sum, so that the other term comes before the start.
    """
    from gcn2snn.kernels import native

    if start is not None and (start.dim() > 1 or start.dtype != x.scale.dtype or start.requires_grad):
        return None
    if start is not None and beside and not isinstance(node, ir.Dense):
        return None
    if isinstance(node, ir.Aggregate):
        return _aggregation(x, fire, start)
    if not isinstance(node, ir.Dense | ir.Conv) or node.weight.dtype not in FLOATS:
        return None
    weight = node.weight.detach()
    both = start is not None and (beside or node.bias is not None)  # what comes before the start is added before it
    bias = node.bias if start is None or both else start.expand(weight.shape[0])
    if isinstance(node, ir.Dense):
        return native.Gemm(x.scale, x.coding, weight, bias, fire, start if both else None)
    if both:
        return None
    geometry = Geometry(node.stride, node.padding, node.dilation, node.groups)
    if fire is None or not event_driven(x, weight, geometry):
        return None
    return native.Conv2d(x.scale, x.coding, weight.contiguous(), bias, geometry, fire)


def adds_spikes(kernel: Callable[..., Tensor], spikes: Spikes) -> bool:
    """Whether a kernel decodes these spikes where it adds them, so that their values are never written."""
    from gcn2snn.kernels import native

    return isinstance(kernel, native.Conv2d) and kernel.adds(spikes)


def _aggregation(x: Spikes, fire: Fire | None, start: Tensor | None) -> Callable[..., Tensor] | None:
    from gcn2snn.kernels import native

    if x.scale.dtype != torch.float32 or not native.decodes_in_registers(x):
        return None
    channels = x.code.shape[1]
    return native.Spmm(x.scale, x.coding, None if start is None else start.expand(channels), fire, channels)


def closing_kernel(node: ir.Neuron, dtype: torch.dtype) -> Callable[..., Tensor]:
    """What makes spikes of the potentials of a population."""
    from gcn2snn.kernels import native

    return native.Encode(firing(node), dtype)


def start_of_rows(node: ir.Neuron, dtype: torch.dtype) -> Tensor | None:
    """What every row of potentials starts from, [C], for the kernel of :func:`closing_kernel`; None where it is added before that."""
    start = node.start
    return start.detach().to(dtype).contiguous() if start is not None and start.dim() == 1 else None


def coder_kernel(node: ir.Coder) -> Callable[[Tensor], Tensor | None] | None:
    """What codes input data, None where nothing is prepared; its result is None for data that are to be refused."""
    from gcn2snn.kernels import native

    if node.kind != "binary" or not 1 <= node.timesteps <= MOST_BITS:
        return None
    return native.Words(node.scale, node.timesteps, node.scale.dtype)
