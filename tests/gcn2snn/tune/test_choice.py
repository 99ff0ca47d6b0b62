"""The Pareto front, the point that a rule picks, and the error when no point fits."""

from __future__ import annotations

import pytest

from gcn2snn.config import ConvertConfig
from gcn2snn.errors import ConfigError
from gcn2snn.tune import Point, TuneConfig, choose, front, nearest
from gcn2snn.tune.choice import calibrated


def point(loss: float, alpha: float) -> Point:
    return Point(ConvertConfig(), 90.0 - loss, 100.0, loss, alpha, alpha, alpha, loss / 50)


def test_front_drops_equal_and_beaten_points() -> None:
    points = [point(1, 5), point(1, 7), point(2, 6), point(3, 20), point(3, 20), point(4, 20)]
    assert [(p.loss, p.alpha) for p in front(points)] == [(1, 7), (3, 20)]
    assert front([]) == ()


def measured(counted: float, expected: float = 0.4) -> Point:
    return Point(ConvertConfig(), 90.0 - counted, 99.0, expected, 20.0, 10.0, 2.0, 0.02)


def test_a_lucky_point_is_worth_what_its_like_are() -> None:
    """Ten configurations of one divergence: that one counts less, or expects less, gives it no other loss than theirs."""
    for points in ([measured(0.0), *[measured(0.4)] * 9], [measured(0.4, 0.0), *[measured(0.4)] * 9]):
        losses = [point.loss for point in calibrated(points, 90.0, 1000)]
        assert losses == pytest.approx([losses[0]] * 10)
        assert 0.3 < losses[0] < 0.4
    assert calibrated([], 90.0, 10) == ()


def test_expected_losses_follow_what_is_counted_where_many_rows_were_counted() -> None:
    points = [measured(0.2)] * 3
    few, many = (calibrated(points, 90.0, rows)[0].loss for rows in (10, 1_000_000))
    assert few == pytest.approx(0.4, rel=0.01)
    assert many == pytest.approx(0.2, rel=0.01)


def test_choose_the_cheapest_within_a_loss() -> None:
    points = [point(0, 5), point(0.2, 9), point(0.4, 30), point(-1, 2)]
    assert choose(points, TuneConfig(max_loss=0.3)).alpha == 9
    assert choose(points, TuneConfig(max_loss=0.5)).alpha == 30
    assert choose(points, TuneConfig(max_loss=0.0)).alpha == 5


def test_a_rule_prefers_what_saves_most_by_additions_and_with_memory_together() -> None:
    few_additions = Point(ConvertConfig(), 90.0, 100.0, 0.1, 40.0, 20.0, 2.0, 0.01)
    few_updates = Point(ConvertConfig(), 90.0, 100.0, 0.2, 36.0, 18.0, 4.0, 0.02)
    assert few_updates.saving == pytest.approx(12.0)
    assert choose([few_additions, few_updates], TuneConfig(max_loss=0.3)) is few_updates
    assert choose([few_additions, few_updates], TuneConfig(min_alpha=38)) is few_additions
    assert front([few_updates, few_additions]) == (few_additions, few_updates)


def test_choose_the_most_accurate_with_an_alpha() -> None:
    points = [point(0, 5), point(5, 25), point(5, 21), point(10, 60)]
    assert choose(points, TuneConfig(min_alpha=20)).alpha == 25
    assert choose(points, TuneConfig(min_alpha=30)).alpha == 60


def test_nearest_is_the_choice_or_what_misses_the_rule_least() -> None:
    points = [point(1, 5), point(2, 25), point(10, 60)]
    assert nearest(points, TuneConfig(max_loss=3)).alpha == 25
    assert nearest(points, TuneConfig(max_loss=0.3)).loss == 1
    assert nearest(points, TuneConfig(min_alpha=100)).alpha == 60


def test_an_impossible_rule_names_the_nearest_points() -> None:
    points = [point(5, 25), point(10, 60), point(12, 70), point(15, 90), point(20, 25)]
    asked = r"none of 5 configurations has a loss of at most 0.3 points; nearest: "
    near = r"loss 5.00 points at alpha 25.0; loss 10.00 points at alpha 60.0; loss 12.00 points at alpha 70.0\. Ask"
    with pytest.raises(ConfigError, match=asked + near):
        choose(points, TuneConfig(max_loss=0.3))
    with pytest.raises(ConfigError, match=r"alpha >= 100; nearest: loss 15.00 points at alpha 90.0; loss 12.00"):
        choose(points, TuneConfig(min_alpha=100))


@pytest.mark.parametrize("options", [{"trials": 0}, {"max_timesteps": 256}, {"max_loss": -0.1}, {"min_alpha": 0}])
def test_options_refuse(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        TuneConfig(**options)
