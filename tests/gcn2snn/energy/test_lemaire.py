"""The analytical model against terms worked out by hand, and what a verdict says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gcn2snn.energy.events import LayerEvents, PopulationEvents
from gcn2snn.energy.lemaire import lemaire_energy
from gcn2snn.energy.presets import PRESETS, SRAM_7NM, SRAM_45NM, preset_of
from gcn2snn.energy.report import EnergyReport
from gcn2snn.energy.verdict import verdict_of

FP32 = preset_of("fp32")
DENSE = LayerEvents(
    "fc", "synapse", operations=50, input_neurons=10, input_spikes=4, events=20, macs=0, outputs=5, inputs=10, stored=50, biases=5,
)  # fmt: skip


def near(expected: Any) -> Any:
    """Equal but for rounding. Joules lie far below the absolute difference that ``pytest.approx`` lets pass by itself."""
    return pytest.approx(expected, rel=1e-9, abs=0.0)


NEURONS = PopulationEvents("n", neurons=5, spikes=3, updates=70, slots=80)


def test_an_access_costs_by_the_size_of_the_memory() -> None:
    """The line that the authors give: 0.000082816 pJ a byte + 13.2563 pJ."""
    assert FP32.access(0) == pytest.approx(13.2563e-12, rel=1e-4, abs=0.0)
    assert FP32.access(1e6) - FP32.access(0) == pytest.approx(82.816e-12, rel=1e-4, abs=0.0)
    assert preset_of("fp32-7nm").access(1 << 20) == pytest.approx(14e-12, rel=1e-2, abs=0.0)
    assert SRAM_45NM == ((8192, 10e-12), (32768, 20e-12), (1048576, 100e-12))
    assert SRAM_7NM == ((8192, 7.5e-12), (32768, 8.5e-12), (1048576, 14e-12))


def test_a_dense_layer_by_hand() -> None:
    found = lemaire_energy([DENSE], [NEURONS], FP32)
    assert found is not None
    small, weights = FP32.access, FP32.access(200)
    assert found.source == near(
        {
            "input": 10 * small(40),
            "weights": 50 * weights + 5 * small(20),
            "potentials": 0.0,
            "output": 5 * small(20),
            "operations": 50 * 4.6e-12 + 5 * 0.9e-12,
            "addressing": 50 * 0.9e-12,
        }
    )
    assert found.spiking == near(
        {
            "input": 4 * small(40),
            "weights": 20 * weights + 5 * small(20),
            "potentials": 2 * (20 + 5) * small(20),
            "output": 3 * small(20),
            "operations": 20 * 0.9e-12 + 70 * (4.6e-12 + 0.9e-12) + 3 * 0.9e-12,
            "addressing": 20 * 0.9e-12,
        }
    )
    assert found.alpha == near(sum(found.source.values()) / sum(found.spiking.values()))


def test_convolutions_and_sparse_products_find_addresses_in_their_way() -> None:
    conv = LayerEvents(
        "c", "synapse", operations=900, input_neurons=50, input_spikes=7, events=60, macs=0, outputs=100, shape="conv", inputs=50,
        stored=18, taps=18, samples=1,
    )  # fmt: skip
    sparse = LayerEvents(
        "a", "synapse", operations=24, input_neurons=8, input_spikes=4, events=10, macs=0, outputs=8, shape="sparse", inputs=8, stored=12,
    )  # fmt: skip
    found = lemaire_energy([conv], [], FP32)
    assert found is not None
    assert found.source["addressing"] == near((50 + 100 + 18) * 0.9e-12)
    assert found.spiking["addressing"] == near(60 * 0.9e-12 + 7 * 2 * 4.6e-12)
    found = lemaire_energy([sparse], [], FP32)
    assert found is not None
    assert found.spiking["weights"] == near(10 * 2 * FP32.access(48))  # a weight and the index of its row
    assert found.source["weights"] == near(24 * 2 * FP32.access(48))


def test_sums_price_potentials_and_no_weights() -> None:
    added = LayerEvents(
        "s", "sum", operations=24, input_neurons=12, input_spikes=6, events=5, macs=0, outputs=12, shape="sum", inputs=36, samples=3
    )  # fmt: skip
    found = lemaire_energy([added], [], FP32)
    assert found is not None
    inputs, outputs = FP32.access(4 * 12), FP32.access(4 * 4)  # memories hold one of the three samples
    assert found.source == near(
        {
            "input": 24 * inputs,
            "weights": 0.0,
            "potentials": 0.0,
            "output": 12 * outputs,
            "operations": 24 * 0.9e-12,
            "addressing": 24 * 0.9e-12,
        }
    )
    none = {"input": 0.0, "weights": 0.0, "output": 0.0}
    assert found.spiking == near(
        {**none, "potentials": 2 * 5 * outputs, "operations": 5 * 0.9e-12, "addressing": 5 * 0.9e-12}
    )


def test_memories_hold_one_sample() -> None:
    three = lemaire_energy([DENSE + DENSE + DENSE], [NEURONS + NEURONS + NEURONS], FP32)
    one = lemaire_energy([DENSE], [NEURONS], FP32)
    assert one is not None
    assert three is not None
    assert three.source == near({name: 3 * spent for name, spent in one.source.items()})
    assert three.spiking == near({name: 3 * spent for name, spent in one.spiking.items()})


def test_layers_that_work_on_values_cost_what_they_cost_the_source() -> None:
    analog = replace(DENSE, macs=50, events=0, input_neurons=0, input_spikes=0)
    found = lemaire_energy([analog], [], FP32)
    assert found is not None
    assert found.source == found.spiking
    assert found.alpha == 1.0
    assert found.to_dict()["joules"] == {"ann": sum(found.source.values()), "snn": sum(found.spiking.values())}
    nothing = lemaire_energy([], [], FP32)
    assert nothing is not None
    assert nothing.alpha == float("inf")


def test_chips_bring_their_memory() -> None:
    report = EnergyReport((DENSE,), 5, 70, preset_of("loihi2"), (NEURONS,))
    assert report.lemaire is None
    assert report.to_dict()["lemaire"] is None
    synaptic, update = 2600 / 380e12, 2600 / 240e12
    assert report.snn_total_joules == near(20 * synaptic + 70 * update)
    assert report.ann_total_joules == near(50 * synaptic + 5 * update)
    assert "Lemaire" not in report.verdict


def test_every_preset_says_its_source() -> None:
    assert all(preset.source for preset in PRESETS.values())
    found = {name: (x.mac, x.add, x.weight_bytes, x.byte, x.step) for name, x in PRESETS.items()}
    assert found == {
        "fp32": (4.6e-12, 0.9e-12, 4, 2.5e-12, None),
        "int8-paper": (0.2e-12, 0.03e-12, 1, 2.5e-12, None),
        "int8-horowitz": (0.23e-12, 0.03e-12, 1, 2.5e-12, None),
        "fp32-7nm": (1.69e-12, 0.38e-12, 4, 1.0625e-12, None),
        "int8-7nm": (0.077e-12, 0.007e-12, 1, 1.0625e-12, None),
        "loihi": (23.6e-12, 23.6e-12, 1, 0.0, 81e-12),
        "loihi2": (2600 / 380e12, 2600 / 380e12, 1, 0.0, 2600 / 240e12),
    }
    assert (preset_of("fp32-7nm").multiply, preset_of("int8-7nm").multiply) == near((1.31e-12, 0.07e-12))


def test_verdicts() -> None:
    report = EnergyReport((DENSE,), 5, 70, FP32, (NEURONS,))
    assert "does not save energy" in report.verdict
    assert report.verdict in str(report)
    assert verdict_of(2.0, {"additions": 1.0}, None) == (
        "With memory, the spiking network saves energy: its source takes 2.00 times as much; additions are most of it (100 %)."
    )
    parts = {"additions": 0.4, "memory of additions": 0.45, "neuron updates": 0.15}
    assert "memory of additions is its largest part (45 %)" in verdict_of(0.9, parts, None)
    other = lemaire_energy([DENSE], [], FP32)
    assert other is not None
    assert ("also" in verdict_of(0.5, parts, other)) == (other.alpha <= 1)
    assert ("however," in verdict_of(2.0, parts, other)) == (other.alpha <= 1)


def test_a_network_that_takes_as_much_as_its_source_saves_nothing() -> None:
    same = "does not save energy: it takes as much as its source"
    assert same in verdict_of(1.0, {"additions": 1.0}, None)
    assert "takes 2.00 times what its source takes" in verdict_of(0.5, {"additions": 1.0}, None)
    assert "takes inf times" in verdict_of(0.0, {"additions": 1.0}, None)
    assert "it takes none; nothing is spent" in verdict_of(float("inf"), {"additions": 0.0}, None)
    level = lemaire_energy([replace(DENSE, macs=50, events=0)], [], FP32)
    assert level is not None
    assert f"it also {same}" in verdict_of(0.9, {"additions": 1.0}, level)
    assert f"it however, {same}" in verdict_of(1.1, {"additions": 1.0}, level)


def test_a_part_of_half_is_the_largest_and_not_most() -> None:
    parts = {"writing outputs": 1.0, "additions": 1.0}
    assert "writing outputs is its largest part (50 %)" in verdict_of(2.0, parts, None)
    assert "additions are most of it (51 %)" in verdict_of(2.0, {"additions": 51.0, "neuron updates": 49.0}, None)
