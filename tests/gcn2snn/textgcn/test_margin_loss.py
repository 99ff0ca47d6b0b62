"""The margin loss and its penalty, against sums written out document by document."""

from __future__ import annotations

import pytest
import torch

from gcn2snn.kernels import CSR
from gcn2snn.textgcn.margin_loss import MarginLoss


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, MarginLoss]:
    """Three documents of four words, one of which no document has."""
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(3, 4, generator=generator) * torch.tensor([1.0, 1.0, 0.0, 1.0])
    degree = torch.tensor([4.0, 9.0, 2.0, 25.0])
    labels = torch.tensor([2, 0, 2])
    return dense, degree, labels, MarginLoss.of(CSR.from_dense(dense), labels, degree.rsqrt(), cost=0.5)


def test_the_loss_is_the_sum_over_the_other_classes() -> None:
    dense, _, labels, margin = example()
    reach = float(dense.square().sum(1).mean().sqrt())
    scores = torch.tensor([[0.1, -0.3, 0.2], [0.9, 0.0, -1.0], [5.0, 0.0, 6.0]]) * reach
    expected = 0.0
    for row, label in zip((scores / reach).tolist(), labels.tolist(), strict=True):
        expected += sum(max(0.0, 1 + value - row[label]) ** 2 for k, value in enumerate(row) if k != label)
    assert float(margin.loss(scores)) == pytest.approx(expected / 3)
    assert float(margin.loss(torch.tensor([[2.0, 0.0]]) * reach, torch.tensor([0]))) == 0


def test_the_penalty_is_that_of_a_support_vector_machine_on_rows_of_norm_one() -> None:
    """1 / (2 C n) of the squared coefficients, for TF-IDF rows scaled to a mean squared norm of 1."""
    dense, degree, _, margin = example()
    rows = dense * degree.sqrt()  # TF-IDF divided by the root of the document's degree
    norm = rows.square().sum(1).mean().sqrt()
    sent = torch.arange(12.0).reshape(4, 3)
    coefficients = sent / degree.sqrt()[:, None] * norm / margin.reach
    torch.testing.assert_close(rows / norm @ coefficients, dense @ sent / margin.reach)
    assert float(margin.penalty(sent)) == pytest.approx(float(coefficients.square().sum()) / (2 * 0.5 * 3), rel=1e-6)


def test_documents_without_any_word_leave_the_loss_finite() -> None:
    margin = MarginLoss.of(CSR.from_dense(torch.zeros(2, 3)), torch.tensor([0, 1]), torch.ones(3), 1.0)
    assert float(margin.loss(torch.zeros(2, 2)) + margin.penalty(torch.ones(3, 2))) == 1.0
