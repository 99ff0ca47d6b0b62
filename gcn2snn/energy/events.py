"""What one layer and one population did in a run: the counts from which every accounting is worked out."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class LayerEvents:
    """What one synapse (or sum) costs. Counts are of all runs together; those of a second run of the node are added.

    Args:
        name: node.
        kind: "synapse" (multiply-accumulates in the source model), "product" (of two results, multiply-accumulates in both) or
            "sum" (additions in both: residuals and pooling).
        operations: OP_l, MACs of the source model; nnz * columns for a sparse product, N * columns for an identity.
        input_neurons, input_spikes: neurons that feed it and the spikes they sent.
        additions: spike_rate * operations (Eq. 6).
        events: each spike times its true fan-out. In a sum, the spikes that enter a membrane there; those that a
            later synapse reads through the sum are counted by that synapse alone.
        macs: operations on values that are not spikes (``message="fused"``, ``input="analog"``).
        outputs: potentials it adds to.
        shape: "dense", "conv", "sparse" or "sum": how its memory is addressed.
        effective: like ``events`` (or, on values, like ``macs``), but only where spike (or value) and weight are both not zero.
        dense: operations with no zero left out, padding apart, at every time step of the input; a sparse product has its entries.
        inputs: values or neurons that it reads.
        connections, missing: weights, and those of them that are 0; of a sparse product all pairs of nodes, and those without entry.
            These, ``stored``, ``biases`` and ``taps`` are times the samples, so that batches of any size add up to the same.
        stored: weights in memory, the entries of a sparse product.
        biases: bias values in memory.
        taps: output channels times kernel pixels of a convolution.
        samples: independent rows of the runs; 1 for each run where rows of a graph meet.
    """

    name: str
    kind: str
    operations: int
    input_neurons: int
    input_spikes: int
    events: int
    macs: int
    outputs: int
    shape: str = "dense"
    effective: int = 0
    dense: int = 0
    inputs: int = 0
    connections: int = 0
    missing: int = 0
    stored: int = 0
    biases: int = 0
    taps: int = 0
    samples: int = 1

    @property
    def spike_rate(self) -> float:
        """Mean spikes of each input neuron."""
        return self.input_spikes / self.input_neurons if self.input_neurons else 0.0

    @property
    def additions(self) -> float:
        return 0.0 if self.macs else self.spike_rate * self.operations

    def __add__(self, other: LayerEvents) -> LayerEvents:
        """The same node in two runs: every count is added."""
        counts = [item.name for item in fields(self) if item.name not in ("name", "kind", "shape")]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in counts})


@dataclass(frozen=True)
class PopulationEvents:
    """What one population did, in all runs together.

    Args:
        name: node.
        neurons: how many, in all samples.
        spikes: how many they sent.
        updates: how often a membrane of them was multiplied and compared.
        slots: neurons times the time steps in which each may fire.
        samples: as for :class:`LayerEvents`.
    """

    name: str
    neurons: int
    spikes: int
    updates: int
    slots: int
    samples: int = 1

    def __add__(self, other: PopulationEvents) -> PopulationEvents:
        return PopulationEvents(
            self.name,
            self.neurons + other.neurons,
            self.spikes + other.spikes,
            self.updates + other.updates,
            self.slots + other.slots,
            self.samples + other.samples,
        )
