"""Models of the caller's own from the command line: convert, evaluate, tune, report and explain; every mistake in one line."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from command_line import failed, gcn2snn, parsed

import gcn2snn as package

pyg = pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

MODELS = """
import torch
from torch import nn
from torch_geometric.nn import GCNConv


class GCN(nn.Module):
    def __init__(self, channels, hidden=8, classes=3):
        super().__init__()
        self.first, self.second = GCNConv(channels, hidden), GCNConv(hidden, classes)

    def forward(self, x, edge_index, edge_weight=None):
        h = self.first(x, edge_index, edge_weight).relu()
        return self.second(h, edge_index, edge_weight)


class Two(GCN):
    def forward(self, x, edge_index):
        z = super().forward(x, edge_index)
        return {"scores": z, "links": z @ z.t()}


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.act, self.gru = nn.Linear(5, 3), nn.GELU(), nn.Conv1d(3, 3, 1)

    def forward(self, x, edge_index):
        return torch.cumsum(self.lin(x), 0)


def small():
    return GCN(5)


def images():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))


def broken():
    raise ValueError("no such thing")


def number():
    return 3


def any_arguments():
    class Loose(nn.Module):
        def forward(self, *args):
            return args[0]

    return Loose()


model = small()
text = "no model"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("own_models")
    (folder / "ownnet").mkdir()
    (folder / "ownnet" / "__init__.py").write_text("")
    (folder / "ownnet" / "gcn.py").write_text(MODELS)
    (folder / "ownnet" / "torn.py").write_text("import nowhere_to_be_found\n")
    (folder / "ownnet" / "syntax.py").write_text("def build(:\n")
    data = {
        "x": torch.rand(20, 5),
        "edge_index": torch.randint(0, 20, (2, 60)),
        "y": torch.randint(0, 3, (20,)),
        "test_mask": torch.arange(20) > 10,
        "val_mask": torch.arange(20) < 6,
    }
    torch.save(data, folder / "data.pt")
    torch.save({key: value for key, value in data.items() if key != "val_mask"}, folder / "unsplit.pt")
    torch.save(data | {"x": torch.rand(20, 4)}, folder / "narrow.pt")
    sys.path.insert(0, str(folder))
    try:
        import ownnet.gcn as own  # type: ignore[import-not-found]

        state = own.small().state_dict()
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, folder / "weights.pt")
        torch.save(state | {"more": torch.zeros(1)}, folder / "more.pt")
        torch.save({"first.bias": torch.zeros(4)}, folder / "few.pt")
        torch.save(own.images().state_dict(), folder / "images.pt")
    finally:
        sys.path.remove(str(folder))
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_converted_with_its_weights_and_evaluated(folder: Path) -> None:
    found = parsed(
        "convert", "ownnet.gcn:small", "--weights", "weights.pt", "--data", "data.pt", "--out", "a.safetensors"
    )
    assert found["origin"]["model"] == "ownnet.gcn:small"
    assert found["check"]["kind"] == "full"
    snn = package.load("a.safetensors")
    state = torch.load("weights.pt", weights_only=True)["state_dict"]
    assert torch.equal(snn.network["first.message"].weight, state["module.first.lin.weight"])  # type: ignore[attr-defined]
    assert [node.name for node in snn.network if type(node).__name__ == "Input"] == ["x", "edge_index"]
    evaluated = parsed("evaluate", "a.safetensors")  # on the data it was converted on, from any folder
    assert evaluated["test_nodes"] == 9
    assert evaluated == {
        **parsed("evaluate", "a.safetensors", "--data", "data.pt"),
        "dataset": evaluated["dataset"],
    } | {key: evaluated[key] for key in ("peak_memory_bytes",)}
    assert parsed("report", "a.safetensors", "--out", "a.html")["networks"][0]["agreement"] == evaluated["agreement"]
    assert gcn2snn("info", "a.safetensors").returncode == 0
    assert "a.safetensors exists" in failed(
        "convert", "ownnet.gcn:small", "--data", "data.pt", "--out", "a.safetensors"
    )


