"""Where populations are put, and what an exception by name does."""

from __future__ import annotations

import pytest
import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import PhaseCode
from gcn2snn.passes.neurons import insert_neurons

ONES = torch.ones(4, 4)


def graph(*middle: ir.Node, one_hot: bool = False) -> ir.Network:
    first: list[ir.Node] = [ir.Input(name="a", size=(4, 4), role="operator")]
    first.append(ir.OneHot(name="x", count=4) if one_hot else ir.Input(name="x", size=(4, 4)))
    return ir.Network((*first, *middle, ir.Output(name="output", inputs=(middle[-1].name,))))


def text_gcn() -> ir.Network:
    return graph(
        ir.Lookup(name="m1", inputs=("x",), table=ONES),
        ir.Aggregate(name="a1", inputs=("a", "m1")),
        ir.Relu(name="relu", inputs=("a1",)),
        ir.Dense(name="m2", inputs=("relu",), weight=ONES),
        ir.Aggregate(name="a2", inputs=("a", "m2")),
        one_hot=True,
    )


def populations(network: ir.Network) -> dict[str, tuple[bool, str]]:
    return {node.name: (node.coding.signed, node.activation) for node in network.of(ir.Population)}


def test_two_graph_convolutions_are_four_spiking_layers():
    """Three populations and the output; messages are signed."""
    network = insert_neurons(text_gcn(), ConvertConfig())
    assert populations(network) == {
        "m1.neuron": (True, ir.IDENTITY),
        "relu": (False, ir.RELU),
        "m2.neuron": (True, ir.IDENTITY),
    }
    assert network["a1"].inputs == ("a", "m1.neuron")


def test_message_modes():
    rectified = insert_neurons(text_gcn(), ConvertConfig(message="rectified"))
    assert populations(rectified)["m1.neuron"] == (False, ir.IDENTITY)
    assert populations(insert_neurons(text_gcn(), ConvertConfig(message="fused"))) == {"relu": (False, ir.RELU)}


def test_groups_cut_every_step_into_phases():
    network = insert_neurons(
        text_gcn(), ConvertConfig(base=4.0, timesteps=5, group=2, layers={"relu": LayerConfig(group=1)})
    )
    assert network["relu"].coding == PhaseCode(4.0, 5)
    assert network["m1.neuron"].coding == PhaseCode(2.0, 10, signed=True, group=2)
    assert network["m1.neuron"].coding.steps == 5
    with pytest.raises(ConfigError, match=r"64 timesteps in groups of 4 neurons are 256 phases for relu"):
        insert_neurons(text_gcn(), ConvertConfig(timesteps=64, base=1.1, group=4))


def test_a_code_may_have_255_phases_in_groups():
    network = insert_neurons(text_gcn(), ConvertConfig(base=1.2, timesteps=85, group=3))
    assert network["relu"].coding.timesteps == 255
    with pytest.raises(ConfigError, match=r"128 timesteps in groups of 2 neurons are 256 phases"):
        insert_neurons(text_gcn(), ConvertConfig(base=1.2, timesteps=128, group=2))


def test_the_last_threshold_of_one_population_may_differ():
    config = ConvertConfig(last="half", layers={"relu": LayerConfig(last="midpoint")})
    network = insert_neurons(text_gcn(), config)
    assert [node.coding.last for node in network.of(ir.Population)] == ["half", "midpoint", "half"]


@pytest.mark.parametrize(
    ("arranged", "asks"),
    [
        (ir.Add(name="s", inputs=("r",), coefficients=(2.0,)), False),  # still one spike, of another value
        (ir.Add(name="s", inputs=("r",), coefficients=(1.0,), bias=torch.ones(4)), True),
        (ir.Add(name="s", inputs=("r", "r"), coefficients=(1.0, 1.0)), True),
    ],
)
def test_a_maximum_ranks_single_spikes_without_a_constant(arranged: ir.Add, asks: bool):
    network = insert_neurons(
        graph(
            ir.Dense(name="d", inputs=("x",), weight=ONES),
            ir.Relu(name="r", inputs=("d",)),
            arranged,
            ir.AggregateMax(name="max", inputs=("a", "s")),
        ),
        ConvertConfig(),
    )
    assert network["max"].inputs == ("a", "s.neuron" if asks else "s")


