"""Training of a Text GCN as published: one step an epoch on all labelled nodes, early stop by validation loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from gcn2snn.config import TrainConfig, to_dict
from gcn2snn.errors import DataError, misfits, refuses_misfits
from gcn2snn.graph import Graph
from gcn2snn.machine import device_named
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.training_loop import LoopOptions, Trainable, key_of_training, loaded_state, save_state, train_to_end, under


@dataclass(frozen=True)
class Epoch:
    """Measures of one epoch; losses in nats, accuracies in percent of the training and validation nodes."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Split:
    """Nodes whose labels training sees, and nodes held out of them, both [k] int64, ascending."""

    train: Tensor
    val: Tensor


def split_of(graph: Graph, config: TrainConfig) -> Split:
    """The graph's own validation nodes, or a seeded random share of its training nodes (Yao et al., Section 4).

    Raises:
        DataError: fewer than two training nodes, a class without training nodes, or a label out of range.
    """
    nodes = graph.train_mask.nonzero().flatten()
    if graph.val_mask is not None:
        train, val = nodes, graph.val_mask.nonzero().flatten()
    else:
        train, val = graph.held_out(config.validation, config.seed)
    if train.numel() < 1 or val.numel() < 1:
        raise DataError(f"{nodes.numel()} labelled training nodes are too few to hold some out; at least 2 are needed")
    present = set(graph.labels[nodes].tolist())
    absent = [name for index, name in enumerate(graph.class_names) if index not in present]
    if absent:
        raise DataError(
            f"no training node has the class(es) {absent}; each class needs one. Add examples or remove the class"
        )
    return Split(train, val)


def make_model(graph: Graph, config: TrainConfig) -> TextGCN:
    """A fresh network for a graph, weights drawn with the configuration's seed."""
    inputs = graph.num_nodes if graph.features is None else graph.features.shape[1]
    return new_model(inputs, graph.num_classes, config, identity=graph.features is None)