def test_tuned(folder: Path) -> None:
    found = parsed("tune", "ownnet.gcn:small", "--weights", "weights.pt", "--data", "data.pt", "--trials", "2")
    assert found["test"]["test_nodes"] == 9
    assert Path("small-tune/tuned.safetensors").is_file()
    assert parsed("evaluate", "small-tune/tuned.safetensors")["snn"] == found["test"]["snn"]
    assert "unsplit.pt has no val_mask" in failed(
        "tune", "ownnet.gcn:small", "--data", "unsplit.pt", "--out", "t.safetensors"
    )
    assert "no data: configurations are compared on validation data" in failed("tune", "ownnet.gcn:model")


def test_images(folder: Path) -> None:
    words = ("--weights", "images.pt", "--data", "digits", "--calibration-images", "20")
    found = parsed("convert", "ownnet.gcn:images", *words, "--out", "i.safetensors")
    assert found["origin"]["model"] == "ownnet.gcn:images"
    assert parsed("evaluate", "i.safetensors", "--limit", "20")["images"] == 20


def test_one_of_several_results(folder: Path) -> None:
    words = ("convert", "ownnet.gcn:Two", "--args", "[5]", "--data", "data.pt")
    whole = parsed(*words, "--out", "two.safetensors")
    assert whole["origin"]["head"] is None
    assert "needs class scores, and this network gives 2 results: scores, links" in failed(
        "evaluate", "two.safetensors"
    )
    parsed(*words, "--head", "scores", "--out", "one.safetensors")
    assert parsed("evaluate", "one.safetensors")["test_nodes"] == 9
    assert "has no 'z'. It has 'scores', 'links'" in failed(*words, "--head", "z", "--out", "z.safetensors")


CONVERT = ("convert", "--data", "data.pt", "--out", "new.safetensors")

MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "module": (("nowhere.gcn:small",), "no module is called 'nowhere' in .* or where Python looks"),
    "inner module": (("ownnet.nowhere:small",), r"importing ownnet.nowhere fails: ModuleNotFoundError"),
    "module that fails": (
        ("ownnet.torn:small",),
        r"importing ownnet.torn fails: .*nowhere_to_be_found.*torn.py, line 1, in",
    ),
    "module with a mistake": (("ownnet.syntax:build",), r"SyntaxError: .*syntax.py, line 1\)"),
    "attribute": (("ownnet.gcn:large",), "ownnet.gcn has no 'large'; it has .*small, images"),
    "no word": (("ownnet.gcn:a-b",), "is no package.module:factory"),
    "no callable": (("ownnet.gcn:text",), "ownnet.gcn:text is str; a function or class"),
    "no model": (("ownnet.gcn:number",), "ownnet.gcn:number gives int; a torch.nn.Module is needed"),
    "arguments": (
        ("ownnet.gcn:GCN",),
        r"missing a required argument: 'channels'. Give them as --args '\{\"channels\": \"...\"\}'",
    ),
    "other arguments": (("ownnet.gcn:small", "--args", '{"depth": 2}'), "got an unexpected keyword argument 'depth'"),
    "no JSON": (("ownnet.gcn:GCN", "--args", "5 6"), "--args '5 6' is no JSON"),
    "a number": (("ownnet.gcn:GCN", "--args", "5"), "--args '5' is int; a list or an object is needed"),
    "arguments of a model": (("ownnet.gcn:model", "--args", "[5]"), "is a model already, so --args has no meaning"),
    "factory fails": (
        ("ownnet.gcn:broken",),
        r"broken fails: ValueError: no such thing \(.*gcn.py, line \d+, in broken\)",
    ),
    "names": (("ownnet.gcn:any_arguments",), r"Loose.forward\(\*args\) does not name what it is called with"),
    "no weights": (("ownnet.gcn:small", "--weights", "gone.pt"), "gone.pt does not exist"),
    "unknown keys": (("ownnet.gcn:small", "--weights", "more.pt"), "does not fit GCN:"),
    "data": (("ownnet.gcn:small", "--data", "narrow.pt"), r"needs an input of \[\*, 5\], got \[None, 4\]"),
    "head": (("ownnet.gcn:small", "--head", "1"), "one tensor, so there is nothing to choose"),
    "of a run": (("ownnet.gcn:small", "--stem", "cifar"), "--stem has no meaning here"),
    "of images": (
        ("ownnet.gcn:small", "--normalise", "unit"),
        "--normalise has no meaning here: data.pt is no image data",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(name: str) -> None:
    words, message = MISTAKES[name]
    assert re.search(message, failed(*CONVERT, *words))
    assert not Path("new.safetensors").exists()


def test_every_key_that_differs_is_named() -> None:
    result = gcn2snn(
        "convert", "ownnet.gcn:small", "--weights", "few.pt", "--data", "data.pt", "--out", "new.safetensors"
    )
    assert result.returncode == 2
    assert "missing in the file: first.lin.weight, second.bias, second.lin.weight" in result.stderr
    assert "first.bias: the file has [4], the model needs [8]" in result.stderr
    assert "Give --args as the model was trained with" in result.stderr


def test_without_data_the_way_out_is_named() -> None:
    assert "no data: the scales of the populations are measured on data. Give --data cora" in failed(
        "convert", "ownnet.gcn:small"
    )
    assert "it goes with a model of your own" in failed("convert", "runs/none", "--args", "[1]")


def test_explain_by_layers_alone() -> None:
    result = gcn2snn("explain", "ownnet.gcn:small")
    assert result.returncode == 0
    assert "GCNConv" in result.stdout
    assert (
        "It is called with x, edge_index; give --data, or sizes: --input x=... --input edge_index=..." in result.stderr
    )
    refused = gcn2snn("explain", "ownnet.gcn:Odd")
    assert refused.returncode == 1
    assert "- act: GELU: is not a ReLU" in refused.stdout
    assert "2 refused: 1 impossible, 1 not known yet, 0 as the model is now" in refused.stdout
    assert 'CONTRIBUTING.md, "A layer of a library", says how to add it' in refused.stdout


def test_explain_by_running() -> None:
    inputs = ("--input", "x=12x5", "--input", "edge_index=2x30")
    result = gcn2snn("explain", "ownnet.gcn:small", *inputs, "--json")
    found = json.loads(result.stdout)
    assert found["converts"] is True
    assert ["relu", "population", "* x 8"] in found["steps"]
    refused = gcn2snn("explain", "ownnet.gcn:Odd", *inputs, "--json")
    assert refused.returncode == 1
    (row,) = json.loads(refused.stdout)["refusals"]
    assert (row["path"], row["kind"]) == (
        "cumsum",
        "not known yet",
    )  # layers that forward does not call are no hindrance
    assert parsed("explain", "ownnet.gcn:small", "--data", "data.pt")["converts"] is True
    assert parsed("explain", "ownnet.gcn:images", "--data", "digits")["converts"] is True
    assert parsed("explain", "ownnet.gcn:Two", "--args", "[5]", *inputs, "--head", "scores")["steps"][-1][0] == "output"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--input", "x=12x5"), "forward needs edge_index too, for example --input edge_index=2x60"),
        (("--input", "y=3"), "forward has no 'y'; it takes x, edge_index, edge_weight"),
        (("--input", "x=2x2", "--input", "x=3x2"), "--input 'x=3x2': x was given before; give each argument once"),
        (("--input", "x=wide"), "--input 'x=wide' is no NAME=SIZES"),
        (("--input", "x=2", "--data", "data.pt"), "give one of them"),
        (("--check", "full"), "--check says what the model is run on; give --data or --input too"),
        (("--data", "data.pt", "--check", "some"), "check is 'some'; allowed are auto, full, sample"),
    ],
)
def test_explain_refuses(words: tuple[str, ...], message: str) -> None:
    assert message in failed("explain", "ownnet.gcn:small", *words)
    assert "is no package.module:factory" in failed("explain", "runs/r8")


def test_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worked example of docs/command-line.md, file by file and command by command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "citations", raising=False)
    page = (Path(__file__).resolve().parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
    section = page.partition("## A model of your own")[2].partition("\n## ")[0]
    code, train = (part.partition("```")[0] for part in section.split("```python\n")[1:])
    (tmp_path / "citations.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    exec(compile(train, "command-line.md", "exec"), {})
    lines = section.partition("```bash\n")[2].partition("```")[0].splitlines()
    assert [line.split()[1] for line in lines] == ["explain", "convert", "evaluate", "tune", "report"]
    for line in lines:
        result = gcn2snn(*shlex.split(line, comments=True)[1:])
        assert result.returncode == 0, result.stderr


def test_a_name_that_is_neither_a_folder_nor_a_factory(tmp_path: Path) -> None:
    said = failed("convert", tmp_path / "nothing", "--data", "cora")
    assert "nothing is not a run folder: it does not exist" in said
    assert "or name a model of your own as MODULE:FACTORY" in said
