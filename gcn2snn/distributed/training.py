"""Training of a Text GCN whose graph, identity table and optimiser state are shared out over ranks."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional, init

from gcn2snn.config import TrainConfig
from gcn2snn.distributed.checkpoint import NAME_FILE, load_checkpoint, save_checkpoint
from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.graph_slices import GraphShare
from gcn2snn.distributed.halo import Halo, with_halo
from gcn2snn.errors import Terminated
from gcn2snn.kernels import CSR, spmm
from gcn2snn.textgcn import Epoch, key_of_text_training, random_state, restore_random_state, split_of
from gcn2snn.training_loop import LoopOptions, interrupts_held, refuse_diverged, seeded

BLOCK = 2**22
"""Numbers that are drawn at once where only some rows of a table are kept."""


class RankTrainer:
    """A rank's part of :class:`gcn2snn.Trainer`: the same steps on its own rows, the same losses up to the order of sums.

    Every rank draws the masks of the whole dropout from the same seed and keeps those of its rows, so they are those of one
    process for any number of ranks. Weights behind the first layer are on every rank; their gradients are added up.

    Args:
        graph: this rank's share.
        config: how to train; not ``inductive``.
    """

    def __init__(self, graph: GraphShare, config: TrainConfig):
        self.graph, self.config, self.ranks = graph, config, graph.ranks
        self.identity = graph.features is None
        self.first, self.rest = _fresh_weights(graph, config)
        groups = [{"params": [self.first], "weight_decay": config.weight_decay}]
        self.optimizer = torch.optim.Adam(
            [*groups, {"params": self.rest, "weight_decay": 0.0}], lr=config.learning_rate, fused=True
        )
        self.history: list[Epoch] = []
        self.best: list[Tensor] = []
        self.best_loss = float("inf")
        split = split_of(graph.outline, config)
        self.parts = {name: _Part.of(graph, nodes) for name, nodes in (("train", split.train), ("val", split.val))}

    @property
    def loop(self) -> LoopOptions:
        """Seed, threads and time between checkpoints."""
        config = self.config
        return LoopOptions(seed=config.seed, threads=config.threads, save_every=config.save_every)

    @property
    def done(self) -> bool:
        """All epochs are run, or the validation loss has risen above the mean of the last ``patience``."""
        losses, patience = [epoch.val_loss for epoch in self.history], self.config.patience
        if len(losses) >= self.config.epochs:
            return True
        return len(losses) > patience and losses[-1] > sum(losses[-patience - 1 : -1]) / patience

    @property
    def weights(self) -> list[Tensor]:
        """Own rows of W_0 (all of them where the graph has features), and the weights behind it."""
        return [self.first.detach(), *(weight.detach() for weight in self.rest)]

    @property
    def shared_out(self) -> bool:
        """Whether W_0 has a row for each node, of which this rank has its own."""
        return self.identity

    def run_epoch(self) -> Epoch:
        """One optimiser step on all training nodes, then the validation loss without dropout."""
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss, right = self._loss("train", training=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._add_gradients()
        self.optimizer.step()
        with torch.no_grad():
            val_loss, val_right = self._loss("val", training=False)
        sums = self.ranks.ordered_sum([float(loss.detach()), right, float(val_loss), val_right])
        accuracy = 100 * sums[1] / self.parts["train"].total
        val_accuracy = 100 * sums[3] / self.parts["val"].total
        seconds = time.perf_counter() - start
        epoch = Epoch(len(self.history) + 1, sums[0], accuracy, sums[2], val_accuracy, seconds)
        self.history.append(epoch)
        if epoch.val_loss < self.best_loss:
            self.best_loss = epoch.val_loss
            self.best = [weight.clone() for weight in self.weights]
        return epoch

    def _loss(self, name: str, *, training: bool) -> tuple[Tensor, int]:
        """This rank's part of the mean loss, and how many of its nodes are right."""
        part = self.parts[name]
        scores = self.scores(part.readout, part.halo, training=training)
        right = int((scores.detach().argmax(1) == part.labels).sum())
        return functional.cross_entropy(scores, part.labels, reduction="sum") / part.total, right

    def scores(self, readout: CSR, halo: Halo, *, training: bool = False) -> Tensor:
        """Class scores of some own rows, [rows of ``readout``, classes]."""
        x, kept = self._first(training)
        for depth, weight in enumerate(self.rest, 2):
            read = halo.needed if depth == len(self.rest) + 1 else None
            found = self.graph.halo.gather_differentiable(x)
            hidden = torch.relu(spmm(self.graph.adjacency, found, rows=read, columns=kept))
            x, kept = self._dropped(hidden, training) @ weight, None
        return spmm(readout, halo.gather_differentiable(x))

    def _first(self, training: bool) -> tuple[Tensor, Tensor | None]:
        """Own rows of X W_0, and which of the rows that come are not zero (None: any)."""
        if self.graph.features is not None:
            return self._dropped(self.graph.features, training) @ self.first, None
        if not training or self.config.dropout == 0:
            return self.first, None
        # Dropping an entry of the identity drops a whole row of X W.
        ones = torch.ones(self.graph.num_nodes, 1, device=self.first.device)
        kept = functional.dropout(ones, self.config.dropout)
        return self.first * kept[self.graph.own], kept[self.graph.halo.columns, 0] != 0

    def _dropped(self, x: Tensor, training: bool) -> Tensor:
        """Dropout of own rows, with the mask that one process would draw for all rows."""
        share = self.config.dropout
        if not training or share == 0:
            return x
        shape = (self.graph.num_nodes, x.shape[1])
        if x.is_cpu:  # the same draws as functional.dropout, in a quarter of its memory
            kept = torch.empty(shape, dtype=torch.uint8).bernoulli_(1 - share)[self.graph.own]
            return x * kept.to(x.dtype).div_(1 - share)
        return x * functional.dropout(torch.ones(shape, device=x.device), share)[self.graph.own]

    def _add_gradients(self) -> None:
        """Gradients of the weights that every rank has, added up over the ranks."""
        shared = self.rest if self.shared_out else [self.first, *self.rest]
        together = torch.cat([torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in shared])
        self.ranks.sum_(together)
        for weight, gradient in zip(shared, together.split([w.numel() for w in shared]), strict=True):
            weight.grad = gradient.view_as(weight)

    @property
    def key(self) -> str:
        """Hash of all that the training depends on; the number of ranks is not part of it."""
        return key_of_text_training(self.graph.fingerprint, self.config)

    def save(self, place: Path) -> None:
        """Write weights, optimiser, random state and history, so that :meth:`load` continues on any number of ranks."""
        tables, whole = self._state()
        save_checkpoint(place, tables, whole, self.graph.partition, self.ranks, key=self.key, history=self.history)

    def load(self, place: Path) -> None:
        """Continue from what :meth:`save` wrote.

        Raises:
            ArtefactError: damaged, or of a training with another seed, other options or another graph.
        """
        for weight in (self.first, *self.rest):  # the optimiser has no state before its first step
            weight.grad = torch.zeros_like(weight)
        before = [weight.clone() for weight in self.weights]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.best = before
        tables, whole = self._state()
        self.history = load_checkpoint(place, tables, whole, self.graph.partition, self.ranks, key=self.key)
        self.best_loss = min((epoch.val_loss for epoch in self.history), default=float("inf"))
        restore_random_state(self.ranks.device, whole)

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What is shared out, and what every rank has."""
        first: dict[str, Tensor] = {}
        whole = random_state(self.ranks.device)
        for number, weight in enumerate((self.first, *self.rest)):
            target = first if number == 0 and self.shared_out else whole
            target[f"weight.{number}"] = weight.detach()
            target[f"best.{number}"] = (self.best or self.weights)[number]
            state = self.optimizer.state[weight]
            target |= {f"{name}.{number}": state[name] for name in ("exp_avg", "exp_avg_sq")}
            whole[f"step.{number}"] = state["step"]
        return first, whole


class _Part:
    """Nodes with labels that enter a loss: a rank's rows of the last aggregation, and what they read."""

    def __init__(self, readout: CSR, halo: Halo, labels: Tensor, total: int):
        self.readout, self.halo, self.labels, self.total = readout, halo, labels, total

    @classmethod
    def of(cls, graph: GraphShare, nodes: Tensor) -> _Part:
        """The own nodes of [k] ascending node numbers; ``total`` counts all of them."""
        own = graph.own
        mine = nodes[(nodes >= own.start) & (nodes < own.stop)]
        rows = graph.rows.rows((mine - own.start).to(graph.rows.device))
        readout, halo = with_halo(rows, graph.partition, graph.ranks)
        return cls(readout, halo, graph.outline.labels[mine].to(rows.device), nodes.numel())


