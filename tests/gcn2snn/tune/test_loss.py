"""The estimated loss: its mean over all labels, the rows it ignores, and the calibration of probabilities."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.prediction import temperature
from gcn2snn.tune.loss import calibrated_losses, divergence_of, loss_of


def test_expected_is_the_mean_of_counted_over_labels_drawn_from_the_probabilities() -> None:
    random = torch.Generator().manual_seed(0)
    probability = torch.rand(4, 3, generator=random, dtype=torch.float64)
    probability /= probability.sum(1, keepdim=True)
    source, found = probability.argmax(1), torch.tensor([0, 1, 2, 1])
    mean = 0.0
    for labels in itertools.product(range(3), repeat=4):
        chance = float(probability[torch.arange(4), torch.tensor(labels)].prod())
        mean += chance * loss_of(probability, source, found, torch.tensor(labels)).counted
    for labels in ((0, 0, 0, 0), (2, 1, 0, 1)):
        assert loss_of(probability, source, found, torch.tensor(labels)).expected == pytest.approx(mean)


def test_equal_predictions_lose_nothing_and_luck_counts_by_half() -> None:
    probability = torch.tensor([[0.6, 0.4], [0.5, 0.5]], dtype=torch.float64)
    source, labels = torch.tensor([0, 0]), torch.tensor([1, 0])
    same = loss_of(probability, source, source, labels)
    assert (same.counted, same.expected, same.error, same.bound) == (0.0, 0.0, 0.0, 0.0)
    lucky = loss_of(probability, source, torch.tensor([1, 0]), labels)
    assert lucky.counted == -50.0  # one of two rows is right now
    assert lucky.expected == pytest.approx(10.0)  # (0.6 - 0.4) / 2
    assert lucky.error == pytest.approx(10.0)  # of 20 and 0: deviation 20 / sqrt 2, over sqrt 2
    assert lucky.bound == pytest.approx(-10.0)


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
    assert calibrated_losses(divergences, losses) == pytest.approx(losses)


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
    moved = calibrated_losses(divergences, losses)[place] - calibrated_losses(divergences, lucky)[place]
    assert -1e-9 <= moved <= luck + 1e-9


def test_losses_of_other_sizes_of_divergence_do_not_mix() -> None:
    near, far = calibrated_losses([0.001, 1.0], [0.0, 5.0])
    assert near == pytest.approx(0.0, abs=1e-6)
    assert far == pytest.approx(5.0, rel=1e-6)
