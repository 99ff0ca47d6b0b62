"""Numbers, graphs and codes at the ends of what is possible, for the tests and for ``tests/battery/extremes.py``."""

from __future__ import annotations

import torch
from torch import Tensor

from gcn2snn import CSR

NUMBERS = (
    "random",
    "denormal",
    "1e38",
    "all equal",
    "zero",
    "zero channel",
    "one large",
    "negative",
    "from 1e-30 to 1e30",
)
GRAPHS = ("random", "no edges", "hub", "loops", "one node")
CODES = ((1.01, 255), (1.01, 1), (1.3, 16), (1.3, 255), (2.0, 1), (2.0, 24), (16.0, 4), (16.0, 24))


def numbers(kind: str, rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """A matrix of one of ``NUMBERS``, [rows, columns]."""
    x = torch.rand(rows, columns, generator=generator)
    return {
        "random": x,
        "denormal": x * 1e-40,
        "1e38": x * 1e38,
        "all equal": torch.full_like(x, 0.7),
        "zero": torch.zeros_like(x),
        "zero channel": x * (torch.arange(columns) > 0),
        "one large": torch.where(torch.arange(columns) == 0, 1e6, x),
        "negative": -x,
        "from 1e-30 to 1e30": x * torch.logspace(-30, 30, columns),
    }[kind]


def matrix_of(kind: str, nodes: int, generator: torch.Generator) -> CSR:
    """A square matrix of one of ``GRAPHS``; "one node" has one, whatever ``nodes`` is."""
    nodes = 1 if kind == "one node" else nodes
    index = torch.arange(nodes)
    hub = torch.zeros(nodes, dtype=torch.int64)
    row, col = {
        "random": torch.randint(nodes, (2, 3 * nodes), generator=generator),
        "no edges": torch.zeros(2, 0, dtype=torch.int64),
        "hub": torch.stack([torch.cat([hub, index[1:]]), torch.cat([index, hub[1:]])]),
        "loops": torch.stack([index, index]),
        "one node": torch.zeros(2, 1, dtype=torch.int64),
    }[kind]
    return CSR.from_coo(row, col, torch.rand(len(row), generator=generator) + 0.1, (nodes, nodes))
