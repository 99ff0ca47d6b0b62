"""Training of a Text GCN for documents that its graph has not seen (docs/method.md, Section 9)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from gcn2snn.config import TrainConfig
from gcn2snn.errors import InputError
from gcn2snn.graph import Graph
from gcn2snn.kernels import CSR, spmm
from gcn2snn.machine import device_named
from gcn2snn.prediction import temperature
from gcn2snn.textgcn.float_documents import FloatDocuments
from gcn2snn.textgcn.margin_loss import MarginLoss
from gcn2snn.textgcn.model import TextGCN
from gcn2snn.textgcn.new_documents import Vocabulary
from gcn2snn.textgcn.training import (
    key_of_text_training,
    new_model,
    optimizer_of,
    optimizer_state,
    random_state,
    refuse_wrong_numbers,
    restore_optimizer,
    restore_random_state,
    split_of,
)
from gcn2snn.training_loop import LoopOptions, StoredState, loaded_state, save_state, under

STATE = "inductive-training"
"""Kind of a checkpoint."""

EVERY = 20
"""Epochs from one look at the validation documents to the next; the last epoch of the stage always has one."""

Stage = Literal["validation", "final"]


@dataclass(frozen=True)
class InductiveEpoch:
    """Measures of one epoch; the loss is that of :class:`MarginLoss`, accuracies are in percent.

    Args:
        epoch: counted over both stages, from 1.
        stage: "validation" without the validation documents, or "final" with all training documents.
        train_loss, train_accuracy: on the training documents, with dropout; the loss without its penalty.
        val_loss, val_accuracy: of the averaged weights on the validation documents, classified as new ones. None where they were
            not looked at, and in the final stage, which trains on them.
        seconds: it took.
    """

    epoch: int
    stage: Stage
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float


class InductiveTrainer:
    """Everything an inductive run carries from one epoch to the next.

    Documents have no row of W_0, so every training document is scored as a new one will be. Two stages of ``config.epochs``
    epochs each: the first without the validation documents, which says what new documents can expect and fits the temperature
    of their probabilities; the second starts again with all training documents, and its averaged weights count.

    Args:
        graph: a text graph without test documents.
        config: made by ``TrainConfig.for_new_documents``.

    Raises:
        InputError: the graph has no words, or it holds test documents.
        DataError: too few training documents to hold some out, or a class without any.
    """

    def __init__(self, graph: Graph, config: TrainConfig):
        refuse_seen_documents(graph)
        self.graph, self.config = graph, config
        self.device = device_named(config.device)
        self.split = split_of(graph, config)
        self.inverse_root = Vocabulary.of(graph).inverse_root
        self.history: list[InductiveEpoch] = []
        self.temperature = 1.0
        self._begin("validation")

    def _begin(self, stage: Stage) -> None:
        """A fresh network and optimiser on the graph of a stage."""
        graph, config = self.graph, self.config
        self.stage: Stage = stage
        hidden = self.split.val if stage == "validation" else self.split.val[:0]
        adjacency, rows, kept = without_documents(graph.adjacency, graph.num_documents, hidden)
        self.documents = graph.num_documents - hidden.numel()
        labels = graph.labels[kept[: self.documents]]
        readout = adjacency.rows((labels >= 0).nonzero().flatten())
        words = of_words(readout, self.documents)
        self.margin = MarginLoss.of(words, labels[labels >= 0], self.inverse_root, config.cost).to(self.device)
        self.val_labels = graph.labels[hidden].to(self.device)
        self.adjacency, self.rows = adjacency.to(self.device), rows.to(self.device)
        self.readout = readout.to(self.device)
        self.model = new_model(adjacency.shape[0], graph.num_classes, config, silent=self.documents).to(self.device)
        with torch.no_grad():
            self.model.weights[0][: self.documents] = 0
        self.optimizer = optimizer_of(self.model, config)
        self.mean = [weight.detach().clone() for weight in self.model.weights]

    @property
    def loop(self) -> LoopOptions:
        """Seed, threads and time between checkpoints."""
        config = self.config
        return LoopOptions(seed=config.seed, threads=config.threads, save_every=config.save_every)

    @property
    def done(self) -> bool:
        """Both stages are over."""
        return len(self.history) >= 2 * self.config.epochs

    def run_epoch(self) -> InductiveEpoch:
        """One optimiser step on all training documents of the stage; in the first stage, now and then, the validation documents."""
        start, number, epochs = time.perf_counter(), len(self.history) + 1, self.config.epochs
        if number == epochs + 1:
            self._begin("final")
        step = (number - 1) % epochs
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 + math.cos(math.pi * step / epochs)) / 2
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        sent = self.model.messages(self.adjacency, None, self.readout)
        scores = spmm(self.readout, sent)
        loss = self.margin.loss(scores)
        (loss + self.margin.penalty(sent[self.documents :])).backward()
        self.optimizer.step()
        self._average(step)
        looks = self.stage == "validation" and ((step + 1) % EVERY == 0 or step + 1 == epochs)
        val_loss, val_accuracy = self._validate() if looks else (None, None)
        accuracy, seconds = _accuracy(scores.detach(), self.margin.labels), time.perf_counter() - start
        epoch = InductiveEpoch(number, self.stage, float(loss.detach()), accuracy, val_loss, val_accuracy, seconds)
        self.history.append(epoch)
        return epoch

    def _validate(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on the validation documents; fits the temperature to them."""
        potentials = FloatDocuments.of_weights(self.mean, self.adjacency, self.documents).potentials(self.rows)
        self.temperature = temperature(potentials.cpu(), self.val_labels.cpu())
        return float(self.margin.loss(potentials, self.val_labels)), _accuracy(potentials, self.val_labels)

    @torch.no_grad()
    def _average(self, steps: int) -> None:
        """mean = d mean + (1 - d) W with d = min(averaging, (1 + t) / (10 + t)), so that early weights are soon forgotten."""
        decay = min(self.config.averaging, (1 + steps) / (10 + steps)) if steps else 0.0
        for mean, weight in zip(self.mean, self.model.weights, strict=True):
            mean.lerp_(weight, 1 - decay)

    def trained(self) -> TextGCN:
        """A network with the averaged weights of the final stage, in evaluation mode, on the trainer's device."""
        assert self.done
        model = new_model(self.adjacency.shape[0], self.graph.num_classes, self.config).to(self.device)
        with torch.no_grad():
            for weight, mean in zip(model.weights, self.mean, strict=True):
                weight.copy_(mean)
        return model.eval()

    def summary(self) -> dict[str, object]:
        """What the validation documents said at the end of the first stage (JSON values)."""
        last = self.history[self.config.epochs - 1]
        found = {"documents": self.split.val.numel(), "loss": last.val_loss, "accuracy": last.val_accuracy}
        return {"validation": found, "temperature": self.temperature}

    def save(self, path: Path) -> None:
        """Write all that :meth:`load` needs to continue exactly."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"mean.{index}": tensor for index, tensor in enumerate(self.mean)}
        tensors |= optimizer_state(self.optimizer) | random_state(self.device)
        key = key_of_text_training(self.graph.fingerprint, self.config)
        save_state(path, tensors, kind=STATE, key=key, history=self.history, temperature=self.temperature)

    def load(self, path: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            ArtefactError: damaged, or of a training with another seed, other options or another graph.
        """
        key = key_of_text_training(self.graph.fingerprint, self.config)
        read = loaded_state(path, kind=STATE, key=key, epoch=InductiveEpoch, schema=_StoredState)
        with read as (tensors, history, meta):
            refuse_wrong_numbers(tensors)
            self.history, self.temperature = history, meta["temperature"]
            self._begin(history[-1].stage)
            self.model.load_state_dict(under(tensors, "model."))
            for index, mean in enumerate(self.mean):
                mean.copy_(tensors[f"mean.{index}"].view(mean.shape))
            restore_optimizer(self.optimizer, tensors)
            restore_random_state(self.device, tensors)


