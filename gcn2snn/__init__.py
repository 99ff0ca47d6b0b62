"""One-spike spiking networks from trained graph networks and CNNs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Names load on first use, so that the command line answers before torch is imported.
_HOME = {
    "Graph": "gcn2snn.graph",
    "PhaseCode": "gcn2snn.kernels",
    "Spikes": "gcn2snn.kernels",
}

__all__ = ["Graph", "PhaseCode", "Spikes"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gcn2snn' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
