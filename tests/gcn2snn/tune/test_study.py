"""The search: a Pareto front, journals that continue, rules that no point meets, and no use of test data."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.graph import Graph
from gcn2snn.textgcn import load_model, train_run, validation_of
from gcn2snn.tune import Point, Problem, TuneConfig, search, tune
from gcn2snn.tune.space import neighbour, starting_points

pytest.importorskip("optuna")

ANY_LOSS = 100.0


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


@pytest.fixture(scope="module")
def run(karate: Graph, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, dict[str, Any]]:
    """A trained model and the summary of its run."""
    folder = tmp_path_factory.mktemp("run")
    summary = train_run(karate, TrainConfig(epochs=30, hidden=8, validation=0.5), folder)
    return load_model(folder, karate), summary


@pytest.fixture(scope="module")
def problem(run: tuple[nn.Module, dict[str, Any]], karate: Graph) -> Problem:
    return Problem(run[0], [validation_of(run[1], karate)])


def test_the_front_is_what_nothing_beats(problem: Problem) -> None:
    seen: list[int] = []
    result = tune(problem, TuneConfig(trials=9, max_loss=ANY_LOSS), on_trial=lambda done, _: seen.append(done))
    assert seen == list(range(1, 10))
    assert len(result.points) == 9
    for a in result.front:
        beaten = [b for b in result.points if b.loss <= a.loss and b.alpha >= a.alpha]
        assert {(b.loss, b.alpha) for b in beaten} == {(a.loss, a.alpha)}
    losses = [p.loss for p in result.front]
    assert losses == sorted(set(losses))
    assert result.chosen in result.points
    assert result.met
    assert result.to_dict()["trials"] == 9


def test_a_search_continues_where_it_was(problem: Problem, tmp_path: Path) -> None:
    config = TuneConfig(trials=10, seed=3, max_loss=ANY_LOSS)
    whole = tune(problem, config)
    journal = tmp_path / "tune.journal"
    for stop_at in (2, 8):

        def stop(done: int, _: Point, stop_at: int = stop_at) -> None:
            if done == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tune(problem, config, journal, stop)
    assert tune(problem, config, journal).points == whole.points
    nothing_new = tune(problem, config, journal, lambda *_: pytest.fail("a finished search tried another point"))
    assert nothing_new.points == whole.points


def test_a_trial_that_was_stopped_in_the_middle_is_tried_again(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TuneConfig(trials=25, max_loss=ANY_LOSS)
    journal = tmp_path / "tune.journal"
    with monkeypatch.context() as patch:
        patch.setattr(problem, "measure", lambda config: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tune(problem, config, journal)
    again = tune(problem, config, journal)
    whole = tune(problem, config)
    assert {(p.accuracy, p.alpha) for p in again.points[:24]} == {(p.accuracy, p.alpha) for p in whole.points[:24]}


def test_a_journal_whose_last_line_was_cut_off_goes_on(problem: Problem, tmp_path: Path) -> None:
    journal = tmp_path / "tune.journal"
    tune(problem, TuneConfig(trials=4, max_loss=ANY_LOSS), journal)
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - 40)
    for trials in (6, 7):
        assert len(tune(problem, TuneConfig(trials=trials, max_loss=ANY_LOSS), journal).points) == trials


def test_a_journal_that_is_damaged_inside_is_refused(problem: Problem, tmp_path: Path) -> None:
    journal = tmp_path / "tune.journal"
    config = TuneConfig(trials=4, max_loss=ANY_LOSS)
    tune(problem, config, journal)
    first, *rest = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([first[: len(first) // 2] + "\n", *rest]))
    with pytest.raises(ArtefactError, match=r"is damaged .* Delete it to search anew"):
        tune(problem, config, journal)


def test_test_labels_are_never_read(problem: Problem, run: Any, karate: Graph) -> None:
    wrong = karate.labels.clone()
    wrong[karate.test_mask] = (wrong[karate.test_mask] + 1) % karate.num_classes
    poisoned = replace(karate, labels=wrong)
    other = Problem(run[0], [validation_of(run[1], poisoned)])
    config = TuneConfig(trials=8, max_loss=ANY_LOSS)
    assert tune(other, config) == tune(problem, config)


def test_an_impossible_rule_ends_with_the_nearest_point(problem: Problem) -> None:
    config = TuneConfig(trials=6, min_alpha=1e6)
    with pytest.raises(ConfigError, match=r"none of 6 configurations has alpha >= 1e\+06; nearest: loss"):
        tune(problem, config)
    result = search(problem, config)
    assert not result.met
    assert result.chosen.alpha == max(point.alpha for point in result.points)


def test_a_neighbour_is_one_to_three_steps_away(problem: Problem) -> None:
    config = TuneConfig(max_timesteps=12)
    chance = random.Random(0)
    for start in starting_points(problem, config):
        found = neighbour(start, config, chance)
        assert found.keys() == start.keys()
        assert sum(found[name] != start[name] for name in start) <= 3
        for name, value in found.items():
            kind = name.rsplit(".", 1)[-1]
            assert kind != "events" or 0.03 <= value <= 1.0
            assert kind != "base" or 1.2 <= value <= 2.0
            assert kind != "timesteps" or 1 <= value <= 12
