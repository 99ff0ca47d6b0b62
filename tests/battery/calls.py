"""Public functions and networks of each kind, with arguments that are right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from call import Call, Values
from more_calls import more_calls
from sources import texts
from torch import nn

import gcn2snn
from gcn2snn import cnn, datasets, kernels
from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
from gcn2snn.encoding import encode_binary
from gcn2snn.kernels import CSR, Fire, Geometry, PhaseCode, Spikes
from gcn2snn.normalisation import normalise
from gcn2snn.passes import expected_error
from gcn2snn.spiking_network import SpikingNetwork


def calls_of(folder: Path) -> Iterator[Call]:
    """Every call; each is made once with its right arguments."""
    parts = (_encoding(), _matrices(), _products(), _steps(), _graphs(), _networks(), _pipeline(folder), _texts())
    for call in itertools.chain(*parts, more_calls()):
        call.run(call.make())
        yield call


CODE = PhaseCode(1.3, 16, signed=True)


def _matrix() -> CSR:
    return CSR.from_dense(torch.rand(6, 6) * (torch.rand(6, 6) > 0.5) + torch.eye(6))


def _spikes(*shape: int) -> Spikes:
    return Spikes(torch.randint(-16, 17, shape, dtype=torch.int8), torch.tensor(1.0), CODE)


def _fire() -> Fire:
    return Fire(torch.tensor(1.0), CODE)


def _networks() -> Iterator[Call]:
    dense = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    image = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)).eval()
    graph, x = gcn2snn.load_graph("karate"), torch.rand(6, 6)
    pictures = torch.rand(4, 2, 6, 6)
    text = gcn2snn.TextGCN(graph.num_nodes, [4], graph.num_classes).eval()
    yield from _network("dense", gcn2snn.convert(dense, x), lambda: {"input": torch.rand(6, 6)})
    yield from _network("images", gcn2snn.convert(image, pictures), lambda: {"input": torch.rand(4, 2, 6, 6)})
    yield from _network("graph", gcn2snn.convert(text, graph), lambda: {"adjacency": normalise(graph.raw)})
    from torch_geometric.nn import GCN

    edges = torch.tensor([[0, 1, 2, 3, 1, 0], [1, 2, 3, 0, 3, 2]])
    model = GCN(6, 4, 3, 3).eval()

    def of_edges() -> Values:
        return {"x": torch.rand(6, 6), "edge_index": edges.clone(), "edge_weight": torch.rand(6)}

    yield from _network("edges", gcn2snn.convert(model, of_edges()), of_edges)
    short = gcn2snn.convert(dense, x, ConvertConfig(base=1.3, wait=2))
    yield from _network("short wait", short, lambda: {"input": torch.rand(6, 6)})


def _network(kind: str, snn: SpikingNetwork, make: Callable[[], Values]) -> Iterator[Call]:
    """A network's call and its methods; arguments by keyword, as the source model names them."""
    name = f"network, {kind}"
    yield Call(name, kind, snn, make)
    for method in (snn.simulate, snn.spikes, snn.energy, snn.source, snn.verify, snn.layers_table):
        yield Call(name, f"{kind}.{method.__name__}", method, make, by_parts=method in (snn.verify, snn.layers_table))
    options: Values = {"engine": "temporal", "wait": snn.config.wait}
    yield Call(name, f"{kind}.simulate, options", snn.simulate, lambda: make() | options)
    yield Call(name, f"{kind}.energy, options", snn.energy, lambda: make() | {"preset": "fp32", "engine": "auto"})
    yield Call(name, f"{kind}.verify, options", snn.verify, lambda: make() | {"tolerance": 0.0}, by_parts=True)
    rows = len(snn(**make()))

    def judged(data: object, labels: object, mask: object, wait: object, engine: object) -> object:
        return gcn2snn.evaluate(snn, data, labels, mask, wait=wait, engine=engine)  # type: ignore[arg-type]

    def scored() -> Values:
        return {"data": tuple(make().values()), "labels": torch.zeros(rows).long(), "mask": torch.ones(rows).bool()} | {
            "wait": None, "engine": "auto"
        }  # fmt: skip

    if kind != "short wait":
        yield Call(name, f"evaluate, {kind}", judged, scored)
    yield Call(name, f"{kind}.head", snn.head, lambda: {"output": ()})


