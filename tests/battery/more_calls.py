"""Right calls of what stands beside the pipeline: loaders of batches, limits of memory, settings, plans, corpora."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from call import Call, Values

import gcn2snn
from gcn2snn import bench, cnn, datasets, energy, kernels, plan, reproduce, tune
from gcn2snn.kernels import CSR, Geometry, PhaseCode, Spikes


def more_calls() -> Iterator[Call]:
    """Every call of these."""
    yield from itertools.chain(_loaders(), _small_kernels(), _settings(), _corpora())


def _loaders() -> Iterator[Call]:
    from torch_geometric.data import Data

    edges = torch.tensor([[0, 1, 2, 3, 1, 0], [1, 2, 3, 0, 3, 2]])
    graph: Values = {"x": torch.rand(6, 3), "edge_index": edges, "num_nodes": 6}

    def neighbours(x: Any, edge_index: Any, num_nodes: Any, **given: Any) -> object:
        data = Data(x=x, edge_index=edge_index, num_nodes=num_nodes)
        return [batch.num_nodes for batch in gcn2snn.NeighbourBatches(data, **given)]

    def clusters(x: Any, edge_index: Any, num_nodes: Any, **given: Any) -> object:
        data = Data(x=x, edge_index=edge_index, num_nodes=num_nodes)
        return [batch.num_nodes for batch in gcn2snn.ClusterBatches(data, **given)]

    def limited(**given: Any) -> object:
        model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)).eval()
        x = torch.rand(6, 6)
        snn = gcn2snn.convert(model, x)
        with gcn2snn.memory_limit(**given):
            return snn(x)

    kind = "loaders"
    around: Values = {"fan_out": [2, 2], "batch_size": 2, "nodes": torch.tensor([0, 2, 3]), "shuffle": False, "seed": 0}
    yield Call(kind, "NeighbourBatches", neighbours, lambda: graph | around)
    yield Call(kind, "ClusterBatches", clusters, lambda: graph | {"parts": 2, "together": 2, "seed": 0})
    whole: Values = {"data": Data(**graph)}
    yield Call(kind, "NeighbourBatches, data", gcn2snn.NeighbourBatches, lambda: whole | around)
    yield Call(kind, "ClusterBatches, data", gcn2snn.ClusterBatches, lambda: whole | {"parts": 2})
    yield Call(kind, "memory_limit", limited, lambda: {"size": "1GB", "folder": None})


def _small_kernels() -> Iterator[Call]:
    kind, code = "small kernels", PhaseCode(1.3, 16)

    def matrix() -> CSR:
        dense = torch.rand(6, 6, dtype=torch.float64) * (torch.rand(6, 6) > 0.5)
        return CSR.from_dense(dense + dense.t(), symmetric=True)

    def spikes(*shape: int) -> Spikes:
        return Spikes(torch.randint(0, 17, shape, dtype=torch.int8), torch.tensor(1.0), code)

    degree = torch.rand(6, dtype=torch.float64) + 1.0
    yield Call(kind, "degrees", kernels.degrees, lambda: {"matrix": matrix()})
    rows: Values = {"first": 0, "degree": degree}
    yield Call(kind, "normalised_rows", kernels.normalised_rows, lambda: {"matrix": matrix()} | rows)
    yield Call(kind, "all_finite", kernels.all_finite, lambda: {"x": torch.rand(3, 4)})
    into: Values = {"spikes": spikes(3, 4)}
    yield Call(kind, "decode_into", kernels.decode_into, lambda: into | {"out": torch.empty(3, 4)})
    image: Values = {"weight": torch.rand(16, 3, 3, 3), "geometry": Geometry()}
    yield Call(kind, "event_driven", kernels.event_driven, lambda: {"spikes": spikes(2, 3, 5, 5)} | image)


def _settings() -> Iterator[Call]:
    kind = "settings"
    search: Values = {"trials": 5, "seed": 0, "max_timesteps": 16, "max_loss": 0.3, "min_alpha": None}
    yield Call(kind, "TuneConfig", tune.TuneConfig, lambda: dict(search))
    images: Values = {"model": "small", "epochs": 2, "batch_size": 8, "learning_rate": 0.1, "momentum": 0.9, "shift": 4}
    yield Call(kind, "ImageTrainConfig", cnn.ImageTrainConfig, lambda: images | {"threads": 0, "seed": 0})
    timed: Values = {"graphs": ("r8",), "entries": (1e4,), "channels": 8, "rounds": 1, "seconds": 1.0, "threads": None}
    yield Call(kind, "BenchConfig", bench.BenchConfig, lambda: timed | {"device": "cpu", "clock": None})
    asked: Values = {"rows": (), "datasets": ("r8",), "seeds": 1, "modes": (), "limit": None, "weights": {}}
    yield Call(kind, "ReproduceOptions", reproduce.ReproduceOptions, lambda: asked | {"trials": None, "max_loss": None})
    prices: Values = {"mac": 4.6e-12, "add": 0.9e-12, "weight_bytes": 4, "byte": 2.5e-12, "step": None}
    yield Call(kind, "EnergyPreset", energy.EnergyPreset, lambda: dict(prices))
    yield Call(kind, "preset_of", energy.preset_of, lambda: {"name": "fp32"})
    yield Call(kind, "joules", energy.joules, lambda: {"amount": 1e-6})
    size: Values = {
        "nodes": 1000,
        "edges": 9000,
        "features": 16,
        "hidden": (8,),
        "classes": 3,
        "ranks": 2,
        "network": 1e9,
    }

    def planned(floats: Any, phases: Any, dense: Any, kind: Any, **given: Any) -> object:
        rates = plan.Rates(floats, phases, dense, "given")
        return str(plan.make_plan(plan.Problem(**given), kind, "worst", rates))

    speeds: Values = {"floats": 1e9, "phases": 2e9, "dense": 1e10, "kind": "phases"}
    yield Call(kind, "make_plan", planned, lambda: size | speeds)


def _corpora() -> Iterator[Call]:
    kind = "corpora"
    corpus: Values = {
        "name": "own",
        "documents": ("a fine film", "a fine day", "no film"),
        "labels": ("good", "bad", "bad"),
        "split": ("train", "train", "test"),
        "names": ("1", "2", "3"),
    }

    def cleaned(options: Any, **given: Any) -> object:
        return datasets.clean_corpus(datasets.Corpus(**given), options)

    options = datasets.TextGraphOptions(min_count=1)
    yield Call(kind, "clean_corpus", cleaned, lambda: corpus | {"options": options})
    made: Values = {"documents": 10, "tokens": 5, "words": 20, "classes": 2, "seed": 0}
    yield Call(kind, "SyntheticCorpus", datasets.SyntheticCorpus, lambda: dict(made))
