"""Steps that change nothing or only move values: on another call, in every engine, checked, counted and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gcn2snn
from gcn2snn.engines import bind, read_out, run_closed, run_float
from gcn2snn.engines.bucketed import run_bucketed
from gcn2snn.engines.temporal import run_temporal
from gcn2snn.errors import ConversionError, InputError, InputTypeError

Forward = Callable[["Net", Any], Tensor]


class Net(nn.Module):
    """One function of the value and the layers here."""

    def __init__(self, function: Forward) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a, self.b, self.small = nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 4)
        self.conv, self.after = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.bn = nn.BatchNorm1d(5)
        self.shuffle, self.drop = nn.ChannelShuffle(2), nn.AlphaDropout()
        self.index = nn.Buffer(torch.tensor([2, 0, 3]))
        nn.init.uniform_(self.bn.running_mean, -1, 1)

    def forward(self, x: Tensor, *more: Any) -> Tensor:
        return self.function(self, x, *more)


def shuffled(h: Tensor) -> Tensor:
    n, c, height, width = h.size()
    return h.view(n, 2, c // 2, height, width).transpose(1, 2).contiguous().view(n, -1, height, width)


def transformed(n: Net, x: Tensor) -> Tensor:
    channels = [torch.unsqueeze(x[:, k], 1) * (0.5 + k) + (0.1 - k) for k in range(3)]
    return n.conv(torch.cat(channels, 1)).mean((2, 3))


ROWS: dict[str, Forward] = {
    "to dtype": lambda n, x: n.a(x.to(torch.float32)),
    "to device": lambda n, x: n.a(x.to(n.a.weight.device).to("cpu", torch.float32)),
    "to its own": lambda n, x: n.a(x).to(x.device, x.dtype),
    "type as": lambda n, x: n.a(x.type_as(n.a.weight)).type_as(x),
    "pairs": lambda n, x: n.a(x.unsqueeze(0).squeeze(0))[None].squeeze(0),
    "first axis": lambda n, x: n.small(F.relu(n.a(x)).unsqueeze(0)).squeeze(0),
    "max with number": lambda n, x: torch.maximum(n.a(x), torch.tensor(0.25)),
    "min": lambda n, x: torch.min(n.a(x), n.b(x)),
    "threshold": lambda n, x: n.small(F.threshold(n.a(x), 0.1, 0.1)),
    "leaky": lambda n, x: F.leaky_relu(n.a(x), 0.0),
    "where": lambda n, x: torch.where((h := n.a(x)) > 0, h, torch.zeros_like(h)),
    "where below": lambda n, x: torch.where((h := n.a(x)) <= 0, 0.0, h),
    "masked fill": lambda n, x: (h := n.a(x)).masked_fill(h < 0, 0),
    "times mask": lambda n, x: (h := n.a(x)) * (h > 0).float(),
    "ones like": lambda n, x: (h := n.a(x)) + torch.ones_like(h),
    "stack sum": lambda n, x: torch.stack([n.a(x), n.b(x)]).sum(0),
    "stack mean": lambda n, x: torch.stack([n.a(x), n.b(x)], -1).mean(-1),
    "stack relu": lambda n, x: n.small(torch.stack([n.a(x), n.b(x)]).relu().sum(dim=0)),
    "stack weighted": lambda n, x: (torch.stack([n.a(x), n.b(x)]) * torch.tensor([0.3, 0.7]).view(-1, 1, 1)).sum(0),
    "stack max": lambda n, x: torch.stack([F.relu(n.a(x)), F.relu(n.b(x))], 0).max(0)[0],
    "stack amin": lambda n, x: torch.stack([F.relu(n.a(x)), F.relu(n.b(x))], 1).amin(1),
    "stack item": lambda n, x: torch.stack([n.a(x), n.b(x)])[1],
    "cat of stacks": lambda n, x: torch.cat([n.a(x)[None], n.b(x)[None]]).sum(0),
    "chunk": lambda n, x: torch.cat(n.a(x).chunk(2, 1)[::-1], 1),
    "split": lambda n, x: torch.cat(torch.split(n.a(x), [1, 3], dim=-1)[::-1], -1),
    "unbind": lambda n, x: torch.stack(n.a(x).unbind(1)[::2], 1),
    "slice": lambda n, x: n.a(x)[:, 1:3],
    "list": lambda n, x: n.a(x)[:, [2, 0, 2]],
    "mask of model": lambda n, x: n.a(x)[:, torch.tensor([True, False, True, True])],
    "index select": lambda n, x: n.a(x).index_select(1, n.index),
    "flip": lambda n, x: n.a(x).flip(1),
    "seeds": lambda n, x: n.small(F.relu(n.a(x))[:5]),
    "all but": lambda n, x: n.a(x)[1:-1:2],
    "rows of model": lambda n, x: n.small(F.relu(n.a(x))[n.index]),
    "t": lambda n, x: n.a(x).t().T,
    "left product": lambda n, x: torch.einsum("oc,nc->no", n.small.weight, F.relu(n.a(x))),
    "left einsum": lambda n, x: torch.einsum("ij,jk", F.relu(n.a(x)), n.small.weight[:, :2]),
    "roll": lambda n, x: n.a(x).roll(1, 1),
    "tensor split": lambda n, x: torch.hstack(n.a(x).tensor_split(3, dim=1)[::-1]),
    "where method": lambda n, x: (h := n.a(x)).where(h > 0, torch.tensor(0.0)),
    "view len": lambda n, x: n.a(x).view(len(x), 2, 2).sum(1),
    "heads": lambda n, x: n.small(F.relu(n.a(x).view(-1, 2, 2)).flatten(1)),
    "unflatten": lambda n, x: n.a(x).unflatten(1, (2, -1)).mean(2),
    "drop": lambda n, x: n.drop(F.alpha_dropout(n.a(x), training=False)),
}
IMAGES: dict[str, Forward] = {
    "channels last": lambda n, x: n.conv(x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)).mean((2, 3)),
    "nhwc relu": lambda n, x: F.relu(n.conv(x).permute(0, 2, 3, 1)).mean((1, 2)),
    "linear of pixels": lambda n, x: n.small(F.relu(n.conv(x)).permute(0, 2, 3, 1)).mean((1, 2)),
    "squeezes": lambda n, x: F.adaptive_avg_pool2d(n.conv(x), 1).squeeze(-1).squeeze(-1),
    "items": lambda n, x: F.adaptive_max_pool2d(F.relu(n.conv(x)), 1)[:, :, 0, 0],
    "means": lambda n, x: n.conv(x).mean(3).mean(2),
    "keepdim": lambda n, x: n.after(n.conv(x).mean(3, True).mean(2, keepdim=True)).flatten(-3),
    "sums": lambda n, x: n.conv(x).sum((2, 3)),
    "amax": lambda n, x: F.relu(n.conv(x)).amax((2, 3)),
    "max of max": lambda n, x: F.relu(n.conv(x)).max(-1).values.max(2)[0],
    "mean of channels": lambda n, x: F.relu(n.conv(x)).mean(1).flatten(1),
    "6 to 4": lambda n, x: F.adaptive_avg_pool2d(F.relu(n.conv(x)), 4).flatten(1),
    "6 to 5 and 4": lambda n, x: F.adaptive_avg_pool2d(F.relu(n.conv(x)), (5, 4)).flatten(1),
    "max 6 to 5": lambda n, x: F.adaptive_max_pool2d(F.relu(n.conv(x)), 5).flatten(1),
    "shuffle": lambda n, x: n.after(shuffled(F.relu(n.conv(x)))).mean((2, 3)),
    "shuffle layer": lambda n, x: n.after(n.shuffle(F.relu(n.conv(x)))).mean((2, 3)),
    "halves": lambda n, x: torch.cat([(h := F.relu(n.conv(x)))[:, :2], h.chunk(2, 1)[1]], 1).mean((2, 3)),
    "transform": transformed,
    "crop": lambda n, x: n.conv(x)[..., 1:-1, 1:5].flatten(1),
    "columns": lambda n, x: torch.cat([n.conv(x)[:, :, :2], n.conv(x)[:, :, 4:]], dim=2).mean((-2, -1)),
    "einsum pixels": lambda n, x: torch.einsum("nchw,oc->nohw", F.relu(n.conv(x)), n.small.weight).mean((2, 3)),
    "einsum mean": lambda n, x: torch.einsum("nchw->nc", n.conv(x)),
    "position": lambda n, x: (n.conv(x) + torch.linspace(0, 1, 6)).mean((2, 3)),
    "scaled pixels": lambda n, x: F.relu(n.conv(x) * torch.linspace(0.1, 1, 36).view(6, 6)).mean((2, 3)),
}
SEQUENCES: dict[str, Forward] = {
    "linear": lambda n, x: n.a(x).mean(1),
    "relu": lambda n, x: n.small(F.relu(n.a(x))).amax(1),
    "bn": lambda n, x: n.small(F.relu(n.bn(n.a(x)))).sum(1),
    "vector": lambda n, x: F.relu(n.a(x) + n.b.bias).flatten(1),
    "three axes": lambda n, x: n.a(x),
}


def example_of(kind: str, rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    sizes = {"rows": (8,), "images": (3, 8, 8), "sequences": (5, 8)}[kind]
    return torch.randn(rows, *sizes, generator=generator)


CASES = [
    *((name, f, "rows") for name, f in ROWS.items()),
    *((name, f, "images") for name, f in IMAGES.items()),
    *((name, f, "sequences") for name, f in SEQUENCES.items()),
]


@pytest.mark.parametrize(("name", "function", "kind"), CASES, ids=[f"{kind}-{name}" for name, _, kind in CASES])
def test_equal_on_other_calls_and_in_every_engine(name: str, function: Forward, kind: str) -> None:
    model = Net(function).eval()
    snn = gcn2snn.convert(model, example_of(kind, 6))
    for rows in (4, 9):
        x = example_of(kind, rows)
        inputs = bind(snn.network, (x,), {})
        with torch.no_grad():
            torch.testing.assert_close(read_out(snn.network, run_float(snn.network, inputs)), model(x))
        closed = run_closed(snn.network, inputs)
        torch.testing.assert_close(run_temporal(snn.network, inputs, None), closed, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            run_bucketed(snn.network, inputs, 3), run_temporal(snn.network, inputs, 3), rtol=1e-4, atol=1e-5
        )
    assert not snn.verify(x).bugs
    assert snn.energy(x).alpha_events >= 0


def test_rows_by_what_the_call_brings() -> None:
    x, other = example_of("rows", 6), example_of("rows", 9)
    by_index = gcn2snn.convert(Net(lambda n, x, index: n.a(x)[index]).eval(), (x, torch.tensor([0, 3])))
    wanted = gcn2snn.convert(Net(lambda n, x: n.a(x)).eval(), x)(other)
    torch.testing.assert_close(by_index(other, torch.tensor([8, -1, 0])), wanted[[8, -1, 0]])
    with pytest.raises(InputError, match="the index has numbers from 0 to 9, but there are 9 rows"):
        by_index(other, torch.tensor([0, 9]))
    with pytest.raises(InputTypeError, match=r"rows are picked by torch\.uint8"):
        by_index(other, torch.zeros(9, dtype=torch.uint8))
    mask = other[:, 0] > 0
    by_mask = gcn2snn.convert(Net(lambda n, x, mask: n.a(x)[mask]).eval(), (x, x[:, 0] > 0))
    torch.testing.assert_close(by_mask(other, mask), wanted[mask])
    with pytest.raises(InputError, match="the mask has 8 entries for 9 rows"):
        by_mask(other, mask[:8])
    seeds = gcn2snn.convert(Net(lambda n, x, count: n.a(x)[:count]).eval(), (x, 4))
    torch.testing.assert_close(seeds(other, 7), wanted[:7])


REFUSED: dict[str, tuple[Forward, str]] = {
    "rows last": (lambda n, x: F.relu6(n.a(x).t()), "has its rows on axis 1"),
    "one number a row": (lambda n, x: F.relu6(n.a(x)[:, 0]), "is one number for each row"),
    "linear of rows": (
        lambda n, x: F.linear(n.a(x).t(), torch.ones(2, 6)),
        "acts on the rows, which lie on the last axis",
    ),
    "mean of rows": (lambda n, x: n.a(x).mean(0), "is over the rows"),
    "half": (lambda n, x: n.a(x).to(torch.float16).float(), "number type torch.float16"),
    "one row": (lambda n, x: n.a(x)[0], "takes a single row"),
    "rows apart": (lambda n, x: n.a(x).split(2)[0], "takes the rows apart"),
    "squeezed rows": (lambda n, x: n.a(x).squeeze(0), "leaves out the rows of a call with one row"),
    "leaky": (lambda n, x: F.leaky_relu(n.a(x)), "is not a ReLU"),
    "jump": (lambda n, x: F.threshold(n.a(x), 1.0, 0.0), "jumps at its threshold"),
    "mask": (lambda n, x: n.a(x) > 0, "compares values of the network"),
    "other mask": (lambda n, x: torch.where(n.a(x) > 0, n.b(x), 0.0), "chooses between values"),
    "indices": (lambda n, x: n.a(x) * n.a(x).max(1).indices[:, None], "are numbers of places"),
    "einsum": (lambda n, x: torch.einsum("nc,nk->ck", n.a(x), n.b(x)), "is neither a product with weights"),
    "several lists": (lambda n, x: n.a(x)[[0, 1], [1, 2]], "picks by several lists at once"),
}


@pytest.mark.parametrize(("function", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_by_its_reason(function: Forward, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        gcn2snn.convert(Net(function).eval(), example_of("rows", 6))


def test_a_maximum_of_arranged_spikes_ranks_by_value() -> None:
    """Spikes of two scales are not ranked by their time, so the maximum has neurons of its own."""
    model = Net(lambda n, x: torch.stack([F.relu(n.a(x)), 20 * F.relu(n.b(x))]).amax(0)).eval()
    snn = gcn2snn.convert(model, example_of("rows", 6))
    inputs = bind(snn.network, (example_of("rows", 9),), {})
    torch.testing.assert_close(run_temporal(snn.network, inputs, None), run_closed(snn.network, inputs))


def test_a_saved_network_gives_the_same(tmp_path: Path) -> None:
    x = example_of("rows", 6)
    snn = gcn2snn.convert(
        Net(lambda n, x: n.small(F.relu(n.a(x)).view(-1, 2, 2).mT.flatten(1)[:, [2, 0, 1, 3]])[:4]).eval(), x
    )
    gcn2snn.save(snn, tmp_path / "network.snn")
    torch.testing.assert_close(gcn2snn.load(tmp_path / "network.snn")(x), snn(x))
