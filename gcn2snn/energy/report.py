"""Energy of a converted network: Eq. 6, exact events, and a total with neuron updates and memory traffic."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from gcn2snn.energy.presets import EnergyPreset


@dataclass(frozen=True)
class LayerEvents:
    """What one synapse (or sum) costs.

    Args:
        name: node.
        kind: "synapse" (multiply-accumulates in the source model) or "sum" (additions in both: residuals and pooling).
        operations: OP_l, MACs of the source model; nnz * columns for a sparse product, N * columns for an identity.
        input_neurons, input_spikes: neurons that feed it and the spikes they sent.
        additions: spike_rate * operations (Eq. 6).
        events: each spike times its true fan-out. In a sum, the spikes that enter a membrane there; those that a
            later synapse reads through the sum are counted by that synapse alone.
        macs: operations on values that are not spikes (``message="fused"``, ``input="analog"``).
        outputs: potentials it adds to.
    """

    name: str
    kind: str
    operations: int
    input_neurons: int
    input_spikes: int
    events: int
    macs: int
    outputs: int

    @property
    def spike_rate(self) -> float:
        """Mean spikes of each input neuron."""
        return self.input_spikes / self.input_neurons if self.input_neurons else 0.0

    def __add__(self, other: LayerEvents) -> LayerEvents:
        """The same node in two runs: every count is added."""
        counts = [item.name for item in fields(self) if item.name not in ("name", "kind")]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in counts})

    @property
    def additions(self) -> float:
        return 0.0 if self.macs else self.spike_rate * self.operations


@dataclass(frozen=True)
class EnergyReport:
    """Per-layer counts and the three efficiencies; each can be worked out again from ``layers`` and ``updates``.

    alpha_eq6    = E_mac sum OP_l / (E_add sum SpikeRate_l OP_l + E_mac sum macs_l), over synapses        (Eq. 6)
    alpha_events = (E_mac sum OP_l + E_add sum OP_sums) / (E_add sum events_l + E_mac sum macs_l), over all rows
    alpha_total  = the same with neuron updates and memory traffic on both sides
    """

    layers: tuple[LayerEvents, ...]
    neurons: int
    updates: int
    preset: EnergyPreset

    @property
    def _synapses(self) -> list[LayerEvents]:
        return [layer for layer in self.layers if layer.kind == "synapse"]

    @property
    def ann_joules(self) -> float:
        """Arithmetic of the source model."""
        sums = sum(layer.operations for layer in self.layers if layer.kind == "sum")
        return self.preset.mac * sum(layer.operations for layer in self._synapses) + self.preset.add * sums

    @property
    def snn_joules(self) -> float:
        """Additions of the spiking network, by exact events."""
        return sum(self.preset.add * layer.events + self.preset.mac * layer.macs for layer in self.layers)

    @property
    def ann_total_joules(self) -> float:
        """Arithmetic, one weight and one activation read per MAC, one write per output."""
        operations = sum(layer.operations for layer in self._synapses)
        outputs = sum(layer.outputs for layer in self.layers)
        traffic = operations * (self.preset.weight_bytes + 4) + outputs * 4
        return self.ann_joules + self.preset.byte * traffic

    @property
    def snn_total_joules(self) -> float:
        """Additions (weight read, potential read and written) and updates (multiply, compare, potential read and written)."""
        adds = sum(layer.events + layer.macs for layer in self.layers)
        traffic = adds * (self.preset.weight_bytes + 8) + self.updates * 8
        return self.snn_joules + self.updates * (self.preset.multiply + self.preset.add) + self.preset.byte * traffic

    @property
    def alpha_eq6(self) -> float:
        spent = sum(self.preset.add * layer.additions + self.preset.mac * layer.macs for layer in self._synapses)
        return _ratio(self.preset.mac * sum(layer.operations for layer in self._synapses), spent)

    @property
    def alpha_events(self) -> float:
        return _ratio(self.ann_joules, self.snn_joules)

    @property
    def alpha_total(self) -> float:
        return _ratio(self.ann_total_joules, self.snn_total_joules)

    def __str__(self) -> str:
        total = "saves energy" if self.alpha_total > 1 else "costs more energy"
        return (
            f"additions   {sum(layer.events for layer in self.layers):,} of the spiking network for "
            f"{sum(layer.operations for layer in self._synapses):,} multiply-accumulates of the source\n"
            f"arithmetic  source {joules(self.ann_joules)}, spiking {joules(self.snn_joules)}: alpha {self.alpha_events:.2f} by "
            f"exact events, {self.alpha_eq6:.2f} by Eq. 6\n"
            f"with neuron updates and memory  source {joules(self.ann_total_joules)}, spiking {joules(self.snn_total_joules)}: "
            f"alpha {self.alpha_total:.2f}, so the spiking network {total}"
        )

    def to_dict(self) -> dict[str, object]:
        """JSON values: alphas, joules, and a row per layer."""
        rows = [asdict(x) | {"spike_rate": x.spike_rate, "additions": x.additions} for x in self.layers]
        return {
            "alpha": {"eq6": self.alpha_eq6, "events": self.alpha_events, "total": self.alpha_total},
            "joules": {
                "ann": self.ann_joules,
                "snn": self.snn_joules,
                "ann_with_memory": self.ann_total_joules,
                "snn_with_memory": self.snn_total_joules,
            },
            "neurons": self.neurons,
            "updates": self.updates,
            "preset": asdict(self.preset),
            "layers": rows,
        }


def joules(amount: float) -> str:
    """Energy in a readable unit: 5.2e-08 J is 52 nJ."""
    for unit, size in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if abs(amount) >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount / 1e-12:.3g} pJ"


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("inf")
