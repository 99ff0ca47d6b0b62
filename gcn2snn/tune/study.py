"""The search: coarse grids, then by turns the neighbours of what fits the rule best and Optuna's sampler."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gcn2snn.errors import ArtefactError, MissingPackageError
from gcn2snn.tune.choice import beyond, excess, front, nearest, rank
from gcn2snn.tune.point import Point, TuneConfig, TuneResult, point_dict, point_of
from gcn2snn.tune.problem import Pool, Problem
from gcn2snn.tune.space import neighbour, starting_points, suggest

if TYPE_CHECKING:
    import optuna

USELESS_LOSS = 3.0
"""Points of accuracy from which the search no longer cares how cheap a configuration is."""

PARENTS = 4
"""Points around the rule's boundary whose neighbours are tried."""

REFINED = 3
"""Of so many trials after the grid all but one are neighbours of good points; the others are the sampler's."""


def search(
    problem: Problem | Pool,
    config: TuneConfig,
    journal: Path | None = None,
    on_trial: Callable[[int, Point], None] | None = None,
) -> TuneResult:
    """Try configurations until the budget is spent; the chosen point is the one nearest to the rule.

    Args:
        problem: model and validation data, or several of them.
        config: budget and rule.
        journal: file that keeps the trials; a search with the same settings continues there.
        on_trial: told the number of finished trials and the newest point.

    Raises:
        ArtefactError: the journal is damaged.
        MissingPackageError: Optuna is not installed.
    """
    study = _study(problem, config, journal)
    points = [point_of(trial.user_attrs["point"]) for trial in _finished(study)]
    while len(points) < config.trials:
        _propose(study, config, len(points))
        trial = study.ask()
        point = problem.measure(suggest(trial, problem, config))
        trial.set_user_attr("point", point_dict(point))
        trial.set_constraint("excess loss", point.loss - USELESS_LOSS)
        study.tell(trial, [point.loss, point.alpha])
        points.append(point)
        if on_trial is not None:
            on_trial(len(points), point)
    chosen = nearest(points, config)
    return TuneResult(problem.source_accuracy, tuple(points), front(points), chosen, excess(chosen, config) == 0.0)


def _study(problem: Problem | Pool, config: TuneConfig, journal: Path | None) -> optuna.Study:
    try:
        import optuna
    except ImportError as error:
        raise MissingPackageError("tuning needs Optuna: pip install 'gcn2snn[tune]'") from error
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rule = [config.seed, config.max_timesteps, config.max_loss, config.min_alpha]
    key = json.dumps([problem.populations, problem.source_accuracy, *rule])
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    try:
        storage = None if journal is None else JournalStorage(JournalFileBackend(str(_whole_lines(journal))))
        study = optuna.create_study(
            study_name=name, storage=storage, directions=["minimize", "maximize"], load_if_exists=True
        )
    except (ValueError, KeyError) as error:
        raise ArtefactError(f"{journal} is damaged ({error}). Delete it to search anew") from error
    if not study.trials:
        for start in starting_points(problem, config):
            study.enqueue_trial(start)
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # a search was stopped in the middle of it
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if "fixed_params" in trial.system_attrs:
            study.enqueue_trial(trial.system_attrs["fixed_params"])
    return study


def _whole_lines(journal: Path) -> Path:
    """The journal without a last line that a kill or a full disk cut off: what is written next would be joined to it."""
    if journal.exists():
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(journal, whole)
    return journal


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if trial.state.is_finished() and trial.values]


def _propose(study: optuna.Study, config: TuneConfig, done: int) -> None:
    """Say where the next trial is: on the grid, beside a good point, or where the sampler wants it.

    All of it follows from the seed and the number of finished trials, so a continued search tries what an uninterrupted
    one would.
    """
    import optuna

    if study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING]):
        return
    seed = config.seed * 100_003 + done
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True)
    if done % REFINED == 0:
        return
    chance = random.Random(seed)
    trials = _finished(study)
    parents = [trials[index] for index in _parents([point_of(t.user_attrs["point"]) for t in trials], config)]
    tried = [trial.params for trial in trials]
    values = neighbour(chance.choice(parents).params, config, chance)
    while values in tried:
        values = neighbour(values, config, chance)
    study.enqueue_trial(values)


def _parents(points: list[Point], config: TuneConfig) -> list[int]:
    """Places of the points that fit the rule best, and of those that just miss it and are better otherwise."""
    order = sorted(range(len(points)), key=lambda index: rank(points[index], config))
    best = points[order[0]]
    missing = [i for i in order if excess(points[i], config) > 0 and beyond(points[i], best, config)]
    return order[:PARENTS] + missing[: PARENTS // 2]
