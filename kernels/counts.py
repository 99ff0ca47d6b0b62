"""How many spikes a population sent and how many additions they cause, counted where the codes lie."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn.errors import InputError, refuses_misfits
from gcn2snn.kernels.backend import choose
from gcn2snn.kernels.phase import Spikes


@refuses_misfits
def spike_count(spikes: Spikes) -> Tensor:
    """Number of neurons that fired, [], int64, on the device of the codes.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> spike_count(Spikes(torch.tensor([[3, 0], [-1, 2]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4, True)))
    tensor(3)
    """
    return node_spike_counts(spikes).sum()


@refuses_misfits
def event_count(spikes: Spikes, fan_out: Tensor) -> Tensor:
    """Synaptic additions that the spikes cause: sum over nodes of fan_out times the spikes of the node.

    >>> from gcn2snn.kernels import PhaseCode, Spikes
    >>> spikes = Spikes(torch.tensor([[3, 0], [1, 2]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    >>> event_count(spikes, torch.tensor([10, 100]))
    tensor(210)

    Args:
        spikes: codes [N, ...].
        fan_out: [N], int64, targets of each node: ``CSR.column_counts`` of the product that reads the population.

    Returns:
        [], int64, on the device of the codes.

    Raises:
        InputError: fan_out is not one integer per node.
    """
    nodes = spikes.code.shape[0] if spikes.code.dim() else 1
    if tuple(fan_out.shape) != (nodes,) or fan_out.is_floating_point():
        got = f"{fan_out.dtype} {[*fan_out.shape]}"
        raise InputError(f"fan_out is {got}; one integer per node is needed, [{nodes}]")
    return (node_spike_counts(spikes) * fan_out.long()).sum()


def node_spike_counts(spikes: Spikes) -> Tensor:
    """Spikes of each node, [N], int64, one pass over the codes."""
    code = spikes.code
    code = code.reshape(code.shape[0] if code.dim() else 1, -1)
    if choose(code.device) == "triton" and code.numel():
        from gcn2snn.kernels.triton import counts as on_device

        return on_device.node_spike_counts(code)
    return torch.count_nonzero(code, dim=1)
