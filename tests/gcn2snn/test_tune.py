"""The search: a front that nothing beats, rules that pick from it, journals that continue, and test data left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gcn2snn import runs
from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.graph import Graph
from gcn2snn.tune import Point, Problem, TuneConfig, choose, front, tune

pytest.importorskip("optuna")

ANY_LOSS = 100.0


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


@pytest.fixture(scope="module")
def run(karate: Graph, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, dict[str, Any]]:
    """A trained model and the summary of its run."""
    folder = tmp_path_factory.mktemp("run")
    summary = runs.train_run(karate, TrainConfig(epochs=30, hidden=8, validation=0.5), folder)
    return runs.load_model(folder, karate), summary


@pytest.fixture(scope="module")
def problem(run: tuple[nn.Module, dict[str, Any]], karate: Graph) -> Problem:
    return Problem(run[0], [runs.validation_of(run[1], karate)])


def point(accuracy: float, alpha: float, agreement: float = 100.0) -> Point:
    return Point(ConvertConfig(), accuracy, agreement, alpha, alpha)


def test_the_front_is_what_nothing_beats(problem: Problem) -> None:
    seen: list[int] = []
    result = tune(problem, TuneConfig(trials=9, max_loss=ANY_LOSS), on_trial=lambda done, _: seen.append(done))
    assert seen == list(range(1, 10))
    assert len(result.points) == 9
    for a in result.front:
        beaten = [b for b in result.points if b.accuracy >= a.accuracy and b.alpha >= a.alpha]
        assert {(b.accuracy, b.alpha) for b in beaten} == {(a.accuracy, a.alpha)}
    accuracies = [p.accuracy for p in result.front]
    assert accuracies == sorted(set(accuracies), reverse=True)
    assert result.chosen in result.points
    assert result.to_dict()["trials"] == 9


def test_a_measured_point_is_what_convert_gives(problem: Problem, run: Any, karate: Graph) -> None:
    """The search's shortcut and the pipeline: the same spikes, so the same accuracy and energy."""
    layers = {
        "layer1.message.neuron": LayerConfig(base=1.5, timesteps=5, events=0.4, per="channel"),
        "layer1.relu": LayerConfig(scale="mse", timesteps=7),
    }
    config = ConvertConfig(timesteps=9, message="rectified", layers=layers)
    measured = problem.measure(config)
    snn = convert(run[0], karate, config)
    energy = snn.energy(karate.adjacency)
    _, labels = runs.validation_of(run[1], karate)
    right = (snn(karate.adjacency).argmax(1) == labels)[labels >= 0].double().mean()
    assert measured.accuracy == pytest.approx(100 * float(right))
    assert measured.alpha == pytest.approx(energy.alpha_events)
    assert measured.alpha_eq6 == pytest.approx(energy.alpha_eq6)


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


def test_test_labels_are_never_read(problem: Problem, run: Any, karate: Graph) -> None:
    wrong = karate.labels.clone()
    wrong[karate.test_mask] = (wrong[karate.test_mask] + 1) % karate.num_classes
    poisoned = replace(karate, labels=wrong)
    other = Problem(run[0], [runs.validation_of(run[1], poisoned)])
    config = TuneConfig(trials=8, max_loss=ANY_LOSS)
    assert tune(other, config) == tune(problem, config)


def test_some_validation_rows_must_have_labels(run: Any, karate: Graph) -> None:
    with pytest.raises(DataError, match="no validation row has a label"):
        Problem(run[0], [(karate, torch.full_like(karate.labels, -1))])


def test_front_drops_equal_and_beaten_points() -> None:
    points = [point(90, 5), point(90, 7), point(80, 6), point(70, 20), point(70, 20), point(60, 20)]
    assert [(p.accuracy, p.alpha) for p in front(points)] == [(90, 7), (70, 20)]
    assert front([]) == ()


def test_choose_the_cheapest_within_a_loss() -> None:
    points = [point(90, 5), point(89.8, 9), point(89.6, 30), point(91, 2)]
    assert choose(points, 90.0, TuneConfig(max_loss=0.3)).alpha == 9
    assert choose(points, 90.0, TuneConfig(max_loss=0.5)).alpha == 30
    assert choose(points, 90.0, TuneConfig(max_loss=0.0)).alpha == 5


def test_choose_distrusts_luck() -> None:
    """100 % accuracy but 4 % other predictions counts as a loss of 1 point."""
    points = [point(100, 50, agreement=96.0), point(90, 5)]
    assert choose(points, 90.0, TuneConfig(max_loss=0.3)).alpha == 5
    assert choose(points, 90.0, TuneConfig(max_loss=1.0)).alpha == 50


def test_choose_the_most_accurate_with_an_alpha() -> None:
    points = [point(90, 5), point(85, 25), point(85, 21), point(80, 60)]
    assert choose(points, 90.0, TuneConfig(min_alpha=20)).alpha == 25
    assert choose(points, 90.0, TuneConfig(min_alpha=30)).alpha == 60


def test_an_impossible_rule_names_the_nearest_point() -> None:
    points = [point(85, 25), point(80, 60)]
    with pytest.raises(
        ConfigError, match=r"none of 2 configurations has a loss of at most 0.3 points; nearest: loss 5.00"
    ):
        choose(points, 90.0, TuneConfig(max_loss=0.3))
    with pytest.raises(ConfigError, match=r"alpha >= 100; nearest: loss 10.00 points at alpha 60.0\. Ask for less"):
        choose(points, 90.0, TuneConfig(min_alpha=100))


@pytest.mark.parametrize("options", [{"trials": 0}, {"max_timesteps": 256}, {"max_loss": -0.1}, {"min_alpha": 0}])
def test_options_refuse(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        TuneConfig(**options)
