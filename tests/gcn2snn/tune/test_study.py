"""The search: a Pareto front, journals that continue, rules that no point meets, and no use of test data."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, ConfigError, LockedError
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


@pytest.fixture
def quick(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """A problem whose numbers are drawn by the configuration instead of measured."""

    def drawn(config: ConvertConfig) -> Point:
        chance = random.Random(repr(config))
        loss, alpha = chance.uniform(0.0, 5.0), chance.uniform(1.0, 50.0)
        return Point(config, 90.0, 95.0, loss, alpha, 20.0, alpha / 10, chance.uniform(0.5, 2.0) * loss / 50)

    monkeypatch.setattr(problem, "measure", drawn)
    return problem


def test_the_front_is_what_nothing_beats(problem: Problem) -> None:
    seen: list[int] = []
    result = tune(problem, TuneConfig(trials=9, max_loss=ANY_LOSS), on_trial=lambda done, _: seen.append(done))
    assert seen == list(range(1, 10))
    assert len(result.points) == 9
    for a in result.front:
        beaten = [b for b in result.points if b.loss <= a.loss and b.saving >= a.saving]
        assert {(b.loss, b.saving) for b in beaten} == {(a.loss, a.saving)}
    losses = [p.loss for p in result.front]
    assert losses == sorted(set(losses))
    assert result.chosen in result.points
    assert result.met
    assert result.to_dict()["trials"] == 9


def test_a_search_that_was_stopped_anywhere_gives_what_an_unbroken_one_gives(quick: Problem, tmp_path: Path) -> None:
    """Stopped after each kind of trial (grid, descent, neighbour, sampler) and in the middle of measuring one."""
    config = TuneConfig(trials=30, seed=3, max_loss=ANY_LOSS)
    whole = tune(quick, config)
    journal = tmp_path / "tune.journal"
    measure = quick.measure
    for stop_at in (2, 22, 24, 25, 27, 28):
        left = iter(range(stop_at - len(journal.read_text().splitlines()) if journal.exists() else stop_at))

        def stopped(config: Any, left: Any = left) -> Point:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return measure(config)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(quick, "measure", stopped)
            with pytest.raises(KeyboardInterrupt):
                tune(quick, config, journal)
        assert len(journal.read_text().splitlines()) == stop_at
    assert tune(quick, config, journal) == whole
    nothing_new = tune(quick, config, journal, lambda *_: pytest.fail("a finished search tried another point"))
    assert nothing_new == whole
    fewer = replace(config, trials=7)
    assert tune(quick, fewer, journal) == tune(quick, fewer)


def test_a_journal_whose_last_line_was_cut_off_goes_on(quick: Problem, tmp_path: Path) -> None:
    journal = tmp_path / "tune.journal"
    tune(quick, TuneConfig(trials=4, max_loss=ANY_LOSS), journal)
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - 40)
    for trials in (6, 7):
        config = TuneConfig(trials=trials, max_loss=ANY_LOSS)
        assert tune(quick, config, journal) == tune(quick, config)


@pytest.mark.parametrize("fault", ["cut", "flipped", "lost", "another number"])
def test_a_journal_that_is_damaged_inside_is_refused(quick: Problem, tmp_path: Path, fault: str) -> None:
    journal = tmp_path / "tune.journal"
    config = TuneConfig(trials=4, max_loss=ANY_LOSS)
    tune(quick, config, journal)
    first, second, *rest = journal.read_text().splitlines(keepends=True)
    lines = {
        "cut": [first[: len(first) // 2] + "\n", second, *rest],
        "flipped": [first.replace('"accuracy": ', '"accuracy":-'), second, *rest],
        "lost": [first, *rest],
        "another number": [first, "[" * 100_000 + "\n", *rest],
    }
    journal.write_text("".join(lines[fault]))
    with pytest.raises(ArtefactError, match=r"is damaged in line [12] .* Delete it to search anew"):
        tune(quick, config, journal)


def test_other_weights_labels_or_settings_measure_anew(
    problem: Problem, run: Any, karate: Graph, tmp_path: Path
) -> None:
    journal = tmp_path / "tune.journal"
    config = TuneConfig(trials=1, max_loss=ANY_LOSS)
    tune(problem, config, journal)
    retrained = copy.deepcopy(run[0])
    with torch.no_grad():
        next(retrained.parameters())[0, 0] += 1e-4
    graph, labels = validation_of(run[1], karate)
    others = {
        "weights": (Problem(retrained, [(graph, labels)]), config),
        "labels": (Problem(run[0], [(graph, torch.where(labels >= 0, 1, labels))]), config),
        "settings": (problem, replace(config, max_timesteps=12)),
        "seed": (problem, replace(config, seed=1)),
    }
    for what, (other, settings) in others.items():
        tried: list[int] = []
        tune(other, settings, journal, lambda done, _, tried=tried: tried.append(done))
        assert tried == [1], what
    assert Problem(run[0], [(graph, labels)]).fingerprint == problem.fingerprint


def test_a_second_search_in_the_same_journal_is_refused_at_once(quick: Problem, tmp_path: Path) -> None:
    journal = tmp_path / "tune.journal"
    code = "import sys, pathlib, gcn2snn.owner_lock as lock\n"
    code += "with lock.owned(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(LockedError, match=rf"tune.journal is in use by process {other.pid} on .* since "):
            tune(quick, TuneConfig(trials=2, max_loss=ANY_LOSS), journal)
        other.kill()
        other.wait()
    assert len(tune(quick, TuneConfig(trials=2, max_loss=ANY_LOSS), journal).points) == 2


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
        turned = {name.rsplit(".", 1)[0] for name in start if name.endswith(".refit") and found[name] != start[name]}
        assert sum(found[name] != start[name] for name in start if name.rsplit(".", 1)[0] not in turned) <= 3
        for name, value in found.items():
            kind = name.rsplit(".", 1)[-1]
            assert kind != "events" or 0.02 <= value <= 1.0
            assert kind != "base" or 1.2 <= value <= 2.0
            assert kind != "timesteps" or 1 <= value <= 12
