"""Random spiking networks with their inputs, small trained ones, and the interpreters of other simulators."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from network_kinds import GRAPH_KINDS, IMAGE_KINDS
from torch import nn

from gcn2snn import ConvertConfig, SpikingNetwork, TextGCN, TrainConfig, Trainer, convert, fit, ir, load_graph
from gcn2snn.datasets import TextGraphOptions
from gcn2snn.graph import Graph

Drawn = tuple[SpikingNetwork, tuple[object, ...]]
Draw = Callable[..., Drawn]


@pytest.fixture(scope="session")
def draw(make_images: Callable, make_graphs: Callable, make_spiking: Callable) -> Draw:
    """A random converted network of any node types, and what it is called with."""

    def drawn(seed: int, images: bool, dtype: torch.dtype, wait: int | None = None, **options: object) -> Drawn:
        choose = random.Random(seed)
        kinds = choose.choices(IMAGE_KINDS if images else GRAPH_KINDS, k=3)
        if images:
            case = make_images(seed, kinds, dtype)
        else:
            case = make_graphs(seed, kinds, dtype, one_hot=choose.random() < 0.5)
        message = choose.choice(["signed", "signed", "rectified", "fused"])
        coder, one_hot = choose.choice(["binary", "single", "analog"]), choose.choice(["unit", "binary"])
        config = ConvertConfig(timesteps=6, wait=wait, message=message, input=coder, one_hot=one_hot)
        config = replace(config, group=choose.choice([1, 1, 3]), per=choose.choice(["layer", "channel"]), **options)
        network = make_spiking(case, config, mixed=seed if choose.random() < 0.5 else None)
        return SpikingNetwork(network, config), tuple(case[1][node.name] for node in network.of(ir.Input))

    return drawn


@pytest.fixture(scope="session")
def cnn() -> Drawn:
    """A CNN with maximum and mean pooling, converted, and images."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    x = torch.randn(20, 1, 8, 8)
    return convert(model, x, ConvertConfig.paper()), (x,)


@pytest.fixture(scope="session")
def karate() -> tuple[SpikingNetwork, Graph]:
    graph = load_graph("karate")
    model: TextGCN = fit(Trainer(graph, TrainConfig(hidden=8, epochs=30)))
    return convert(model, graph, ConvertConfig.paper()), graph


CORPUS = [
    ("red apple tree fruit", "fruit", "train"),
    ("green apple pear fruit tree", "fruit", "train"),
    ("ripe pear sweet juice fruit", "fruit", "train"),
    ("car road wheel engine", "traffic", "train"),
    ("slow car street road jam", "traffic", "train"),
    ("bus street wheel jam engine", "traffic", "train"),
    ("engine road bus", "traffic", "test"),
]


@pytest.fixture(scope="session")
def text_gcn(tmp_path_factory: pytest.TempPathFactory) -> SpikingNetwork:
    """A Text GCN that classifies new documents."""
    file = tmp_path_factory.mktemp("corpus") / "things.tsv"
    file.write_text("text\tlabel\tsplit\n" + "".join("\t".join(row) + "\n" for row in CORPUS), encoding="utf-8")
    graph = load_graph(str(file), options=TextGraphOptions(min_count=1, stop_words="none", window=3), cache=False)
    return convert(fit(Trainer(graph, TrainConfig(hidden=12, epochs=40, patience=40))), graph)


def other_python(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"needs another environment: set {variable} to its interpreter (docs/export.md)")
    return found


@pytest.fixture(scope="session")
def brian2_python() -> str:
    return other_python("GCN2SNN_BRIAN2_PYTHON")


@pytest.fixture(scope="session")
def nir_python() -> str:
    return other_python("GCN2SNN_NIR_PYTHON")
