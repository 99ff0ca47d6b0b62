"""A descent from an accurate configuration to a cheap one that takes the best exchange of divergence for energy at each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from gcn2snn.tune.point import Point
from gcn2snn.tune.space import Step, Values

LEAST_HARM = 1e-5
"""In nats: a step that adds less divergence than this is judged by what it saves alone."""


def descent(
    values: Values, point: Point, steps: list[Step], enough: Callable[[Point], bool] = lambda point: False
) -> Generator[Values, Point, None]:
    """Yields the configurations to measure, is sent what each gave, and ends when no step saves anything.

        rate(step) = log(saving after / saving before) / (divergence after - divergence before)

    Small disturbances add up, so the cheapest network of a given divergence has the same rate in all its populations, and
    taking the step of the largest rate each time leads there. Rates hardly change while other populations change, so they
    are kept, and only the step that seems best is measured again before it is taken.

    >>> def half(name):
    ...     return lambda values: {**values, name: values[name] / 2}
    >>> def measured(values):  # b costs more and matters less
    ...     alpha, divergence = 1 / (values["a"] + 3 * values["b"]), 1 / values["a"] + 0.1 / values["b"]
    ...     return Point(None, 0.0, 0.0, 0.0, alpha, alpha, alpha, divergence)
    >>> walk = descent({"a": 1.0, "b": 1.0}, measured({"a": 1.0, "b": 1.0}), [half("a"), half("b")])
    >>> tried = [next(walk)]
    >>> for _ in range(3):
    ...     tried.append(walk.send(measured(tried[-1])))
    >>> tried[:2]
    [{'a': 0.5, 'b': 1.0}, {'a': 1.0, 'b': 0.5}]
    >>> tried[2:]  # from b = 0.5, and again
    [{'a': 1.0, 'b': 0.25}, {'a': 1.0, 'b': 0.125}]

    Args:
        values, point: where it begins.
        steps: what may be changed, the one to measure first at the front.
        enough: told each point that it comes to; True ends it there.

    Source: ours; greedy allocation with kept gains is Minoux 1978.
    """
    rates = dict.fromkeys(range(len(steps)), math.inf)
    fresh: dict[int, tuple[Values, Point]] = {}
    while rates:
        best = max(rates, key=lambda place: rates[place])
        if best in fresh:
            values, point = fresh[best]
            if enough(point):
                return
            fresh = {}
            if steps[best](values) is None:
                del rates[best]
            continue
        tried = steps[best](values)
        found = None if tried is None else (yield tried)
        if tried is None or found is None or found.saving <= point.saving:
            del rates[best]
            continue
        rates[best] = rate(point, found)
        fresh[best] = tried, found


def rate(before: Point, after: Point) -> float:
    """What a step saves, as a logarithm, for each nat of divergence that it adds."""
    return math.log(after.saving / before.saving) / max(after.divergence - before.divergence, LEAST_HARM)
