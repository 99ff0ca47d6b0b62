"""One whole file of each kind that the package reads, and what reading it gives."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import pickle
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gcn2snn
from gcn2snn import artefact
from gcn2snn.cli.origins import given_call, graph_of
from gcn2snn.cli.text_lines import lines_of
from gcn2snn.cnn import ImageTrainConfig, cifar, convert_images, load_images, train_images
from gcn2snn.cnn.commands import source_of
from gcn2snn.cnn.image_set import read_image
from gcn2snn.cnn.train import ImageTrainer
from gcn2snn.cnn.weights import read_state
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.datasets import load, load_graph
from gcn2snn.errors import ArtefactError
from gcn2snn.files import load_json, save_json
from gcn2snn.graph import Graph
from gcn2snn.kernels.native import library_file, loading
from gcn2snn.owner_lock import owned
from gcn2snn.report import write_report
from gcn2snn.report.charts import pareto
from gcn2snn.report.stored import StoredTuning
from gcn2snn.reproduce.kept import keep, kept
from gcn2snn.run_folder import read_run
from gcn2snn.textgcn import InductiveTrainer, Trainer, load_model, train_run
from gcn2snn.tune.journal import Journal, Measured
from gcn2snn.tune.point import Point

SMALL = TrainConfig(hidden=4, epochs=3)
WORDS = {"sport": ["goal", "match", "team", "win", "ball"], "money": ["bank", "stock", "price", "market", "trade"]}


@dataclass
class Source:
    """A kind of file.

    Args:
        name: of the kind.
        file: the whole one.
        reader: what the program does with such a file, to something that can be compared.
        checked: a checksum covers all bytes, so what is read is what was written.
        lies: how its values can be changed: "tensors", "json", "torch", or "" for not at all.
        prefix: what is read may also be a beginning of what was written.
    """

    name: str
    file: Path
    reader: Callable[[Path], object]
    checked: bool = False
    lies: str = ""
    prefix: bool = False
    expected: object = field(init=False)

    def __post_init__(self) -> None:
        self.whole = self.file.read_bytes()
        self.mode = self.file.stat().st_mode & 0o777
        self.expected = self.reader(self.file)

    def fresh(self) -> Path:
        """The file as it was written."""
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(self.whole)
        self.file.chmod(self.mode)
        return self.file

    def read(self, exact: bool) -> str:
        """Read the file, quietly; what is wrong with the result, "" if nothing is."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.reader(self.file)
        if exact and found != self.expected:
            if self.prefix and isinstance(found, list) and found == self.expected[: len(found)]:  # type: ignore[index]
                return ""
            return f"accepted, with another result: {str(found)[:80]} for {str(self.expected)[:80]}"
        return ""


def digest(*tensors: torch.Tensor) -> str:
    """Hash of values."""
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()


def texts(seed: int, count: int = 40) -> list[tuple[str, str]]:
    """(label, text) of a corpus that a graph is quickly made of."""
    chance = random.Random(seed)
    labels = [("sport", "money")[number % 2] for number in range(count)]
    return [(label, " ".join(chance.choices([*WORDS[label], "day"], k=8))) for label in labels]


def sources_of(folder: Path) -> Iterator[Source]:
    """Every kind, each made when its turn comes."""
    logging.getLogger("gcn2snn").setLevel(logging.ERROR)
    corpus = folder / "corpus.csv"
    corpus.write_text("label,text\n" + "".join(f"{label},{text}\n" for label, text in texts(0)))
    graph = load_graph(str(corpus))
    yield from _corpora(folder, corpus)
    yield from _of_graphs(folder, corpus, graph)
    yield from _of_runs(folder, graph)
    yield from _of_networks(folder, graph)
    yield from _of_images(folder)
    yield from _of_torch(folder)
    yield from _cifar(folder)
    yield from _results(folder)
    yield from _helper(folder)


