"""Energy of a converted network: Eq. 6, exact events, and a total with neuron updates and memory traffic."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gcn2snn.energy.events import LayerEvents, PopulationEvents
from gcn2snn.energy.lemaire import LemaireEnergy, lemaire_energy
from gcn2snn.energy.neurobench import NeuroBenchCounts, neurobench_counts
from gcn2snn.energy.presets import EnergyPreset
from gcn2snn.energy.verdict import verdict_of
from gcn2snn.errors import refuses_misfits

WANTED = "counted for the source and the spiking network: only what the scored rows need\n"
"""Said where not all rows were counted."""


@dataclass(frozen=True)
class EnergyReport:
    """Per-layer counts and the efficiencies; each can be worked out again from ``layers``, ``populations`` and ``updates``.

    alpha_eq6    = E_mac sum OP_l / (E_add sum SpikeRate_l OP_l + E_mac sum macs_l), over synapses        (Eq. 6)
    alpha_events = (E_mac sum OP_l + E_add sum OP_sums) / (E_add sum events_l + E_mac sum macs_l), over all rows
    alpha_total  = the same with neuron updates and memory traffic on both sides
    lemaire      = the analytical model of Lemaire et al., in which a memory costs by its size
    alpha_event_driven = alpha_total with the updates of a chip that touches a neuron only when something happens to it
    neurobench   = counts under NeuroBench's names

    Args:
        layers: synapses and sums.
        neurons: of all populations and runs.
        updates: how often their membranes were multiplied and compared.
        preset: joules per operation.
        populations: what each population sent.
        footprint: bytes of the network's tensors and of the sparse matrices it ran with.
        samples: independent rows of all runs; 1 for each run where the rows of a graph meet.
        event_driven: updates of a chip that does none in vain (:class:`gcn2snn.energy.EventDrivenUpdates`); None: not counted.
        rows: "all", or "wanted": only what the scored rows need, of the source and of the spiking network.
    """

    layers: tuple[LayerEvents, ...]
    neurons: int
    updates: int
    preset: EnergyPreset
    populations: tuple[PopulationEvents, ...] = ()
    footprint: int = 0
    samples: int = 1
    event_driven: int | None = None
    rows: str = "all"

    @property
    def _synapses(self) -> list[LayerEvents]:
        """What multiplies in the source: synapses, and products of two results."""
        return [layer for layer in self.layers if layer.kind != "sum"]

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
        """Arithmetic, one weight and one activation read per MAC, one write per output (or one step of a neuron of a chip)."""
        return sum(self.ann_parts.values())

    @property
    def snn_total_joules(self) -> float:
        """Additions (weight read, potential read and written) and updates (multiply, compare, potential read and written)."""
        return sum(self.snn_parts.values())

    @property
    def ann_parts(self) -> dict[str, float]:
        """What :attr:`ann_total_joules` consists of."""
        operations = sum(layer.operations for layer in self._synapses)
        outputs = sum(layer.outputs for layer in self.layers)
        return {
            "multiply-accumulates": self.ann_joules,
            "reading weights and activations": self.preset.byte * operations * (self.preset.weight_bytes + 4),
            "writing outputs": outputs * (4 * self.preset.byte + (self.preset.step or 0.0)),
        }

    @property
    def snn_parts(self) -> dict[str, float]:
        """What :attr:`snn_total_joules` consists of."""
        adds = sum(layer.events + layer.macs for layer in self.layers)
        return {
            "additions": self.snn_joules,
            "memory of additions": self.preset.byte * adds * (self.preset.weight_bytes + 8),
            "neuron updates": self.updates * self.preset.update,
            "memory of neuron updates": self.preset.byte * self.updates * 8,
        }

    @property
    def snn_event_driven_joules(self) -> float | None:
        """As :attr:`snn_total_joules`, with event-driven updates; None where they were not counted."""
        if self.event_driven is None:
            return None
        parts = self.snn_parts
        update = self.preset.update + self.preset.byte * 8
        return parts["additions"] + parts["memory of additions"] + self.event_driven * update

    @property
    def lemaire(self) -> LemaireEnergy | None:
        """The analytical model; None for the presets of chips, whose figures contain their memory."""
        return lemaire_energy(self.layers, self.populations, self.preset)

    @property
    def neurobench(self) -> NeuroBenchCounts:
        """Counts under NeuroBench's names."""
        return neurobench_counts(self.layers, self.populations, self.footprint, self.samples)

    @property
    def verdict(self) -> str:
        """In words: does the spiking network save energy when memory counts, and what dominates."""
        return verdict_of(self.alpha_total, self.snn_parts, self.lemaire)

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

    @property
    def alpha_event_driven(self) -> float | None:
        spent = self.snn_event_driven_joules
        return None if spent is None else _ratio(self.ann_total_joules, spent)

    @property
    def told_rows(self) -> str:
        """A line where not all rows were counted."""
        return "" if self.rows == "all" else WANTED

    @property
    def told_event_driven(self) -> str:
        """A line about event-driven updates; nothing where they were not counted."""
        if self.event_driven is None or self.snn_event_driven_joules is None:
            return ""
        return (
            f"on a chip that touches a neuron only when something happens to it  {self.event_driven:,} updates instead of "
            f"{self.updates:,}, spiking {joules(self.snn_event_driven_joules)}: alpha {self.alpha_event_driven:.2f}\n"
        )

    def __str__(self) -> str:
        return (
            f"{self.told_rows}additions   {sum(layer.events for layer in self.layers):,} of the spiking network for "
            f"{sum(layer.operations for layer in self._synapses):,} multiply-accumulates of the source\n"
            f"arithmetic  source {joules(self.ann_joules)}, spiking {joules(self.snn_joules)}: alpha {self.alpha_events:.2f} by "
            f"exact events, {self.alpha_eq6:.2f} by Eq. 6\n"
            f"with neuron updates and memory  source {joules(self.ann_total_joules)}, spiking {joules(self.snn_total_joules)}: "
            f"alpha {self.alpha_total:.2f}\n"
            f"{self.told_event_driven}"
            f"{self.verdict}"
        )

    def to_dict(self) -> dict[str, object]:
        """JSON values: alphas, joules, their parts, NeuroBench's counts, the verdict, and a row per layer and population."""
        lemaire = self.lemaire
        counted = {"event_driven": {"updates": self.event_driven, "snn_joules": self.snn_event_driven_joules}}
        rows = [asdict(x) | {"spike_rate": x.spike_rate, "additions": x.additions} for x in self.layers]
        return {
            "alpha": {
                "eq6": self.alpha_eq6,
                "events": self.alpha_events,
                "total": self.alpha_total,
                **({} if self.event_driven is None else {"event_driven": self.alpha_event_driven}),
            },
            "joules": {
                "ann": self.ann_joules,
                "snn": self.snn_joules,
                "ann_with_memory": self.ann_total_joules,
                "snn_with_memory": self.snn_total_joules,
            },
            "counted_rows": self.rows,
            "neurons": self.neurons,
            "updates": self.updates,
            "preset": asdict(self.preset),
            "layers": rows,
            "populations_energy": [asdict(population) for population in self.populations],
            "parts": {"ann": self.ann_parts, "snn": self.snn_parts},
            "lemaire": None if lemaire is None else lemaire.to_dict(),
            "neurobench": self.neurobench.to_dict(),
            "verdict": self.verdict,
            **({} if self.event_driven is None else counted),
        }


@refuses_misfits
def joules(amount: float) -> str:
    """Energy in a readable unit: 5.2e-08 J is 52 nJ."""
    for unit, size in (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9)):
        if abs(amount) >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount / 1e-12:.3g} pJ"


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("inf")
