"""What a run costs: counted operations, and joules by the paper's equation, by exact events and with memory."""

from gcn2snn.energy.count import EventCounter
from gcn2snn.energy.presets import PRESETS, EnergyPreset, preset_of
from gcn2snn.energy.report import EnergyReport, LayerEvents, joules

__all__ = [
    "PRESETS",
    "EnergyPreset",
    "EnergyReport",
    "EventCounter",
    "LayerEvents",
    "joules",
    "preset_of",
]
