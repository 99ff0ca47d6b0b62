"""No output takes the place of what the same command reads: the files stay, byte for byte, also with --force."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from command_line import failed, gcn2snn
from safetensors.torch import save_file

from gcn2snn import evaluation, run_folder
from gcn2snn.errors import ArtefactError
from gcn2snn.files import refuse_existing, save_text
from gcn2snn.kept_inputs import keep_input, keeping_inputs

OWN = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a run that was trained on it, and the network of the run."""
    folder = tmp_path_factory.mktemp("trained")
    fruit = [f"apple pear juice cherry,fruit\nripe apple plum {name},fruit\n" for name in ("pear", "juice") * 5]
    cars = [f"car road wheel brake,cars\nfast car engine {name},cars\n" for name in ("road", "wheel") * 5]
    (folder / "corpus.csv").write_text("text,label\n" + "".join(fruit + cars))
    for words in (
        ("train", folder / "corpus.csv", "--hidden", 4, "--epochs", 2, "--out", folder / "run"),
        ("convert", folder / "run"),
    ):
        assert gcn2snn(*words, "--quiet").returncode == 0
    return folder


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        (("convert", "run", "--out", "run/model.safetensors"), "run/model.safetensors"),
        (("tune", "run", "--trials", "1", "--out", "run/model.safetensors"), "run/model.safetensors"),
        (("export", "run", "--format", "npz", "--out", "run/run.npz"), "run/run.json"),
        (("evaluate", "run", "--predictions", "corpus.csv"), "corpus.csv"),
        (("evaluate", "run/snn.safetensors", "--predictions", "link.csv"), "corpus.csv"),
        (("predict", "run", "corpus.csv", "--csv", "corpus.csv"), "corpus.csv"),
        (("datasets", "build", "graph.tsv", "--out", "same.safetensors"), "graph.tsv"),
    ],
)
def test_a_verb_does_not_replace_what_it_reads(
    words: tuple[str, ...], lost: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    for name, of in (("link.csv", "corpus.csv"), ("graph.tsv", "corpus.csv"), ("same.safetensors", "graph.tsv")):
        if not Path(name).exists():
            os.link(of, name)
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    assert "is read by this command, so it is not replaced, also with --force" in failed(*words, "--force", "--quiet")
    shutil.rmtree(trained / "run" / "x", ignore_errors=True)
    assert {path: path.read_bytes() for path in before} == before
    assert (trained / lost) in before


def test_weights_of_a_model_of_your_own_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("kept_inputs_model.py").write_text(OWN)
    layers = {
        "0.weight": torch.rand(8, 4),
        "0.bias": torch.rand(8),
        "2.weight": torch.rand(3, 8),
        "2.bias": torch.rand(3),
    }
    save_file(layers, "mine.safetensors")
    torch.save({"input": torch.rand(9, 4), "y": torch.zeros(9).long(), "test_mask": torch.ones(9).bool()}, "data.pt")
    before = Path("mine.safetensors").read_bytes()
    given = ("--weights", "mine.safetensors", "--data", "data.pt", "--out", "mine.safetensors", "--force")
    assert "mine.safetensors is read by this command" in failed("convert", "kept_inputs_model:build", *given)
    assert Path("mine.safetensors").read_bytes() == before


def test_files_below_a_folder_are_kept_for_the_time_of_a_command(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "fruit").mkdir(parents=True)
    text = save_text(tmp_path / "corpus" / "fruit" / "1.txt", "apple")
    with keeping_inputs():
        keep_input(tmp_path / "corpus")
        keep_input(tmp_path / "nowhere")
        for write in (lambda: refuse_existing(text, True), lambda: save_text(text, "pear")):
            with pytest.raises(ArtefactError, match=r"1\.txt is read by this command"):
                write()
        assert save_text(tmp_path / "corpus" / "new.txt", "plum").read_text() == "plum"  # nothing is replaced
        assert text.read_text() == "apple"
    assert save_text(text, "pear").read_text() == "pear"


@pytest.mark.parametrize("words", [("convert", "again"), ("tune", "again", "--trials", "1")])
def test_what_was_made_of_weights_that_were_replaced_meanwhile_is_not_written(
    words: tuple[str, ...], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "run", "again")
    Path("again/snn.safetensors").unlink()
    other, options = tmp_path / "other", ("--hidden", 4, "--epochs", 2, "--seed", 1)
    assert gcn2snn("train", trained / "corpus.csv", *options, "--out", other, "--quiet").returncode == 0
    load = run_folder.load_weights

    def replaced_after(folder: Path) -> dict[str, torch.Tensor]:
        weights = load(folder)
        newer = tmp_path / "newer"
        shutil.copy(other / "model.safetensors", newer)
        newer.replace(folder / "model.safetensors")  # as a training in another process does
        return weights

    monkeypatch.setattr(run_folder, "load_weights", replaced_after)
    assert "model.safetensors was replaced while this command worked with it" in failed(*words, "--quiet")
    assert not list(Path("again").glob("*snn*")) + list(Path("again").glob("tuned*"))


def test_weights_that_were_only_touched_meanwhile_are_the_same(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "again"
    shutil.copytree(trained / "run", run)
    load = run_folder.load_weights

    def touched_after(folder: Path) -> dict[str, torch.Tensor]:
        weights = load(folder)
        os.utime(folder / "model.safetensors")
        return weights

    monkeypatch.setattr(run_folder, "load_weights", touched_after)
    assert gcn2snn("convert", run, "--force", "--quiet").returncode == 0


def test_an_input_that_is_to_be_replaced_is_refused_before_the_work(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: pytest.fail("it was evaluated"))
    said = failed("evaluate", trained / "run", "--predictions", trained / "corpus.csv", "--force")
    assert "corpus.csv is read by this command, so it is not replaced" in said


def test_an_output_that_becomes_an_input_belongs_to_its_command(tmp_path: Path) -> None:
    file = save_text(tmp_path / "a.csv", "a")
    with keeping_inputs():
        refuse_existing(file, force=True)
        with pytest.raises(ArtefactError, match=r"a\.csv is read by this command"):
            keep_input(tmp_path)
    with keeping_inputs():
        keep_input(tmp_path)
