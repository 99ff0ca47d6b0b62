"""The Pareto front of validation accuracy against energy: base, timesteps, scale, horizon and refit of every population."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gcn2snn.errors import given_or_default
from gcn2snn.prediction import temperature
from gcn2snn.tune.choice import choose, excess, front, nearest
from gcn2snn.tune.loss import divergence_of
from gcn2snn.tune.point import Point, TuneConfig, TuneResult, point_of
from gcn2snn.tune.problem import Labelled, Pool, Problem
from gcn2snn.tune.study import search

__all__ = [
    "Labelled",
    "Point",
    "Pool",
    "Problem",
    "TuneConfig",
    "TuneResult",
    "choose",
    "divergence_of",
    "excess",
    "front",
    "nearest",
    "point_of",
    "search",
    "temperature",
    "tune",
]


def tune(
    problem: Problem | Pool,
    config: TuneConfig | None = None,
    journal: Path | None = None,
    on_trial: Callable[[int, Point], None] | None = None,
) -> TuneResult:
    """Search the front and pick a point; validation data only, test data are never seen.

    Args:
        problem: model and validation data, or several of them.
        config: budget and rule.
        journal: file that keeps the trials; a search with the same settings continues there.
        on_trial: told the number of finished trials and the newest point.

    Raises:
        ConfigError: no point meets the rule; the message names the nearest ones. :func:`search` returns them.
        MissingPackageError: Optuna is not installed.
    """
    config = given_or_default("config", config, TuneConfig)
    result = search(problem, config, journal, on_trial)
    choose(result.points, config)
    return result
