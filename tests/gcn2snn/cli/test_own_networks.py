"""The command line on networks of a user's own models, which do not say what they were trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import failed, gcn2snn, parsed
from torch import Tensor, nn

import gcn2snn as package

pyg = pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

NODES, CHANNELS, CLASSES = 20, 5, 3


class TinyGCN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = pyg.nn.GCNConv(CHANNELS, 8)
        self.second = pyg.nn.GCNConv(8, CLASSES)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.second(self.first(x, edge_index).relu(), edge_index)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted PyG network, and its data as a dict and as a PyG object."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("own")
    data = pyg.data.Data(
        x=torch.rand(NODES, CHANNELS),
        edge_index=torch.randint(0, NODES, (2, 60)),
        y=torch.randint(0, CLASSES, (NODES,)),
        test_mask=torch.arange(NODES) > 10,
    )
    package.save(package.convert(TinyGCN().eval(), (data.x, data.edge_index)), folder / "snn.safetensors")
    torch.save(data.to_dict(), folder / "dict.pt")
    torch.save(data, folder / "data.pt")
    return folder


@pytest.mark.parametrize("file", ["dict.pt", "data.pt"])
def test_evaluate_with_a_file(folder: Path, file: str) -> None:
    found = parsed("evaluate", folder / "snn.safetensors", "--data", folder / file, "--layers")
    snn, data = package.load(folder / "snn.safetensors"), torch.load(folder / "dict.pt", weights_only=True)
    right = (snn(data["x"], data["edge_index"]).argmax(1) == data["y"])[data["test_mask"]]
    assert found["snn"]["accuracy"] == 100 * float(right.double().mean())
    assert found["test_nodes"] == 9
    assert found["dataset"] == {"dataset": str(folder / file)}
    assert found["alpha"] == snn.energy(data["x"], data["edge_index"]).to_dict()["alpha"]
    assert found["verify"][-1]["name"] == "output"


def test_evaluate_prints_the_comparison(folder: Path) -> None:
    shown = gcn2snn("evaluate", folder / "snn.safetensors", "--data", folder / "dict.pt")
    assert shown.returncode == 0, shown.stderr
    assert "dict.pt: 9 test rows (closed engine)" in " ".join(shown.stdout.split())  # a long path wraps the title
    assert "second.aggregation" in shown.stdout


def test_report_with_a_file_agrees_with_evaluate(folder: Path, tmp_path: Path) -> None:
    words = ("--data", folder / "dict.pt")
    found = parsed("report", folder / "snn.safetensors", *words, "--out", tmp_path / "out.html")
    evaluated = parsed("evaluate", folder / "snn.safetensors", *words)
    (network,) = found["networks"]
    assert all(network[key] == evaluated[key] for key in ("ann", "snn", "agreement", "alpha"))
    assert "dict.pt" in (tmp_path / "out.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["evaluate", "report"])
def test_without_data_the_way_out_is_named(folder: Path, verb: str) -> None:
    refused = failed(verb, folder / "snn.safetensors")
    assert "does not say what it was trained on. Give the data: --data FILE.pt" in refused


def test_data_that_do_not_fit_are_one_line(folder: Path, tmp_path: Path) -> None:
    snn = folder / "snn.safetensors"
    whole = torch.load(folder / "dict.pt", weights_only=True)

    def refused(**changes: Tensor | None) -> str:
        torch.save({k: v for k, v in (whole | changes).items() if v is not None}, tmp_path / "bad.pt")
        lines = {failed(verb, snn, "--data", tmp_path / "bad.pt") for verb in ("evaluate", "report")}
        assert len(lines) == 1  # both verbs say the same
        return lines.pop()

    assert "x has shape [20, 4]; the network needs ['*', 5]" in refused(x=whole["x"][:, :4])
    assert "takes 'edge_index', and" in refused(edge_index=None)
    assert "has no labels" in refused(y=None)
    assert "labels of 8 classes; the network has 3" in refused(y=whole["y"] + 5)
    assert "there are 19 labels, but the network gives [20, 3]" in failed_rows(whole, snn, tmp_path)
    assert "karate has labels of 4 classes; the network has 3" in failed("evaluate", snn, "--data", "karate")
    assert "no file and no dataset is called 'korra'" in failed("evaluate", snn, "--data", "korra")


def failed_rows(whole: dict[str, Tensor], snn: Path, folder: Path) -> str:
    short = {"y": whole["y"][:19], "test_mask": whole["test_mask"][:19]}
    torch.save(whole | short, folder / "short.pt")
    failed("report", snn, "--data", folder / "short.pt")
    return failed("evaluate", snn, "--data", folder / "short.pt")


def test_tune_says_why_not_and_what_to_do(folder: Path) -> None:
    refused = failed("tune", folder / "snn.safetensors")
    assert "a converted network holds its weights in one converted form only" in refused
    assert "gcn2snn.tune.tune(Problem(model, [(example, labels)]))" in refused


def test_that_way_works(folder: Path) -> None:
    from gcn2snn.tune import Problem, TuneConfig, tune

    data = torch.load(folder / "dict.pt", weights_only=True)
    labels = torch.where(data["test_mask"], -1, data["y"])
    problem = Problem(TinyGCN().eval(), [((data["x"], data["edge_index"]), labels)])
    assert len(tune(problem, TuneConfig(trials=2, max_loss=100.0)).points) == 2
