"""Whole networks: a training epoch and an inference of a two-layer Text GCN, against the same written with torch's CSR."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn.bench.cases import Work, case, int64_csr
from gcn2snn.bench.problems import Problem
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.conversion import convert
from gcn2snn.gcn import TextGCN
from gcn2snn.network import SpikingNetwork
from gcn2snn.train import Trainer, make_model

EPOCH, INFERENCE = "training epoch", "inference"


class _PlainTextGCN(nn.Module):
    """Text GCN as its PyTorch ports have it: every row in every layer, products by ``torch.sparse``."""

    def __init__(self, source: TextGCN):
        super().__init__()
        self.first = nn.Parameter(source.weights[0].detach().clone())
        self.second = nn.Parameter(source.weights[1].detach().clone())

    def forward(self, adjacency: Tensor) -> Tensor:
        kept = functional.dropout(torch.ones(self.first.shape[0], 1), 0.5, self.training)
        hidden = functional.dropout(torch.relu(adjacency @ (self.first * kept)), 0.5, self.training)
        return adjacency @ (hidden @ self.second)


def _graph_needed(p: Problem) -> None:
    if p.graph is None:
        raise ImportError("needs a text graph, for example --graph r8")


@case(EPOCH, "torch CSR int64, all rows, own validation pass", device="cpu")
def _plain_epoch(p: Problem) -> Work:
    _graph_needed(p)
    assert p.graph is not None
    trainer = Trainer(p.graph, TrainConfig())
    model = _PlainTextGCN(trainer.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    adjacency, labels, split = int64_csr(p.matrix), p.graph.labels, trainer.split

    def work() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model(adjacency)[split.train], labels[split.train]).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            functional.cross_entropy(model(adjacency)[split.val], labels[split.val])

    return work


@case(EPOCH, "gcn2snn Trainer", ours=True, device="cpu")
def _our_epoch(p: Problem) -> Work:
    _graph_needed(p)
    assert p.graph is not None
    trainer = Trainer(p.graph, TrainConfig())

    def work() -> None:
        trainer.run_epoch()

    return work


@lru_cache(maxsize=1)
def _networks(p: Problem) -> tuple[TextGCN, SpikingNetwork]:
    """An untrained Text GCN and its conversion: the time of either does not depend on training, except by silent spikes."""
    _graph_needed(p)
    assert p.graph is not None
    model = make_model(p.graph, TrainConfig()).eval()
    return model, convert(model, p.graph, ConvertConfig())


@case(INFERENCE, "torch CSR int64, ANN", device="cpu")
def _plain_inference(p: Problem) -> Work:
    _graph_needed(p)
    model = _PlainTextGCN(_networks(p)[0]).eval()
    adjacency = int64_csr(p.matrix)

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(adjacency)
        return result

    return work


@case(INFERENCE, "gcn2snn ANN", ours=True, device="cpu")
def _our_inference(p: Problem) -> Work:
    model, _ = _networks(p)

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(p.matrix)
        return result

    return work


@case(INFERENCE, "gcn2snn one-spike SNN, closed form", ours=True, device="cpu")
def _spiking_inference(p: Problem) -> Work:
    _, snn = _networks(p)

    def work() -> tuple[Tensor]:
        return (snn(p.matrix),)  # in a tuple: its values differ from the ANN's on purpose

    return work


@case("graph building", "gcn2snn, from cleaned text", device="cpu")
def _build(p: Problem) -> Work:
    from gcn2snn.datasets import TextGraphOptions, build_text_graph, clean_corpus, load
    from gcn2snn.errors import DataError

    _graph_needed(p)
    assert p.graph is not None
    source = p.graph.source
    try:
        clean = clean_corpus(load(source["dataset"]), TextGraphOptions(**source["options"]))
    except DataError as error:  # a graph that is no text, or whose corpus is not at hand
        raise ImportError(str(error)) from error

    def work() -> None:
        build_text_graph(clean)

    return work
