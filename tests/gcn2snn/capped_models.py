"""Models with capped activations for the tests: the block of MobileNetV2, and a graph network."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from gcn2snn.kernels import CSR, spmm


def capped_relu(cap: float) -> nn.Module:
    """ReLU6, or Hardtanh(0, cap), in place as MobileNet has it."""
    return nn.ReLU6(inplace=True) if cap == 6.0 else nn.Hardtanh(0.0, cap, inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project: the block of MobileNetV2 (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, cap: float = 6.0) -> None:
        super().__init__()
        hidden = 3 * inputs
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), capped_relu(cap)),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            *(nn.BatchNorm2d(hidden), capped_relu(cap)),
            *(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


class GraphNet(nn.Module):
    """Graph convolutions A X W with batch norm and a capped activation between them."""

    def __init__(self, sizes: tuple[int, ...], cap: float = 6.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:-1])
        self.activation, self.dropout = capped_relu(cap), nn.Dropout(0.5)

    def forward(self, adjacency: CSR, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=False):
            x = self.dropout(self.activation(norm(spmm(adjacency, layer(x)))))
        return spmm(adjacency, self.layers[-1](x))
