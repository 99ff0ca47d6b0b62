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
    from gcn2snn.energy.event_driven import EventDrivenUpdates
    from gcn2snn.energy.events import LayerEvents, PopulationEvents
    from gcn2snn.energy.lemaire import LemaireEnergy
    from gcn2snn.energy.neurobench import NeuroBenchCounts
    from gcn2snn.energy.presets import PRESETS, EnergyPreset, preset_of
    from gcn2snn.energy.report import EnergyReport, joules
    from gcn2snn.energy.wanted_rows import WantedRows, needed_rows

_HOME = {
    "PRESETS": "gcn2snn.energy.presets",
    "EnergyPreset": "gcn2snn.energy.presets",
    "EnergyReport": "gcn2snn.energy.report",
    "EventCounter": "gcn2snn.energy.count",
    "EventDrivenUpdates": "gcn2snn.energy.event_driven",
    "LayerEvents": "gcn2snn.energy.events",
    "LemaireEnergy": "gcn2snn.energy.lemaire",
    "NeuroBenchCounts": "gcn2snn.energy.neurobench",
    "PopulationEvents": "gcn2snn.energy.events",
    "WantedRows": "gcn2snn.energy.wanted_rows",
    "joules": "gcn2snn.energy.report",
    "needed_rows": "gcn2snn.energy.wanted_rows",
    "preset_of": "gcn2snn.energy.presets",
    "watching": "gcn2snn.energy.by_rows",
}

__all__ = [
    "PRESETS",
    "EnergyPreset",
    "EnergyReport",
    "EventCounter",
    "EventDrivenUpdates",
    "LayerEvents",
    "LemaireEnergy",
    "NeuroBenchCounts",
    "PopulationEvents",
    "WantedRows",
    "joules",
    "needed_rows",
    "preset_of",
    "watching",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
