"""What benchmarks work on: a sparse matrix, spikes on its columns, and the same activations as floats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gcn2snn.errors import ConfigError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes, decode, encode

OUTPUTS = 64  # width of the dense products
SHAPES = ("uniform", "power-law")


@dataclass(frozen=True, eq=False)
class Problem:
    """A benchmark operand; everything else is derived from it and kept.

    Args:
        name: as in the tables.
        matrix: square or not, float32.
        channels: columns of the dense operand.
        coding: of the spikes.
        graph: the graph it came from, for cases that run whole networks.
        data_dir: where its documents are looked for first.
        network: file of a network that was converted from a model on this graph, or None.
    """

    name: str
    matrix: CSR
    channels: int = 200
    coding: PhaseCode = PhaseCode(1.3, 16, signed=True)  # noqa: RUF009 - frozen
    graph: Graph | None = None
    data_dir: Path | None = None
    network: Path | None = None

    @property
    def device(self) -> torch.device:
        return self.matrix.device

    @cached_property
    def spikes(self) -> Spikes:
        """Gaussian activations as spikes, about one in ten of them silent at Q = 1.3, T = 16."""
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(self.matrix.shape[1], self.channels, generator=generator).to(self.device)
        return encode(x, x.abs().max() / 2, self.coding)

    @cached_property
    def x(self) -> Tensor:
        """The values of the spikes, so that float and phase products have one answer."""
        return decode(self.spikes)

    @cached_property
    def fire(self) -> Fire:
        """A population that reads the product."""
        return Fire(torch.tensor(1.0, device=self.device), self.coding)

    @cached_property
    def weight(self) -> Tensor:
        """Dense weights, [OUTPUTS, channels]."""
        return torch.randn(OUTPUTS, self.channels, generator=torch.Generator().manual_seed(1)).to(self.device)


FEATURE_GRAPH = "cora-like"
NODES, EDGES, FEATURES, FEATURE_SHARE = (
    2708,
    5278,
    1433,
    0.0127,
)  # of Cora (McCallum et al. 2000), as Planetoid publishes it


def feature_graph(channels: int, device: str = "cpu") -> Problem:
    """A random graph with the sizes of Cora: as many nodes, edges and words, and as few words a node; rows add up to 1."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(NODES, (2, EDGES), generator=generator)
    row, col = torch.cat([ends, ends.flip(0)], 1)
    raw = CSR.from_coo(row, col, torch.ones(row.numel()), (NODES, NODES))
    words = (torch.rand(NODES, FEATURES, generator=generator) < FEATURE_SHARE).float()
    features = words / words.sum(1, keepdim=True).clamp(min=1)
    labels = torch.randint(7, (NODES,), generator=generator)
    train = torch.arange(NODES) < 140
    names = tuple(f"class {number}" for number in range(7))
    graph = Graph(raw, labels, train, ~train, names, features=features, source={"dataset": FEATURE_GRAPH})
    return Problem(FEATURE_GRAPH, graph.adjacency.to(device), channels, graph=graph)


def text_graph(
    name: str, channels: int, device: str = "cpu", data_dir: Path | None = None, network: Path | None = None
) -> Problem:
    """The normalised adjacency of a published text graph."""
    from gcn2snn.datasets import load_graph

    graph = load_graph(name, data_dir)
    return Problem(name, graph.adjacency.to(device), channels, graph=graph, data_dir=data_dir, network=network)


def synthetic(entries: int, shape: str, channels: int, device: str = "cpu") -> Problem:
    """A random square matrix with a hundred entries a row on average.

    Args:
        entries: nnz.
        shape: ``uniform``, or ``power-law``: node k of n gets rows and columns in proportion to (k + 1)^-0.8, shuffled.
        channels: columns of the dense operand.
        device: where it goes.

    Raises:
        ConfigError: another shape, or no entries.
    """
    if shape not in SHAPES:
        raise ConfigError(f"shape is {shape!r}; allowed are {' and '.join(SHAPES)}")
    if entries < 1:
        raise ConfigError(f"entries is {entries}; at least 1 is needed")
    generator = torch.Generator().manual_seed(0)
    nodes = max(entries // 100, 1)
    if shape == "uniform":
        row, col = (torch.randint(nodes, (entries,), generator=generator) for _ in range(2))
    else:
        share = torch.arange(1, nodes + 1, dtype=torch.float64).pow_(-0.8).cumsum_(0)
        order = torch.randperm(nodes, generator=generator)

        def draw() -> Tensor:
            uniform = torch.rand(entries, generator=generator, dtype=torch.float64)
            return order[torch.searchsorted(share, uniform * share[-1]).clamp_(max=nodes - 1)]

        row, col = draw(), draw()
    value = torch.rand(entries, generator=generator)
    matrix = CSR.from_coo(row, col, value, (nodes, nodes))
    return Problem(f"{shape}-{entries:.0e}".replace("e+0", "e"), matrix.to(device), channels)
