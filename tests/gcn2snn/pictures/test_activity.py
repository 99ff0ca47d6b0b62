"""What pictures show: the spikes that a network sends, on the clock on which they are sent."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gcn2snn import SpikingNetwork, convert
from gcn2snn.engines import bind
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.pictures.activity import TRACES, Choice, watch


def network() -> tuple[SpikingNetwork, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(5, 4)
    model = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    return convert(model, x), x


@pytest.mark.parametrize("wait", [None, 2])
def test_spikes_are_those_of_the_network_on_the_clock(wait: int | None) -> None:
    snn, x = network()
    first, second = watch(snn.network, bind(snn.network, (x,), {}), wait, Choice())[:2]
    used = 15 if wait is None else wait
    assert (first.opens, second.opens, first.begins, second.begins) == (0, used, used, 2 * used)
    for own in (first, second):
        spikes = snn.spikes(x, engine="temporal", wait=used)[own.name]
        code = spikes.code.flatten()[torch.tensor(own.drawn)].int()
        assert own.step.tolist() == torch.where(code == 0, 0, own.begins + code.abs()).tolist()
        assert own.spikes == int(spikes.fired.sum())
        assert own.size == spikes.code.numel()


@pytest.mark.parametrize("wait", [-1, 2**31])
def test_a_wait_without_sense_is_refused(wait: int) -> None:
    snn, x = network()
    with pytest.raises(ConfigError, match=f"wait is {wait}"):
        snn.plot(x, wait=wait)


def test_rows_are_the_only_ones_drawn_and_the_limit_holds() -> None:
    snn, x = network()
    inputs = bind(snn.network, (x,), {})
    own = watch(snn.network, inputs, None, Choice(rows=[1, 3]))[0]
    assert set(own.drawn) == {*range(9, 18), *range(27, 36)}
    few = watch(snn.network, inputs, None, Choice(limit=7))[0]
    assert len(few.drawn) == 7
    assert few.drawn[-1] == 44


def test_traces_fire_where_the_threshold_is_crossed() -> None:
    snn, x = network()
    own = watch(snn.network, bind(snn.network, (x,), {}), None, Choice())[0]
    assert 1 < len(own.traces) <= TRACES
    for trace in own.traces:
        code = int(snn.spikes(x)[own.name].code.flatten()[trace.neuron])
        assert trace.fired_at == (None if code == 0 else own.begins + abs(code))
        if trace.fired_at is not None:
            limit = own.thresholds[trace.fired_at - 1]
            assert limit is not None
            assert trace.potential[trace.fired_at - 1] >= limit
    named = watch(snn.network, bind(snn.network, (x,), {}), None, Choice(neurons={own.name: [5, 40]}))[0]
    assert [trace.neuron for trace in named.traces] == [5, 40]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(rows=[5]), "row 5 is out of range; the network's output has rows 0 to 4"),
        (Choice(rows=[]), "no row is chosen"),
        (Choice(neurons={"1": [45]}), "neuron 45 of 1 is out of range; it has neurons 0 to 44"),
        (Choice(neurons={"nowhere": [0]}), "nowhere, which is no population; there are 1, 3"),
        (Choice(limit=0), "limit is 0; at least 1"),
    ],
)
def test_what_is_not_there_is_refused(choice: Choice, message: str) -> None:
    snn, x = network()
    with pytest.raises(InputError, match=message):
        watch(snn.network, bind(snn.network, (x,), {}), None, choice)
