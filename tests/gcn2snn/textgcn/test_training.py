from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.files import load_tensors, save_tensors
from gcn2snn.graph import Graph
from gcn2snn.textgcn.training import Trainer, fit, split_of
from gcn2snn.training_loop import STATE_FORMAT

CONFIG = TrainConfig(hidden=12, epochs=25, patience=25, save_every=0.0)


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in model.parameters()]


def stop_after(epochs: int) -> object:
    def on_epoch(trainer: Trainer) -> None:
        if len(trainer.history) == epochs:
            raise ConnectionError

    return on_epoch


@pytest.mark.parametrize("epochs", [1, 9])
def test_fit_resumed_gives_the_same_weights(karate: Graph, tmp_path: Path, epochs: int) -> None:
    whole = fit(Trainer(karate, CONFIG))
    checkpoint = tmp_path / "state"
    with pytest.raises(ConnectionError):
        fit(Trainer(karate, CONFIG), checkpoint=checkpoint, on_epoch=stop_after(epochs + 1))  # type: ignore[arg-type]
    trainer = Trainer(karate, CONFIG)
    resumed = fit(trainer, checkpoint=checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert [epoch.epoch for epoch in trainer.history] == list(range(1, 26))


@pytest.mark.parametrize(
    ("other", "of_karate"),
    [({"seed": 1}, True), ({"learning_rate": 0.5}, True), ({"hidden": 13}, True), ({}, False)],
)
def test_the_state_of_another_training_is_refused(
    karate: Graph, tmp_path: Path, other: dict[str, object], of_karate: bool
) -> None:
    trainer = Trainer(karate, CONFIG)
    trainer.run_epoch()
    trainer.save(tmp_path / "state")
    graph = karate if of_karate else replace(karate, labels=(karate.labels + 1) % karate.num_classes)
    with pytest.raises(
        ArtefactError, match="is the state of a training with another seed, other options or other data"
    ):
        Trainer(graph, replace(CONFIG, **other)).load(tmp_path / "state")
    Trainer(karate, replace(CONFIG, save_every=3.0)).load(tmp_path / "state")  # that changes no weight


@pytest.mark.parametrize("damage", ["missing", "nan", "epochs"])
def test_a_state_with_other_values_is_refused(karate: Graph, tmp_path: Path, damage: str) -> None:
    trainer = Trainer(karate, CONFIG)
    trainer.run_epoch()
    trainer.save(tmp_path / "state")
    tensors, meta = load_tensors(tmp_path / "state", kind="training", version=STATE_FORMAT)
    if damage == "missing":
        del tensors["optimizer.0.exp_avg"]
    elif damage == "nan":
        tensors["model.weights.0"][0, 0] = float("nan")
    else:
        meta["history"][0]["epoch"] = 7
    save_tensors(tmp_path / "state", tensors, kind="training", version=STATE_FORMAT, meta=meta)
    said = {"missing": "state of the optimiser is of other parameters", "nan": "NaN or infinite", "epochs": "from 1 on"}
    with pytest.raises(ArtefactError, match=said[damage]):
        Trainer(karate, CONFIG).load(tmp_path / "state")


def test_fit_leaves_the_random_state_of_the_caller(karate: Graph) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fit(Trainer(karate, CONFIG))
    assert torch.equal(torch.rand(2), expected)


def test_fit_depends_on_the_seed_only(karate: Graph) -> None:
    first, again = fit(Trainer(karate, CONFIG)), fit(Trainer(karate, CONFIG))
    other = fit(Trainer(karate, TrainConfig(hidden=12, epochs=25, patience=25, seed=1)))
    assert torch.equal(weights(first)[0], weights(again)[0])
    assert not torch.equal(weights(first)[0], weights(other)[0])


def test_restricted_readout_is_the_loss_of_the_full_network(karate: Graph) -> None:
    trainer = Trainer(karate, CONFIG)
    trainer.model.eval()
    with torch.no_grad():
        full = trainer.model(karate.adjacency)[trainer.split.train]
        part = trainer.model(karate.adjacency, None, trainer.readouts["train"])
    assert torch.allclose(full, part, rtol=1e-6)


def test_fit_learns(karate: Graph) -> None:
    trainer = Trainer(karate, TrainConfig(hidden=32, epochs=100, patience=100))
    fit(trainer)
    assert trainer.history[-1].train_loss < 0.2 * trainer.history[0].train_loss


def test_done_compares_with_the_mean_of_the_last_ones(karate: Graph) -> None:
    trainer = Trainer(karate, TrainConfig(hidden=4, patience=2))
    trainer.run_epoch()
    rows = [trainer.history[0]] * 3
    object.__setattr__(trainer, "history", [*rows[:2], type(rows[0])(3, 0, 0, rows[0].val_loss + 0.1, 0, 0)])
    assert trainer.done
    object.__setattr__(trainer, "history", [*rows[:2], type(rows[0])(3, 0, 0, rows[0].val_loss - 0.1, 0, 0)])
    assert not trainer.done


def test_more_layers_train(karate: Graph) -> None:
    model = fit(Trainer(karate, TrainConfig(hidden=6, layers=4, epochs=3)))
    assert [tuple(w.shape) for w in weights(model)] == [(34, 6), (6, 6), (6, 6), (6, 4)]


def test_split_of_refuses_a_class_without_training_nodes(karate: Graph) -> None:
    mask = karate.train_mask & (karate.labels != 2)
    graph = Graph(karate.raw, karate.labels, mask, karate.test_mask, karate.class_names, val_mask=karate.val_mask)
    with pytest.raises(DataError, match=r"no training node has the class\(es\) \['community 2'\]"):
        split_of(graph, TrainConfig())


def test_split_of_refuses_a_graph_without_training_nodes(karate: Graph) -> None:
    nothing = torch.zeros_like(karate.train_mask)
    graph = Graph(karate.raw, karate.labels, nothing, karate.test_mask, karate.class_names)
    with pytest.raises(DataError, match="too few to hold some out"):
        split_of(graph, TrainConfig())


def test_split_of_holds_out_a_tenth(karate: Graph) -> None:
    everyone = torch.ones_like(karate.train_mask)
    graph = Graph(karate.raw, karate.labels, everyone, ~everyone, karate.class_names)
    split = split_of(graph, TrainConfig())
    assert (split.train.numel(), split.val.numel()) == (31, 3)
    assert not set(split.train.tolist()) & set(split.val.tolist())
