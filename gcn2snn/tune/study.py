"""The search: coarse grids, a descent, then by turns the neighbours of what fits the rule best and Optuna's sampler."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from gcn2snn.errors import MissingPackageError
from gcn2snn.owner_lock import owned
from gcn2snn.tune.choice import beyond, calibrated, excess, front, nearest, rank
from gcn2snn.tune.descent import descent
from gcn2snn.tune.journal import Journal, Measured
from gcn2snn.tune.point import Point, TuneConfig, TuneResult
from gcn2snn.tune.problem import Pool, Problem
from gcn2snn.tune.space import KEYS, Values, neighbour, starting_points, steps_down, suggest

USELESS_LOSS = 3.0
"""Points of accuracy from which the search no longer cares how cheap a configuration is."""

PARENTS = 4
"""Points around the rule's boundary whose neighbours are tried."""

REFINED = 6
"""Of so many trials after the descent all but one are neighbours of good points; the others are the sampler's."""

DESCENT = 60
"""Trials of the descent at most, so that a network of many populations has some left for the neighbours."""

ROOM = 0.7
"""Share of the allowed loss that the point which the descent starts from may have used up."""

ORDER = "grid, descent, neighbours; expected losses"
"""Name of the order of trials and of what is measured; a journal of another one is not gone on with."""


def search(
    problem: Problem | Pool,
    config: TuneConfig,
    journal: Path | None = None,
    on_trial: Callable[[int, Point], None] | None = None,
) -> TuneResult:
    """Try configurations until the budget is spent; the chosen point is the one nearest to the rule.

    What is tried next follows from the seed and from what was measured so far, and from nothing else, so a search that
    was stopped anywhere and goes on from its journal gives what an unbroken one gives. Losses are calibrated from all
    points (``tune/loss.py``), so that of an early point may still change; the journal holds them as measured.

    Args:
        problem: model and validation data, or several of them.
        config: budget and rule.
        journal: file that keeps what was measured; a search of the same model, data and settings continues there.
        on_trial: told the number of finished trials and the newest point.

    Raises:
        ArtefactError: the journal is damaged.
        LockedError: another search writes this journal.
        MissingPackageError: Optuna is not installed.
    """
    with contextlib.nullcontext() if journal is None else owned(journal):
        kept = None if journal is None else Journal(journal, search_key(problem, config))
        trials = _Trials(problem, config, [] if kept is None else kept.measured[: config.trials])
        while len(trials.measured) < config.trials:
            found = trials.next()
            if kept is not None:
                kept.add(found)
            if on_trial is not None:
                on_trial(len(trials.measured), trials.points()[-1])
    points = trials.points()
    chosen = nearest(points, config)
    return TuneResult(problem.source_accuracy, points, front(points), chosen, excess(chosen, config) == 0.0)


def search_key(problem: Problem | Pool, config: TuneConfig) -> str:
    """Hash of what the trials depend on: weights, data, settings without the budget, what is chosen, and releases."""
    settings = {name: value for name, value in asdict(config).items() if name != "trials"}
    releases = {package: version(package) for package in ("gcn2snn", "optuna", "torch")}
    return hashlib.sha256(
        json.dumps([problem.fingerprint, settings, KEYS, ORDER, releases], sort_keys=True).encode()
    ).hexdigest()


