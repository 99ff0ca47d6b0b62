"""Steps of which random networks are made; ``conftest.py`` knows how."""

from __future__ import annotations

IMAGE_KINDS = (
    "conv",
    "bn",
    "residual",
    "shortcut",
    "maxpool",
    "avgpool",
    "concat",
    "subsample",
    "scale",
    "raw_maxpool",
    "pad",
    "capped",
)
GRAPH_KINDS = ("dense", "bn", "residual", "shortcut", "aggregate", "max", "concat", "rows", "raw_dense", "capped")