def new_model(inputs: int, classes: int, config: TrainConfig, *, identity: bool = True, silent: int = 0) -> TextGCN:
    """A fresh network of so many inputs and classes, weights drawn with the configuration's seed."""
    hidden = [config.hidden] * (config.layers - 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return TextGCN(inputs, hidden, classes, config.dropout, identity=identity, silent=silent)


def optimizer_of(model: TextGCN, config: TrainConfig) -> torch.optim.Adam:
    """Adam; the weight decay is that of the first layer alone."""
    first, rest = model.weights[0], list(model.weights[1:])
    groups = [{"params": [first], "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)


class Trainer:
    """Everything a run carries from one epoch to the next.

    The last aggregation is made for the training (and validation) rows only: no other row enters the loss.

    >>> from gcn2snn import TrainConfig, fit, load_graph
    >>> trainer = Trainer(load_graph("karate"), TrainConfig(hidden=16, epochs=5))
    >>> model = fit(trainer)
    >>> trainer.done
    True
    """

    @refuses_misfits
    def __init__(self, graph: Graph, config: TrainConfig):
        self.graph, self.config = graph, config
        self.device = device_named(config.device)
        self.split = split_of(graph, config)
        self.model = make_model(graph, config).to(self.device)
        self.optimizer = optimizer_of(self.model, config)
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_loss = float("inf")
        adjacency = graph.adjacency.to(self.device)
        self.adjacency = adjacency
        self.readouts = {k: adjacency.rows(v.to(self.device)) for k, v in parts(self.split)}
        self.labels = {k: graph.labels[v].to(self.device) for k, v in parts(self.split)}
        self.features = None if graph.features is None else graph.features.to(self.device)

    @property
    def loop(self) -> LoopOptions:
        """Seed, threads and time between checkpoints."""
        config = self.config
        return LoopOptions(seed=config.seed, threads=config.threads, save_every=config.save_every)

    @property
    def done(self) -> bool:
        """All epochs are run, or the validation loss has risen above the mean of the last ``patience``."""
        losses = [epoch.val_loss for epoch in self.history]
        if len(losses) >= self.config.epochs:
            return True
        patience = self.config.patience
        return len(losses) > patience and losses[-1] > sum(losses[-patience - 1 : -1]) / patience

    def run_epoch(self) -> Epoch:
        """One optimiser step on all training nodes, then the validation loss without dropout."""
        start = time.perf_counter()
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss, accuracy = self._loss("train")
        loss.backward()
        self.optimizer.step()
        self.model.eval()
        with torch.no_grad():
            val_loss, val_accuracy = self._loss("val")
        epoch = Epoch(
            len(self.history) + 1,
            float(loss.detach()),
            accuracy,
            float(val_loss),
            val_accuracy,
            time.perf_counter() - start,
        )
        self.history.append(epoch)
        if epoch.val_loss < self.best_loss:
            self.best_loss = epoch.val_loss
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        return epoch

    def _loss(self, part: str) -> tuple[Tensor, float]:
        scores = self.model(self.adjacency, self.features, self.readouts[part])
        labels = self.labels[part]
        accuracy = 100 * float((scores.detach().argmax(1) == labels).double().mean())
        return functional.cross_entropy(scores, labels), accuracy

    def trained(self) -> TextGCN:
        """The model in evaluation mode, on the trainer's device; the last weights count."""
        return self.model.eval()

    @property
    def key(self) -> str:
        """Hash of all that the training depends on."""
        return key_of_text_training(self.graph.fingerprint, self.config)

    def save(self, path: Path) -> None:
        """Write weights, optimiser, random state and history, so that :meth:`load` continues exactly."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        tensors |= optimizer_state(self.optimizer) | random_state(self.device)
        save_state(path, tensors, kind="training", key=self.key, history=self.history)

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            ArtefactError: damaged, or of a training with another seed, other options or another graph.
        """
        with loaded_state(path, kind="training", key=self.key, epoch=Epoch) as (tensors, history, _):
            refuse_wrong_numbers(tensors)
            self.model.load_state_dict(under(tensors, "model."))
            best = under(tensors, "best.")
            make_model(self.graph, self.config).load_state_dict(best or self.model.state_dict())
            restore_optimizer(self.optimizer, tensors)
            restore_random_state(self.device, tensors)
        self.best = {name: tensor.to(self.device) for name, tensor in best.items()}
        self.best_loss = min((epoch.val_loss for epoch in history), default=float("inf"))
        self.history = history


def key_of_text_training(fingerprint: str, config: TrainConfig) -> str:
    """Hash of all that the weights depend on, the graph by its fingerprint; how often a checkpoint is written changes nothing."""
    options = {name: value for name, value in to_dict(config).items() if name != "save_every"}
    return key_of_training(options, fingerprint)


def refuse_wrong_numbers(tensors: dict[str, Tensor]) -> None:
    """Refuse a checkpoint whose numbers are none.

    Raises:
        ValueError: names the tensor; the reader of the file says the rest.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds values that are NaN or infinite")


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimiser, for a checkpoint."""
    states = optimizer.state_dict()["state"].items()
    return {f"optimizer.{index}.{key}": value for index, state in states for key, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser what :func:`optimizer_state` took from one of the same parameters.

    Raises:
        ValueError: a tensor is missing or of another size; the reader of the file says the rest.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in under(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sizes = {
        index: {"step": torch.Size([]), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
        for index, parameter in enumerate(parameters)
    }
    if {index: {key: value.shape for key, value in each.items()} for index, each in state.items()} != sizes:
        raise ValueError("the state of the optimiser is of other parameters")
    content = optimizer.state_dict()
    content["state"] = state
    optimizer.load_state_dict(content)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The global random state, for a checkpoint."""
    own = {"rng": torch.get_rng_state()}
    return own | {"rng.cuda": torch.cuda.get_rng_state()} if device.type == "cuda" else own


def restore_random_state(device: torch.device, tensors: dict[str, Tensor]) -> None:
    """Set what :func:`random_state` kept."""
    torch.set_rng_state(tensors["rng"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["rng.cuda"])


class TextTrainer(Trainable, Protocol):
    """A trainer that the loop can run and that ends in a Text GCN."""

    def trained(self) -> TextGCN:
        """The network whose weights count, in evaluation mode."""


AnyTextTrainer = TypeVar("AnyTextTrainer", bound=TextTrainer)


def parts(split: Split) -> list[tuple[str, Tensor]]:
    """The parts of a split, with their names."""
    return [("train", split.train), ("val", split.val)]


def fit(
    trainer: AnyTextTrainer,
    *,
    checkpoint: Path | None = None,
    on_start: Callable[[AnyTextTrainer], None] | None = None,
    on_epoch: Callable[[AnyTextTrainer], None] | None = None,
) -> TextGCN:
    """Train a Text GCN as its trainer does; :class:`Trainer` as published: Adam, early stop, the last weights count.

    >>> from gcn2snn.datasets import load_graph
    >>> model = fit(Trainer(load_graph("karate"), TrainConfig(hidden=8, epochs=3)))

    Args:
        trainer: graph, network, optimiser and history; fresh. A ``Trainer`` or an ``InductiveTrainer``.
        checkpoint: file to continue from if it is there, and to write every ``config.save_every`` seconds.
        on_start: called once, after the checkpoint (if any) is read.
        on_epoch: called after every epoch (progress, metrics).

    Returns:
        The trained network in evaluation mode, on the trainer's device.

    Raises:
        KeyboardInterrupt: passed on after the checkpoint is written.

    Source: Yao et al. 2019, Section 4 (parameters); docs/method.md.
    """
    with misfits("fit", {"trainer": trainer, "checkpoint": checkpoint}):
        trainer.loop  # noqa: B018 - what is no trainer has none, and the training calls code of the caller's
        checkpoint = None if checkpoint is None else Path(checkpoint)
    train_to_end(trainer, checkpoint=checkpoint, on_start=on_start, on_epoch=on_epoch)
    return trainer.trained()
