"""The networks of ``gcn2snn reproduce defaults``, trained here on small data.

Widths, depths, normalisations and data differ on purpose. Half of the networks were looked at while the candidates of the
measured default were chosen ("design"); the other half was kept out until they were fixed ("held out").
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gcn2snn.cnn import find_normalisation, load_images
from gcn2snn.config import TrainConfig
from gcn2snn.datasets import Corpus, TextGraphOptions, build_text_graph, clean_corpus, load, load_graph
from gcn2snn.files import load_tensors, save_tensors
from gcn2snn.graph import Graph
from gcn2snn.reproduce.default_models import (
    DeepMLP,
    MobileLike,
    PlainCNN,
    ResidualLike,
    SqueezeLike,
    graph_models,
)
from gcn2snn.textgcn import TextGCN, Trainer, fit

WEIGHTS_FORMAT = 1
SEED = 7
CALIBRATION_ROWS, BATCH = 500, 100


@dataclass(frozen=True)
class Scored:
    """One call of a network and the class of each row that counts.

    Args:
        call: arguments of the model.
        labels: [rows], int64.
        mask: rows that count, bool [rows].
    """

    call: tuple[object, ...]
    labels: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Task:
    """An untrained model, how it is trained, and the calls for calibration and test."""

    model: nn.Module
    train: Callable[[nn.Module], None]
    calibration: Sequence[tuple[object, ...]]
    tests: Sequence[Scored]


@dataclass(frozen=True)
class Case:
    """A row of the table: ``half`` is "design" or "held out", ``what`` says the network in words."""

    half: str
    what: str
    task: Callable[[Path | None], Task]


def images(
    make: Callable[[int, int], nn.Module], data: str, count: int, epochs: int, rate: float
) -> Callable[[Path | None], Task]:
    """A classifier of images, trained with Adam and one cycle of the step size, shifted by a pixel at random.

    Args:
        make: (channels, classes) -> model.
        data: "digits" or "cifar10", of which the first ``count`` training images are used.
        count, epochs, rate: training images, passes and largest step size.
    """

    def task(data_dir: Path | None) -> Task:
        if data == "digits":  # the customary test split, 359 images, is too small to tell half a point
            x, y = (
                torch.cat(parts) for parts in zip(*(_pixels(data, s, data_dir) for s in ("train", "test")), strict=True)
            )
            order = torch.randperm(len(x), generator=torch.Generator().manual_seed(SEED))
            x, y = x[order], y[order]
            x, y, test_x, test_y = x[:count], y[:count], x[count:], y[count:]
        else:
            (x, y), (test_x, test_y) = _pixels(data, "train", data_dir, count), _pixels(data, "test", data_dir, 4000)
        model = make(x.shape[1], int(y.max()) + 1)
        everything = torch.ones(BATCH, dtype=torch.bool)
        parts = zip(test_x.split(BATCH), test_y.split(BATCH), strict=True)
        tests = [Scored((part,), labels, everything[: len(labels)]) for part, labels in parts]
        calibration = [(part,) for part in x[:CALIBRATION_ROWS].split(BATCH)]
        return Task(model, lambda model: _train_rows(model, x, y, epochs, rate, shifted=True), calibration, tests)

    return task


def random_features(widths: Sequence[int], norm: bool) -> Callable[[Path | None], Task]:
    """A multilayer perceptron on features of very different sizes, labelled by a random network of one hidden layer."""

    def task(_: Path | None) -> Task:
        generator = torch.Generator().manual_seed(SEED)
        x = torch.randn(12000, widths[0], generator=generator) * torch.randn(widths[0], generator=generator).exp()
        hidden = (x @ torch.randn(widths[0], 40, generator=generator) / 8).relu()
        y = (hidden @ torch.randn(40, widths[-1], generator=generator)).argmax(1)
        tests = [Scored((x[6000:],), y[6000:], torch.ones(6000, dtype=torch.bool))]
        calibration = [(part,) for part in x[:CALIBRATION_ROWS].split(BATCH)]

        def train(model: nn.Module) -> None:
            _train_rows(model, x[:6000], y[:6000], 25, 3e-3, shifted=False)

        return Task(DeepMLP(widths, norm), train, calibration, tests)

    return task


def nodes(model: str, dataset: str, normalised: bool, epochs: int = 100) -> Callable[[Path | None], Task]:
    """A graph network on a citation graph, trained on the 20 published papers a class.

    Args:
        model: a key of :func:`graph_models`.
        dataset: "cora" or "citeseer".
        normalised: whether a paper's words are divided by their number.
        epochs: steps of Adam; the last weights of the best validation accuracy are kept.
    """

    def task(data_dir: Path | None) -> Task:
        graph = load_graph(dataset, data_dir)
        data = graph.to_pyg()
        x = data.x if normalised else (data.x > 0).float()
        network = graph_models()[model](x.shape[1], graph.num_classes)
        call = (x, data.edge_index)

        def train(model: nn.Module) -> None:
            _train_nodes(model, x, data.edge_index, data, epochs)

        return Task(network, train, [call], [Scored(call, data.y, ~(data.train_mask | data.val_mask))])

    return task


def documents(count: int) -> Callable[[Path | None], Task]:
    """A Text GCN on a part of the Ohsumed corpus."""

    def task(data_dir: Path | None) -> Task:
        graph = _text_graph(count, data_dir)
        trainer = Trainer(graph, TrainConfig(hidden=64, patience=50, seed=SEED))

        def train(model: nn.Module) -> None:
            model.load_state_dict(fit(trainer).state_dict())

        model = TextGCN(graph.num_nodes, [64], graph.num_classes)
        call = (graph.adjacency,)
        return Task(model, train, [call], [Scored(call, graph.labels, graph.test_mask)])

    return task


def trained(name: str, case: Case, folder: Path, data_dir: Path | None) -> Task:
    """The case with its model trained: its weights are read from ``folder`` if they were written there like this before.

    Raises:
        ArtefactError: the file cannot be written, or was changed.
        DataError, MissingPackageError: data or PyTorch Geometric are not there.
    """
    torch.manual_seed(SEED)
    task, path = case.task(data_dir), folder / f"{name}.safetensors"
    key = {"name": name, "what": case.what, "seed": SEED}
    if path.exists():
        weights, found = load_tensors(path, kind="defaults", version=WEIGHTS_FORMAT)
        if found == key:
            task.model.load_state_dict(weights)
            task.model.eval()
            return task
    task.train(task.model)
    save_tensors(path, dict(task.model.state_dict()), kind="defaults", version=WEIGHTS_FORMAT, meta=key)
    task.model.eval()
    return task


def _pixels(data: str, split: str, data_dir: Path | None, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Normalised images and their classes; of CIFAR-10 at every second pixel, which makes training four times as fast."""
    found = load_images(data, split, data_dir)
    chosen = found if count is None else found.balanced(count)
    normalise = find_normalisation("cifar10" if data == "cifar10" else "unit")
    parts = list(chosen.batches(1000, normalise))
    x, y = torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
    return (F.avg_pool2d(x, 2) if data == "cifar10" else x), y


