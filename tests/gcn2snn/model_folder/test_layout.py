"""A network as a folder: every kind of network comes back with the same bits, and no foreign folder is touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import artefact
from gcn2snn.errors import ArtefactError, InputError, InputTypeError, MissingPackageError
from gcn2snn.spiking_network import SpikingNetwork

TEXTS = ["ripe apple pear", "sweet apple juice", "pear juice apple", "car wheel road", "slow car jam", "road jam car"]
TOPICS = ["fruit"] * 3 + ["traffic"] * 3


def text_network() -> tuple[SpikingNetwork, tuple[Tensor, ...], Tensor]:
    classifier = gcn2snn.TextGCNClassifier(min_count=1, hidden=8, epochs=20, random_state=3, spiking=True)
    classifier.fit(TEXTS, TOPICS)
    graph = classifier.graph_
    return classifier.snn_, (graph.adjacency,), graph.labels.clamp(min=0)


def karate_network() -> tuple[SpikingNetwork, tuple[Tensor, ...], Tensor]:
    graph = gcn2snn.load_graph("karate")
    model = gcn2snn.fit(gcn2snn.Trainer(graph, gcn2snn.TrainConfig(hidden=8, epochs=5)))
    return gcn2snn.convert(model, graph), (graph.adjacency,), graph.labels


def pyg_network() -> tuple[SpikingNetwork, tuple[Tensor, ...], Tensor]:
    pyg = pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
    torch.manual_seed(0)
    layers = [(pyg.nn.GCNConv(5, 8), "x, e -> x"), nn.ReLU(), (pyg.nn.GCNConv(8, 3), "x, e -> x")]
    model = pyg.nn.Sequential("x, e", layers).eval()
    args = torch.rand(20, 5), torch.randint(0, 20, (2, 60))
    return gcn2snn.convert(model, args), args, torch.arange(20) % 3


def image_network() -> tuple[SpikingNetwork, tuple[Tensor, ...], Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)).eval()
    images = torch.rand(6, 1, 8, 8)
    return gcn2snn.convert(model, images), (images,), torch.arange(6) % 4


KINDS = [text_network, karate_network, pyg_network, image_network]
Make = Callable[[], tuple[SpikingNetwork, tuple[Tensor, ...], Tensor]]


@pytest.mark.parametrize("make", KINDS)
def test_every_kind_of_network_comes_back_with_the_same_bits(make: Make, tmp_path: Path) -> None:
    snn, args, labels = make()
    result = gcn2snn.evaluate(snn, args, labels)
    folder = snn.save_pretrained(tmp_path / "out", evaluation=result, licence="mit")
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = gcn2snn.from_pretrained(folder)
    assert torch.equal(again(*args), snn(*args))
    assert gcn2snn.load(folder / "model.safetensors").config == again.config == snn.config
    assert again.origin == json.loads(json.dumps(snn.origin))
    config = json.loads((folder / "config.json").read_text())
    assert config["measured"] == json.loads(json.dumps(result.to_dict()))
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\nlibrary_name: gcn2snn\n")
    assert f"| accuracy | {result.ann.accuracy:.2f} | {result.snn.accuracy:.2f} |" in card
    for preset in ("fp32", "int8-paper", "int8-horowitz"):
        energy = snn.energy(*args, preset=preset)
        assert f"| {energy.alpha_eq6:.2f} | {energy.alpha_events:.2f} |" in card
        assert f"| {energy.alpha_total:.2f} |" in card
    assert "not measured" not in card


def test_a_text_network_still_reads_texts_and_names_its_classes(tmp_path: Path) -> None:
    snn, _, _ = text_network()
    folder = snn.save_pretrained(tmp_path / "out")
    again = gcn2snn.from_pretrained(str(folder))
    assert again.predict_proba(["apple juice", "nothing known"]).equal(
        snn.predict_proba(["apple juice", "nothing known"])
    )
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "fruit", "1": "traffic"}
    assert config["label2id"] == {"fruit": 0, "traffic": 1}
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    assert "| seed of the training | 3 |" in card
    assert "| training: epochs | 20 |" in card


def test_a_card_says_what_is_not_known_and_not_measured(tmp_path: Path) -> None:
    snn, _, _ = image_network()
    card = (snn.save_pretrained(tmp_path / "out") / "README.md").read_text()
    assert "| accuracy | not measured | not measured |" in card
    assert "| fp32 | not measured |" in card
    assert "| trained on | not known |" in card
    assert "| seed of the training | not known |" in card
    assert "license:" not in card


def test_a_card_tells_data_licence_seed_and_settings_and_no_path_of_this_machine(tmp_path: Path) -> None:
    snn, _, _ = karate_network()
    snn.origin |= {"config": {"seed": 7, "hidden": 8}, "ann": {"accuracy": 88.5}, "run": "/home/me/run"}
    folder = snn.save_pretrained(tmp_path / "out")
    card = (folder / "README.md").read_text()
    assert "| trained on | karate |" in card
    assert "| licence of the data | public domain facts |" in card
    assert "| seed of the training | 7 |" in card
    assert "| training: hidden | 8 |" in card
    assert "| accuracy | 88.50 (test data, when it was trained) | not measured |" in card
    assert "| timesteps | 16 |" in card
    assert "it runs on the graph of its training only" in card
    assert "/home/me" not in card + (folder / "config.json").read_text()
    assert "run" not in gcn2snn.from_pretrained(folder).origin


def test_the_networks_of_a_run_from_the_command_line_tell_where_they_come_from(tmp_path: Path) -> None:
    """What `gcn2snn.save` keeps is there again after `gcn2snn.load`, and so in the card."""
    snn, _, _ = karate_network()
    loaded = gcn2snn.load(gcn2snn.save(snn, tmp_path / "snn.safetensors"))
    assert loaded.origin["dataset"]["dataset"] == "karate"
    assert "karate" in (loaded.save_pretrained(tmp_path / "out") / "README.md").read_text()


def test_a_foreign_folder_is_never_written_to(tmp_path: Path) -> None:
    snn, _, _ = image_network()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "README.md").write_text("mine")
    for force in (False, True):
        with pytest.raises(ArtefactError, match=r"holds README.md and no network of this package"):
            snn.save_pretrained(foreign, force=force)
    (foreign / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ArtefactError, match="no network of this package"):
        snn.save_pretrained(foreign, force=True)
    assert (foreign / "README.md").read_text() == "mine"
    assert len(list(foreign.iterdir())) == 2
    with pytest.raises(ArtefactError, match="is a file; give the name of a folder"):
        snn.save_pretrained(foreign / "README.md")


def test_an_own_folder_is_replaced_only_with_force_and_other_files_stay(tmp_path: Path) -> None:
    first, _, _ = image_network()
    second, args, _ = pyg_network()
    folder = tmp_path / "clone"
    (folder / ".git").mkdir(parents=True)
    first.save_pretrained(folder)
    (folder / "notes.txt").write_text("keep")
    with pytest.raises(ArtefactError, match=r"holds a network already.*force=True"):
        second.save_pretrained(folder)
    second.save_pretrained(folder, force=True)
    assert torch.equal(gcn2snn.from_pretrained(folder)(*args), second(*args))
    assert (folder / "notes.txt").read_text() == "keep"
    assert (folder / ".git").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clone"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snn, _, _ = image_network()

    def full(path: Path, text: str) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gcn2snn.model_folder.layout.save_text", full)
    with pytest.raises(ArtefactError, match=r"cannot write .*out: No space left"):
        snn.save_pretrained(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def damage_config(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text[: len(text) // 2])


def damage_network(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def change_format(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"format": 99}))


def change_type(folder: Path) -> None:
    (folder / "config.json").write_text('["no", "dict"]')


def change_owner(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


def change_size(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["weights"]["bytes"] = "many"
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_config, r"config.json is not whole JSON"),
        (damage_network, r"model.safetensors is not the file that config.json tells of"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"model.safetensors does not exist"),
        (lambda folder: (folder / "config.json").unlink(), r"config.json does not exist"),
        (change_format, r"config.json has format 99; this release reads 1"),
        (change_type, r"config.json is no JSON object but \['no', 'dict'\]; it was edited. Get the folder again"),
        (change_owner, r"config.json is not of a network of this package"),
        (change_size, r"weights.bytes = 'many': input should be a valid integer"),
    ],
)
def test_a_damaged_folder_is_refused_by_the_name_of_its_file(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    snn, _, _ = image_network()
    folder = snn.save_pretrained(tmp_path / "out")
    damage(folder)
    with pytest.raises(ArtefactError, match=message):
        gcn2snn.from_pretrained(folder)


def test_a_folder_that_is_replaced_between_its_check_and_its_reading_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snn, _, _ = image_network()
    folder = snn.save_pretrained(tmp_path / "out")
    check = artefact.check_folder

    def and_replace(place: Path) -> Path:
        file = check(place)
        text_network()[0].save_pretrained(place, force=True)
        return file

    monkeypatch.setattr(artefact, "check_folder", and_replace)
    with pytest.raises(ArtefactError, match=r"out changed while it was read \((config.json|model.safetensors) in it\)"):
        gcn2snn.from_pretrained(folder)


def test_what_is_neither_a_folder_nor_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match=r"is a file; from_pretrained reads a folder"):
        gcn2snn.from_pretrained(tmp_path / "file")
    with pytest.raises(ArtefactError, match=r"does not exist. Give a folder"):
        gcn2snn.from_pretrained(tmp_path / "nothing")
    with pytest.raises(InputError, match="got an empty name; give a folder that"):
        gcn2snn.from_pretrained("")
    with pytest.raises(InputTypeError, match="needs a folder or OWNER/NAME, got int"):
        gcn2snn.from_pretrained(3)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'gcn2snn\[hub\]'"):
        gcn2snn.from_pretrained("owner/name")


def test_a_repository_comes_through_huggingface_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snn, args, _ = image_network()
    folder = snn.save_pretrained(tmp_path / "kept")
    asked: list[tuple[object, ...]] = []

    def snapshot_download(repo_id: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        asked.append((repo_id, revision, sorted(allow_patterns)))
        if repo_id == "owner/absent":
            raise RuntimeError("404 Client Error\nRepository Not Found")
        return str(folder)

    hub = ModuleType("huggingface_hub")
    hub.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert torch.equal(gcn2snn.from_pretrained("owner/name", revision="v1")(*args), snn(*args))
    assert asked == [("owner/name", "v1", ["README.md", "config.json", "model.safetensors"])]
    with pytest.raises(ArtefactError, match=r"cannot be had from the Hugging Face Hub: 404 Client Error. Check"):
        gcn2snn.from_pretrained("owner/absent")
