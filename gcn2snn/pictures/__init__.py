"""Pictures of a network at work as matplotlib figures. Names load on first use; matplotlib only where a figure is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.pictures.drawing import KINDS, draw, picture_files, save_figures

_HOME = {
    "KINDS": "gcn2snn.pictures.drawing",
    "draw": "gcn2snn.pictures.drawing",
    "picture_files": "gcn2snn.pictures.drawing",
    "save_figures": "gcn2snn.pictures.drawing",
}

__all__ = ["KINDS", "draw", "picture_files", "save_figures"]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