class _StoredState(StoredState):
    temperature: Annotated[float, Field(gt=0.0)]


def of_words(rows: CSR, documents: int) -> CSR:
    """Rows of the adjacency without what stands in the columns of documents, in the numbers of words alone."""
    number = torch.arange(rows.num_cols) - documents
    return _renumbered(rows, number, rows.num_cols - documents, symmetric=False)


def refuse_seen_documents(graph: Graph) -> None:
    """Refuse a graph on which inductive training has no meaning.

    Raises:
        InputError: it has no words, or it holds test documents.
    """
    name = graph.source.get("dataset", "this graph")
    if not graph.vocabulary:
        raise InputError(
            f"{name} has no words, so no new document can join it; inductive training needs a corpus: r8, r52, ohsumed, mr, "
            f"20ng or your own texts"
        )
    if bool(graph.test_mask.any()):
        raise InputError(
            f"the graph of {name} holds {int(graph.test_mask.sum())} test documents, so they would not be new. Build it without "
            f"them: load_graph(..., options=TextGraphOptions(documents='training', wordless='keep'))"
        )


def without_documents(adjacency: CSR, documents: int, hidden: Tensor) -> tuple[CSR, CSR, Tensor]:
    """A graph without some of its documents, and the rows with which these join it again as new ones.

    Frequencies and degrees are not counted again: both matrices hold the values of the whole graph.

    Args:
        adjacency: normalised, [nodes, nodes], documents first.
        documents: how many of the nodes are documents.
        hidden: documents to take out, [k], int64, ascending.

    Returns:
        The adjacency of the other nodes; the rows [k, words + k], each document's own loop behind the words; and the other nodes
        in their order, int64.
    """
    nodes = adjacency.shape[0]
    stays = torch.ones(nodes, dtype=torch.bool)
    stays[hidden] = False
    kept = stays.nonzero().flatten()
    number = torch.full((nodes,), -1, dtype=torch.int64)
    number[kept] = torch.arange(kept.numel())
    rest = (
        adjacency
        if not hidden.numel()
        else _renumbered(adjacency.rows(kept), number, kept.numel(), symmetric=adjacency.symmetric)
    )
    words = nodes - documents
    number = torch.full((nodes,), -1, dtype=torch.int64)
    number[documents:] = torch.arange(words)
    number[hidden] = words + torch.arange(hidden.numel())
    return rest, _renumbered(adjacency.rows(hidden), number, words + hidden.numel(), symmetric=False), kept


def _renumbered(matrix: CSR, number: Tensor, columns: int, *, symmetric: bool) -> CSR:
    """The entries whose column has a number that is not negative, in the columns of these numbers."""
    place = number[matrix.col.long()]
    kept = place >= 0
    shape = (matrix.shape[0], columns)
    return CSR.from_coo(matrix.row[kept], place[kept], matrix.value[kept], shape, symmetric=symmetric)


def _accuracy(scores: Tensor, labels: Tensor) -> float:
    return 100 * float((scores.argmax(1) == labels).double().mean())
