"""``gcn2snn reproduce planetoid``: five graph networks trained on Cora and CiteSeer, and what converting them costs.

The models are written as PyTorch Geometric's own examples write them and know nothing of spikes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn.checkpoint import environment, load_json, save_json, save_text
from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.network import SpikingNetwork
from gcn2snn.reproduce import ReproduceOptions

DATASETS = ("cora", "citeseer")
MODES: dict[str, ConvertConfig] = {
    "max": ConvertConfig(),
    "mse": ConvertConfig(scale="mse"),
    "mse-channel": ConvertConfig(scale="mse", per="channel"),
    "rectified": ConvertConfig(message="rectified"),
}
"""Variants of the conversion, all with Q = 1.3 and T = 16."""
SEEDS = 10
EPOCHS = 100
CHECK_EVERY = 5
"""Epochs between two looks at the validation papers."""


def models() -> dict[str, Callable[[int, int], nn.Module]]:
    """Name -> model of (feature channels, classes)."""
    try:
        from torch_geometric.nn import APPNP, MLP, GCNConv, GINConv, SAGEConv, SGConv
    except ImportError as error:
        raise MissingPackageError("planetoid needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error

    class TwoLayers(nn.Module):
        def __init__(self, first: nn.Module, second: nn.Module) -> None:
            super().__init__()
            self.conv1, self.conv2 = first, second

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            x = F.dropout(x, p=0.5, training=self.training)
            x = self.conv1(x, edge_index).relu()
            x = F.dropout(x, p=0.5, training=self.training)
            return self.conv2(x, edge_index)

    class Predict(nn.Module):
        """Predict, then propagate (Gasteiger et al. 2019)."""

        def __init__(self, channels: int, classes: int) -> None:
            super().__init__()
            self.lin1, self.lin2 = nn.Linear(channels, 64), nn.Linear(64, classes)
            self.prop = APPNP(K=10, alpha=0.1, cached=True)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            x = F.dropout(x, p=0.5, training=self.training)
            x = F.relu(self.lin1(x))
            x = F.dropout(x, p=0.5, training=self.training)
            return self.prop(self.lin2(x), edge_index)

    def gin(channels: int, classes: int) -> nn.Module:
        return TwoLayers(GINConv(MLP([channels, 64, 64])), GINConv(MLP([64, 64, classes])))

    return {
        "GCN": lambda c, k: TwoLayers(GCNConv(c, 64, cached=True), GCNConv(64, k, cached=True)),
        "SAGE": lambda c, k: TwoLayers(SAGEConv(c, 64), SAGEConv(64, k)),
        "GIN": gin,
        "APPNP": Predict,
        "SGC": lambda c, k: SGConv(c, k, K=2, cached=True),
    }


def train(model: nn.Module, data: Any, epochs: int = EPOCHS) -> nn.Module:
    """Adam, cross-entropy on the 20 training papers a class; the weights of best validation accuracy are kept.

    The transposed sparse adjacency in place of ``edge_index`` gives the same sums, faster.
    """
    nodes = data.num_nodes
    ones = torch.ones(data.edge_index.shape[1])
    adjacency = torch.sparse_coo_tensor(data.edge_index.flip(0), ones, (nodes, nodes), check_invariants=True)
    adjacency = adjacency.to_sparse_csr()
    simple = sum(p.numel() > 0 for p in model.parameters()) == 2  # SGC is one linear layer and learns faster
    optimizer = torch.optim.Adam(model.parameters(), lr=0.2 if simple else 0.01, weight_decay=5e-4)
    best, state = -1.0, {}
    for epoch in range(1, epochs + 1):
        model.train()
        optimizer.zero_grad()
        out = model(data.x, adjacency)
        F.cross_entropy(out[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
        if epoch % CHECK_EVERY == 0:
            score = accuracy(model.eval(), data.x, adjacency, data, data.val_mask)
            if score > best:
                best, state = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module | SpikingNetwork, x: Tensor, graph: Tensor, data: Any, mask: Tensor) -> float:
    """Percent of the nodes of ``mask`` whose largest potential is their class."""
    guess = model(x, graph).argmax(1)
    return 100.0 * float((guess[mask] == data.y[mask]).double().mean())


def run_seed(name: str, data: Any, classes: int, seed: int, modes: dict[str, ConvertConfig]) -> dict[str, Any]:
    """One trained model and its conversions."""
    torch.manual_seed(seed)
    model = train(models()[name](data.num_features, classes), data)
    call = (data.x, data.edge_index)
    row: dict[str, Any] = {"seed": seed, "ann": accuracy(model, *call, data, data.test_mask), "modes": {}}
    for mode, config in modes.items():
        snn = convert(model, call, config)
        alpha = snn.energy(*call).to_dict()["alpha"]
        row["modes"][mode] = {"snn": accuracy(snn, *call, data, data.test_mask), "alpha": alpha}
    return row


def planetoid(out: Path, options: ReproduceOptions) -> dict[str, Any]:
    """Train and convert every model on every set; writes ``planetoid.json`` and ``planetoid.md``.

    Args:
        options: ``rows`` narrow the models, ``datasets`` the sets, ``modes`` the variants, ``seeds`` the seeds.
    """
    chosen = _chosen(tuple(models()), options.rows, "row")
    modes = {name: MODES[name] for name in _chosen(tuple(MODES), options.modes or ("max", "mse-channel"), "mode")}
    sets = _chosen(DATASETS, options.datasets, "dataset")
    graphs = {name: load_graph(name, options.data_dir) for name in sets}
    done = _Progress(out / "planetoid-rows.json", modes)
    for seed in range(options.seeds or SEEDS):
        for dataset, graph in graphs.items():
            data = graph.to_pyg()
            for name in chosen:
                done.add(dataset, name, seed, lambda: run_seed(name, data, graph.num_classes, seed, modes))  # noqa: B023
    results = [
        {"dataset": dataset, "model": name, "seeds": rows, **summary(rows)}
        for dataset in graphs
        for name in chosen
        if (rows := done.rows(dataset, name))
    ]
    text = table(results)
    content = {"results": results, "modes": {k: to_dict(v) for k, v in modes.items()}, "environment": environment()}
    files = [save_json(out / "planetoid.json", content), save_text(out / "planetoid.md", text)]
    return {"text": text, "results": results, "files": [str(file) for file in files]}


class _Progress:
    """Rows finished so far, kept on disk so that a run that was cut short goes on where it stopped."""

    def __init__(self, path: Path, modes: dict[str, ConvertConfig]) -> None:
        self.path = path
        self.key = {name: to_dict(config) for name, config in modes.items()} | {"epochs": EPOCHS}
        content = load_json(path) if path.exists() else {}
        self.found: dict[str, dict[str, Any]] = content.get("rows", {}) if content.get("key") == self.key else {}

    def add(self, dataset: str, model: str, seed: int, run: Callable[[], dict[str, Any]]) -> None:
        name = f"{dataset}/{model}/{seed}"
        if name not in self.found:
            self.found[name] = run()
            save_json(self.path, {"key": self.key, "rows": self.found})

    def rows(self, dataset: str, model: str) -> list[dict[str, Any]]:
        return [row for name, row in self.found.items() if name.startswith(f"{dataset}/{model}/")]


def _chosen(known: tuple[str, ...], asked: tuple[str, ...], what: str) -> tuple[str, ...]:
    by_name = {name.lower(): name for name in known}
    unknown = [name for name in asked if name.lower() not in by_name]
    if unknown:
        raise ConfigError(f"there is no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(by_name[name.lower()] for name in asked) or known


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds."""
    ann = [row["ann"] for row in rows]
    result: dict[str, Any] = {"ann": statistics.mean(ann), "ann_std": statistics.pstdev(ann), "summary": {}}
    for mode in rows[0]["modes"]:
        snn = [row["modes"][mode]["snn"] for row in rows]
        result["summary"][mode] = {
            "snn": statistics.mean(snn),
            "snn_std": statistics.pstdev(snn),
            "loss": statistics.mean(ann) - statistics.mean(snn),
            "alpha_eq6": statistics.mean(row["modes"][mode]["alpha"]["eq6"] for row in rows),
            "alpha_events": statistics.mean(row["modes"][mode]["alpha"]["events"] for row in rows),
        }
    return result


def table(results: list[dict[str, Any]]) -> str:
    """The summary as a Markdown table."""
    lines = ["| set | model | mode | ANN | SNN | loss | alpha (Eq. 6) | alpha (events) |", "|-|-|-|-|-|-|-|-|"]
    for row in results:
        for mode, s in row["summary"].items():
            lines.append(
                f"| {row['dataset']} | {row['model']} | {mode} | {row['ann']:.2f} ± {row['ann_std']:.2f} "
                f"| {s['snn']:.2f} ± {s['snn_std']:.2f} | {s['loss']:+.2f} | {s['alpha_eq6']:.2f} | {s['alpha_events']:.2f} |"
            )
    return "\n".join(lines) + "\n"
