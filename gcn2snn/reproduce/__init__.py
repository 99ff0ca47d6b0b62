"""Every figure and table of the paper by one command.

Names load on first use, so that one part does not load the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.reproduce.items import ITEMS, item_named, refuse_unused, reproduce
    from gcn2snn.reproduce.options import ReproduceOptions, flags
    from gcn2snn.reproduce.over_seeds import spread
    from gcn2snn.reproduce.table5 import PAPER

_HOME = {
    "ITEMS": "gcn2snn.reproduce.items",
    "PAPER": "gcn2snn.reproduce.table5",
    "ReproduceOptions": "gcn2snn.reproduce.options",
    "flags": "gcn2snn.reproduce.options",
    "item_named": "gcn2snn.reproduce.items",
    "refuse_unused": "gcn2snn.reproduce.items",
    "reproduce": "gcn2snn.reproduce.items",
    "spread": "gcn2snn.reproduce.over_seeds",
}

__all__ = [
    "ITEMS",
    "PAPER",
    "ReproduceOptions",
    "flags",
    "item_named",
    "refuse_unused",
    "reproduce",
    "spread",
]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
