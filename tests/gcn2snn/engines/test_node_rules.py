"""What each node computes: on spikes the same as on the values they carry, and a linear part without its bias."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.engines.node_rules import activate, apply, dense_value, matrix_value, spike_value, without_gain
from gcn2snn.kernels import CSR, PhaseCode, Spikes

RANDOM = torch.Generator().manual_seed(0)
CODE = PhaseCode(1.3, 9, signed=True)


def normal(*size: int) -> torch.Tensor:
    return torch.randn(*size, generator=RANDOM, dtype=torch.float64)


def spikes(*size: int) -> Spikes:
    code = torch.randint(-9, 10, size, generator=RANDOM, dtype=torch.int8)
    return Spikes(code, torch.tensor(0.7, dtype=torch.float64), CODE)


@pytest.mark.parametrize(
    ("node", "size"),
    [
        (ir.Dense(name="y", inputs=("x",), weight=normal(4, 3), bias=normal(4)), (5, 3)),
        (ir.Conv(name="y", inputs=("x",), weight=normal(4, 1, 3, 2), bias=normal(4), padding=(1, 0, 2, 1), groups=2), (2, 2, 6, 5)),
        (ir.MaxPool(name="y", inputs=("x",), kernel=(2, 3), stride=(1, 2), padding=(1, 1)), (2, 2, 6, 5)),
        (ir.AvgPool(name="y", inputs=("x",), kernel=(2, 3), stride=(1, 2)), (2, 2, 6, 5)),
        (ir.Flatten(name="y", inputs=("x",)), (2, 2, 3, 3)),
        (ir.Pad(name="y", inputs=("x",), padding=(1, 0, 2, 1)), (2, 2, 3, 3)),
        (ir.Subsample(name="y", inputs=("x",), stride=2, channels_before=1, channels_after=2), (2, 2, 5, 3)),
        (ir.Add(name="y", inputs=("x",), coefficients=(-1.5,), bias=normal(3)), (5, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ir.Node) else "",
)  # fmt: skip
def test_a_node_gives_the_same_on_spikes_and_on_their_values(node, size):
    sent = spikes(*size)
    on_spikes, on_values = dense_value(apply(node, sent)), dense_value(apply(node, dense_value(sent)))
    torch.testing.assert_close(on_spikes, on_values, rtol=1e-12, atol=1e-12)
    assert on_spikes.abs().max() > 0


@pytest.mark.parametrize(
    ("node", "x"),
    [
        (ir.Dense(name="y", inputs=("x",), weight=normal(4, 3), bias=normal(4)), normal(5, 3)),
        (ir.Conv(name="y", inputs=("x",), weight=normal(4, 2, 3, 3), bias=normal(4)), normal(2, 2, 5, 5)),
        (ir.Lookup(name="y", inputs=("x",), table=normal(5, 3), bias=normal(3)), 0.5),
        (ir.Add(name="y", inputs=("x",), coefficients=(2.0,), bias=normal(3)), normal(5, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ir.Node) else "",
)
def test_without_bias_a_node_is_linear(node, x):
    bias = dense_value(apply(node, x)) - dense_value(apply(node, x, bias=False))
    shape = [1, -1, *[1] * (bias.dim() - 2)]
    torch.testing.assert_close(bias, node.bias.view(shape).expand(bias.shape), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        dense_value(apply(node, 2 * x, bias=False)), 2 * dense_value(apply(node, x, bias=False)), rtol=1e-12, atol=1e-12
    )


def test_aggregations_read_the_matrix_by_rows():
    matrix = CSR.from_dense(torch.tensor([[0.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))
    x = torch.tensor([[1.0], [-3.0], [-4.0]])
    assert apply(ir.Aggregate(name="y", inputs=("a", "x")), matrix, x).tolist() == [[-10.0], [0.0]]
    assert apply(ir.AggregateMax(name="y", inputs=("a", "x")), matrix, x).tolist() == [[-3.0], [0.0]]
    assert apply(ir.Rows(name="y", inputs=("a", "x")), matrix, x).tolist() == [[1.0], [-3.0]]


def test_a_population_before_calibration_is_the_source_models_activation():
    x, gain = torch.tensor([[-1.0, 4.0], [3.0, -2.0]]), torch.tensor([1.0, 2.0])
    relu = ir.UncalibratedNeuron(name="y", inputs=("x",), coding=CODE, gain=gain)
    none = ir.UncalibratedNeuron(name="y", inputs=("x",), coding=CODE, activation=ir.IDENTITY, gain=gain)
    assert without_gain(relu, x).tolist() == [[-1.0, 2.0], [3.0, -1.0]]
    capped = ir.UncalibratedNeuron(name="y", inputs=("x",), coding=CODE, activation=ir.Activation(cap=1.5), gain=gain)
    assert apply(relu, x).tolist() == activate(relu, x).tolist() == [[0.0, 2.0], [3.0, 0.0]]
    assert apply(none, x).tolist() == [[-1.0, 2.0], [3.0, -1.0]]
    assert apply(capped, x).tolist() == [[0.0, 1.5], [1.5, 0.0]]
    assert torch.equal(apply(ir.Relu(name="y", inputs=("x",), gain=gain), x), activate(relu, x))
    assert apply(ir.UncalibratedCoder(name="c", inputs=("x",)), x) is x


def test_values_say_what_they_are_not():
    for narrow, wrong, message in (
        (dense_value, 1.0, "float is no dense value"),
        (spike_value, torch.zeros(1), "Tensor is no spikes"),
        (matrix_value, torch.zeros(1), "Tensor is no sparse matrix"),
    ):
        with pytest.raises(AssertionError, match=message):
            narrow(wrong)


@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (0, 1, 2, 0)])
def test_a_convolution_of_values_leaves_channels_last_as_convolutions_of_spikes_read_them(padding):
    """Else each convolution that reads its population would copy the spikes."""
    x, weight = torch.rand(2, 3, 6, 6), torch.rand(5, 3, 3, 3)
    node = ir.Conv(name="conv", inputs=("x",), weight=weight, padding=padding)
    sums = apply(node, x)
    assert sums.is_contiguous(memory_format=torch.channels_last)
    left, right, top, bottom = padding
    wanted = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (left, right, top, bottom)), weight)
    assert torch.allclose(sums, wanted, rtol=1e-5)