def test_operators_pass_no_coder_and_single_inputs_take_the_code_of_the_network():
    network = insert_neurons(
        graph(ir.Dense(name="d", inputs=("x",), weight=ONES)),
        ConvertConfig(input="single", base=1.7, timesteps=9),
    )
    assert [node.name for node in network.of(ir.UncalibratedCoder)] == ["x.code"]
    assert (network["x.code"].base, network["x.code"].timesteps) == (1.7, 9)
    binary = insert_neurons(graph(ir.Dense(name="d", inputs=("x",), weight=ONES)), ConvertConfig(input_timesteps=5))
    assert (binary["x.code"].base, binary["x.code"].timesteps) == (2.0, 5)


def test_a_pool_in_front_of_neurons_gets_none_of_its_own():
    nodes = (
        ir.Input(name="x", size=(None, 4, 4, 4)),
        ir.Conv(name="c", inputs=("x",), weight=torch.ones(4, 4, 1, 1)),
        ir.AvgPool(name="p", inputs=("c",), kernel=(2, 2), stride=(2, 2)),
        ir.Relu(name="r", inputs=("p",)),
        ir.Output(name="output", inputs=("r",)),
    )
    assert list(populations(insert_neurons(ir.Network(nodes), ConvertConfig(avg_pool="spike")))) == ["r"]


def test_one_hot_binary_is_a_choice():
    assert insert_neurons(text_gcn(), ConvertConfig())["x"].binary == 0
    assert insert_neurons(text_gcn(), ConvertConfig(one_hot="binary", timesteps=10))["x"].binary == 10


@pytest.mark.parametrize(("kind", "base", "steps"), [("binary", 2.0, 16), ("single", 1.3, 16), ("analog", 2.0, 16)])
def test_inputs_pass_a_coder(kind, base, steps):
    network = insert_neurons(graph(ir.Dense(name="d", inputs=("x",), weight=ONES)), ConvertConfig(input=kind))
    coder = network["x.code"]
    assert (coder.kind, coder.base, coder.timesteps) == (kind, base, steps)
    assert network["d"].inputs == ("x.code",)
    assert insert_neurons(text_gcn(), ConvertConfig()).of(ir.UncalibratedCoder) == []


def test_layers_change_one_population():
    own = LayerConfig(base=1.5, timesteps=3)
    network = insert_neurons(text_gcn(), ConvertConfig(layers={"m1.neuron": own}))
    codes = {node.name: (node.coding.base, node.coding.timesteps) for node in network.of(ir.Population)}
    assert codes == {"m1.neuron": (1.5, 3), "relu": (1.3, 16), "m2.neuron": (1.3, 16)}


@pytest.mark.parametrize("name", ["m1", "x.code"])
def test_layers_of_unknown_populations_are_refused(name):
    """A coder is no population: its bits are input_timesteps."""
    network = graph(ir.Dense(name="d", inputs=("x",), weight=ONES), ir.Relu(name="r", inputs=("d",)))
    with pytest.raises(ConfigError, match=rf"layers names \['{name}'\], but the populations are \['r'\]"):
        insert_neurons(network, ConvertConfig(layers={name: LayerConfig(base=1.5)}))


def test_a_maximum_reads_single_spikes_only():
    """A maximum over binary words or sums reads a population of its own; other readers keep the binary code."""
    network = insert_neurons(
        graph(
            ir.AggregateMax(name="m", inputs=("a", "x")),
            ir.Dense(name="d", inputs=("x",), weight=ONES),
            ir.Add(name="s", inputs=("m", "d"), coefficients=(1.0, 1.0)),
            ir.AggregateMax(name="m2", inputs=("a", "x")),
            ir.Add(name="t", inputs=("s", "m2"), coefficients=(1.0, 1.0)),
        ),
        ConvertConfig(),
    )
    assert network["m"].inputs == network["m2"].inputs == ("a", "x.code.neuron")
    assert network["d"].inputs == ("x.code",)
    plain = insert_neurons(graph(ir.AggregateMax(name="m", inputs=("a", "x"))), ConvertConfig(input="single"))
    assert plain.of(ir.Population) == []