def _corpora(folder: Path, corpus: Path) -> Iterator[Source]:
    rows = [{"label": label, "text": text} for label, text in texts(1)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "c.json").write_text(json.dumps(rows))
    (folder / "c.tsv").write_text("label\ttext\n" + "".join(f"{r['label']}\t{r['text']}\n" for r in rows))
    for file in (folder / "c.jsonl", folder / "c.json", folder / "c.tsv"):
        lies = "json" if file.suffix == ".json" else ""
        yield Source(f"corpus {file.suffix}", file, lambda path: load(path, notes=False).hash, lies=lies)
    for number, (label, text) in enumerate(texts(2)):
        place = folder / "classes" / label / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    yield Source("corpus folder", place, lambda _: load(folder / "classes", notes=False).hash)
    yield Source("lines to classify", corpus, lambda path: list(lines_of(str(path))))


def _of_graphs(folder: Path, corpus: Path, graph: Graph) -> Iterator[Source]:
    from gcn2snn.files import cache_folder

    graph.save(folder / "graph.safetensors")
    yield Source("graph file", folder / "graph.safetensors", _graph, checked=True, lies="tensors")
    (cached,) = (cache_folder() / "graphs").glob("corpus-*.safetensors")

    def cache(_: Path) -> object:
        found = load_graph(str(corpus), notes=False)
        assert found.fingerprint == graph.fingerprint
        return found.fingerprint

    yield Source("graph cache", cached, cache, checked=True, lies="tensors")


def _graph(path: Path) -> object:
    found = Graph.load(path)
    found.adjacency.checked  # noqa: B018
    repr(found)
    return found.fingerprint


def _of_runs(folder: Path, graph: Graph) -> Iterator[Source]:
    run = folder / "run"
    train_run(graph, SMALL, run)

    def model(_: Path) -> object:
        summary = read_run(run, "graph")
        same = graph_of(summary, None)
        return digest(*load_model(run, same).state_dict().values())

    yield Source("model.safetensors of a graph run", run / "model.safetensors", model, checked=True, lies="tensors")
    yield Source("run.json of a graph run", run / "run.json", model, lies="json")
    yield _state("state.safetensors", folder / "state.safetensors", lambda: Trainer(graph, SMALL))
    own = load_graph(
        str(folder / "corpus.csv"), options=gcn2snn.datasets.TextGraphOptions(documents="training"), notes=False
    )
    config = TrainConfig.for_new_documents(hidden=4, epochs=3)
    place = folder / "inductive.safetensors"
    yield _state("state of inductive training", place, lambda: InductiveTrainer(own, config))


def _state(name: str, path: Path, make: Callable[[], Trainer | InductiveTrainer]) -> Source:
    """A checkpoint of one epoch; what it means is the weights that the next epoch makes of it."""
    trainer = make()
    trainer.run_epoch()
    trainer.save(path)

    def go_on(place: Path) -> object:
        again = make()
        again.load(place)
        again.run_epoch()
        return digest(*again.model.state_dict().values())

    return Source(name, path, go_on, checked=True, lies="tensors")


def _of_networks(folder: Path, graph: Graph) -> Iterator[Source]:
    snn = gcn2snn.convert(load_model(folder / "run", graph), graph, ConvertConfig(events=0.5))
    artefact.save(snn, folder / "snn.safetensors")

    def text_network(path: Path) -> object:
        found = artefact.load(path)
        answers = found.documents.predict(found, ["goal bank day", "unheard"])
        return digest(found(graph.adjacency)), [str(answer.to_json(2, True)) for answer in answers]

    yield Source("network on texts", folder / "snn.safetensors", text_network, checked=True, lies="tensors")
    snn.save_pretrained(folder / "model")

    def pretrained(_: Path) -> object:
        return digest(gcn2snn.from_pretrained(folder / "model")(graph.adjacency))

    yield Source("config.json of a model folder", folder / "model" / "config.json", pretrained, lies="json")
    yield Source(
        "network of a model folder", folder / "model" / "model.safetensors", pretrained, checked=True, lies="tensors"
    )
    with contextlib.suppress(ImportError):
        from torch_geometric.nn import GCN

        edges, x = torch.tensor([[0, 1, 2, 3, 1, 0], [1, 2, 3, 0, 3, 2]]), torch.rand(4, 3)
        of_edges = gcn2snn.convert(GCN(3, 4, 2, 2).eval(), (x, edges))
        artefact.save(of_edges, folder / "pyg.safetensors")
        yield Source(
            "network on edges", folder / "pyg.safetensors", lambda path: digest(artefact.load(path)(x, edges)),
            checked=True, lies="tensors",
        )  # fmt: skip


