"""The descent: it comes to the cheapest network of a divergence, measures few steps twice, and ends where nothing is saved."""

from __future__ import annotations

import contextlib
import itertools
import math
import random

import pytest

from gcn2snn.config import ConvertConfig
from gcn2snn.tune.descent import descent, rate
from gcn2snn.tune.point import Point
from gcn2snn.tune.space import Step, Values

STEP = 0.8


def down(name: str) -> Step:
    """A fifth less of one thing, down to a hundredth."""
    return lambda values: {**values, name: values[name] * STEP} if values[name] > 0.01 else None


def measured(values: Values, costs: dict[str, float], harms: dict[str, float]) -> Point:
    """Costs add up, and so do disturbances, which grow with the logarithm's square of what is left."""
    alpha = 1 / sum(costs[name] * values[name] for name in costs)
    divergence = sum(harms[name] * math.log(values[name]) ** 2 for name in harms)
    return Point(ConvertConfig(), 0.0, 0.0, 0.0, alpha, alpha, alpha, divergence)


def walked(costs: dict[str, float], harms: dict[str, float], until: float) -> tuple[list[Point], int]:
    """The points that the descent comes to, up to the first of at least this divergence, and the number of measurements."""
    start = dict.fromkeys(costs, 1.0)
    taken: list[Point] = []

    def enough(point: Point) -> bool:
        taken.append(point)
        return point.divergence >= until

    walk = descent(start, measured(start, costs, harms), [down(name) for name in costs], enough)
    count, values = 0, next(walk)
    with contextlib.suppress(StopIteration):
        while True:
            count += 1
            values = walk.send(measured(values, costs, harms))
    return taken, count


@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_the_grid_with_as_little_divergence_is_much_cheaper(seed: int) -> None:
    chance = random.Random(seed)
    costs, harms = ({name: 10 ** chance.uniform(-1, 1) for name in "abc"} for _ in range(2))
    *_, found = walked(costs, harms, until=0.3)[0]
    best = 0.0
    for steps in itertools.product(range(15), repeat=3):
        point = measured({name: STEP**count for name, count in zip("abc", steps, strict=True)}, costs, harms)
        best = max(best, point.alpha if point.divergence <= found.divergence else 0.0)
    assert found.alpha >= 0.85 * best


def test_kept_rates_save_measurements() -> None:
    names = [f"p{place}" for place in range(12)]
    costs = {name: 1.0 + place for place, name in enumerate(names)}
    taken, count = walked(costs, dict.fromkeys(names, 0.05), until=1.0)
    assert len(taken) > 15
    assert count < 4 * len(names) + 3 * len(taken)  # without them: twelve for each point


def test_steps_that_save_nothing_are_left_out_and_the_descent_ends() -> None:
    start = {"a": 1.0, "b": 1.0}
    costs, harms = {"a": 1.0, "b": 0.0}, {"a": 0.1, "b": 0.1}
    tried = []
    walk = descent(start, measured(start, costs, harms), [down("a"), down("b")])
    values = next(walk)
    with contextlib.suppress(StopIteration):
        while True:
            tried.append(values)
            values = walk.send(measured(values, costs, harms))
    assert sum(values["b"] < 1 for values in tried) == 1
    assert tried[-1]["a"] <= 0.01


def test_a_step_without_harm_is_judged_by_what_it_saves() -> None:
    before, after = (measured({"a": left}, {"a": 1.0}, {"a": 0.0}) for left in (1.0, 0.5))
    assert rate(before, after) == pytest.approx(math.log(2) / 1e-5)
