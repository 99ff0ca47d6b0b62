"""What can be chosen for each population, where a search starts, and what lies next to a point."""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Any

from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.passes import optimal_base
from gcn2snn.tune.point import TuneConfig
from gcn2snn.tune.problem import Pool, Problem

if TYPE_CHECKING:
    import optuna

LEAST_EVENTS, ALL_EVENTS = 0.03, 1.0
LEAST_BASE, LARGEST_BASE, BASE_STEP = 1.2, 2.0, 0.05

Values = dict[str, object]
"""Parameters of a trial by name: ``message``, and ``POPULATION.events`` and so on."""


def suggest(trial: optuna.trial.BaseTrial, problem: Problem | Pool, config: TuneConfig) -> ConvertConfig:
    """The configuration of a trial: drawn by the sampler, or given."""
    layers = {}
    message: Any = trial.suggest_categorical("message", ["signed", "rectified"])  # words that the configuration checks
    for name in problem.populations:
        events = None
        if name in problem.cuttable:
            events = trial.suggest_float(f"{name}.events", LEAST_EVENTS, ALL_EVENTS, log=True)
        base = trial.suggest_float(f"{name}.base", LEAST_BASE, LARGEST_BASE, step=BASE_STEP)
        timesteps = trial.suggest_int(f"{name}.timesteps", 1, config.max_timesteps)
        scale: Any = trial.suggest_categorical(f"{name}.scale", ["max", "mse"])
        per: Any = trial.suggest_categorical(f"{name}.per", ["layer", "channel"])
        layers[name] = LayerConfig(base=base, timesteps=timesteps, scale=scale, per=per, events=events)
    return ConvertConfig(message=message, scale="max", layers=layers, timesteps=config.max_timesteps)


def starting_points(problem: Problem | Pool, config: TuneConfig) -> list[Values]:
    """The plain conversion first, then coarse grids: cuts where they can be made, one code for all elsewhere."""
    top = config.max_timesteps
    starts = [_start(problem, config, 1.0, 1.0, "max", top)]
    if problem.cuttable:
        for first in (0.5, 0.35, 0.25, 0.18, 0.13, 0.09, 0.06):
            for others in (1.0, 0.6, 0.4):
                starts.append(_start(problem, config, first, others, "mse" if others < 0.5 else "max", top))
    else:
        steps = sorted({min(t, top) for t in (2, 3, 4, 6, 8, 10, 12, 16)}, reverse=True)
        starts += [_start(problem, config, 1.0, 1.0, scale, t) for t in steps for scale in ("mse", "max")]
    return starts


@functools.cache
def _base_of(timesteps: int) -> float:
    """The base of Eq. 5 on the grid; kept, because each of the starting points asks for it."""
    return max(LEAST_BASE, min(LARGEST_BASE, round(optimal_base(timesteps) / BASE_STEP) * BASE_STEP))


def _start(
    problem: Problem | Pool, config: TuneConfig, first: float, others: float, scale: str, timesteps: int
) -> Values:
    base = _base_of(timesteps)
    values: Values = {"message": "signed"}
    for index, name in enumerate(problem.populations):
        share = first if index == 0 else others
        cut_hard = index == 0 and share < 1.0  # a wider range of fewer levels serves what is left
        values[f"{name}.base"] = 1.5 if cut_hard else round(base, 2)
        values[f"{name}.timesteps"] = min(12, timesteps) if cut_hard else timesteps
        values[f"{name}.scale"], values[f"{name}.per"] = scale, "channel"
        if name in problem.cuttable:
            values[f"{name}.events"] = share
    return values


def neighbour(values: Values, config: TuneConfig, chance: random.Random) -> Values:
    """A point one or two steps away: more or fewer events, another base or number of phases, another scale."""
    found = dict(values)
    names = [name for name in values if name != "message"]
    wishes = [3.0 if name.endswith(".events") else 1.0 for name in names]
    for _ in range(chance.choice((1, 2, 2, 3))):
        name = chance.choices(names, wishes)[0]
        found[name] = _step(name.rsplit(".", 1)[1], found[name], config, chance)
    return found


def _step(kind: str, value: Any, config: TuneConfig, chance: random.Random) -> Any:
    if kind == "events":
        return min(ALL_EVENTS, max(LEAST_EVENTS, value * chance.choice((0.6, 0.75, 0.88, 1.14, 1.33, 1.67))))
    if kind == "base":
        moved = value + chance.choice((-0.2, -0.1, -0.05, 0.05, 0.1, 0.2))
        return round(min(LARGEST_BASE, max(LEAST_BASE, moved)), 2)
    if kind == "timesteps":
        return min(config.max_timesteps, max(1, value + chance.choice((-4, -2, -1, 1, 2, 4))))
    return {"max": "mse", "mse": "max", "layer": "channel", "channel": "layer"}[value]
