"""Five graph networks written as PyTorch Geometric's own examples write them; nothing in them is about spikes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn.errors import MissingPackageError
from gcn2snn.files import checksum, load_tensors, save_tensors

EPOCHS = 100
CHECK_EVERY = 5
"""Epochs between two looks at the validation papers."""
PATIENCE = 30
"""Training ends when so many epochs brought nothing better."""
WEIGHTS_FORMAT = 1


def models() -> dict[str, Callable[[int, int], nn.Module]]:
    """Name -> model of (feature channels, classes).

    Raises:
        MissingPackageError: PyTorch Geometric is not installed.
    """
    try:
        from torch_geometric.nn import APPNP, MLP, GCNConv, GINConv, SAGEConv, SGConv
    except ImportError as error:
        raise MissingPackageError("planetoid needs PyTorch Geometric: pip install 'gcn2snn[pyg]'") from error

    class TwoLayers(nn.Module):
        def __init__(self, first: nn.Module, second: nn.Module) -> None:
            super().__init__()
            self.conv1, self.conv2 = first, second

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
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

    Half of the features are dropped as well, except for SGC, which is trained on features that were aggregated once.
    The transposed sparse adjacency in place of ``edge_index`` gives the same sums, faster.
    """
    nodes = data.num_nodes
    ones = torch.ones(data.edge_index.shape[1])
    adjacency = torch.sparse_coo_tensor(data.edge_index.flip(0), ones, (nodes, nodes), check_invariants=True)
    adjacency = adjacency.to_sparse_csr()
    simple = sum(p.numel() > 0 for p in model.parameters()) == 2  # SGC is one linear layer and learns faster
    optimizer = torch.optim.Adam(model.parameters(), lr=0.2 if simple else 0.01, weight_decay=5e-4)
    dropped, where = data.x.clone(), data.x.nonzero(as_tuple=True)
    best, best_epoch, state = -1.0, 0, {}
    for epoch in range(1, epochs + 1):
        model.train()
        optimizer.zero_grad()
        if not simple:  # as F.dropout(x, 0.5), with random numbers only for the one entry in a hundred that is not zero
            dropped[where] = F.dropout(data.x[where], 0.5)
        out = model(dropped, adjacency)
        F.cross_entropy(out[data.train_mask], data.y[data.train_mask]).backward()
        optimizer.step()
        if epoch % CHECK_EVERY == 0:
            score = accuracy(model.eval(), data.x, adjacency, data, data.val_mask)
            if score > best:
                best, best_epoch = score, epoch
                state = {name: value.clone() for name, value in model.state_dict().items()}
            elif epoch - best_epoch >= PATIENCE:
                break
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def accuracy(model: Callable[..., Tensor], x: Tensor, graph: Tensor, data: Any, mask: Tensor) -> float:
    """Percent of the nodes of ``mask`` whose largest potential is their class."""
    guess = model(x, graph).argmax(1)
    return 100.0 * float((guess[mask] == data.y[mask]).double().mean())


def trained(name: str, data: Any, classes: int, seed: int, path: Path) -> nn.Module:
    """The trained model: read from ``path`` if it was trained there like this before, else trained and written there.

    Args:
        name: a key of :func:`models`.
        data: a PyTorch Geometric graph with masks.
        classes: number of classes.
        seed: of weights and dropout.
        path: safetensors file of the weights.

    Raises:
        ArtefactError: the file cannot be written, or was changed.
    """
    torch.manual_seed(seed)
    model = models()[name](data.num_features, classes)
    key = {
        "model": name,
        "seed": seed,
        "epochs": EPOCHS,
        "patience": PATIENCE,
        "nodes": data.num_nodes,
        "classes": classes,
        "data": checksum({"x": data.x, "edges": data.edge_index, "y": data.y, "train": data.train_mask}, None),
    }
    if path.exists():
        weights, found = load_tensors(path, kind="planetoid", version=WEIGHTS_FORMAT)
        if found == key:
            model.load_state_dict(weights)
            return model.eval()
    train(model, data)
    save_tensors(path, dict(model.state_dict()), kind="planetoid", version=WEIGHTS_FORMAT, meta=key)
    # a fresh model: a layer with cached=True would keep the transposed adjacency it was trained on
    fresh = models()[name](data.num_features, classes)
    fresh.load_state_dict(model.state_dict())
    return fresh.eval()