def _train_rows(model: nn.Module, x: Tensor, y: Tensor, epochs: int, rate: float, shifted: bool) -> None:
    """Adam with one cycle of the step size, in batches of 32 rows."""
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-3)
    steps = epochs * -(-len(x) // 32)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            images = x[rows]
            if shifted:
                down, right = (int(step) for step in torch.randint(-1, 2, (2,)))
                images = images.roll((down, right), (2, 3))
            optimizer.zero_grad()
            F.cross_entropy(model(images), y[rows]).backward()
            optimizer.step()
            cycle.step()


def _train_nodes(model: nn.Module, x: Tensor, edge_index: Tensor, data: object, epochs: int) -> None:
    """Adam on all nodes at once; the last weights of the best validation accuracy are kept."""
    train_mask, val_mask, y = data.train_mask, data.val_mask, data.y  # type: ignore[attr-defined]
    size = (len(x), len(x))
    ones = torch.ones(edge_index.shape[1])
    adjacency = torch.sparse_coo_tensor(edge_index.flip(0), ones, size, check_invariants=True).to_sparse_csr()
    optimizer = torch.optim.Adam(model.parameters(), 0.01, weight_decay=5e-4)
    dropped, where = x.clone(), x.nonzero(as_tuple=True)
    best, state = -1.0, {}
    for _ in range(epochs):
        model.train()
        optimizer.zero_grad()
        dropped[where] = F.dropout(x[where], 0.5)  # random numbers only for the one entry in a hundred that is not zero
        F.cross_entropy(model(dropped, adjacency)[train_mask], y[train_mask]).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            right = float((model(x, adjacency).argmax(1) == y)[val_mask].double().mean())
        if right >= best:
            best, state = right, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)


