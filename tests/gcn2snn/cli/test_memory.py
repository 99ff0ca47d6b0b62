"""``--memory``: the same files and numbers, and a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import failed, gcn2snn, parsed

import gcn2snn as package
from gcn2snn.memory import current_limit


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A converted network on a graph of its own data, and these data."""
    folder = tmp_path_factory.mktemp("memory")
    torch.manual_seed(0)
    x, edges = torch.rand(600, 6), torch.randint(0, 600, (2, 3000))
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    snn = package.convert(model, x)
    data = {
        "x": x,
        "edge_index": edges,
        "y": torch.randint(0, 3, (600,)),
        "test_mask": torch.ones(600, dtype=torch.bool),
    }
    torch.save({"input": x} | {name: data[name] for name in ("y", "test_mask")}, folder / "data.pt")
    package.save(snn, folder / "snn.safetensors")
    return folder / "snn.safetensors", folder / "data.pt"


def test_evaluate_gives_the_same_numbers(network: tuple[Path, Path]) -> None:
    file, data = network
    whole, by_rows = (parsed("evaluate", file, "--data", data, *more) for more in ((), ("--memory", "100KB")))
    for found in (whole, by_rows):
        found.pop("peak_memory_bytes")
    assert by_rows == whole
    assert current_limit() is None


MODEL = """
import torch
from torch_geometric.nn import GCN

def build():
    torch.manual_seed(0)
    return GCN(6, 8, num_layers=2, out_channels=3)
"""


def test_convert_writes_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_geometric")
    (tmp_path / "of_mine.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.manual_seed(0)
    data = {"x": torch.rand(700, 6), "edge_index": torch.randint(0, 700, (2, 3000))}
    torch.save(data | {"y": torch.zeros(700, dtype=torch.long)}, "data.pt")
    weights = package_weights(tmp_path)
    files = []
    for name, more in (("whole", ()), ("by_rows", ("--memory", "100KB"))):
        files.append(tmp_path / f"{name}.safetensors")
        words = ("--weights", weights, "--data", "data.pt", "--paper", "--out", files[-1])
        parsed("convert", "of_mine:build", *words, *more)
    networks = [package.load(file).network for file in files]
    for one, other in zip(*networks, strict=True):
        assert one.tensors().keys() == other.tensors().keys()
        assert all(tensor.equal(other.tensors()[name]) for name, tensor in one.tensors().items())


def package_weights(folder: Path) -> Path:
    """Trained weights as a file."""
    import of_mine  # type: ignore[import-not-found]

    torch.save(of_mine.build().state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


def test_a_limit_that_is_none_is_refused(network: tuple[Path, Path]) -> None:
    file, data = network
    assert "no amount of memory" in failed("evaluate", file, "--data", data, "--memory", "little")
    assert "at least 100,000" in failed("evaluate", file, "--data", data, "--memory", "1KB")
    assert "runs some rows at a time" in failed(
        "evaluate", file, "--data", data, "--memory", "1MB", "--engine", "temporal"
    )


def test_horizons_and_a_limit_are_refused(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    with package.memory_limit("1MB"), pytest.raises(package.Gcn2SnnError, match="events and a memory limit"):
        package.convert(model, torch.rand(40, 6), package.ConvertConfig(events=0.5))


def test_help_names_it() -> None:
    for verb in ("convert", "evaluate"):
        assert "--memory" in gcn2snn(verb, "--help").stdout
