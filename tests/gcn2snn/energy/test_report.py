"""Joules and ratios of counts written down by hand."""

from __future__ import annotations

import pytest

from gcn2snn.energy.events import LayerEvents
from gcn2snn.energy.presets import preset_of
from gcn2snn.energy.report import EnergyReport, joules
from gcn2snn.errors import ConfigError

SYNAPSE = LayerEvents("fc", "synapse", operations=100, input_neurons=10, input_spikes=4, events=35, macs=0, outputs=10)
SUM = LayerEvents("add", "sum", operations=10, input_neurons=10, input_spikes=4, events=4, macs=0, outputs=10)
ANALOG = LayerEvents("first", "synapse", operations=50, input_neurons=0, input_spikes=0, events=0, macs=50, outputs=5)


def test_presets():
    assert (preset_of("fp32").mac, preset_of("fp32").add) == (4.6e-12, 0.9e-12)
    assert (preset_of("int8-paper").mac, preset_of("int8-paper").add) == (0.2e-12, 0.03e-12)
    assert (preset_of("int8-horowitz").mac, preset_of("int8-horowitz").add) == (0.23e-12, 0.03e-12)
    assert round(4.6 / 0.9, 2) == 5.11
    with pytest.raises(ConfigError, match="energy preset 'fp16' is unknown; allowed are fp32"):
        preset_of("fp16")


def test_ratios_by_hand():
    report = EnergyReport((SYNAPSE, SUM, ANALOG), neurons=20, updates=300, preset=preset_of("fp32"))
    assert SYNAPSE.spike_rate == 0.4
    assert (SYNAPSE.additions, ANALOG.additions, ANALOG.spike_rate) == (40, 0, 0)
    assert report.alpha_eq6 == pytest.approx(4.6 * 150 / (0.9 * 40 + 4.6 * 50))
    assert report.alpha_events == pytest.approx((4.6 * 150 + 0.9 * 10) / (0.9 * (35 + 4) + 4.6 * 50))
    ann = 4.6e-12 * 150 + 0.9e-12 * 10 + 2.5e-12 * (150 * 8 + 25 * 4)
    snn = 0.9e-12 * 39 + 4.6e-12 * 50 + 300 * (3.7e-12 + 0.9e-12) + 2.5e-12 * (89 * 12 + 300 * 8)
    assert report.alpha_total == pytest.approx(ann / snn)
    assert report.to_dict()["joules"]["snn_with_memory"] == pytest.approx(snn, rel=1e-9, abs=0.0)


def test_event_driven_updates_by_hand():
    """The other updates, with the same price for each: arithmetic and eight bytes of memory."""
    report = EnergyReport((SYNAPSE,), neurons=20, updates=300, preset=preset_of("fp32"), event_driven=40)
    additions, update = 35 * (0.9e-12 + 2.5e-12 * 12), 3.7e-12 + 0.9e-12 + 2.5e-12 * 8
    assert report.snn_event_driven_joules == pytest.approx(additions + 40 * update, rel=1e-9, abs=0.0)
    assert report.snn_total_joules == pytest.approx(additions + 300 * update, rel=1e-9, abs=0.0)
    assert report.alpha_event_driven == pytest.approx(
        report.ann_total_joules / (additions + 40 * update), rel=1e-9, abs=0.0
    )
    assert report.to_dict()["event_driven"] == {"updates": 40, "snn_joules": report.snn_event_driven_joules}
    assert "40 updates instead of 300" in report.told_event_driven
    plain = EnergyReport((SYNAPSE,), neurons=20, updates=300, preset=preset_of("fp32"))
    assert (plain.snn_event_driven_joules, plain.alpha_event_driven, plain.told_event_driven) == (None, None, "")
    assert (plain.samples, plain.footprint, plain.rows, plain.told_rows) == (1, 0, "all", "")


@pytest.mark.parametrize(
    ("amount", "told"),
    [(2.5, "2.5 J"), (1.0, "1 J"), (0.0025, "2.5 mJ"), (0.001, "1 mJ"), (-2.5e-6, "-2.5 uJ"), (5.2e-8, "52 nJ"), (3e-12, "3 pJ"), (0.0, "0 pJ")],
)  # fmt: skip
def test_joules_are_said_in_the_unit_that_fits(amount: float, told: str):
    assert joules(amount) == told


def test_a_network_that_costs_nothing_is_infinitely_better():
    assert EnergyReport((), 0, 0, preset_of("fp32")).alpha_events == float("inf")


def test_counts_of_two_runs_of_a_node_add_up():
    both = SYNAPSE + SYNAPSE
    assert (both.name, both.kind) == ("fc", "synapse")
    assert (both.operations, both.input_neurons, both.input_spikes, both.events, both.macs, both.outputs) == (
        200, 20, 8, 70, 0, 20,
    )  # fmt: skip