def _of_images(folder: Path) -> Iterator[Source]:
    run, options = folder / "images", ImageTrainConfig(epochs=1, batch_size=16, shift=0, flip=False)
    train_images("digits", options, run, limit=32)

    def weights(_: Path) -> object:
        read_run(run, "images")
        return digest(*source_of(run, "", None, "", None, "", "")[1].state_dict().values())

    yield Source("model.safetensors of an image run", run / "model.safetensors", weights, checked=True, lies="tensors")
    yield Source("run.json of an image run", run / "run.json", weights, lies="json")
    images = load_images("digits", "train").first(32)
    trainer = ImageTrainer(images, options)
    trainer.run_epoch()
    trainer.save(folder / "image-state.safetensors")

    def go_on(path: Path) -> object:
        again = ImageTrainer(images, options)
        again.load(path)
        return digest(*again.model.state_dict().values())

    yield Source("state of image training", folder / "image-state.safetensors", go_on, checked=True, lies="tensors")
    convert_images(folder / "images.safetensors", run=run, calibration_images=16)
    x = torch.rand(2, 1, 8, 8)
    place = folder / "images.safetensors"
    yield Source("network on images", place, lambda path: digest(artefact.load(path)(x)), checked=True, lies="tensors")
    from PIL import Image

    picture = Image.fromarray((np.arange(40 * 30 * 3) % 251).astype(np.uint8).reshape(40, 30, 3))
    for suffix in ("png", "jpg", "bmp", "webp", "ppm"):
        picture.save(folder / f"picture.{suffix}")
        yield Source(f"image .{suffix}", folder / f"picture.{suffix}", lambda path: digest(read_image(path, 20, 16)))


def _of_torch(folder: Path) -> Iterator[Source]:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    snn = gcn2snn.convert(model, torch.rand(6, 3))
    torch.save({"x": torch.rand(6, 3), "y": torch.arange(6) % 2, "test_mask": torch.ones(6).bool()}, folder / "data.pt")

    def labelled(path: Path) -> object:
        found, args = given_call(snn, str(path), None)
        snn(*args)
        return digest(found.labels)

    yield Source("data .pt", folder / "data.pt", labelled, lies="torch")
    torch.save(model.state_dict(), folder / "weights.pt")
    yield Source("weights .pt", folder / "weights.pt", lambda path: len(read_state(path)), lies="torch")
    torch.save(model.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    yield Source("weights .pt, older format", folder / "old.pt", lambda path: len(read_state(path)))


def _cifar(folder: Path) -> Iterator[Source]:
    from PIL import Image

    count = 12
    cifar.IMAGES = count
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3072), dtype=np.uint8)
    labels = np.arange(count) % 10
    records = np.concatenate([labels.astype(np.uint8)[:, None], pixels], 1).tobytes()
    cifar.RECORDS_MD5["test"] = hashlib.md5(records, usedforsecurity=False).hexdigest()
    for name in ("bin", "pickle", "npz", "png"):
        (folder / f"cifar-{name}").mkdir()
    (folder / "cifar-bin" / "test_batch.bin").write_bytes(records)
    (folder / "cifar-pickle" / "test_batch").write_bytes(pickle.dumps({b"labels": labels.tolist(), b"data": pixels}, 2))
    packed = io.BytesIO()
    np.savez_compressed(packed, x=pixels, y=labels)
    (folder / "cifar-npz" / "cifar10_test.npz").write_bytes(packed.getvalue())
    rows = pixels.reshape(count, 3, 1024).transpose(0, 2, 1)
    Image.fromarray(np.ascontiguousarray(rows)).save(folder / "cifar-png" / "test_batch.png")
    (folder / "cifar-png" / "test_lables.json").write_text(json.dumps(labels.tolist()))

    def reader(place: Path) -> Callable[[Path], object]:
        return lambda _: digest(cifar.load_cifar("cifar10", "test", [place]).images)

    for name in ("bin", "pickle", "npz", "png"):
        (file, *rest) = sorted((folder / f"cifar-{name}").iterdir())
        yield Source(f"CIFAR .{name}", file, reader(file.parent), checked=True)
        for other in rest:
            yield Source("CIFAR labels", other, reader(file.parent), lies="json")
    hundred = folder / "cifar100"
    hundred.mkdir()
    (hundred / "test").write_bytes(pickle.dumps({b"fine_labels": labels.tolist(), b"data": pixels}, 2))
    yield Source("CIFAR-100", hundred / "test", lambda _: digest(cifar.load_cifar("cifar100", "test", [folder]).images))


