"""A graph of many edges converted once: wall and processor time, and memory above the data. A command, not a test.

python tests/gcn2snn/convert_large.py gcn --edges 1e7 --nodes 1e6 --paper
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import gcn2snn

CHANNELS, CLASSES = 64, 16


class Net(nn.Module):
    """Two layers of PyG of one kind."""

    def __init__(self, kind: str):
        super().__init__()
        self.first, self.second = layer(kind, CHANNELS, CHANNELS), layer(kind, CHANNELS, CLASSES)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        result: Tensor = self.second(torch.relu(self.first(x, edge_index)), edge_index)
        return result


def layer(kind: str, inputs: int, outputs: int) -> nn.Module:
    from torch_geometric import nn as pyg

    if kind != "gin":
        made: nn.Module = {"gcn": pyg.GCNConv, "sage": pyg.SAGEConv}[kind](inputs, outputs)
        return made
    inner = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))
    gin: nn.Module = pyg.GINConv(inner)
    return gin


def resident(field: str) -> float:
    """MiB of a field of Linux's account of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["gcn", "sage", "gin"])
    parser.add_argument("--edges", type=float, default=1e7)
    parser.add_argument("--nodes", type=float, default=1e6)
    parser.add_argument("--check", default="auto")
    parser.add_argument("--paper", action="store_true")
    words = parser.parse_args()
    torch.manual_seed(0)
    nodes = int(words.nodes)
    x, edges = torch.rand(nodes, CHANNELS), torch.randint(nodes, (2, int(words.edges)))
    model = Net(words.kind).eval()
    config = gcn2snn.ConvertConfig.paper() if words.paper else None
    gcn2snn.convert(model, (x[:100], edges[:, :500] % 100), config)  # loads and compiles what a conversion needs
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # starts the peak anew
    before, wall, own = resident("VmRSS"), time.perf_counter(), time.process_time()
    snn = gcn2snn.convert(model, (x, edges), config, check=words.check)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"{words.kind}: {wall:.1f} s, processor {own:.1f} s, {resident('VmHWM') - before:,.0f} MiB above the data")
    print(snn.checked.told() if snn.checked is not None else "")


if __name__ == "__main__":
    main()
