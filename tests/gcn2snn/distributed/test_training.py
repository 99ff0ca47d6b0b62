from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint
import torch.distributed.tensor  # with the one before: ranks are forks, which would load them one by one
from rank_processes import on_ranks
from torch import Tensor

from gcn2snn import Graph, TrainConfig, load_graph
from gcn2snn.distributed import Communicator, Job, RankTrainer, share_in_memory
from gcn2snn.distributed.checkpoint import NAME_FILE
from gcn2snn.distributed.training import trained_weights, uniform_rows
from gcn2snn.errors import ArtefactError
from gcn2snn.textgcn import Epoch, Trainer, make_model
from gcn2snn.training_loop import seeded

CONFIG = TrainConfig(hidden=8, epochs=9, patience=9, weight_decay=0.001)


def _graph(features: bool = False) -> Graph:
    graph = load_graph("karate")
    if not features:
        return graph
    values = torch.rand(34, 5, generator=torch.Generator().manual_seed(2))
    return Graph(graph.raw, graph.labels, graph.train_mask, graph.test_mask, graph.class_names, features=values)


def _trained(
    job: Job, graph: Graph, config: TrainConfig, epochs: int, read: Path | None, write: Path | None
) -> tuple[list[Epoch], dict[str, Tensor] | None]:
    trainer = RankTrainer(share_in_memory(graph, job.ranks), config)
    with seeded(config.seed):
        if read is not None:
            trainer.load(read)
        for _ in range(epochs):
            trainer.run_epoch()
        if write is not None:
            trainer.save(write)
    return trainer.history, trained_weights(trainer.weights, trainer)


def _one_process(graph: Graph, config: TrainConfig) -> Trainer:
    trainer = Trainer(graph, config)
    with seeded(config.seed):
        while not trainer.done:
            trainer.run_epoch()
    return trainer


def _check_close(found: list[Epoch], weights: dict[str, Tensor] | None, one: Trainer) -> None:
    """Up to the order of sums: a few units of single precision after as many epochs."""
    for mine, other in zip(found, one.history, strict=True):
        assert mine.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert mine.val_loss == pytest.approx(other.val_loss, abs=1e-5)
        assert mine.train_accuracy == pytest.approx(other.train_accuracy)
        assert mine.val_accuracy == pytest.approx(other.val_accuracy)
    assert weights is not None
    torch.testing.assert_close(weights, dict(one.model.state_dict()), atol=1e-4, rtol=0)


@pytest.mark.parametrize("features", [False, True])
@pytest.mark.parametrize("layers", [2, 3])
def test_two_ranks_train_as_one_process(features: bool, layers: int) -> None:
    graph = _graph(features)
    config = TrainConfig(hidden=8, epochs=6, patience=6, layers=layers, dropout=0.3)
    found = on_ranks(2, _trained, graph, config, 6, None, None)
    assert [epoch.val_loss for epoch in found[0][0]] == [epoch.val_loss for epoch in found[1][0]]
    _check_close(*found[0], _one_process(graph, config))


def test_two_ranks_continue_on_four_and_then_on_one(tmp_path: Path) -> None:
    graph, first, second = _graph(), tmp_path / "a", tmp_path / "b"
    on_ranks(2, _trained, graph, CONFIG, 3, None, first)
    on_ranks(4, _trained, graph, CONFIG, 3, first, second)
    assert [path.name for path in second.glob("epoch-*")] == ["epoch-6"]
    found = on_ranks(1, _trained, graph, CONFIG, 3, second, None)
    _check_close(*found[0], _one_process(graph, CONFIG))


def _refused(job: Job, graph: Graph, config: TrainConfig, place: Path) -> str:
    with pytest.raises(ArtefactError) as error:
        RankTrainer(share_in_memory(graph, job.ranks), config).load(place)
    return str(error.value)


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    graph = _graph()
    on_ranks(1, _trained, graph, CONFIG, 2, None, tmp_path)
    other = TrainConfig(hidden=8, epochs=9, patience=9, weight_decay=0.001, seed=4)
    assert "another seed, other options or other data" in on_ranks(1, _refused, graph, other, tmp_path)[0]
    (file,) = (tmp_path / "epoch-2").glob("*.distcp")
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (whole[:100], b"", flipped):
        file.write_bytes(damaged)
        said = on_ranks(2, _refused, graph, CONFIG, tmp_path)
        assert said[0] == said[1]
        assert "epoch-2 is damaged: __0_0.distcp is not what was saved. Delete" in said[0]
    file.unlink()
    assert "__0_0.distcp is not what was saved" in on_ranks(1, _refused, graph, CONFIG, tmp_path)[0]
    (tmp_path / NAME_FILE).write_text("{}")
    assert "Delete" in on_ranks(1, _refused, graph, CONFIG, tmp_path)[0]


def test_uniform_rows_are_those_of_the_whole_table() -> None:
    graph, config = _graph(), TrainConfig(hidden=8)
    whole = make_model(graph, config)
    found = RankTrainer(share_in_memory(graph, Communicator.alone()), config)
    for mine, other in zip(found.weights, whole.weights, strict=True):
        assert torch.equal(mine, other)
    torch.manual_seed(1)
    table = torch.empty(100, 7).uniform_(-0.2, 0.2)
    torch.manual_seed(1)
    assert torch.equal(uniform_rows(100, 7, 0.2, slice(31, 62)), table[31:62])
