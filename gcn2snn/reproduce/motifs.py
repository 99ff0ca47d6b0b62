"""``gcn2snn reproduce motifs``: graph classification on BA-2Motifs, made on the spot by PyTorch Geometric's generators.

A random graph of preferential attachment with one motif hung on, a house or a ring of five nodes; which of them is the class
(Luo et al., "Parameterized Explainer for Graph Neural Network", 2020). Every node has the same feature, so only the edges
tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn.config import to_dict
from gcn2snn.conversion import convert
from gcn2snn.errors import MissingPackageError
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.planetoid import MODES, summary, table

SEEDS = 10
EPOCHS = 30
GRAPHS = 1000
TRAINING, VALIDATION = 0.8, 0.1
BASE_NODES = 20


def graphs(seed: int, count: int = GRAPHS) -> list[object]:
    """Graphs of both classes in turn.

    Raises:
        MissingPackageError: PyTorch Geometric is not installed.
    """
    try:
        from torch_geometric import seed_everything
        from torch_geometric.datasets import ExplainerDataset
        from torch_geometric.datasets.graph_generator import BAGraph
        from torch_geometric.datasets.motif_generator import CycleMotif, HouseMotif
    except ImportError as error:
        raise MissingPackageError("motifs needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error
    seed_everything(seed)  # the generators draw from Python's and NumPy's random numbers too
    base = BAGraph(num_nodes=BASE_NODES, num_edges=1)
    kinds = [ExplainerDataset(base, motif, num_motifs=1) for motif in (HouseMotif(), CycleMotif(5))]
    found = []
    for i in range(count):
        data = kinds[i % 2].get_graph()
        data.x, data.y = torch.ones(data.num_nodes, 1), torch.tensor([i % 2])
        found.append(data)
    return found


def model() -> nn.Module:
    """Three GIN layers and a sum over each graph, as PyTorch Geometric's examples/mutag_gin.py has them."""
    from torch_geometric.nn import MLP, GINConv, global_add_pool

    class GIN(nn.Module):
        def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, num_layers: int) -> None:
            super().__init__()
            self.convs = nn.ModuleList()
            for _ in range(num_layers):
                self.convs.append(GINConv(MLP([in_channels, hidden_channels, hidden_channels])))
                in_channels = hidden_channels
            self.mlp = MLP([hidden_channels, hidden_channels, out_channels], norm=None, dropout=0.5)

        def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
            for conv in self.convs:
                x = conv(x, edge_index).relu()
            return self.mlp(global_add_pool(x, batch))

    return GIN(1, 32, 2, 3)


def calls(data: Sequence[object], shuffle: bool = False) -> list[tuple[tuple[Tensor, ...], Tensor]]:
    """Batches as (arguments of the model, classes)."""
    from torch_geometric.loader import DataLoader

    loader = DataLoader(list(data), batch_size=100, shuffle=shuffle)
    return [((batch.x, batch.edge_index, batch.batch), batch.y) for batch in loader]


def train(network: nn.Module, data: Sequence[object], validation: Sequence[object], epochs: int = EPOCHS) -> nn.Module:
    """Adam, cross-entropy; the weights of best validation accuracy are kept."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    best, state = -1.0, {}
    for _ in range(epochs):
        network.train()
        for args, label in calls(data, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(network(*args), label).backward()
            optimizer.step()
        score = accuracy(network.eval(), validation)
        if score >= best:
            best, state = score, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    return network.eval()


@torch.no_grad()
def accuracy(network: Callable[..., Tensor], data: Sequence[object]) -> float:
    """Percent of the graphs whose largest potential is their class."""
    right = sum(int((network(*args).argmax(1) == label).sum()) for args, label in calls(data))
    return 100 * right / len(data)


def run_seed(seed: int, modes: Sequence[str], count: int = GRAPHS, epochs: int = EPOCHS) -> dict[str, object]:
    """One set of graphs, one trained model, and its conversions with scales from the training graphs."""
    data = graphs(seed, count)
    first, second = int(TRAINING * count), int((TRAINING + VALIDATION) * count)
    training, validation, test = data[:first], data[first:second], data[second:]
    network = train(model(), training, validation, epochs)
    inputs, trial = [args for args, _ in calls(training)], calls(test)[0][0]
    row: dict[str, Any] = {"seed": seed, "ann": accuracy(network, test), "modes": {}}
    for mode in modes:
        snn = convert(network, inputs[0], MODES[mode], calibration=inputs)
        row["modes"][mode] = {"snn": accuracy(snn, test), "alpha": snn.energy(*trial).to_dict()["alpha"]}
    return row


def motifs(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train and convert for every seed; writes ``motifs.json`` and ``motifs.md``.

    Args:
        options: ``modes`` are the variants, ``seeds`` the seeds.
    """
    modes = chosen_names(MODES, options.modes or ("means", "paper"), "mode")
    rows = [run_seed(seed, modes) for seed in range(options.seeds or SEEDS)]
    results = [{"dataset": "BA-2Motifs", "model": "GIN", "seeds": rows, **summary(rows)}]
    text = table(results)
    content = {"results": results, "modes": {k: to_dict(MODES[k]) for k in modes}, "environment": environment()}
    files = [save_json(out / "motifs.json", content), save_text(out / "motifs.md", text)]
    return {"text": text, "results": results, "files": [str(file) for file in files]}
