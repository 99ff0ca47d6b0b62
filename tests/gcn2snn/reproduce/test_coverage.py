"""The sweep over layers: what counts as what, that an error of others is seen, and the counts that the documents state."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gcn2snn.reproduce import coverage as module
from gcn2snn.reproduce import coverage_torchvision
from gcn2snn.reproduce.coverage import coverage, judge, table
from gcn2snn.reproduce.options import ReproduceOptions


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        return {"a": [torch.relu(self.lin(x))]}


class Numbers(nn.Module):
    def forward(self, x: Tensor) -> int:
        return 3


def example(model: nn.Module) -> Any:
    return lambda: (model, (torch.randn(5, 3),))


def test_verdicts() -> None:
    found = {name: judge("x", name, example(model)).verdict for name, model in MODELS.items()}
    expected = {"linear": "converted", "pair": "converted", "tanh": "impossible", "conv": "unknown"}
    assert found == {**expected, "numbers": "no network", "broken": "not run"}
    assert judge("x", "none", None).verdict == "not run"
    right = judge("x", "linear", example(nn.Linear(3, 2)))
    assert right.before is not None
    assert right.before < 1e-5


MODELS: dict[str, nn.Module] = {
    "linear": nn.Linear(3, 2),
    "pair": Pair(),
    "tanh": nn.Sequential(nn.Linear(3, 2), nn.GELU()),
    "conv": nn.Sequential(nn.Linear(3, 2), nn.Hardshrink()),
    "numbers": Numbers(),
    "broken": nn.Linear(4, 2),
}


def test_errors_of_others_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(module, "lower", fails)
    row = judge("x", "linear", example(nn.Linear(3, 2)))
    assert (row.verdict, row.detail) == ("foreign error", "RuntimeError: inside")
    assert "| x | 0 | 0 | 0 | 0 | 0 | 1 | 1 |" in table([row], {"x": {"foreign error": 1}}, [])


def test_counts_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {"Linear": example(nn.Linear(3, 2)), "Tanh": example(nn.Tanh())}
    monkeypatch.setattr(
        module, "SOURCES", {"torch": ("torch", "cases_of_the_test"), "absent": ("no_such_package", "x")}
    )
    real = module.import_module
    fake = type("Cases", (), {"cases": staticmethod(lambda: cases)})
    monkeypatch.setattr(module, "import_module", lambda name: fake if name == "cases_of_the_test" else real(name))
    result = coverage(tmp_path, ReproduceOptions())
    assert result["counts"] == {"torch": {"converted": 1, "impossible": 1}}
    assert result["absent"] == ["absent"]
    assert (tmp_path / "coverage.json").is_file()
    assert "Not installed, so not judged: absent." in (tmp_path / "coverage.md").read_text()
    with pytest.raises(ImportError, match="coverage of absent needs no_such_package"):
        coverage(tmp_path, ReproduceOptions(rows=("absent",)))


def test_classifiers_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library need not be here: only its two functions that list and make models are asked."""
    models = types.ModuleType("torchvision.models")
    asked: list[object] = []

    def get_model(name: str, weights: None) -> nn.Module:
        asked.append((name, weights))
        return nn.Conv2d(3, 2, 3, stride=100)

    monkeypatch.setattr(models, "list_models", lambda module: ["small", "inception_v3"], raising=False)
    monkeypatch.setattr(models, "get_model", get_model, raising=False)
    package = types.ModuleType("torchvision")
    monkeypatch.setattr(package, "models", models, raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    found = coverage_torchvision.cases()
    assert [judge("torchvision", name, case).verdict for name, case in found.items()] == ["converted", "converted"]
    case = found["inception_v3"]
    assert case is not None
    assert case()[1][0].shape == (2, 3, 299, 299)
    assert ("small", None) in asked


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_layer_of_pyg_and_dgl(tmp_path: Path) -> None:
    for name in ("torch_geometric", "dgl"):
        pytest.importorskip(name, exc_type=ImportError)
    counts = coverage(tmp_path, ReproduceOptions(rows=("pyg", "dgl")))["counts"]
    assert counts["pyg"]["converted"] >= 40
    assert not any(count.get("foreign error") for count in counts.values())
