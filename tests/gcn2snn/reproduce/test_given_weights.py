from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gcn2snn.cnn import build_model
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.reproduce import ReproduceOptions, items, reproduce
from gcn2snn.reproduce.given_weights import refuse_wrong_weights


@pytest.mark.parametrize(
    ("weights", "kind", "said"),
    [
        ({"a": "nope", "cifar10/vgg": "nope"}, ConfigError, "names a, cifar10/vgg, which is no model and no row"),
        (
            {"vgg16": "nope", "resnet18": "folder"},
            ArtefactError,
            "vgg16=nope, resnet18=folder/model.safetensors: there is no",
        ),
        ({"resnet8": "text.pt", "resnet20": "other.pt"}, ArtefactError, "--weights resnet8=text.pt: "),
        ({"resnet8": "text.pt", "resnet20": "other.pt"}, ArtefactError, "--weights resnet20=other.pt: "),
        ({"cifar100/resnet20": "resnet20.pt"}, ArtefactError, "resnet20.pt does not fit"),
        ({"imagenet/resnet18": "text.pt"}, ArtefactError, "--weights imagenet/resnet18=text.pt"),
    ],
)
def test_wrong_weights_are_refused_before_an_item_is_begun(
    weights: dict[str, str], kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("text.pt").write_text("nothing")
    torch.save({"a": torch.ones(2)}, "other.pt")
    torch.save(build_model("resnet20", 10).state_dict(), "resnet20.pt")
    monkeypatch.setattr(items, "import_module", lambda name: pytest.fail("the item was begun"))
    options = ReproduceOptions(weights={name: Path(file) for name, file in weights.items()})
    with pytest.raises(kind) as refused:
        reproduce("table4", tmp_path / "out", options)
    assert said in str(refused.value)
    assert not Path("out").exists()


def test_weights_of_a_model_fit_one_of_its_rows(tmp_path: Path) -> None:
    torch.save(build_model("resnet20", 100).state_dict(), tmp_path / "weights.pt")
    refuse_wrong_weights({"resnet20": tmp_path / "weights.pt", "cifar100/resnet20": tmp_path / "weights.pt"})