def _text_graph(count: int, data_dir: Path | None) -> Graph:
    """The text graph of some documents of Ohsumed, drawn by seed; classes without a training document are left out."""
    whole = load("ohsumed", data_dir)
    rows = random.Random(SEED).sample(range(len(whole.documents)), count)
    trained_on = {whole.labels[row] for row in rows if whole.split[row] == "train"}
    kept = [row for row in rows if whole.labels[row] in trained_on]
    documents, labels, split, names = (
        tuple(column[row] for row in kept) for column in (whole.documents, whole.labels, whole.split, whole.names)
    )
    corpus = Corpus("part of ohsumed", documents, labels, split, names)
    return build_text_graph(clean_corpus(corpus, TextGraphOptions(min_count=3)))


CASES: dict[str, Case] = {
    "digits-cnn": Case(
        "design",
        "4 convolutions of 8 to 16 channels, max pooling, no normalisation; digits",
        images(lambda c, k: PlainCNN(c, (8, 8, 16, 16), k, 8, norm=False), "digits", 900, 15, 4e-3),
    ),
    "digits-squeeze": Case(
        "design",
        "SqueezeNet-like, 6 fire modules, no normalisation; digits",
        images(lambda c, k: SqueezeLike(c, 16, k, 6), "digits", 900, 25, 2e-3),
    ),
    "cifar-resnet": Case(
        "design",
        "ResNet-like, 3 blocks of 16 to 64 channels, batch norm; CIFAR-10 at 16 x 16",
        images(lambda c, k: ResidualLike(c, (16, 32, 64), k), "cifar10", 5000, 6, 1e-2),
    ),
    "mlp": Case(
        "design", "6 linear layers; features of very different sizes", random_features([48, *[64] * 5, 8], False)
    ),
    "cora-gcn": Case("design", "GCN, 24 units; Cora", nodes("gcn", "cora", True)),
    "cora-gin": Case("design", "GIN, 16 units, train_eps, rows normalised; Cora", nodes("gin", "cora", True, 200)),
    "citeseer-appnp": Case("design", "APPNP, 32 units, 8 steps; CiteSeer", nodes("appnp", "citeseer", True)),
    "digits-cnn-bn": Case(
        "held out",
        "6 convolutions of 12 to 32 channels, max pooling, batch norm; digits",
        images(lambda c, k: PlainCNN(c, (12, 12, 24, 24, 32, 32), k, 8, norm=True), "digits", 900, 6, 4e-3),
    ),
    "digits-mobile": Case(
        "held out",
        "MobileNetV2-like, 4 inverted residuals, ReLU6, batch norm; digits",
        images(lambda c, k: MobileLike(c, (12, 12, 16, 16, 24), k), "digits", 900, 6, 6e-3),
    ),
    "cifar-squeeze": Case(
        "held out",
        "SqueezeNet-like, 8 fire modules, no normalisation; CIFAR-10 at 16 x 16",
        images(lambda c, k: SqueezeLike(c, 24, k, 8), "cifar10", 5000, 6, 3e-3),
    ),
    "mlp-bn": Case("held out", "4 linear layers of 96 units, batch norm", random_features([32, *[96] * 3, 12], True)),
    "citeseer-gin": Case(
        "held out", "GIN, 3 layers of 32 units, train_eps; CiteSeer", nodes("gin3", "citeseer", False, 200)
    ),
    "cora-sage": Case("held out", "GraphSAGE with maxima, 20 units; Cora", nodes("sage", "cora", True)),
    "citeseer-gcn": Case("held out", "GCN, 48 and 32 units, batch norm; CiteSeer", nodes("gcn3", "citeseer", True)),
    "cora-sgc": Case("held out", "SGC, 3 steps; Cora", nodes("sgc", "cora", False)),
    "text-gcn": Case("held out", "Text GCN, 64 units, trained to the end; a part of Ohsumed", documents(1500)),
}
"""Name -> network, in the order of the table."""
