"""Counts under the names of NeuroBench, sparse products included, which its hooks cannot see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gcn2snn.energy.events import LayerEvents, PopulationEvents


@dataclass(frozen=True)
class NeuroBenchCounts:
    """What NeuroBench calls so, of the spiking network. All but the first three are means of a sample.

    A sample is a row (an image) where rows are independent of each other, and one call where the rows of a graph meet.

    Args:
        footprint: bytes of all buffers of the network and of the sparse matrices that its layers multiply by.
        connection_sparsity: share of the weights that are 0; in a sparse product the share of node pairs without an entry.
        activation_sparsity: share of (neuron, time step in which it may fire) without a spike, over all populations.
        Dense: synaptic operations at every time step if every input were active, zero weights included; a sparse product
            has one for each stored entry and channel.
        Effective_MACs: multiplications of an input that is no spike and not 0 by a weight that is not 0.
        Effective_ACs: additions of a weight that is not 0, each caused by one spike.
        membrane_updates: updates of membranes: each neuron at each step until it has fired.

    Source: NeuroBench 2.3, metrics ``footprint``, ``connection_sparsity``, ``activation_sparsity``, ``synaptic_operations`` and
    ``membrane_updates``; Yik et al., Nature Communications 16, 1545 (2025).
    """

    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    Dense: float
    Effective_MACs: float
    Effective_ACs: float
    membrane_updates: float

    def to_dict(self) -> dict[str, float]:
        """JSON values."""
        return asdict(self)


def neurobench_counts(
    layers: Iterable[LayerEvents], populations: Iterable[PopulationEvents], footprint: int, samples: int
) -> NeuroBenchCounts:
    """Counts of a run, from what its layers and populations did."""
    synapses = [layer for layer in layers if layer.kind != "sum"]
    populations, count = tuple(populations), max(samples, 1)
    return NeuroBenchCounts(
        footprint=footprint,
        connection_sparsity=_share(sum(x.missing for x in synapses), sum(x.connections for x in synapses)),
        activation_sparsity=_share(sum(x.slots - x.spikes for x in populations), sum(x.slots for x in populations)),
        Dense=sum(x.dense for x in synapses) / count,
        Effective_MACs=sum(x.effective for x in synapses if x.macs) / count,
        Effective_ACs=sum(x.effective for x in synapses if not x.macs) / count,
        membrane_updates=sum(x.updates for x in populations) / count,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