def test_a_maximum_of_a_residual_sum_has_a_population():
    network = insert_neurons(
        graph(
            ir.Dense(name="d", inputs=("x",), weight=ONES),
            ir.Relu(name="r", inputs=("d",)),
            ir.Dense(name="e", inputs=("r",), weight=ONES),
            ir.Relu(name="q", inputs=("e",)),
            ir.Add(name="sum", inputs=("r", "q"), coefficients=(1.0, 1.0)),
            ir.AggregateMax(name="max", inputs=("a", "sum")),
        ),
        ConvertConfig(),
    )
    assert network["max"].inputs == ("a", "sum.neuron")


def test_a_maximum_over_pixels_of_averages_has_a_population():
    """An average takes several spikes, whose first ones do not rank it."""
    nodes = (
        ir.Input(name="x", size=(None, 4, 4, 4)), ir.Conv(name="c", inputs=("x",), weight=torch.ones(4, 4, 1, 1)),
        ir.Relu(name="r", inputs=("c",)), ir.AvgPool(name="p", inputs=("r",), kernel=(2, 2), stride=(1, 1)),
        ir.MaxPool(name="m", inputs=("p",), kernel=(3, 3), stride=(1, 1)), ir.Flatten(name="f", inputs=("m",)),
        ir.Dense(name="d", inputs=("f",), weight=torch.ones(3, 4)), ir.Output(name="output", inputs=("d",)),
    )  # fmt: skip
    network = insert_neurons(ir.Network(nodes), ConvertConfig())
    assert network["m"].inputs == ("p.neuron",)


def test_residual_branches_meet_in_one_membrane():
    network = insert_neurons(
        graph(
            ir.Dense(name="d", inputs=("x",), weight=ONES),
            ir.Relu(name="r", inputs=("d",)),
            ir.Dense(name="e", inputs=("r",), weight=ONES),
            ir.Add(name="sum", inputs=("e", "r"), coefficients=(1.0, 1.0)),
            ir.Relu(name="q", inputs=("sum",)),
        ),
        ConvertConfig(),
    )
    assert list(populations(network)) == ["r", "q"]


def test_average_pooling_has_neurons_only_when_asked():
    image = ir.Input(name="x", size=(None, 4, 4, 4))
    pool = ir.AvgPool(name="p", inputs=("r",), kernel=(2, 2), stride=(2, 2))
    nodes = (
        image, ir.Conv(name="c", inputs=("x",), weight=torch.ones(4, 4, 1, 1)), ir.Relu(name="r", inputs=("c",)), pool,
        ir.Flatten(name="f", inputs=("p",)), ir.Dense(name="d", inputs=("f",), weight=torch.ones(3, 16)),
        ir.Output(name="output", inputs=("d",)),
    )  # fmt: skip
    assert list(populations(insert_neurons(ir.Network(nodes), ConvertConfig()))) == ["r"]
    assert list(populations(insert_neurons(ir.Network(nodes), ConvertConfig(avg_pool="spike")))) == ["r", "p.neuron"]


def test_a_population_in_front_makes_spikes_of_sums_that_were_visited_before():
    """m2 + relu is a potential until the aggregation asks for spikes of m2; then it is two spikes, and needs none."""
    network = insert_neurons(
        graph(
            ir.Dense(name="m1", inputs=("x",), weight=ONES),
            ir.Relu(name="relu", inputs=("m1",)),
            ir.Dense(name="m2", inputs=("relu",), weight=ONES),
            ir.Add(name="sum", inputs=("m2", "relu"), coefficients=(1.0, 1.0)),
            ir.Flatten(name="flat", inputs=("sum",)),
            ir.Aggregate(name="a2", inputs=("a", "m2")),
            ir.Dense(name="m3", inputs=("flat",), weight=ONES),
            ir.Add(name="end", inputs=("a2", "m3"), coefficients=(1.0, 1.0)),
        ),
        ConvertConfig(),
    )
    assert populations(network) == {"relu": (False, ir.RELU), "m2.neuron": (True, ir.IDENTITY)}
    assert network["sum"].inputs == ("m2.neuron", "relu")
    assert network["m3"].inputs == ("flat",)


def test_a_thousand_messages_in_a_row_get_their_populations():
    middle: list[ir.Node] = []
    for layer in range(1000):
        middle.append(ir.Dense(name=f"m{layer}", inputs=(middle[-1].name if middle else "x",), weight=ONES))
    network = insert_neurons(graph(*middle), ConvertConfig())
    assert list(populations(network)) == [f"m{layer}.neuron" for layer in range(999)]
