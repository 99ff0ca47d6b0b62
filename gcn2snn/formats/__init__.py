"""Taking a converted network elsewhere: one file for each format. Names load on first use, with what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.formats.registry import FORMATS, Checked, Exported, check, check_ready, export, files_of

_HOME = {
    "FORMATS": "gcn2snn.formats.registry",
    "Checked": "gcn2snn.formats.registry",
    "Exported": "gcn2snn.formats.registry",
    "check": "gcn2snn.formats.registry",
    "check_ready": "gcn2snn.formats.registry",
    "export": "gcn2snn.formats.registry",
    "files_of": "gcn2snn.formats.registry",
}

__all__ = ["FORMATS", "Checked", "Exported", "check", "check_ready", "export", "files_of"]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
