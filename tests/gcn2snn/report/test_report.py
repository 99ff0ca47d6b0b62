"""The report: one self-contained HTML file that shows the numbers of evaluate and escapes every text."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from command_line import gcn2snn

from gcn2snn import artefact, ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.evaluation import evaluate
from gcn2snn.files import save_json
from gcn2snn.graph import Graph
from gcn2snn.kernels import encode
from gcn2snn.report import default_file, write_report
from gcn2snn.report.collect import Batch, Measured, Subject, measure, subject_of
from gcn2snn.report.confusion import largest_confusions
from gcn2snn.textgcn.model import TextGCN

HOSTILE = '<script>alert("1")</script>\' & <b>'
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting, collects ids, references, addresses, headings and tables."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def checked(file: Path) -> Page:
    """The page as text, after the checks that every page must pass."""
    source = file.read_text(encoding="utf-8")
    assert source.startswith("<!DOCTYPE html>")
    source = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "picture", source)  # pictures lie in the page itself
    page = Page(source)
    assert all(attrs.get("alt") for attrs in page.all("img"))
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert page.all("script") == []
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", source)
    for tag, attrs in page.tags:
        assert attrs.get("src") in (None, "picture")
        target = attrs.get("href") or ""
        assert tag != "a" or target.endswith("report.html") or target[1:] in ids, target
        for key in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(key) or "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in attrs for attrs in page.all("th"))
    assert not re.search(r"<th[^>]*>\s*</th>", source)
    for (outer, _), (row, _), (first, _) in zip(page.tags, page.tags[1:], page.tags[2:], strict=False):
        assert row != "tr" or first == "th" or outer == "thead"  # every row says what it is about
    pictures = [attrs for attrs in page.all("svg") if attrs.get("aria-hidden") != "true"]
    assert all(attrs.get("role") == "img" and attrs.get("aria-labelledby") for attrs in pictures)
    for tag in ("title", "desc"):
        own = re.findall(rf"<{tag} id=[^>]*>([^<]*)<", source)
        assert len(own) == len(pictures)
        assert all(text.strip() for text in own)
    for attrs in (attrs for _, attrs in page.tags if "wide" in (attrs.get("class") or "").split()):
        assert (attrs["role"], attrs["tabindex"]) == ("region", "0")  # what scrolls is reached by keyboard, and named
        assert attrs["aria-label"]
    assert all(len(page.all(tag)) == 1 for tag in ("header", "nav", "main"))
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert page.all("html") == [{"lang": "en"}]
    return page


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a plain and a tuned network."""
    pytest.importorskip("optuna")
    folder = tmp_path_factory.mktemp("report") / "run"
    for words in (
        ("train", "karate", "--out", folder, "--epochs", 30, "--hidden", 8),
        ("convert", folder),
        ("tune", folder, "--trials", 7, "--max-loss", 100),
    ):
        done = gcn2snn(*words)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_run_end_to_end(run: Path) -> None:
    done = gcn2snn("report", run, "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    file = run / "report.html"
    assert content["report"] == str(file)
    assert content["bytes"] == file.stat().st_size < 400_000
    assert [network["name"] for network in content["networks"]] == ["snn.safetensors", "tuned.safetensors"]
    page = checked(file)
    for word in ("Eq. 6", "exact events", "total", "source that skips its own zeros", "underflow %", "saturated %"):
        assert word in page.text
    for heading in ("Accuracy", "Energy", "Layers", "Populations", "Confusion", "Settings", "Pareto front", "Terms"):
        assert heading in page.text
    for network in content["networks"]:
        assert f"{network['snn']['accuracy']:.2f}" in page.text
        for alpha in network["alpha"].values():
            assert f"{alpha:.2f}" in page.text
    # flow, budget, raster, and three populations with two charts, of which two feed an aggregation; twice; and the front
    assert len([1 for attrs in page.all("svg") if attrs.get("role") == "img"]) == 2 * (1 + 1 + 1 + 3 * 2 + 2) + 1
    assert "Side by side" in page.text
    assert page.all("mark")  # a tuned network differs from a plain one


def test_what_is_folded_stays_on_the_screen(karate: Graph, tmp_path: Path) -> None:
    file = artefact.save(convert(TextGCN(34, [8], 4).eval(), karate), tmp_path / "snn.safetensors", {"dataset": {}})
    write_report([file], tmp_path / "out.html", lambda *_: subject_of(karate))
    source = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<details>" in source
    printed = source[source.index("@media print") : source.index("</style>")]
    (hidden,) = re.findall(r"^  (.*) \{ display: none; \}$", printed, flags=re.M)
    assert {"nav", "details", ".terms", ".details ~ .details"} <= set(hidden.split(", "))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a small convolutional network."""
    folder = tmp_path_factory.mktemp("images") / "digits"
    for words in (("train", "digits", "--out", folder, "--epochs", 2), ("convert", folder)):
        done = gcn2snn(*words)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_network_of_images(digits: Path) -> None:
    done = gcn2snn("report", digits, "--json")
    assert done.returncode == 0, done.stderr
    (network,) = json.loads(done.stdout)["networks"]
    evaluated = json.loads(gcn2snn("evaluate", digits / "snn.safetensors", "--json").stdout)
    assert network["test_nodes"] == evaluated["images"] == 359
    assert (network["ann"]["accuracy"], network["agreement"]) == (evaluated["ann"]["accuracy"], evaluated["agreement"])
    assert network["alpha"] == evaluated["alpha"]
    page = checked(digits / "report.html")
    for heading in ("Accuracy", "Energy", "Layers", "Populations", "Confusion", "Settings", "Source model", "Terms"):
        assert heading in page.text
    assert "Energy of all 359 test images" in page.text
    assert "nodes" not in page.text.split("Terms source")[0]
    assert "learning_rate" in page.text  # from the run folder
    assert len(page.all("img")) >= 3  # of the images that both networks know
    assert len([1 for attrs in page.all("svg") if attrs.get("role") == "img"]) == 1 + 1 + 1 + 3 * 2
    done = gcn2snn("report", digits, "--force", "--limit", 50)
    assert done.returncode == 0, done.stderr
    assert "Energy of 50 of 359 test images, drawn evenly from the classes" in checked(digits / "report.html").text


def test_batches_add_up(digits: Path) -> None:
    snn = artefact.load(digits / "snn.safetensors")
    x, labels = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 10

    def measured(*sizes: int) -> Measured:
        parts = [
            Batch((a,), b, torch.ones(len(b), dtype=torch.bool))
            for a, b in zip(x.split(sizes), labels.split(sizes), strict=True)
        ]
        return measure(snn, Subject(lambda: parts, tuple("0123456789"), "test images", "some images"))

    whole, split = measured(30), measured(7, 23)
    assert whole.evaluation == split.evaluation
    assert torch.equal(whole.confusion, split.confusion)
    assert whole.skipping == split.skipping
    for one, two in zip(whole.populations, split.populations, strict=True):
        for key in ("neurons", "spikes", "positive", "negative", "quiet", "underflow", "cut", "saturated"):
            assert getattr(one, key) == getattr(two, key)
        assert one.error == pytest.approx(two.error, rel=1e-6)  # sums in another order
        assert int(two.cells.sum()) == two.neurons


def test_nothing_is_replaced_unasked(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.html"
    file.write_text("mine")
    refused = gcn2snn("report", run, "--out", file)
    assert refused.returncode == 2
    assert "is not overwritten without --force" in refused.stderr
    assert file.read_text() == "mine"
    done = gcn2snn("report", run / "snn.safetensors", "--out", file, "--force")
    assert done.stdout.startswith("written to ")
    assert not any(attrs.get("href") == "#search" for attrs in checked(file).all("a"))
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("config", [ConvertConfig(), ConvertConfig(events=0.3, per="channel"), ConvertConfig(wait=3)])
def test_measured_is_what_evaluate_says(karate: Graph, config: ConvertConfig) -> None:
    snn = convert(TextGCN(34, [8], 4).eval(), karate, config)
    measured = measure(snn, subject_of(karate))
    assert measured.evaluation == evaluate(snn, karate)
    rows = int(karate.test_mask.sum())
    assert measured.both + measured.only_ann + measured.only_snn + measured.neither == rows
    assert int(measured.confusion.sum()) == rows
    assert float(measured.confusion.diagonal().sum()) / rows == pytest.approx(measured.evaluation.snn.accuracy / 100)
    layers = {layer.name: layer for layer in measured.evaluation.energy.layers}
    for p in measured.populations:
        assert sum(p.positive) + sum(p.negative) == p.spikes
        assert p.spikes + p.quiet + p.underflow + p.cut == p.neurons
        assert int(p.cells.sum()) == p.neurons
        assert (p.cut > 0) <= (config.events is not None or config.wait is not None)
    message, _, second = measured.populations
    for population, layer in ((message, "layer1.aggregation"), (second, "layer2.aggregation")):
        assert sum(c.events for c in population.by_degree) == layers[layer].events
        assert sum(c.operations for c in population.by_degree) == layers[layer].operations
        assert sum(c.nodes for c in population.by_degree) == 34
    assert sum(x.events for x in measured.skipping.layers) <= sum(x.operations for x in measured.skipping.layers)


def test_phases_and_fates_by_hand(karate: Graph) -> None:
    """Q = 2, T = 2, thresholds 0.375 and 0.1875 of the scale: one neuron for each fate."""
    from gcn2snn.kernels import PhaseCode
    from gcn2snn.report.population import Population

    horizon = torch.tensor([[2], [2], [2], [2], [2], [1]], dtype=torch.int16)
    code = PhaseCode(2.0, 2, signed=True)
    node = ir.Neuron(name="n", inputs=("x",), coding=code, scale=torch.tensor(1.0), horizon=horizon)
    x = torch.tensor([[0.9], [-0.4], [0.2], [0.1], [0.0], [0.2]])
    found = Population(node)
    found.see(x, x, encode(x, node.scale, code, horizon))
    expected = {"neurons": 6, "spikes": 3, "positive": [1, 1], "negative": [1, 0]}
    expected |= {"quiet": 1, "underflow": 1, "cut": 1, "saturated": 1}
    assert {key: getattr(found, key) for key in expected} == expected
    # decoded: 0.5, -0.5, 0.25 and three zeros
    assert found.squared_error == pytest.approx(0.4**2 + 0.1**2 + 0.05**2 + 0.1**2 + 0.2**2)
    assert found.squared_size == pytest.approx(0.81 + 0.16 + 0.04 + 0.01 + 0.04)
    found.see(x[:3], x[:3], encode(x[:3], node.scale, code, horizon[:3]))
    assert (found.neurons, found.spikes, found.positive, found.negative) == (9, 6, [2, 2], [2, 0])


def test_silence_saves_the_source_less_than_spikes_do(karate: Graph) -> None:
    """A source that skips what is silent gains operations / events, the network 4.6 / 0.9 times that."""
    from gcn2snn.report.page import _work

    snn = convert(TextGCN(34, [8], 4).eval(), karate, ConvertConfig(events=0.3))
    full, _, masked, spiking = _work(measure(snn, subject_of(karate)))
    assert masked.operations == spiking.operations < full.operations
    assert masked.factor == pytest.approx(full.operations / masked.operations)
    assert spiking.factor == pytest.approx(masked.factor * 4.6 / 0.9)


def hostile(graph: Graph) -> Graph:
    return replace(graph, class_names=(HOSTILE, *graph.class_names[1:]), source={**graph.source, "dataset": HOSTILE})


def test_every_text_is_escaped(karate: Graph, tmp_path: Path) -> None:
    graph = hostile(karate)
    snn = convert(TextGCN(34, [8], 4).eval(), graph)
    origin = {"dataset": graph.source, "config": {"note": HOSTILE}}
    file = artefact.save(snn, tmp_path / "x<b>y.safetensors", origin)
    write_report([file], tmp_path / "out.html", lambda *_: subject_of(graph))
    page = checked(tmp_path / "out.html")
    assert "b" not in {tag for tag, _ in page.tags}
    assert " ".join(HOSTILE.split()) in page.text


def test_many_classes_are_listed_instead_of_a_wide_matrix(karate: Graph, tmp_path: Path) -> None:
    names = tuple(f"class{i}" for i in range(30))
    graph = replace(karate, class_names=names)
    snn = convert(TextGCN(34, [8], 30).eval(), graph)
    file = artefact.save(snn, tmp_path / "snn.safetensors", {"dataset": graph.source})
    write_report([file], default_file([file]), lambda *_: subject_of(graph))
    page = checked(tmp_path / "snn.html")
    assert "Test nodes by true class" not in page.text
    assert "Most frequent confusions" in page.text


def test_largest_confusions() -> None:
    matrix = torch.tensor([[5, 2, 0], [7, 1, 0], [0, 3, 9]])
    assert largest_confusions(matrix, ("a", "b", "c")) == [("b", "a", 7), ("c", "b", 3), ("a", "b", 2)]
    assert largest_confusions(torch.eye(3, dtype=torch.int64), ("a", "b", "c")) == []


def table5(folder: Path) -> Path:
    alpha = {"eq6": [6.0, 6.5], "events": [7.0, 7.5], "total": [1.0, 1.1], "binary": [5.0, 5.1]}
    rows = [
        {"dataset": name, "mode": mode, "ann": [97.0, 97.2], "snn": [96.9, 96.8], "alpha": alpha}
        for name in ("r8", HOSTILE)
        for mode in ("paper", "signed", "tuned")
    ]
    save_json(folder / "table5.json", {"rows": rows, "missing": {"mr": "not found"}, "broken": {}})
    save_json(folder / "tcurve.json", {"smallest": {"r8": {"fixed": 10, "fitted": None}}})
    coding = {"dataset": "r8", "coding": "rate", "timesteps": 8, "latency": 8, "accuracy": 90.0, "ann": 97.0}
    save_json(folder / "codings.json", {"rows": [{**coding, "additions": 1e6, "alpha_events": 1.5}]})
    (folder / "r8" / "seed0").mkdir(parents=True)
    (folder / "r8" / "seed0" / "report.html").write_text("")
    return folder


def test_a_folder_of_table5(tmp_path: Path) -> None:
    done = gcn2snn("report", table5(tmp_path))
    assert done.returncode == 0, done.stderr
    page = checked(tmp_path / "report.html")
    assert "97.10 ± 0.14" in page.text
    assert "97.06 96.44 0.62 6.59" in page.text  # the paper's own row for r8
    assert "Not in the table: mr: not found" in page.text
    assert {"href": "r8/seed0/report.html"} in page.all("a")
    assert "none measured" in page.text
    assert "mode signed the same with signed messages." in page.text
    assert "1,000,000" in page.text


def test_bad_targets(run: Path, karate: Graph, tmp_path: Path) -> None:
    def nothing(*found: object) -> Subject:
        raise AssertionError("no graph is needed to refuse")

    out = tmp_path / "out.html"
    with pytest.raises(ArtefactError, match=r"holds none of snn.safetensors, tuned.safetensors and no table5.json"):
        write_report([tmp_path], out, nothing)
    with pytest.raises(ArtefactError, match="does not exist"):
        write_report([tmp_path / "nowhere"], out, nothing)
    with pytest.raises(ArtefactError, match=r"gcn2snn.model.*a gcn2snn.snn file is needed"):
        write_report([run / "model.safetensors"], out, nothing)
    nameless = artefact.save(artefact.load(run / "snn.safetensors"), tmp_path / "nameless.safetensors", {})
    assert (
        "does not say what it was trained on. Give the data: --data" in gcn2snn("report", nameless, "--out", out).stderr
    )
    other = replace(subject_of(karate), class_names=("a", "b"))
    with pytest.raises(DataError, match="the network has 4 classes and the data have 2"):
        write_report([run], out, lambda *_: other)
    assert "--limit has no meaning here" in gcn2snn("report", run, "--out", out, "--limit", 5).stderr
    save_json(tmp_path / "table" / "table5.json", [])
    with pytest.raises(ArtefactError, match=r"is no JSON object but .*Make it again with `gcn2snn reproduce table5`"):
        write_report([tmp_path / "table"], out, nothing)
    with pytest.raises(DataError, match="has no test nodes"):
        write_report([run], out, lambda *_: subject_of(replace(karate, test_mask=torch.zeros(34, dtype=torch.bool))))
    few = replace(
        next(iter(subject_of(karate).batches())), labels=karate.labels[:33], rows=torch.ones(33, dtype=torch.bool)
    )
    with pytest.raises(DataError, match="the data have 33 labels; the network gives 34 rows"):
        write_report([run], out, lambda *_: replace(subject_of(karate), batches=lambda: [few]))
    assert not out.exists()
