"""The estimated loss: its mean over all labels, the rows it ignores, and the calibration of probabilities."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.prediction import temperature
from gcn2snn.tune.loss import divergence_of, expected_loss, factors, smooth_losses


def test_expected_is_the_mean_of_what_is_counted_over_labels_drawn_from_the_probabilities() -> None:
    random = torch.Generator().manual_seed(0)
    probability = torch.rand(4, 3, generator=random, dtype=torch.float64)
    probability /= probability.sum(1, keepdim=True)
    source, found = probability.argmax(1), torch.tensor([0, 1, 2, 1])
    mean = 0.0
    for drawn in itertools.product(range(3), repeat=4):
        labels = torch.tensor(drawn)
        chance = float(probability[torch.arange(4), labels].prod())
        mean += chance * 100 * float(((source == labels).double() - (found == labels).double()).mean())
    assert expected_loss(probability, source, found) == pytest.approx(mean)
    assert expected_loss(probability, source, source) == 0.0


@given(st.lists(st.tuples(st.floats(1e-4, 1.0), st.floats(0.01, 5.0)), min_size=1, max_size=12), st.floats(0.25, 3.0))
def test_a_factor_follows_a_count_without_noise_and_stays_at_one_without_a_count(
    pairs: list[tuple[float, float]], true: float
) -> None:
    divergences, expected = [k for k, _ in pairs], [e for _, e in pairs]
    counted = [true * e for e in expected]
    assert factors(divergences, expected, counted, [1e-9] * len(pairs)) == pytest.approx([true] * len(pairs), rel=1e-3)
    assert factors(divergences, expected, counted, [1e9] * len(pairs)) == pytest.approx([1.0] * len(pairs), rel=1e-3)


def test_a_factor_lies_between_one_and_the_counted_ratio_and_has_a_floor() -> None:
    (half,) = factors([0.01], [0.5], [0.0], [0.0625])  # a count as sure as what was known before
    assert half == pytest.approx(0.5)
    (floor,) = factors([0.01], [0.5], [-5.0], [0.0625])
    assert floor == 0.25
    assert factors([], [], [], []) == []


def test_configurations_counted_on_the_same_rows_are_no_more_certain_than_one() -> None:
    one = factors([0.01], [0.5], [0.0], [0.0625])
    assert factors([0.01] * 50, [0.5] * 50, [0.0] * 50, [0.0625] * 50) == pytest.approx(one * 50)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_finds_the_one_that_made_the_labels(true: float) -> None:
    random = torch.Generator().manual_seed(1)
    scores = 2 * torch.randn(4000, 5, generator=random, dtype=torch.float64)
    labels = torch.multinomial((scores / true).softmax(1), 1, generator=random)[:, 0]
    found = temperature(scores, labels)
    assert found == pytest.approx(true, rel=0.1)  # grid steps of 2.5 %, and the chance of 4,000 labels
    assert temperature(7 * scores, labels) == pytest.approx(7 * found)


def test_divergence_is_of_the_calibrated_classes() -> None:
    probability = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    same = 3.0 * probability.log()
    assert divergence_of(probability, same, 3.0) == pytest.approx(0.0, abs=1e-12)
    even = torch.zeros(2, 2)
    expected = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 2
    assert divergence_of(probability, even, 3.0) == pytest.approx(expected)


@given(
    st.lists(st.floats(1e-6, 3.0), min_size=1, max_size=20),
    st.floats(0.1, 30.0),
)
def test_a_loss_in_proportion_to_the_divergence_stays(divergences: list[float], ratio: float) -> None:
    losses = [ratio * k for k in divergences]
    assert smooth_losses(divergences, losses) == pytest.approx(losses)


@given(
    st.lists(st.tuples(st.floats(1e-6, 3.0), st.floats(-1.0, 5.0)), min_size=2, max_size=20),
    st.integers(0, 19),
    st.floats(0.01, 2.0),
)
def test_what_one_configuration_lost_by_chance_counts_less(
    pairs: list[tuple[float, float]], place: int, luck: float
) -> None:
    """Another measured loss of one configuration moves its calibrated one the same way, and by no more than itself."""
    place %= len(pairs)
    divergences, losses = [k for k, _ in pairs], [y for _, y in pairs]
    lucky = [y - luck * (index == place) for index, y in enumerate(losses)]
    moved = smooth_losses(divergences, losses)[place] - smooth_losses(divergences, lucky)[place]
    assert -1e-9 <= moved <= luck + 1e-9


def test_losses_of_other_sizes_of_divergence_do_not_mix() -> None:
    near, far = smooth_losses([0.001, 1.0], [0.0, 5.0])
    assert near == pytest.approx(0.0, abs=1e-6)
    assert far == pytest.approx(5.0, rel=1e-6)
