"""What a run costs: counted operations, and joules by the paper's equation, by exact events, with memory, and by an analytical
model.

Names load on first use: the command line lists the presets without loading torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.energy.by_rows import watching
    from gcn2snn.energy.count import EventCounter
    from gcn2snn.energy.events import LayerEvents, PopulationEvents
    from gcn2snn.energy.lemaire import LemaireEnergy
    from gcn2snn.energy.neurobench import NeuroBenchCounts
    from gcn2snn.energy.presets import PRESETS, EnergyPreset, preset_of
    from gcn2snn.energy.report import EnergyReport, joules

_HOME = {
    "PRESETS": "gcn2snn.energy.presets",
    "EnergyPreset": "gcn2snn.energy.presets",
    "EnergyReport": "gcn2snn.energy.report",
    "EventCounter": "gcn2snn.energy.count",
    "LayerEvents": "gcn2snn.energy.events",
    "LemaireEnergy": "gcn2snn.energy.lemaire",
    "NeuroBenchCounts": "gcn2snn.energy.neurobench",
    "PopulationEvents": "gcn2snn.energy.events",
    "joules": "gcn2snn.energy.report",
    "preset_of": "gcn2snn.energy.presets",
    "watching": "gcn2snn.energy.by_rows",
}

__all__ = [
    "PRESETS",
    "EnergyPreset",
    "EnergyReport",
    "EventCounter",
    "LayerEvents",
    "LemaireEnergy",
    "NeuroBenchCounts",
    "PopulationEvents",
    "joules",
    "preset_of",
    "watching",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