class _Trials:
    """The trials of a search in order, as our own list and as Optuna's sampler sees them (in memory)."""

    def __init__(self, problem: Problem | Pool, config: TuneConfig, before: list[Measured]):
        try:
            import optuna
        except ImportError as error:
            raise MissingPackageError("tuning needs Optuna: pip install 'gcn2snn[tune]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.problem, self.config = problem, config
        self.measured: list[Measured] = []
        self._plan = self._planned()
        self.study = optuna.create_study(directions=["minimize", "maximize"])
        for found in before:
            next(self._plan)
            self._tell(found)

    def points(self) -> tuple[Point, ...]:
        """What was measured so far, with calibrated losses."""
        points = [found.point for found in self.measured]
        return calibrated(points, self.problem.source_accuracy, self.problem.rows)

    def next(self) -> Measured:
        """Measure the next configuration: of the grid, beside a good point, or where the sampler wants it."""
        import optuna

        values = next(self._plan)
        parameters = self._drawn() if values is None else values
        point = self.problem.measure(suggest(optuna.trial.FixedTrial(parameters), self.problem, self.config))
        found = Measured(parameters, point)
        self._tell(found)
        return found

    @property
    def _seed(self) -> int:
        """Of the next trial's chances."""
        return self.config.seed * 100_003 + len(self.measured)

    def _planned(self) -> Generator[Values | None]:
        """What to try next, from what was measured so far; None: what the sampler wants."""
        yield from starting_points(self.problem, self.config)
        yield from self._descended()
        while True:
            yield None if len(self.measured) % REFINED == 0 else self._neighbour(random.Random(self._seed))

    def _descended(self) -> Generator[Values]:
        """The trials of the descent, until a step that it took breaks the rule."""
        begin = self.measured[_accurate(self.points(), self.config)]
        steps = steps_down(self.problem, self.config)
        walk, known = descent(begin.parameters, begin.point, steps, self._enough), None
        last = len(self.measured) + DESCENT
        with contextlib.suppress(StopIteration):
            while len(self.measured) < last:
                values = next(walk) if known is None else walk.send(known)
                known = next((found.point for found in self.measured if found.parameters == values), None)
                if known is None:
                    yield values
                    known = self.measured[-1].point

    def _enough(self, point: Point) -> bool:
        """Whether a descent that has come to this point is past what the rule allows, or at what it asks for."""
        if self.config.min_alpha is not None:
            return point.alpha >= self.config.min_alpha
        place = next(place for place, found in enumerate(self.measured) if found.point is point)
        return excess(self.points()[place], self.config) > 0

    def _drawn(self) -> Values:
        """What the sampler wants next; it is asked through a copy, so that the study holds measured trials alone."""
        import optuna

        sampler = optuna.samplers.TPESampler(seed=self._seed, n_startup_trials=0, multivariate=True)
        asked = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
        asked.add_trials(self.study.trials)
        trial = asked.ask()
        suggest(trial, self.problem, self.config)
        return dict(trial.params)

    def _tell(self, found: Measured) -> None:
        import optuna

        self.study.sampler = optuna.samplers.RandomSampler(seed=0)  # nothing is drawn, all is given
        self.study.enqueue_trial(found.parameters)
        trial = self.study.ask()
        suggest(trial, self.problem, self.config)
        trial.set_constraint("excess loss", found.point.loss - USELESS_LOSS)
        self.study.tell(trial, [found.point.divergence, found.point.alpha])
        self.measured.append(found)

    def _neighbour(self, chance: random.Random) -> Values:
        parents = [self.measured[index] for index in _parents(self.points(), self.config)]
        tried = [found.parameters for found in self.measured]
        values = neighbour(chance.choice(parents).parameters, self.config, chance)
        while values in tried:
            values = neighbour(values, self.config, chance)
        return values


def _accurate(points: Sequence[Point], config: TuneConfig) -> int:
    """Place of the cheapest point that leaves a descent room: some of the allowed loss, or half of the wanted alpha to gain.

    Where there is none, the first point, which is the plain conversion.
    """
    if config.min_alpha is None:
        fits = [point.loss <= ROOM * (config.max_loss or 0.0) for point in points]
    else:
        fits = [point.alpha <= config.min_alpha / 2 for point in points]
    return max((place for place, fit in enumerate(fits) if fit), key=lambda place: points[place].saving, default=0)


def _parents(points: Sequence[Point], config: TuneConfig) -> list[int]:
    """Places of the points that fit the rule best, and of those that just miss it and are better otherwise."""
    order = sorted(range(len(points)), key=lambda index: rank(points[index], config))
    best = points[order[0]]
    missing = [i for i in order if excess(points[i], config) > 0 and beyond(points[i], best, config)]
    return order[:PARENTS] + missing[: PARENTS // 2]
