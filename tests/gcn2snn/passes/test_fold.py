"""Batch norm away, linear pieces merged: the same function, and the same spikes in both forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.engines.interpreter import run_float
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.kernels import CSR
from gcn2snn.passes.fold import fold_batch_norm, merge_linear

GAMMAS = torch.tensor([1.5, -0.7, 0.0, 2.0, -1.0], dtype=torch.float64)


def norm(name: str, source: str) -> ir.BatchNorm:
    random = torch.Generator().manual_seed(3)
    mean, beta = torch.randn(2, 5, generator=random, dtype=torch.float64)
    var = torch.rand(5, generator=random, dtype=torch.float64) + 0.1
    return ir.BatchNorm(name=name, inputs=(source,), mean=mean, var=var, gamma=GAMMAS, beta=beta)


def normal(*size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(sum(size)), dtype=torch.float64)


def chain(*middle: ir.Node, size: ir.Shape) -> ir.Network:
    nodes = [ir.Input(name="x", size=size), *middle]
    return ir.Network((*nodes, ir.Output(name="output", inputs=(nodes[-1].name,))))


def dense_case(relu: bool = True) -> tuple[ir.Network, dict[str, object]]:
    middle: list[ir.Node] = [ir.Dense(name="fc", inputs=("x",), weight=normal(5, 4), bias=normal(5)), norm("bn", "fc")]
    if relu:
        middle.append(ir.Relu(name="relu", inputs=("bn",)))
    return chain(*middle, size=(None, 4)), {"x": normal(11, 4)}


def conv_case() -> tuple[ir.Network, dict[str, object]]:
    conv = ir.Conv(name="conv", inputs=("x",), weight=normal(5, 3, 3, 3), padding=(1, 1, 1, 1))
    return chain(conv, norm("bn", "conv"), ir.Relu(name="relu", inputs=("bn",)), size=(None, 3, 6, 6)), {
        "x": normal(2, 3, 6, 6)
    }


def aggregate_case() -> tuple[ir.Network, dict[str, object]]:
    """The constant of the norm must not be mixed by the aggregation."""
    nodes: list[ir.Node] = [
        ir.Input(name="a", size=(7, 7), role="operator"),
        ir.Input(name="x", size=(7, 4)),
        ir.Dense(name="fc", inputs=("x",), weight=normal(5, 4), bias=normal(5)),
        ir.Aggregate(name="agg", inputs=("a", "fc")),
        norm("bn", "agg"),
        ir.Relu(name="relu", inputs=("bn",)),
        ir.Output(name="output", inputs=("relu",)),
    ]
    return ir.Network(tuple(nodes)), {"a": CSR.from_dense(normal(7, 7).relu()), "x": normal(7, 4)}


def lonely_case() -> tuple[ir.Network, dict[str, object]]:
    """No weights in front."""
    return chain(norm("bn", "x"), ir.Relu(name="relu", inputs=("bn",)), size=(None, 5)), {"x": normal(9, 5)}


def lonely_image_case() -> tuple[ir.Network, dict[str, object]]:
    return chain(norm("bn", "x"), ir.Relu(name="relu", inputs=("bn",)), size=(None, 5, 4, 4)), {"x": normal(2, 5, 4, 4)}


def shared_case() -> tuple[ir.Network, dict[str, object]]:
    """The weights feed a second reader, so they may not change."""
    nodes: list[ir.Node] = [
        ir.Dense(name="fc", inputs=("x",), weight=normal(5, 4)),
        norm("bn", "fc"),
        ir.Relu(name="relu", inputs=("bn",)),
        ir.Relu(name="other", inputs=("fc",)),
        ir.Concat(name="both", inputs=("relu", "other")),
    ]
    return chain(*nodes, size=(None, 4)), {"x": normal(6, 4)}


def lookup_case() -> tuple[ir.Network, dict[str, object]]:
    nodes: list[ir.Node] = [
        ir.OneHot(name="one_hot", count=6),
        ir.Lookup(name="table", inputs=("one_hot",), table=normal(6, 5), bias=normal(5)),
        norm("bn", "table"),
        ir.Relu(name="relu", inputs=("bn",)),
        ir.Output(name="output", inputs=("relu",)),
    ]
    return ir.Network(tuple(nodes)), {}


def sum_case(bias: bool = True) -> tuple[ir.Network, dict[str, object]]:
    """The factor goes through the sum into both weights, and into what the sum itself adds."""
    nodes: list[ir.Node] = [
        ir.Dense(name="left", inputs=("x",), weight=normal(5, 4), bias=normal(5)),
        ir.Dense(name="right", inputs=("x",), weight=normal(5, 4).flip(0)),
        ir.Add(name="sum", inputs=("left", "right"), coefficients=(1.0, -0.5), bias=3 * normal(5) if bias else None),
        norm("bn", "sum"),
        ir.Relu(name="relu", inputs=("bn",)),
    ]
    return chain(*nodes, size=(None, 4)), {"x": normal(9, 4)}


def residual_case() -> tuple[ir.Network, dict[str, object]]:
    """One branch of the sum has no weights, so they may not change in the other."""
    nodes: list[ir.Node] = [
        ir.Dense(name="fc", inputs=("x",), weight=normal(5, 5), bias=normal(5)),
        ir.Add(name="sum", inputs=("fc", "x"), coefficients=(1.0, 1.0)),
        norm("bn", "sum"),
        ir.Relu(name="relu", inputs=("bn",)),
    ]
    return chain(*nodes, size=(None, 5)), {"x": normal(9, 5)}


def pool_case() -> tuple[ir.Network, dict[str, object]]:
    nodes: list[ir.Node] = [
        ir.Conv(name="conv", inputs=("x",), weight=normal(5, 3, 3, 3), bias=normal(5)),
        ir.AvgPool(name="pool", inputs=("conv",), kernel=(2, 2), stride=(2, 2)),
        norm("bn", "pool"),
        ir.Relu(name="relu", inputs=("bn",)),
    ]
    return chain(*nodes, size=(None, 3, 6, 6)), {"x": normal(2, 3, 6, 6)}


CASES = [
    dense_case, lambda: dense_case(False), conv_case, aggregate_case, lonely_case, lonely_image_case, shared_case,
    lookup_case, sum_case, lambda: sum_case(False), residual_case, pool_case,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("into", ["weights", "threshold"])
def test_fold_batch_norm_is_the_same_function(case, into):
    network, data = case()
    folded = fold_batch_norm(network, into)
    assert folded.of(ir.BatchNorm) == []
    # Two orders of the same products in double precision.
    assert torch.allclose(run_float(folded, data), run_float(network, data), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("per", ["layer", "channel"])
@pytest.mark.parametrize("wait", [None, 2])
def test_both_forms_send_equal_spikes(case, per, wait, make_spiking):
    """Negative and zero gamma included: threshold and v(0) hold what the weights would."""
    source, data = case()
    spikes = []
    for into in ("weights", "threshold"):
        emitted: dict = {}
        # With one scale for all channels, a message population in front of the aggregation sees the channels scaled by
        # gamma in one form and not in the other, so it is left out there.
        message = "fused" if per == "layer" else "signed"
        config = ConvertConfig(timesteps=12, per=per, batch_norm=into, input="analog", message=message)
        network = make_spiking((source, data), config)
        run_temporal(network, data, wait, emitted=emitted)
        spikes.append(emitted)
    assert list(spikes[0]) == list(spikes[1])
    for name, own in spikes[0].items():
        assert torch.equal(own.code, spikes[1][name].code), name


def test_threshold_form_is_algorithm_1():
    """V = s sd / gamma (Q+1)/(2Q) and v(0) = beta sd / gamma - mean, the signs of gamma in the weights."""
    network, _ = dense_case()
    bn = network["bn"]
    folded = fold_batch_norm(network, "threshold")
    sd = torch.sqrt(bn.var + bn.eps)
    alive = GAMMAS != 0
    assert torch.equal(folded["relu"].gain[alive], (sd / GAMMAS.abs())[alive])
    assert torch.equal(folded["fc"].weight, network["fc"].weight * GAMMAS.sign()[:, None])
    expected = (network["fc"].bias - bn.mean) * GAMMAS.sign() + bn.beta * sd / GAMMAS.abs()
    assert torch.allclose(folded["fc"].bias[alive], expected[alive], rtol=1e-13, atol=1e-13)
    assert folded["fc"].bias[2] == bn.beta[2]


def test_merge_linear_joins_what_has_no_neuron_between():
    first = ir.Dense(name="first", inputs=("x",), weight=normal(6, 4), bias=normal(6))
    second = ir.Dense(name="second", inputs=("first",), weight=normal(3, 6), bias=normal(3))
    third = ir.Dense(name="third", inputs=("second",), weight=normal(2, 3))
    network, data = chain(first, second, third, size=(None, 4)), {"x": normal(5, 4)}
    merged = merge_linear(network)
    assert [node.name for node in merged.of(ir.Dense)] == ["third"]
    assert torch.allclose(run_float(merged, data), run_float(network, data), rtol=1e-12, atol=1e-12)


def test_merge_linear_takes_a_product_of_as_many_weights():
    """4 x 2 and 2 x 4 hold as many numbers as their product; 5 x 2 and 2 x 5 hold fewer."""
    for wide, layers in ((4, 1), (5, 2)):
        down = ir.Dense(name="down", inputs=("x",), weight=normal(2, wide))
        up = ir.Dense(name="up", inputs=("down",), weight=normal(wide, 2), bias=normal(wide))
        assert len(merge_linear(chain(down, up, size=(None, wide))).of(ir.Dense)) == layers


def test_merge_linear_keeps_what_a_sum_of_one_adds():
    shifted = ir.Add(name="shifted", inputs=("x",), coefficients=(1.0,), bias=normal(4))
    assert len(merge_linear(chain(shifted, size=(None, 4))).of(ir.Add)) == 1


def test_merge_linear_keeps_a_bottleneck():
    """Rank 1 of 40 x 40: the product would cost more additions."""
    down = ir.Dense(name="down", inputs=("x",), weight=normal(1, 40))
    up = ir.Dense(name="up", inputs=("down",), weight=normal(40, 1))
    assert len(merge_linear(chain(down, up, size=(None, 40))).of(ir.Dense)) == 2


def test_merge_linear_drops_sums_that_change_nothing_even_in_a_row():
    same = [
        ir.Add(name="one", inputs=("x",), coefficients=(1.0,)),
        ir.Add(name="two", inputs=("one",), coefficients=(1.0,)),
        ir.Add(name="three", inputs=("two",), coefficients=(2.0,)),
    ]
    network = chain(*same, size=(None, 4))
    assert [node.name for node in merge_linear(network).of(ir.Add)] == ["three"]


def test_merge_linear_leaves_shared_weights():
    first = ir.Dense(name="first", inputs=("x",), weight=normal(4, 4))
    second = ir.Dense(name="second", inputs=("first",), weight=normal(4, 4))
    both = ir.Add(name="both", inputs=("first", "second"), coefficients=(1.0, 1.0))
    assert len(merge_linear(chain(first, second, both, size=(None, 4))).of(ir.Dense)) == 2


def test_folding_changes_no_node_of_the_source():
    network, _ = dense_case()
    before = network["fc"].weight.clone()
    fold_batch_norm(network)
    assert torch.equal(network["fc"].weight, before)
    assert replace(network["fc"]).weight is network["fc"].weight


@pytest.mark.parametrize("into", ["weights", "threshold"])
def test_two_batch_norms_in_a_row_are_folded_one_after_the_other(into):
    """As in a model that normalises the output of a library layer that normalises by itself."""
    random = torch.Generator().manual_seed(0)
    norms = [
        ir.BatchNorm(name=name, inputs=(source,), mean=a, var=b.abs() + 0.5, gamma=c, beta=d)
        for name, source in (("one", "fc"), ("two", "one"))
        for a, b, c, d in [torch.randn(4, 4, generator=random, dtype=torch.float64)]
    ]
    weight = torch.randn(4, 3, generator=random, dtype=torch.float64)
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 3)),
            ir.Dense(name="fc", inputs=("x",), weight=weight),
            *norms,
            ir.Relu(name="relu", inputs=("two",)),
            ir.Output(name="o", inputs=("relu",)),
        )
    )
    x = {"x": torch.randn(6, 3, generator=random, dtype=torch.float64)}
    folded = fold_batch_norm(network, into)
    assert [node.name for node in folded] == ["x", "fc", "relu", "o"]
    torch.testing.assert_close(run_float(folded, x), run_float(network, x), rtol=1e-12, atol=1e-12)


def test_rewriting_checks_the_network_as_often_for_many_layers_as_for_few(monkeypatch):
    """Each check looks at all nodes: one a layer would make the time grow with the square of the depth."""
    checks: list[int] = []
    check = ir.Network.__post_init__
    monkeypatch.setattr(ir.Network, "__post_init__", lambda self: (checks.append(1), check(self))[1])

    def count(depth: int) -> int:
        layers = [m for _ in range(depth) for m in (nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.ReLU())]
        checks.clear()
        convert(nn.Sequential(*layers).eval(), torch.rand(3, 4))
        return len(checks)

    assert count(3) == count(20)
