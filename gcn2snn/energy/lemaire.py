"""The analytical model of Lemaire et al.: memory priced by its size, operations, and the work of finding addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gcn2snn.energy.events import LayerEvents, PopulationEvents
from gcn2snn.energy.presets import EnergyPreset

WORD = 4
"""Bytes of an activation, a potential, a bias, the address of a spike and an index of a sparse matrix."""

PARTS = ("input", "weights", "potentials", "output", "operations", "addressing")


@dataclass(frozen=True)
class LemaireEnergy:
    """Joules of source and spiking network by part, ``PARTS``: four memories, the operations, and addressing.

    Equation numbers are those of the paper; docs/energy.md has every term. Where it writes theta_in * C_out * K * K for the
    reach of the spikes, which holds away from the border of an image, the exact events are put in.
    """

    source: Mapping[str, float]
    spiking: Mapping[str, float]

    @property
    def alpha(self) -> float:
        """Energy of the source over that of the spiking network."""
        spent = sum(self.spiking.values())
        return sum(self.source.values()) / spent if spent else float("inf")

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        totals = {"ann": sum(self.source.values()), "snn": sum(self.spiking.values())}
        return {"alpha": self.alpha, "joules": totals, "ann": dict(self.source), "snn": dict(self.spiking)}


def lemaire_energy(
    layers: Iterable[LayerEvents], populations: Iterable[PopulationEvents], preset: EnergyPreset
) -> LemaireEnergy | None:
    """The model for counted layers and populations; None where the preset's figures contain the memory already (Loihi).

    Source: Lemaire, Cordone, Castagnetti, Novac, Courtois, Miramond, "An Analytical Estimation of Spiking Neural Networks
    Energy Efficiency", ICONIP 2022.
    """
    if not preset.sram:
        return None
    source, spiking = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
    for layer in layers:
        _add(source, _on_values(layer, preset))
        _add(spiking, _on_values(layer, preset) if layer.macs else _on_spikes(layer, preset))
    for population in populations:
        _add(spiking, _firing(population, preset))
    return LemaireEnergy(source, spiking)


def _add(total: dict[str, float], part: Mapping[str, float]) -> None:
    for name, amount in part.items():
        total[name] += amount


@dataclass(frozen=True)
class _Prices:
    """Joules of one access to each memory of a layer."""

    input: float
    weight: float
    bias: float
    output: float
    index: float

    @classmethod
    def of(cls, layer: LayerEvents, preset: EnergyPreset) -> _Prices:
        stored = layer.stored / layer.samples
        sparse = layer.shape == "sparse"
        return cls(
            input=preset.access(WORD * layer.inputs / layer.samples),
            weight=preset.access(preset.weight_bytes * stored) if layer.kind == "synapse" else 0.0,
            bias=preset.access(WORD * layer.biases / layer.samples) if layer.biases else 0.0,
            output=preset.access(WORD * layer.outputs / layer.samples),
            index=preset.access(WORD * stored) if sparse else 0.0,
        )


def _on_values(layer: LayerEvents, preset: EnergyPreset) -> dict[str, float]:
    """A layer of the source model (Eqs. 1.1, 1.2, 2.1, 2.2, 3, 4, 6, 11, 12)."""
    price = _Prices.of(layer, preset)
    work = layer.operations
    adds = preset.add * work if layer.kind == "sum" else preset.mac * work + preset.add * layer.outputs
    address = work
    if layer.shape == "conv":
        address = layer.inputs + layer.outputs + layer.taps
    return {
        "input": (layer.inputs if layer.shape == "dense" else work) * price.input,
        "weights": work * (price.weight + price.index) + layer.outputs * price.bias,
        "output": layer.outputs * price.output,
        "operations": adds,
        "addressing": preset.add * address,
    }


def _on_spikes(layer: LayerEvents, preset: EnergyPreset) -> dict[str, float]:
    """A layer that spikes reach (Eqs. 1.4, 2.4, 5, 7, 8, 9, 10, 14 to 17); what neurons do is in :func:`_firing`."""
    price = _Prices.of(layer, preset)
    if (
        layer.kind == "sum"
    ):  # spikes that enter a membrane without a weight; the others are read where a synapse has them
        spent = 2 * layer.events * price.output
        return {"potentials": spent, "operations": preset.add * layer.events, "addressing": preset.add * layer.events}
    place = 2 * preset.mac * layer.input_spikes if layer.shape == "conv" else 0.0
    return {
        "input": layer.input_spikes * price.input,
        "weights": layer.events * (price.weight + price.index) + layer.outputs * price.bias,
        "potentials": 2 * (layer.events + layer.outputs) * price.output,
        "operations": preset.add * layer.events,
        "addressing": preset.add * layer.events + place,
    }


def _firing(population: PopulationEvents, preset: EnergyPreset) -> dict[str, float]:
    """Neurons: a multiplication by the base in the place of the leak and a comparison per update, a reset per spike
    (Eqs. 1.3, 1.4, 2.3, 2.4), and the writing of each spike's address (Eq. 13)."""
    queue = preset.access(WORD * population.neurons / population.samples)
    return {
        "output": population.spikes * queue,
        "operations": population.updates * (preset.mac + preset.add) + population.spikes * preset.add,
    }