def _encoding() -> Iterator[Call]:
    def values() -> Values:
        return {"x": torch.rand(5, 4), "scale": torch.rand(4) + 0.5}

    kind = "encoding"
    coder: Values = {"base": 1.3, "timesteps": 16, "shift": True, "signed": True, "last": "half"}
    yield Call(kind, "encode", gcn2snn.encode, lambda: values() | coder)
    yield Call(kind, "decode", gcn2snn.decode, lambda: {"spikes": _spikes(5, 4), "dtype": torch.float32})
    yield Call(kind, "encode_binary", encode_binary, lambda: values() | {"timesteps": 8})
    normal: Values = {"timesteps": 16, "mu": 0.0, "sigma": 1.0, "shift": True, "last": "midpoint"}
    yield Call(kind, "optimal_base", gcn2snn.optimal_base, lambda: dict(normal))
    yield Call(kind, "expected_error", expected_error, lambda: normal | {"base": 1.3})
    yield Call(kind, "PhaseCode", PhaseCode, lambda: coder | {"group": 1})
    yield Call(
        kind, "kernels.encode", kernels.encode, lambda: values() | {"coding": CODE, "horizon": torch.full((5, 4), 9)}
    )
    yield Call(kind, "kernels.binary_values", kernels.binary_values, lambda: values() | {"timesteps": 8})
    yield Call(kind, "kernels.binary_entries", kernels.binary_entries, lambda: values() | {"timesteps": 8, "most": 100})
    yield Call(kind, "kernels.looks_sparse", kernels.looks_sparse, lambda: {"x": torch.eye(9), "share": 0.5})
    yield Call(kind, "kernels.spike_count", kernels.spike_count, lambda: {"spikes": _spikes(5, 4)})
    fans = {"spikes": _spikes(5, 4), "fan_out": torch.ones(5).long()}
    yield Call(kind, "kernels.event_count", kernels.event_count, lambda: dict(fans))
    yield Call(kind, "kernels.up_to", kernels.up_to, lambda: {"spikes": _spikes(5, 4), "phase": 3})
    yield Call(kind, "kernels.fingerprint", kernels.fingerprint, lambda: {"tensor": torch.rand(5, 4)})
    yield Call(kind, "kernels.per_channel", kernels.per_channel, lambda: {"scale": torch.rand(4), "dims": 2})


def _matrices() -> Iterator[Call]:
    kind = "matrices"
    index = torch.tensor([0, 1, 2, 2])

    def triples() -> Values:
        return {"row": index.clone(), "col": index.flip(0), "value": torch.rand(4), "shape": (3, 3), "symmetric": False}

    def parts() -> Values:
        matrix = _matrix()
        return {"rowptr": matrix.rowptr, "col": matrix.col, "value": matrix.value, "num_cols": 6, "symmetric": False}

    def built(**given: object) -> object:
        matrix = CSR(**given).validate()  # type: ignore[arg-type]
        return matrix.transpose, matrix.column_counts, matrix.row, matrix.to_dense(), matrix.to_torch(), repr(matrix)

    yield Call(kind, "CSR.from_coo", CSR.from_coo, triples)
    yield Call(kind, "CSR.from_dense", CSR.from_dense, lambda: {"dense": torch.eye(4), "symmetric": True})
    yield Call(kind, "CSR", built, parts)
    yield Call(kind, "CSR.rows", _matrix().rows, lambda: {"index": index})
    yield Call(kind, "CSR.to", _matrix().to, lambda: {"target": torch.float64})
    yield Call(kind, "CSR.values", _matrix().values, lambda: {"dtype": torch.float64})
    yield Call(kind, "CSR.torch_csr", _matrix().torch_csr, lambda: {"dtype": torch.float64})


