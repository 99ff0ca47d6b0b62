"""What can be chosen for each population, where a search starts, and what lies next to a point."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.kernels import LAST_THRESHOLDS
from gcn2snn.passes import optimal_base
from gcn2snn.tune.point import TuneConfig
from gcn2snn.tune.problem import Pool, Problem

if TYPE_CHECKING:
    import optuna

LEAST_EVENTS, ALL_EVENTS = 0.02, 1.0
LEAST_BASE, LARGEST_BASE, BASE_STEP = 1.2, 2.0, 0.05

REFIT_EVENTS = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
"""Shares that a refitted population may keep: a refit takes seconds, so the trials share a few of them."""

REFIT_TIMESTEPS = (8, 5)
"""Phases that a refitted population may have: the values are fitted to them, so more of them hardly bring anything."""

OTHER_EVENTS = (1.0, 0.6, 0.4)
"""Shares of the other populations on the grid that a search starts from."""

REFIT_START = 0.1
"""Share of a refitted first population on that grid: one alone, because a descent goes on from there."""

STEP_DOWN = 0.8
"""Of the events, or of the phases, that a step of the descent leaves."""

Values = dict[str, Any]
"""Parameters of a trial by name: ``message``, and ``POPULATION.events`` and so on."""

Step = Callable[[Values], Values | None]
"""The next cheaper values in one respect of one population; None where there are none."""


def suggest(trial: optuna.trial.BaseTrial, problem: Problem | Pool, config: TuneConfig) -> ConvertConfig:
    """The configuration of a trial: drawn by the sampler, or given."""
    values: Values = {"message": trial.suggest_categorical("message", ["signed", "rectified"])}
    for name in problem.populations:
        if name in problem.cuttable:
            values[f"{name}.events"] = trial.suggest_float(f"{name}.events", LEAST_EVENTS, ALL_EVENTS, log=True)
        if name in problem.refittable:
            values[f"{name}.refit"] = trial.suggest_categorical(f"{name}.refit", [True, False])
        values[f"{name}.base"] = trial.suggest_float(f"{name}.base", LEAST_BASE, LARGEST_BASE, step=BASE_STEP)
        values[f"{name}.timesteps"] = trial.suggest_int(f"{name}.timesteps", 1, config.max_timesteps)
        values[f"{name}.last"] = trial.suggest_categorical(f"{name}.last", list(LAST_THRESHOLDS))
        values[f"{name}.scale"] = trial.suggest_categorical(f"{name}.scale", ["max", "mse"])
        values[f"{name}.per"] = trial.suggest_categorical(f"{name}.per", ["layer", "channel"])
    values = _settled(values, config)
    layers = {name: LayerConfig(**{key: values.get(f"{name}.{key}") for key in KEYS}) for name in problem.populations}
    return ConvertConfig.paper(message=values["message"], layers=layers, timesteps=config.max_timesteps)


KEYS = ("base", "timesteps", "last", "scale", "per", "events", "refit")
"""What is chosen for each population."""


def _settled(values: Values, config: TuneConfig) -> Values:
    """The values as they are tried: without its negative part no population is refitted, and a refit is one of a few.

    A refitted population keeps the nearest of :data:`REFIT_EVENTS`, with the nearest of :data:`REFIT_TIMESTEPS`, the base of
    Eq. 5, and channel maxima to begin with; the refit finds scales of its own.
    """
    found = dict(values)
    for name in [key.removesuffix(".refit") for key, wanted in values.items() if key.endswith(".refit") and wanted]:
        if values["message"] != "signed":
            found[f"{name}.refit"] = False
            continue
        share = values[f"{name}.events"]
        found[f"{name}.events"] = min(REFIT_EVENTS, key=lambda kept: abs(math.log(kept / share)))
        steps = min(_refit_timesteps(config), key=lambda kept: abs(kept - values[f"{name}.timesteps"]))
        found[f"{name}.base"], found[f"{name}.timesteps"] = _base_of(steps), steps
        found[f"{name}.scale"], found[f"{name}.per"] = "max", "channel"
    return found


def _refit_timesteps(config: TuneConfig) -> tuple[int, ...]:
    """Phases that a refitted population may have, falling."""
    return tuple(dict.fromkeys(min(steps, config.max_timesteps) for steps in REFIT_TIMESTEPS))


def starting_points(problem: Problem | Pool, config: TuneConfig) -> list[Values]:
    """The plain conversion first, then coarse grids: cuts where they can be made, refitted where they can be, one code for
    all elsewhere."""
    top = config.max_timesteps
    starts = [_start(problem, config, 1.0, 1.0, "max", top)]
    if problem.cuttable:
        shares = (REFIT_START,) if problem.refittable else (0.5, 0.35, 0.25, 0.18, 0.13, 0.09, 0.06)
        for first, others in itertools.product(shares, OTHER_EVENTS):
            starts.append(_start(problem, config, first, others, "mse" if others < 0.5 else "max", top))
    else:
        steps = sorted({min(t, top) for t in (2, 3, 4, 6, 8, 10, 12, 16)}, reverse=True)
        starts += [_start(problem, config, 1.0, 1.0, scale, t) for t in steps for scale in ("mse", "max")]
    return starts


@functools.cache
def _base_of(timesteps: int) -> float:
    """The base of Eq. 5 on the grid; kept, because each of the starting points asks for it."""
    return max(LEAST_BASE, min(LARGEST_BASE, round(round(optimal_base(timesteps) / BASE_STEP) * BASE_STEP, 2)))


def _start(
    problem: Problem | Pool, config: TuneConfig, first: float, others: float, scale: str, timesteps: int
) -> Values:
    values: Values = {"message": "signed"}
    for index, name in enumerate(problem.populations):
        share = first if index == 0 else others
        cut_hard = index == 0 and share < 1.0  # a wider range of fewer levels serves what is left
        values[f"{name}.base"] = 1.5 if cut_hard else _base_of(timesteps)
        values[f"{name}.timesteps"] = min(12, timesteps) if cut_hard else timesteps
        values[f"{name}.last"], values[f"{name}.scale"], values[f"{name}.per"] = "midpoint", scale, "channel"
        if name in problem.cuttable:
            values[f"{name}.events"] = share
        if name in problem.refittable:
            values[f"{name}.refit"] = share < 1.0
    return _settled(values, config)


def steps_down(problem: Problem | Pool, config: TuneConfig) -> list[Step]:
    """What a descent may change: events, phases (with the base of Eq. 5), and scale of each population.

    The last populations come first, because trying their steps costs least (``tune/prefix.py``).
    """
    kinds = ("events", "timesteps", "scale")
    return [
        functools.partial(_cheaper, f"{name}.{kind}", config)
        for name in reversed(problem.populations)
        for kind in kinds
    ]


def _cheaper(name: str, config: TuneConfig, values: Values) -> Values | None:
    """The values with less of one thing; None where there is nothing less, or no such thing."""
    population, kind = name.rsplit(".", 1)
    if name not in values:
        return None
    value, refitted = values[name], values.get(f"{population}.refit", False)
    changed: Values = {}
    if kind == "events":
        refits = refitted or (f"{population}.refit" in values and value == ALL_EVENTS)  # the first cut is a refit
        less = [share for share in REFIT_EVENTS if share < value][-1:] if refits else [value * STEP_DOWN]
        changed = {name: less[0]} if less and less[0] >= LEAST_EVENTS else {}
        changed |= {f"{population}.refit": True} if changed and refits else {}
    elif kind == "timesteps":
        fewer = [steps for steps in _refit_timesteps(config) if steps < value][:1] if refitted else _fewer(value)
        changed = {name: fewer[0], f"{population}.base": _base_of(fewer[0])} if fewer else {}
    elif not refitted:
        changed = {name: "mse" if value == "max" else "max"}
    return _settled({**values, **changed}, config) if changed else None


def _fewer(steps: int) -> list[int]:
    """The next smaller number of phases."""
    return [min(steps - 1, round(steps * STEP_DOWN))] if steps > 1 else []


def neighbour(values: Values, config: TuneConfig, chance: random.Random) -> Values:
    """A point one or two steps away: more or fewer events, another base, number of phases, last threshold or scale, or no refit."""
    found = dict(values)
    names = [name for name in values if name != "message" and not _follows(name, values)]
    wishes = [3.0 if name.endswith(".events") else 1.0 for name in names]
    for _ in range(chance.choice((1, 2, 2, 3))):
        name = chance.choices(names, wishes)[0]
        population, kind = name.rsplit(".", 1)
        if kind == "events" and found.get(f"{population}.refit"):
            found[name] = _next_share(found[name], chance)
        elif kind == "timesteps" and found.get(f"{population}.refit"):
            found[name] = chance.choice(_refit_timesteps(config))
        else:
            found[name] = _step(kind, found[name], config, chance)
    return _settled(found, config)


def _follows(name: str, values: Values) -> bool:
    """Whether a value of a refitted population follows from its others, so that changing it changes nothing."""
    population, kind = name.rsplit(".", 1)
    return bool(values.get(f"{population}.refit")) and kind in ("base", "scale", "per")


def _next_share(share: float, chance: random.Random) -> float:
    """The next smaller or larger share that a refitted population may keep."""
    nearest = min(range(len(REFIT_EVENTS)), key=lambda place: abs(REFIT_EVENTS[place] - share))
    return REFIT_EVENTS[min(len(REFIT_EVENTS) - 1, max(0, nearest + chance.choice((-1, 1))))]


def _step(kind: str, value: Any, config: TuneConfig, chance: random.Random) -> object:
    if kind == "events":
        return min(ALL_EVENTS, max(LEAST_EVENTS, value * chance.choice((0.6, 0.75, 0.88, 1.14, 1.33, 1.67))))
    if kind == "base":
        moved = value + chance.choice((-0.2, -0.1, -0.05, 0.05, 0.1, 0.2))
        return round(min(LARGEST_BASE, max(LEAST_BASE, moved)), 2)
    if kind == "timesteps":
        return min(config.max_timesteps, max(1, value + chance.choice((-4, -2, -1, 1, 2, 4))))
    if kind == "refit":
        return not value
    return {"max": "mse", "mse": "max", "layer": "channel", "channel": "layer", "midpoint": "half", "half": "midpoint"}[
        value
    ]
