"""The comparison of residual branches, on a small network with data of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import convert
from gcn2snn.reproduce import residual as module
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.last_threshold import Case
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.reproduce.residual import MODES, configuration, shares, stream


class Block(nn.Module):
    """relu(second(relu(first(x))) + x)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + x)


@pytest.fixture
def case() -> Case:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), Block(), Block(), nn.Linear(12, 4)).eval()
    seen, held_out = torch.rand(80, 6), torch.rand(50, 6)
    return Case(model, seen, [seen], [(held_out, None), (held_out, torch.arange(5))])


def test_the_stream_is_what_enters_and_leaves_blocks(case: Case) -> None:
    network = convert(case.model, case.example, configuration(case, "kept")).network
    inside = [node.name for node in network.nodes if node.name.endswith("relu") and node.name not in stream(case)]
    assert len(stream(case)) == 3
    assert inside
    groups = configuration(case, "spikes2").layers
    assert set(groups) == set(stream(case))
    assert all(own.group == 2 for own in groups.values())
    assert list(configuration(case, "kept-first2").layers) == [stream(case)[0]]


def test_errors_are_shared_out_over_the_populations(case: Case) -> None:
    found = shares(case, convert(case.model, case.example, configuration(case, "spikes"), calibration=case.calibration))
    assert set(found) == {"first", "stream", "inside", "all"}
    assert all(0 < value < 1 for value in found.values())
    # Each part alone errs about less than all of them together; errors may cancel, so not exactly.
    assert max(found["first"], found["inside"]) < 2 * found["all"]


def test_results_are_kept_and_taken_up_again(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_case", lambda name, seed, out, options: case)
    monkeypatch.setattr(module, "IMAGES", {})
    options = ReproduceOptions(rows=("cora/GIN",), seeds=2)
    first = module.residual(tmp_path, options)
    assert f"| cora/GIN | {MODES[0]} |" in str(first["text"])
    assert "not run" not in str(first["text"])
    monkeypatch.setattr(module, "_case", None)  # nothing is measured again
    again = module._set("cora/GIN", 1, MODES, tmp_path, Workbench(options))
    assert again["kept"]["neurons"] < again["kept2"]["neurons"]
    assert module.residual(tmp_path, options)["results"] == first["results"]