def _products() -> Iterator[Call]:
    kind = "products"
    wide: Values = {"bias": torch.rand(4), "add": torch.rand(6, 4)}

    def sparse() -> Values:
        return {"matrix": _matrix(), "spikes": _spikes(6, 4), "dtype": torch.float32} | wide

    def dense() -> Values:
        return {"spikes": _spikes(6, 5), "weight": torch.rand(4, 5), "weight_scale": None} | wide

    def whole() -> Values:
        return dense() | {"weight": torch.ones(4, 5, dtype=torch.int8), "weight_scale": torch.rand(4)}

    def image() -> Values:
        sizes: Values = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
        return {
            "spikes": _spikes(2, 3, 5, 5),
            "weight": torch.rand(4, 3, 3, 3),
            "bias": torch.rand(4),
            "add": None,
        } | sizes

    def fired(make: Callable[[], Values], wait: int | None = None) -> Callable[[], Values]:
        return lambda: make() | {"fire": _fire()} | ({} if wait is None else {"wait": wait})

    x: Values = {"rows": None, "columns": None}
    yield Call(kind, "spmm", kernels.spmm, lambda: {"matrix": _matrix(), "x": torch.rand(6, 3)} | x)
    factors: Values = {"rows": torch.rand(6) < 0.5, "columns": torch.rand(6) < 0.5}
    yield Call(kind, "spmm, masked", kernels.spmm, lambda: {"matrix": _matrix(), "x": torch.rand(6, 3)} | factors)
    yield Call(kind, "spmm_features", kernels.spmm_features, lambda: {"matrix": _matrix(), "x": _matrix()})
    for name, make in (("spmm", sparse), ("gemm", dense), ("conv2d", image)):
        yield Call(kind, f"phase_{name}", getattr(kernels, f"phase_{name}"), make)
        yield Call(kind, f"phase_{name}_fire", getattr(kernels, f"phase_{name}_fire"), fired(make))
        yield Call(kind, f"phase_{name}_bucketed", getattr(kernels, f"phase_{name}_bucketed"), fired(make, 2))
    yield Call(kind, "phase_gemm, int8", kernels.phase_gemm, whole)
    yield Call(
        kind, "Geometry", Geometry, lambda: {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
    )


def _steps() -> Iterator[Call]:
    kind = "steps in time"

    def fire() -> Values:
        return {"potential": torch.rand(5, 4), "arriving": torch.rand(5, 4), "code": torch.zeros(5, 4, dtype=torch.int8)} | {
            "fire": _fire(), "phase": 3, "until": 5
        }  # fmt: skip

    def emit() -> Values:
        return {"spikes": _spikes(5, 4), "first": 1, "last": 3, "out": torch.zeros(5, 4, dtype=torch.int8)}

    yield Call(kind, "emit_step", kernels.emit_step, emit)
    yield Call(kind, "fire_step", kernels.fire_step, fire)
    yield Call(kind, "moments", kernels.moments, lambda: {"spikes": _spikes(5, 4), "fire": _fire(), "wait": 2})


def _graphs() -> Iterator[Call]:
    kind = "graphs"

    def fields() -> Values:
        half = torch.arange(6) < 3
        dense = torch.eye(6).roll(1, 0) + torch.eye(6).roll(-1, 0)
        sets: Values = {
            "labels": torch.arange(6) % 2,
            "train_mask": half,
            "test_mask": ~half,
            "class_names": ("a", "b"),
        }
        names: Values = {
            "node_names": tuple("abcdef"),
            "num_documents": 6,
            "features": torch.rand(6, 3),
            "val_mask": None,
        }
        return {"raw": CSR.from_dense(dense)} | sets | names | {"source": {"dataset": "own"}}

    def used(**given: object) -> object:
        graph = gcn2snn.Graph(**given)  # type: ignore[arg-type]
        return (
            repr(graph),
            graph.adjacency,
            graph.fingerprint,
            graph.vocabulary,
            graph.held_out(0.1, 0),
            graph.num_loops,
        )

    def stored(**given: object) -> object:
        written = gcn2snn.Graph(**given).save(Path("graph.safetensors"))  # type: ignore[arg-type]
        try:
            return gcn2snn.Graph.load(written)
        except gcn2snn.Gcn2SnnError as error:
            raise AssertionError("what was saved cannot be loaded") from error

    def scipy() -> Values:
        import scipy.sparse

        own = fields()
        del own["raw"]
        return {"matrix": scipy.sparse.eye(6).tocsr()} | own

    yield Call(kind, "Graph", used, fields)
    yield Call(kind, "Graph.save", stored, fields)
    yield Call(kind, "Graph.from_scipy", gcn2snn.Graph.from_scipy, scipy)
    yield Call(kind, "Graph.load", gcn2snn.Graph.load, lambda: {"path": "graph.safetensors"})
    yield Call(
        kind, "load_graph", gcn2snn.load_graph, lambda: {"name_or_path": "karate", "root": None, "options": None}
    )
    yield Call(kind, "normalise", normalise, lambda: {"raw": _matrix()})


def _pipeline(folder: Path) -> Iterator[Call]:
    kind = "pipeline"
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    snn = gcn2snn.convert(model, torch.rand(6, 6))
    gcn2snn.save(snn, folder / "network.safetensors")
    snn.save_pretrained(folder / "model")

    def given() -> Values:
        return {
            "model": model,
            "example": torch.rand(6, 6),
            "config": None,
            "output": None,
            "calibration": [torch.rand(6, 6)],
        }

    settings: Values = {
        "base": 1.3,
        "timesteps": 16,
        "scale": "max",
        "per": "layer",
        "wait": None,
        "events": 0.5,
        "layers": {},
    }
    training: Values = {"hidden": 4, "epochs": 2, "dropout": 0.5, "seed": 0, "validation": 0.1, "device": "cpu"}
    x = torch.rand(6, 6)
    batches: Values = {"network": snn.network, "batches": lambda: [{"input": x}], "timesteps": 16}
    kept: Values = {"path": folder / "network.safetensors"}
    yield Call(kind, "convert", gcn2snn.convert, given)
    yield Call(kind, "ConvertConfig", ConvertConfig, lambda: dict(settings))
    yield Call(kind, "LayerConfig", LayerConfig, lambda: {"base": 1.3, "timesteps": 16, "per": "layer"})
    yield Call(kind, "TrainConfig", TrainConfig, lambda: dict(training))
    yield Call(kind, "layer_bases", gcn2snn.layer_bases, lambda: dict(batches))

    def of_values(x: object) -> object:
        return gcn2snn.layer_bases(snn.network, lambda: [{"input": x}])  # type: ignore[dict-item]

    yield Call(kind, "layer_bases, values", of_values, lambda: {"x": x})
    yield Call(kind, "load", gcn2snn.load, lambda: dict(kept))
    yield Call(
        kind, "from_pretrained", gcn2snn.from_pretrained, lambda: {"source": str(folder / "model"), "revision": None}
    )
    yield Call(
        kind, "save", gcn2snn.save, lambda: {"snn": snn, "path": "again.safetensors", "origin": {}, "force": True}
    )
    out: Values = {"format": "npz", "inputs": None, "rows": None, "out": "network.npz", "force": True}
    yield Call(kind, "export", gcn2snn.export, lambda: {"snn": snn} | out)
    graph = gcn2snn.load_graph("karate")
    yield Call(kind, "TextGCN", gcn2snn.TextGCN, lambda: {"inputs": 6, "hidden": [4], "classes": 3, "dropout": 0.5})
    yield Call(kind, "Trainer", gcn2snn.Trainer, lambda: {"graph": graph, "config": TrainConfig(hidden=4, epochs=1)})
    trainer = gcn2snn.Trainer(graph, TrainConfig(hidden=4, epochs=1))
    yield Call(kind, "fit", gcn2snn.fit, lambda: {"trainer": trainer, "checkpoint": None})
    yield Call(kind, "plot", snn.plot, lambda: {"input": torch.rand(2, 6), "rows": [0], "limit": 5})
    images = cnn.load_images("digits", "test").first(4)
    digits = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    unit = cnn.find_normalisation("unit")
    shown: Values = {"network": digits, "images": images, "normalise": unit, "batch_size": 2}
    yield Call("images", "cnn.predict", cnn.predict, lambda: dict(shown))
    sizes: Values = {"name": "small", "classes": 3, "in_channels": 1, "stem": ""}
    yield Call("images", "cnn.build_model", cnn.build_model, lambda: dict(sizes))
    yield Call("images", "cnn.find_normalisation", cnn.find_normalisation, lambda: {"name": "unit"})
    some: Values = {"images": images, "normalise": "unit", "count": 4, "size": 2}
    yield Call("images", "cnn.calibration_batches", cnn.calibration_batches, lambda: dict(some))
    yield Call(
        "images", "cnn.load_images", cnn.load_images, lambda: {"name": "digits", "split": "test", "data_dir": None}
    )
    yield Call("images", "ImageSet.first", images.first, lambda: {"count": 2})
    yield Call("images", "ImageSet.pixels", images.pixels, lambda: {"index": torch.tensor([0, 1])})
    yield Call("images", "ImageSet.balanced", images.balanced, lambda: {"count": 2, "seed": 0})


def _texts() -> Iterator[Call]:
    kind = "texts"
    rows = texts(0, 20)
    sample: Values = {"X": [text for _, text in rows], "y": [label for label, _ in rows]}

    def trained(X: object, y: object, **options: object) -> object:
        quick = gcn2snn.TextGCNClassifier(hidden=4, epochs=1, min_count=1, spiking=False, **options)  # type: ignore[arg-type]
        return quick.fit(X, y)

    classifier = gcn2snn.TextGCNClassifier(hidden=4, epochs=2, min_count=1, spiking=True, base=1.3)
    classifier.fit(sample["X"], sample["y"])
    yield Call(kind, "TextGCNClassifier.fit", trained, lambda: sample | {"window": 20, "dropout": 0.5})
    yield Call(kind, "TextGCNClassifier.predict", classifier.predict, lambda: {"X": ["goal team", "bank"]})
    yield Call(kind, "TextGCNClassifier.predict_proba", classifier.predict_proba, lambda: {"X": ["goal team", "bank"]})
    options = datasets.TextGraphOptions().resolved(1, "nltk-179", "unicode")
    yield Call(kind, "datasets.words_of", datasets.words_of, lambda: {"text": "a goal", "options": options})
    yield Call(kind, "datasets.find", datasets.find, lambda: {"name": "r8"})
    yield Call(kind, "datasets.suitable_min_count", datasets.suitable_min_count, lambda: {"documents": 100})
    sizes: Values = {"window": 20, "min_count": 1, "documents": "all", "split_seed": 0, "test_share": 0.3}
    yield Call(kind, "datasets.TextGraphOptions", datasets.TextGraphOptions, lambda: dict(sizes))
