"""What a run costs: counted operations, and joules by the paper's equation, by exact events and with memory."""

from gcn2snn.energy.count import EventCounter
from gcn2snn.energy.report import PRESETS, EnergyPreset, EnergyReport, LayerEvents, joules, preset_of

__all__ = [
    "PRESETS",
    "EnergyPreset",
    "EnergyReport",
    "EventCounter",
    "LayerEvents",
    "joules",
    "preset_of",
]
