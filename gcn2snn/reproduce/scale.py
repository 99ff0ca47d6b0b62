"""A graph that does not fit beside what a network computes on it: converted and run under a memory limit."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn.errors import MissingPackageError
from gcn2snn.files import save_json
from gcn2snn.machine import peak_memory

if TYPE_CHECKING:
    from gcn2snn.reproduce.options import ReproduceOptions

NODES, EDGES_OF_A_NODE, FEATURES, HIDDEN, CLASSES = 1_000_000, 30, 128, 64, 16
MEMORY = "1GB"
CONFIG = gcn2snn.ConvertConfig(base=1.3, scale="mse", per="channel", correct="mean")
"""Given, for comparing settings would take as long for each of them."""

WRITTEN = 1 << 20
"""Edges, or numbers of the features, that are drawn at a time."""


def scale(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """A GCN of two layers on a synthetic power-law graph; ``--limit``: its nodes, 30 edges each [default 1,000,000].

    Prints, and writes to ``scale.json``, the time of each step and the peak memory by its end. Features and edges lie in
    files that are mapped into memory. The peak is that of the whole process, mapped pages included; the last step compares
    with a run in one piece.
    """
    nodes = options.limit or NODES
    steps: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="gcn2snn-scale-") as folder:
        began = time.perf_counter()
        x, edge_index = power_law_graph(Path(folder), nodes, EDGES_OF_A_NODE * nodes, FEATURES)
        _note(steps, "make the graph", began)
        model, example = _model(), (x, edge_index)
        with gcn2snn.memory_limit(MEMORY):
            began = time.perf_counter()
            snn = gcn2snn.convert(model, example, CONFIG)
            _note(steps, "convert", began)
            began = time.perf_counter()
            by_rows = snn(*example)
            _note(steps, "run", began)
            began = time.perf_counter()
            energy = snn.energy(*example)
            _note(steps, "count energy", began)
        began = time.perf_counter()
        same = isinstance(by_rows, Tensor) and by_rows.equal(snn(*example))
        _note(steps, "run in one piece", began)
    numbers: dict[str, object] = {"nodes": nodes, "edges": EDGES_OF_A_NODE * nodes, "features": FEATURES}
    numbers |= {"hidden": HIDDEN, "classes": CLASSES, "memory": MEMORY} | steps | {"same bits": same}
    numbers |= {"alpha by events": energy.alpha_events, "spikes": sum(row.spikes for row in energy.populations)}
    save_json(out / "scale.json", numbers)
    return numbers


def power_law_graph(folder: Path, nodes: int, edges: int, features: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x [nodes, features] float32, edge_index [2, edges] int64) in files of ``folder``, mapped into memory.

    Both ends of an edge are drawn alike: the r-th of the nodes with probability proportional to r^(-1/2), which gives
    degrees a power law with exponent 3, as growth by preferential attachment does. Features are uniform in [0, 1).

    Source: Barabási and Albert, "Emergence of scaling in random networks", 1999; for drawn ends: Chung and Lu, 2002.
    """
    source = torch.Generator().manual_seed(seed)
    index = torch.from_file(str(folder / "edge_index"), shared=True, size=2 * edges, dtype=torch.int64)
    for part in index.split(WRITTEN):
        rank = (torch.rand(part.numel(), generator=source, dtype=torch.float64).square_() * nodes).long()
        part.copy_(rank.mul_(_SPREAD).remainder_(nodes))  # hubs lie all over the numbers
    x = torch.from_file(str(folder / "x"), shared=True, size=nodes * features, dtype=torch.float32)
    for part in x.split(WRITTEN):
        part.copy_(torch.rand(part.numel(), generator=source))
    return x.view(nodes, features), index.view(2, edges)


_SPREAD = 2_654_435_761
"""A prime that divides no number of nodes in use, so that multiplying by it gives every node another number."""


def _model() -> nn.Module:
    try:
        from torch_geometric.nn.models import GCN
    except ImportError:
        raise MissingPackageError(
            "the model is one of PyTorch Geometric: pip install 'gcn2snn[pyg]', then run this again"
        ) from None
    torch.manual_seed(0)
    model: nn.Module = GCN(FEATURES, HIDDEN, num_layers=2, out_channels=CLASSES)
    return model.eval()


def _note(steps: dict[str, object], name: str, began: float) -> None:
    steps[f"{name}, seconds"] = round(time.perf_counter() - began, 1)
    steps[f"{name}, peak GB so far"] = round(peak_memory() / 1e9, 2)
