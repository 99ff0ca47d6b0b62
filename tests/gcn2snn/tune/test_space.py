"""The space of a search: every point is a configuration, and refitted populations have a few values only."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from gcn2snn.config import ConvertConfig
from gcn2snn.tune import TuneConfig
from gcn2snn.tune.space import REFIT_EVENTS, REFIT_TIMESTEPS, neighbour, starting_points, steps_down, suggest

optuna = pytest.importorskip("optuna")

NAMES = ("first", "relu", "last")


def problem(refit: bool = True) -> Any:
    """Three populations that can be cut; the first can be refitted."""
    return SimpleNamespace(populations=list(NAMES), cuttable=set(NAMES), refittable={"first"} if refit else set())


def configuration(values: dict[str, Any], config: TuneConfig, refit: bool = True) -> ConvertConfig:
    return suggest(optuna.trial.FixedTrial(values), problem(refit), config)


@pytest.mark.parametrize("top", [4, 16, 24])
def test_a_walk_of_neighbours_stays_in_the_space(top: int) -> None:
    """Values are what is tried, so that two trials of one configuration have the same values."""
    config, chance = TuneConfig(max_timesteps=top), random.Random(0)
    values = starting_points(problem(), config)[1]
    shares, refitted = set(), set()
    for _ in range(300):
        values = neighbour(values, config, chance)
        own = configuration(values, config).layers["first"]
        refitted.add(own.refit)
        assert (own.events, own.base, own.timesteps) == tuple(
            values[f"first.{key}"] for key in ("events", "base", "timesteps")
        )
        if own.refit:
            shares.add(own.events)
            assert own.timesteps in {min(steps, top) for steps in REFIT_TIMESTEPS}
    assert shares == set(REFIT_EVENTS)
    assert refitted == {True, False}


def test_the_sampler_draws_refits_that_exist_and_none_of_rectified_messages() -> None:
    config, study = TuneConfig(), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(60):
        found = suggest(study.ask(), problem(), config)
        own = found.layers["first"]
        seen.add((found.message, own.refit))
        assert own.events in REFIT_EVENTS or not own.refit
        assert found.layers["relu"].refit is None
    assert seen == {("signed", True), ("signed", False), ("rectified", False)}


def test_a_search_starts_with_the_plain_conversion_and_then_refits_where_it_can() -> None:
    config = TuneConfig()
    starts = [configuration(values, config) for values in starting_points(problem(), config)]
    assert not any(own.refit for own in starts[0].layers.values())
    assert all(own.events == 1.0 for own in starts[0].layers.values())
    assert {start.layers["first"].events for start in starts[1:]} <= set(REFIT_EVENTS)
    assert all(start.layers["first"].refit for start in starts[1:])
    without = [configuration(values, config, refit=False) for values in starting_points(problem(refit=False), config)]
    assert all(own.refit is None for start in without for own in start.layers.values())
    assert min(start.layers["first"].events or 0 for start in without) == 0.06


@pytest.mark.parametrize("top", [1, 5, 16])
def test_steps_down_save_something_and_come_to_an_end(top: int) -> None:
    """Each step of a population has less of one thing; scales alone go back and forth."""
    config = TuneConfig(max_timesteps=top)
    for start in (starting_points(problem(), config)[place] for place in (0, 1)):
        for step in steps_down(problem(), config):
            values = start
            for _ in range(60):
                found = step(values)
                if found is None:
                    break
                changed = [name for name in values if found[name] != values[name]]
                kinds = {name.rsplit(".", 1)[1] for name in changed}
                assert kinds & {"events", "scale", "timesteps"}
                less = [name for name in changed if name.endswith((".events", ".timesteps"))]
                assert all(found[name] < values[name] for name in less)
                values = found
            else:
                assert kinds == {"scale"}


def test_the_last_population_is_stepped_first() -> None:
    values = starting_points(problem(), TuneConfig())[0]
    found = steps_down(problem(), TuneConfig())[0](values)
    assert found is not None
    assert [name for name in values if found[name] != values[name]] == ["last.events"]
