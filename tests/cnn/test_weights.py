"""Checkpoints from elsewhere: formats, prefixes, and the errors when they do not fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gcn2snn.cnn import weights as weights_module
from gcn2snn.cnn.models import MODELS, build_model
from gcn2snn.cnn.resnet8 import CONVOLUTIONS, NORM_PARTS, NORMS
from gcn2snn.cnn.weights import load_weights, read_state
from gcn2snn.errors import ArtefactError, ConfigError


def _state(name: str = "resnet20") -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {key: value.clone() for key, value in build_model(name, 10).state_dict().items()}


@pytest.mark.parametrize("form", ["safetensors", "pt", "nested", "prefixed"])
def test_load_weights_reads_every_customary_form(form: str, tmp_path: Path) -> None:
    state = _state()
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "prefixed":
        torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, path)
    else:
        torch.save({"model": state} if form == "nested" else state, path)
    loaded = load_weights(build_model("resnet20", 10), path).state_dict()
    assert load_weights(build_model("resnet20", 10), str(path)).state_dict().keys() == loaded.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_load_weights_lists_keys_and_shapes(tmp_path: Path) -> None:
    state = _state()
    del state["layer1.0.conv1.weight"], state["bn1.running_mean"]
    state["extra.weight"] = torch.zeros(1)
    state["linear.weight"] = torch.zeros(100, 64)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ArtefactError, match=r"missing in the file: layer1.0.conv1.weight") as error:
        load_weights(build_model("resnet20", 10), tmp_path / "w.safetensors")
    message = str(error.value)
    assert "batch norm statistics are missing" in message
    assert "bn1.running_mean" in message
    assert "unknown to the model: extra.weight" in message
    assert "linear.weight: the file has [100, 64], the model needs [10, 64]" in message


def test_read_state_refuses_code_and_broken_files(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(ArtefactError, match="more than tensors"):
        read_state(tmp_path / "model.pt")
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(ArtefactError, match="not tensors by name"):
        read_state(tmp_path / "other.pt")
    for name in ("broken.pt", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(ArtefactError, match=r"cannot be read|more than tensors"):
            read_state(tmp_path / name)
    with pytest.raises(ArtefactError, match="does not exist"):
        read_state(tmp_path / "none.pt")


def test_keras_weights_find_their_places(tmp_path: Path) -> None:
    state = _state("resnet8")
    keras: dict[str, torch.Tensor] = {}
    for number, name in enumerate(CONVOLUTIONS):
        layer = f"conv2d_{number}" if number else "conv2d"
        keras[f"{layer}.kernel"] = state[f"{name}.conv.weight"].permute(2, 3, 1, 0).contiguous()
        keras[f"{layer}.bias"] = state[f"{name}.conv.bias"]
    for number, name in enumerate(NORMS):
        layer = f"batch_normalization_{number}" if number else "batch_normalization"
        keras |= {f"{layer}.{theirs}": state[f"{name}.{ours}"] for theirs, ours in NORM_PARTS.items()}
    keras |= {"dense.kernel": state["linear.weight"].t().contiguous(), "dense.bias": state["linear.bias"]}
    save_file(keras, tmp_path / "keras.safetensors")
    loaded = load_weights(build_model("resnet8", 10), tmp_path / "keras.safetensors").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


PARAMETERS = {"vgg16": 14_728_266, "resnet18": 11_173_962, "resnet34": 21_282_122, "resnet20": 269_722}
PARAMETERS |= {
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet8": 78_186,
}  # Keras counts 480 statistics in


@pytest.mark.parametrize("name", PARAMETERS)
def test_models_have_the_published_number_of_parameters(name: str) -> None:
    assert sum(p.numel() for p in build_model(name, 10).parameters()) == PARAMETERS[name]


def test_build_model_refuses_unknown_names() -> None:
    with pytest.raises(ConfigError, match="'alexnet' is unknown; there are vgg16"):
        build_model("alexnet", 10)
    with pytest.raises(ConfigError, match="stem 'big' is unknown"):
        build_model("resnet18", 10, stem="big")


def test_imagenet_stems_have_torchvision_names() -> None:
    keys = set(build_model("resnet18", 1000, stem="imagenet").state_dict())
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.weight", "fc.bias"} <= keys
    keys = set(build_model("vgg16", 1000, stem="imagenet").state_dict())
    assert {"features.0.weight", "features.41.running_mean", "classifier.6.weight"} <= keys
    assert all(MODELS[name].source for name in MODELS)


def test_the_first_keys_are_listed_and_the_others_counted() -> None:
    shown = weights_module.SHOWN
    keys = [f"layer{number}" for number in range(shown + 2)]
    assert weights_module._listed("missing", []) == []
    assert weights_module._listed("missing", keys[:shown]) == [f"missing: {', '.join(keys[:shown])}"]
    assert weights_module._listed("missing", keys) == [f"missing: {', '.join(keys[:shown])} and 2 more"]
