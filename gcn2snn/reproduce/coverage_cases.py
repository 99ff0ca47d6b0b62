"""What the examples of all libraries share: their sizes, and small networks that layers hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

NODES, EDGES, HIDDEN, CLASSES = 12, 40, 6, 4

Case: TypeAlias = Callable[[], tuple[nn.Module, tuple[object, ...]]] | None
"""Makes a module and the arguments of its call; None where none are known."""


def mlp(inputs: int, outputs: int = CLASSES) -> nn.Module:
    """Two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs))
