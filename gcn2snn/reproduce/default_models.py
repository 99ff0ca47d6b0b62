"""The architectures of ``gcn2snn reproduce defaults``: small, and each of a family that people convert."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn.errors import MissingPackageError


class DeepMLP(nn.Module):
    """Linear layers with ReLU, batch norm between them where asked for."""

    def __init__(self, widths: Sequence[int], norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths[:-1]):
            layers += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if norm else []), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


class PlainCNN(nn.Module):
    """Convolutions with max pooling and two linear layers."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int, size: int, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, width in enumerate(widths):
            layers += [nn.Conv2d(channels, width, 3, padding=1), *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]
            if number % 2:
                layers, size = [*layers, nn.MaxPool2d(2)], size // 2
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(channels * size * size, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.features(x).flatten(1))
        return found


class _Fire(nn.Module):
    """Squeeze to few channels, expand to many by two kernels side by side (Iandola et al. 2016)."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class SqueezeLike(nn.Module):
    """SqueezeNet in small: no batch norm anywhere, a convolution and the mean over pixels at the end."""

    def __init__(self, channels: int, width: int, classes: int, fires: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 2 * width, 3, padding=1)
        squeezes = [_Fire(2 * width, width // 2, width) for _ in range(fires)]
        self.fires, self.last = nn.ModuleList(squeezes), nn.Conv2d(2 * width, classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, 0.5)  # no class starts behind its ReLU

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        for number, fire in enumerate(self.fires):
            x = fire(x)
            if number == len(self.fires) // 2 - 1:
                x = F.max_pool2d(x, 2)
        found: Tensor = F.relu(self.last(x)).mean((2, 3))  # the last ReLU is SqueezeNet's own
        return found


class _Inverted(nn.Module):
    """Expand, filter each channel, project without an activation (Sandler et al. 2018)."""

    def __init__(self, channels: int, out: int, expand: int) -> None:
        super().__init__()
        wide = channels * expand
        self.adds = channels == out
        self.layers = nn.Sequential(
            *(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found + x if self.adds else found


class MobileLike(nn.Module):
    """MobileNetV2 in small: inverted residuals, ReLU6, batch norm."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int, expand: int = 4) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, widths[0], 3, padding=1), nn.BatchNorm2d(widths[0]), nn.ReLU6())
        pairs = itertools.pairwise(widths)
        self.blocks = nn.Sequential(*(_Inverted(before, after, expand) for before, after in pairs))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(F.avg_pool2d(self.blocks(self.first(x)), 2).mean((2, 3)))
        return found


class _Residual(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.one, self.norm1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.two, self.norm2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        changes = stride > 1 or channels != out
        self.short: nn.Module = nn.Conv2d(channels, out, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.one(x)))
        return F.relu(self.norm2(self.two(y)) + self.short(x))


class ResidualLike(nn.Module):
    """ResNet in small: basic blocks, batch norm, the mean over pixels."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int, blocks: int = 1) -> None:
        super().__init__()
        first = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.first = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.ReLU())
        layers: list[nn.Module] = []
        before = widths[0]
        for number, width in enumerate(widths):
            for block in range(blocks):
                layers.append(_Residual(before, width, 2 if number and not block else 1))
                before = width
        self.blocks, self.head = nn.Sequential(*layers), nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.blocks(self.first(x)).mean((2, 3)))
        return found


class GraphNet(nn.Module):
    """Convolutions of PyTorch Geometric with ReLU and dropout between them, batch norm where asked for."""

    def __init__(self, convolutions: Sequence[nn.Module], norms: Sequence[int] = ()) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in norms)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        for number, convolution in enumerate(self.convolutions):
            if number:
                x = F.dropout(x.relu(), 0.5, self.training)
            x = convolution(x, edge_index)
            if number < len(self.norms):
                x = self.norms[number](x)
        return x


class PredictThenPropagate(nn.Module):
    """A small MLP, then personalised PageRank (Gasteiger et al. 2019)."""

    def __init__(self, mlp: nn.Module, propagate: nn.Module) -> None:
        super().__init__()
        self.mlp, self.propagate = mlp, propagate

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        found: Tensor = self.propagate(self.mlp(x), edge_index)
        return found


GraphModel = Callable[[int, int], nn.Module]
"""(feature channels, classes) -> model."""


def graph_models() -> dict[str, GraphModel]:
    """Graph models by name.

    Raises:
        MissingPackageError: PyTorch Geometric is not installed.
    """
    try:
        from torch_geometric.nn import APPNP, MLP, GCNConv, GINConv, SAGEConv, SGConv
    except ImportError as error:
        raise MissingPackageError("defaults needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error

    def gin(channels: int, classes: int, width: int, layers: int = 2) -> nn.Module:
        widths = [channels, *[width] * (layers - 1), classes]
        pairs = itertools.pairwise(widths)
        return GraphNet([GINConv(MLP([a, width, b]), train_eps=True) for a, b in pairs])

    return {
        "gcn": lambda c, k: GraphNet([GCNConv(c, 24), GCNConv(24, k)]),
        "gcn3": lambda c, k: GraphNet([GCNConv(c, 48), GCNConv(48, 32), GCNConv(32, k)], [48, 32]),
        "gin": lambda c, k: gin(c, k, 16),
        "gin3": lambda c, k: gin(c, k, 32, 3),
        "sage": lambda c, k: GraphNet([SAGEConv(c, 20, aggr="max"), SAGEConv(20, k)]),
        "sgc": lambda c, k: SGConv(c, k, K=3),
        "appnp": lambda c, k: PredictThenPropagate(DeepMLP([c, 32, k]), APPNP(K=8, alpha=0.15)),
    }
