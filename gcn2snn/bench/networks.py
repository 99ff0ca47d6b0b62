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
from gcn2snn.errors import DataError, NotRunError
from gcn2snn.graph import Graph
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import TextGCN, Trainer, make_model

EPOCH, INFERENCE = "training epoch", "inference"


class _PlainTextGCN(nn.Module):
    """Text GCN as its PyTorch ports have it: every row in every layer, products by ``torch.sparse``."""

    def __init__(self, source: TextGCN):
        super().__init__()
        self.first = nn.Parameter(source.weights[0].detach().clone())
        self.second = nn.Parameter(source.weights[1].detach().clone())

    def forward(self, adjacency: Tensor) -> Tensor:
        kept = functional.dropout(self.first.new_ones(self.first.shape[0], 1), 0.5, self.training)
        hidden = functional.dropout(torch.relu(adjacency @ (self.first * kept)), 0.5, self.training)
        return adjacency @ (hidden @ self.second)


def no_graph(p: Problem) -> str:
    made = p.graph is not None and p.graph.features is None  # the peers take a one-hot input only
    return "" if made else "a text graph is needed, for example --graph r8"


def _no_text(p: Problem) -> str:
    if missing := no_graph(p):
        return missing
    return "" if _graph(p).source.get("options") else "a graph made of documents is needed, for example --graph r8"


def _graph(p: Problem) -> Graph:
    assert p.graph is not None  # a case is prepared for problems that lack nothing
    return p.graph


def _trainer(p: Problem) -> Trainer:
    return Trainer(_graph(p), TrainConfig(device="cuda" if p.device.type == "cuda" else "cpu"))


@case(EPOCH, "torch CSR int64, all rows, own validation pass", lacks=no_graph)
def _plain_epoch(p: Problem) -> Work:
    trainer = _trainer(p)
    model = _PlainTextGCN(trainer.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    adjacency, labels = int64_csr(p.matrix), _graph(p).labels.to(p.device)
    train, val = (part.to(p.device) for part in (trainer.split.train, trainer.split.val))

    def work() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(model(adjacency)[train], labels[train]).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            functional.cross_entropy(model(adjacency)[val], labels[val])

    return work


@case(EPOCH, "gcn2snn Trainer", ours=True, lacks=no_graph)
def _our_epoch(p: Problem) -> Work:
    trainer = _trainer(p)

    def work() -> None:
        trainer.run_epoch()

    return work


@lru_cache(maxsize=1)
def text_networks(p: Problem) -> tuple[TextGCN, SpikingNetwork]:
    """An untrained Text GCN and its conversion: the time of either does not depend on training, except by silent spikes."""
    model = make_model(_graph(p), TrainConfig()).eval()
    snn = convert(model, _graph(p), ConvertConfig.paper())
    return model.to(p.device), snn.to(p.device)


def _plain_inference(p: Problem, adjacency: Tensor) -> Work:
    model = _PlainTextGCN(text_networks(p)[0]).eval()

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(adjacency)
        return result

    return work


@case(INFERENCE, "torch CSR int64, ANN", lacks=no_graph)
def _int64_inference(p: Problem) -> Work:
    return _plain_inference(p, int64_csr(p.matrix))


@case(INFERENCE, "cuSPARSE int32 cached, ANN", device="cuda", lacks=no_graph)
def _int32_inference(p: Problem) -> Work:
    return _plain_inference(p, p.matrix.torch_csr(torch.float32))


@case(INFERENCE, "gcn2snn ANN", ours=True, lacks=no_graph)
def our_inference(p: Problem) -> Work:
    """The source network, once."""
    model, _ = text_networks(p)

    def work() -> Tensor:
        with torch.no_grad():
            result: Tensor = model(p.matrix)
        return result

    return work


@case(INFERENCE, "gcn2snn one-spike SNN, closed form", ours=True, lacks=no_graph)
def _spiking_inference(p: Problem) -> Work:
    _, snn = text_networks(p)

    def work() -> tuple[Tensor]:
        return (snn(p.matrix),)  # in a tuple: its values differ from the ANN's on purpose

    return work


@case("graph building", "gcn2snn, from cleaned text", device="cpu", lacks=_no_text)
def _build(p: Problem) -> Work:
    from gcn2snn.datasets import TextGraphOptions, build_text_graph, clean_corpus, load

    source = _graph(p).source
    try:
        clean = clean_corpus(
            load(source.get("path", source["dataset"]), p.data_dir), TextGraphOptions(**source["options"])
        )
    except DataError as error:  # the graph is kept, its corpus is not at hand
        raise NotRunError(str(error)) from error

    def work() -> None:
        build_text_graph(clean)

    return work
