"""The Pareto front of the measured points, and the rules that pick one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gcn2snn.errors import ConfigError
from gcn2snn.tune.loss import factors, smooth_losses
from gcn2snn.tune.point import Point, TuneConfig


def calibrated(points: Sequence[Point], source_accuracy: float, rows: int) -> tuple[Point, ...]:
    """The points, each with the loss that its divergence stands for among all of them, instead of its own expected one.

    Args:
        points: with expected losses, as measured.
        source_accuracy: percent of the validation rows.
        rows: how many these are.
    """
    divergences, expected = [point.divergence for point in points], [point.loss for point in points]
    counted = [source_accuracy - point.accuracy for point in points]
    changed = [max(1 - point.agreement / 100, 1 / rows) for point in points]
    by = factors(divergences, expected, counted, [100**2 * share / rows for share in changed])
    smooth = smooth_losses(divergences, expected)
    return tuple(replace(point, loss=loss * factor) for point, loss, factor in zip(points, smooth, by, strict=True))


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """Points that no other one beats in both loss and saving, from the most accurate to the cheapest."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.loss, -p.saving)):
        if not kept or point.saving > kept[-1].saving:
            kept.append(point)
    return tuple(kept)


def excess(point: Point, config: TuneConfig) -> float:
    """How far a point is from the rule, as a share of what was asked; 0 where it fits."""
    if config.min_alpha is not None:
        return max(0.0, 1.0 - point.alpha / config.min_alpha)
    return max(0.0, point.loss - (config.max_loss or 0.0))


def rank(point: Point, config: TuneConfig) -> tuple[float, float, float]:
    """Order in which a rule prefers points: those that fit first; within ``max_loss`` the cheapest, with ``min_alpha``
    the most accurate."""
    if config.min_alpha is not None:
        return excess(point, config), point.loss, -point.saving
    return excess(point, config), -point.saving, point.loss


def beyond(point: Point, best: Point, config: TuneConfig) -> bool:
    """Whether a point is better than the best one so far in the goal that the rule maximises."""
    return point.loss < best.loss if config.min_alpha is not None else point.saving > best.saving


def nearest(points: Iterable[Point], config: TuneConfig) -> Point:
    """The point a rule picks, or where none fits the one that is nearest to it."""
    return min(points, key=lambda point: rank(point, config))


def choose(points: Iterable[Point], config: TuneConfig) -> Point:
    """The point a rule picks.

    Raises:
        ConfigError: none fits; the message names the nearest on the front.
    """
    points = list(points)
    best = nearest(points, config)
    if excess(best, config) == 0.0:
        return best
    asked = (
        f"alpha >= {config.min_alpha:g}" if config.min_alpha else f"a loss of at most {config.max_loss or 0:g} points"
    )
    near = sorted(front(points), key=lambda p: excess(p, config))[:3]
    found = "; ".join(f"loss {p.loss:.2f} points at alpha {p.alpha:.1f}" for p in near)
    raise ConfigError(
        f"none of {len(points)} configurations has {asked}; nearest: {found}. Ask for less, or try more with --trials"
    )
