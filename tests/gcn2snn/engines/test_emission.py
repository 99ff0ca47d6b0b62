"""What sources send: in parts the same as at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines.emission import OneHotSpikes, SpikeTrain, emission_of_coder
from gcn2snn.kernels import PhaseCode, Spikes, decode, encode


@pytest.mark.parametrize("first", [1, 2, 5, 9])
def test_what_arrives_between_two_steps_is_the_sum_of_the_steps(first):
    random = torch.Generator().manual_seed(first)
    x = torch.randn(40, 7, generator=random, dtype=torch.float64)
    scale = 2.0 ** torch.randint(-3, 4, (7,), generator=random).double()  # products are exact
    binary = ir.Coder(name="c", inputs=("x",), kind="binary", timesteps=11, scale=scale)
    single = ir.Coder(name="c", inputs=("x",), kind="single", timesteps=11, base=1.3, scale=scale)
    analog = ir.Coder(name="c", inputs=("x",), kind="analog", scale=torch.tensor(1.0))
    sources = [emission_of_coder(node, x) for node in (binary, single, analog)]
    sources += [OneHotSpikes(ir.OneHot(name="o", count=3, binary=bits)) for bits in (0, 11)]
    coding = PhaseCode(1.1, 11, signed=True, group=3)
    sources.append(SpikeTrain(encode(x, scale, coding)))
    for source in sources:
        for last in (first, first + 1, first + 3, 30):
            steps = [source.between(n, n) for n in range(first, last + 1)]
            total, sent = source.between(first, last)
            one = sum(_value(value) for value, _ in steps)
            assert torch.equal(torch.as_tensor(_value(total)), torch.as_tensor(one))  # bits, or a single spike: exact
            assert sent == any(now for _, now in steps)


def _value(value: object) -> Tensor:
    return decode(value, torch.float64) if isinstance(value, Spikes) else torch.as_tensor(value, dtype=torch.float64)


def test_a_group_sends_the_phases_of_one_time_step_together():
    spikes = Spikes(torch.arange(8, dtype=torch.int8)[None], torch.tensor(1.0), PhaseCode(1.3, 7, group=3))
    train = SpikeTrain(spikes)
    heard = [train.between(n, n)[0].code.tolist()[0] for n in (1, 2, 3)]
    assert heard == [[0, 1, 2, 3, 0, 0, 0, 0], [0, 0, 0, 0, 4, 5, 6, 0], [0, 0, 0, 0, 0, 0, 0, 7]]
    assert train.between(4, 9)[1] is False
