"""``reproduce defaults`` on one tiny network, and the networks' own shapes; training the real ones takes minutes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")

from gcn2snn.errors import ConfigError
from gcn2snn.passes import SETTINGS
from gcn2snn.reproduce import default_models as models
from gcn2snn.reproduce import default_networks, defaults
from gcn2snn.reproduce.default_networks import CASES, Case, Scored, Task
from gcn2snn.reproduce.options import ReproduceOptions


def tiny(data_dir: Path | None) -> Task:
    """40 rows that a network of eight units learns in a blink; its labels are what it says after training."""
    x = torch.randn(40, 4)

    def train(model: nn.Module) -> None:
        for parameter in model.parameters():
            nn.init.normal_(parameter)

    labels = torch.arange(40) % 3
    return Task(models.DeepMLP([4, 8, 3]), train, [(x,)], [Scored((x,), labels, labels < 2)])


def test_a_row_holds_each_setting_and_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "tiny", Case("held out", "eight units", tiny))
    result = defaults.defaults(tmp_path, ReproduceOptions(rows=("tiny",)))
    (row,) = json.loads((tmp_path / "defaults.json").read_text())["rows"]
    assert row["tested"] == 27
    assert row["default"] == row["settings"][row["chosen"] - 1]
    assert row["loss"] == pytest.approx(row["source"] - row["default"])
    assert row["gap"] == pytest.approx(max(row["settings"]) - row["default"])
    assert set(row["divergences"]) <= {str(setting) for setting in SETTINGS}
    assert len(row["divergences"]) > 1
    assert row["left_out"]
    assert row["noise"] >= 0
    assert f"| tiny | {row['source']:.2f} |" in result["text"]
    monkeypatch.setattr(defaults, "measured", None)  # what was measured is read back
    assert defaults.defaults(tmp_path, ReproduceOptions(rows=("tiny",)))["text"] == result["text"]


def test_weights_are_read_back(tmp_path: Path) -> None:
    case = Case("design", "eight units", tiny)
    first = default_networks.trained("tiny", case, tmp_path, None).model
    again = default_networks.trained("tiny", case, tmp_path, None).model
    assert all(a.equal(b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_half_of_the_networks_are_held_out_and_a_half_is_a_row() -> None:
    halves = [case.half for case in CASES.values()]
    assert (halves.count("design"), halves.count("held out")) == (7, 9)


def test_an_unknown_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no row vgg here; allowed are digits-cnn"):
        defaults.defaults(tmp_path, ReproduceOptions(rows=("vgg",)))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (models.PlainCNN(1, (4, 4), 10, 8, norm=True), (2, 1, 8, 8)),
        (models.SqueezeLike(1, 8, 10, 2), (2, 1, 8, 8)),
        (models.MobileLike(1, (4, 4, 8), 10), (2, 1, 8, 8)),
        (models.ResidualLike(3, (4, 8), 10), (2, 3, 8, 8)),
    ],
)
def test_image_models_give_ten_scores(model: nn.Module, size: tuple[int, ...]) -> None:
    assert model.eval()(torch.rand(size)).shape == (2, 10)