def _fresh_weights(graph: GraphShare, config: TrainConfig) -> tuple[Tensor, list[Tensor]]:
    """The weights that :func:`gcn2snn.textgcn.make_model` draws with the same seed, of W_0 own rows only."""
    inputs = graph.num_nodes if graph.features is None else graph.features.shape[1]
    sizes = [inputs, *[config.hidden] * (config.layers - 1), graph.outline.num_classes]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        keep = graph.own if graph.features is None else slice(0, inputs)
        first = uniform_rows(inputs, sizes[1], (6 / (inputs + sizes[1])) ** 0.5, keep)
        rest = [init.xavier_uniform_(torch.empty(a, b)) for a, b in pairwise(sizes[1:])]
    device = graph.ranks.device
    return first.to(device).requires_grad_(), [weight.to(device).requires_grad_() for weight in rest]


def uniform_rows(rows: int, columns: int, bound: float, keep: slice) -> Tensor:
    """Some rows of what ``uniform_(-bound, bound)`` draws for a whole table, with memory for a block of the others."""
    kept = torch.empty(keep.stop - keep.start, columns)
    step = max(1, BLOCK // columns)
    for start in range(0, rows, step):
        block = torch.empty(min(step, rows - start), columns).uniform_(-bound, bound)
        low, high = max(start, keep.start), min(start + len(block), keep.stop)
        if low < high:
            kept[low - keep.start : high - keep.start] = block[low - start : high - start]
    return kept


def train_share(
    trainer: RankTrainer,
    place: Path,
    *,
    on_start: Callable[[RankTrainer], None] | None = None,
    on_epoch: Callable[[RankTrainer], None] | None = None,
) -> None:
    """Run epochs until the trainer is done; the same as :func:`gcn2snn.training_loop.train_to_end` on every rank at once.

    Args:
        trainer: fresh.
        place: folder of its checkpoints; the newest is continued from.
        on_start, on_epoch: called on every rank.

    Raises:
        KeyboardInterrupt: a rank got Ctrl-C, or Terminated for a request to end; the checkpoint is written.
        RankError: another rank is gone.
    """
    options, ranks = trainer.loop, trainer.ranks
    with seeded(options.seed, options.threads), interrupts_held() as interrupted:
        if ranks.from_first((place / NAME_FILE).exists()):
            trainer.load(place)
        if on_start is not None:
            on_start(trainer)
        saved = time.monotonic()
        number = 0
        while not trainer.done:
            trainer.run_epoch()
            refuse_diverged(trainer.history)
            if on_epoch is not None:
                on_epoch(trainer)
            due = time.monotonic() - saved >= options.save_every
            number, due = _agreed(ranks, interrupted(), due)
            if number or due:
                trainer.save(place)
                saved = time.monotonic()
            if number:
                break
    if number:
        raise KeyboardInterrupt if number == 2 else Terminated


def _agreed(ranks: Communicator, number: int, due: bool) -> tuple[int, bool]:
    """The signal that any rank got, and whether it is time for a checkpoint by the clock of rank 0."""
    found = ranks.everywhere((number, due))
    return max(each for each, _ in found), found[0][1]


def trained_weights(weights: list[Tensor], trainer: RankTrainer) -> dict[str, Tensor] | None:
    """The whole weights on rank 0, named as in a Text GCN; None elsewhere."""
    first = trainer.ranks.rows_on_first(weights[0].cpu()) if trainer.shared_out else weights[0].cpu()
    if first is None or not trainer.ranks.first:
        return None
    return {f"weights.{number}": tensor.cpu() for number, tensor in enumerate([first, *weights[1:]])}