def _results(folder: Path) -> Iterator[Source]:
    journal = Journal(folder / "tune.journal", "key")
    numbers = {"accuracy": 90.0, "agreement": 95.0, "loss": 0.1, "alpha": 5.0, "alpha_eq6": 4.0}
    numbers |= {"alpha_total": 2.0, "divergence": 0.01}
    for base in (1.2, 1.3, 1.5):
        journal.add(Measured({"base": base}, Point(ConvertConfig(base=base), **numbers)))
    yield Source(
        "tune.journal", folder / "tune.journal", lambda path: [str(m) for m in Journal(path, "key").measured],
        checked=True, prefix=True,
    )  # fmt: skip
    keep(folder / "kept.json", "key", {"unit": {"accuracy": 90.0}})
    yield Source("kept result", folder / "kept.json", lambda path: kept(path, "key"), checked=False)
    point = {**numbers, "config": {"base": 1.3}}
    save_json(
        folder / "tune.json", {"source_accuracy": 90.0, "chosen": point, "met": True, "front": [point], "trials": 3}
    )
    yield Source(
        "tune.json", folder / "tune.json", lambda path: str(pareto("front", load_json(path, StoredTuning))), lies="json"
    )
    alpha = {key: [5.0, 6.0] for key in ("eq6", "binary", "events", "total")}
    row = {"dataset": "r8", "mode": "signed", "ann": [97.0, 97.1], "snn": [96.9, 97.0], "alpha": alpha, "met": True}
    place = folder / "table"
    save_json(place / "table5.json", {"rows": [row], "missing": {}, "broken": {}})
    yield Source(
        "table5.json", place / "table5.json",
        lambda _: write_report([place], folder / "table.html", lambda *_: None)["bytes"], lies="json",  # type: ignore[arg-type, return-value]
    )  # fmt: skip


def _helper_that_may_run(path: Path) -> object:
    if fault := library_file.fault_of(path):
        raise ArtefactError(fault)
    return "may run"


def _helper(folder: Path) -> Iterator[Source]:
    library = loading.load().library
    place = folder / "own"
    place.mkdir()
    if library is not None:
        copy = Path(shutil.copy(library._name, place / "helper.so"))
        library_file.checksum_file(copy).write_text(hashlib.sha256(copy.read_bytes()).hexdigest())
        yield Source("compiled helper", copy, _helper_that_may_run, checked=True)

    def locked(path: Path) -> object:
        with owned(place / "some"):
            return "ours"

    (place / "some.lock").write_text("{}")
    yield Source("lock file", place / "some.lock", locked)
