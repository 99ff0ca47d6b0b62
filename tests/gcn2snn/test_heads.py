"""Converted networks with several results or a product at the end: run, counted, verified, kept, and refused where one is needed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.tune import Problem

NODES, PAIRS = 9, 4


class Links(nn.Module):
    """An embedding of nodes, the score of each pair, and a number for each node."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.number = nn.Linear(4, 8), nn.Linear(8, 5), nn.Linear(8, 1)

    def forward(self, x: Tensor, pairs: Tensor) -> dict[str, Any]:
        h = self.first(x).relu()
        z = self.second(h)
        scores = (z[pairs[0]] * z[pairs[1]]).sum(-1).sigmoid()
        return {"z": z, "more": (scores, self.number(h).squeeze(-1)), "loss": None}


@pytest.fixture(scope="module")
def call() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(NODES, 4), torch.randint(0, NODES, (2, PAIRS))


@pytest.fixture(scope="module")
def snn(call: tuple[Tensor, Tensor]) -> gcn2snn.SpikingNetwork:
    torch.manual_seed(1)
    return gcn2snn.convert(Links().eval(), call)


def flat(result: Any) -> list[Tensor]:
    assert list(result) == ["z", "more", "loss"]
    assert result["loss"] is None
    assert isinstance(result["more"], tuple)
    return [result["z"], *result["more"]]


@pytest.mark.parametrize("wait", [None, 2])
@pytest.mark.parametrize("engine", ["closed", "bucketed", "temporal"])
def test_engines_agree_on_every_head(snn, call, engine, wait) -> None:
    if engine == "closed" and wait is not None:
        pytest.skip("the closed form waits for all input")
    reference = flat(snn.simulate(*call, engine="temporal", wait=wait))
    found = flat(snn.simulate(*call, engine=engine, wait=wait))
    assert [x.shape for x in found] == [(NODES, 5), (PAIRS,), (NODES,)]
    for a, b in zip(found, reference, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_heads_are_worked_out_of_the_potentials(snn, call) -> None:
    z, scores, _ = flat(snn(*call))
    torch.testing.assert_close(scores, (z[call[1][0]] * z[call[1][1]]).sum(1).sigmoid())
    for got, source in zip(flat(snn(*call)), flat(snn.source(*call)), strict=True):
        assert 0 < float((got - source).abs().max()) < 0.2 * float(source.abs().max())


def test_corrected_means_reach_the_products(call) -> None:
    """A starting potential of an output is there before the product reads it."""
    network = gcn2snn.convert(Links().eval(), call, gcn2snn.ConvertConfig(correct="mean"))
    assert all(node.start is not None for node in network.network.of(ir.Output))
    for engine in ("closed", "temporal"):
        z, scores, _ = flat(network.simulate(*call, engine=engine))
        torch.testing.assert_close(scores, (z[call[1][0]] * z[call[1][1]]).sum(1).sigmoid())


def test_products_are_multiply_accumulates(snn, call) -> None:
    report = snn.energy(*call)
    (row,) = [row for row in report.layers if row.kind == "product"]
    assert (row.operations, row.macs, row.events, row.inputs) == (PAIRS * 5, PAIRS * 5, 0, 2 * PAIRS * 5)
    without = snn.head("z").energy(*call)
    number = next(row for row in report.layers if row.name == "number")
    assert report.ann_joules - without.ann_joules == pytest.approx((PAIRS * 5 + NODES * 8) * 4.6e-12)
    assert report.snn_joules - without.snn_joules == pytest.approx(PAIRS * 5 * 4.6e-12 + number.events * 0.9e-12)
    assert report.to_dict()["layers"]


def test_gram_and_bilinear_are_counted() -> None:
    class All(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin, self.pair = nn.Linear(4, 3), nn.Bilinear(3, 3, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            z = self.lin(x.relu())
            return z @ z.t(), self.pair(z, z)

    x = torch.randn(6, 4)
    rows = [row for row in gcn2snn.convert(All().eval(), x).energy(x).layers if row.kind == "product"]
    assert [row.macs for row in rows] == [6 * 6 * 3, 6 * 2 * 3 * (3 + 1)]


def test_verify_compares_every_head(snn, call) -> None:
    report = snn.verify(*call)
    assert report.bugs == ()
    assert [head.name for head in report.heads] == ["z", "more.0", "more.1"]
    for head, got, source in zip(report.heads, flat(snn(*call)), flat(snn.source(*call)), strict=True):
        assert head.largest == pytest.approx(float((got - source).abs().max()))
    assert [head.same_class is None for head in report.heads] == [False, True, True]
    assert "more.0: differs by at most" in str(report)
    assert snn.verify(*call, wait=2).bugs == ()


def test_kept_and_copied(snn, call, tmp_path: Path) -> None:
    gcn2snn.save(snn, tmp_path / "links.safetensors")
    folder = snn.save_pretrained(tmp_path / "folder")
    assert "what its source gives, in the same structure (z, more.0, more.1)" in (folder / "README.md").read_text()
    kept = gcn2snn.load(tmp_path / "links.safetensors"), gcn2snn.from_pretrained(folder), copy.deepcopy(snn)
    for again in kept:
        assert all(map(torch.equal, flat(again(*call)), flat(snn(*call))))


def test_one_head(snn, call) -> None:
    z = snn.head("z")
    assert torch.equal(z(*call), snn(*call)["z"])
    assert z(call[0], None).shape == (NODES, 5)
    assert not z.network.of(ir.Readout)
    assert torch.equal(snn.head(("more", 0))(*call), snn(*call)["more"][0])
    assert snn.head("more")(*call)[1].shape == (NODES,)
    with pytest.raises(InputError, match=r"output='y': the model's result has no 'y'\. It has 'z', 'more', 'loss'"):
        snn.head("y")
    with pytest.raises(InputError, match="output='loss' is no tensor that the network computes"):
        snn.head("loss")


def test_said_in_words(snn) -> None:
    for text in (repr(snn), snn.summary()):
        assert "InnerProduct of" in text
        assert "on potentials, in floats" in text
        assert "results: z = output.z, more.0 = output.more.0, more.1 = output.more.1" in text


def test_what_needs_class_scores_is_refused_early(snn, call, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"evaluate needs class scores, and this network gives 3 results: z, more\.0, more\.1"
    ):
        gcn2snn.evaluate(snn, call, labels=torch.zeros(NODES, dtype=torch.int64))
    with pytest.raises(
        InputError, match=r"evaluate needs class scores \[rows, classes\], and this network gives \[\*\]"
    ):
        gcn2snn.evaluate(snn.head(("more", 1)), call, labels=torch.zeros(NODES, dtype=torch.int64))
    labels = call[0].new_zeros(NODES, dtype=torch.int64)
    assert gcn2snn.evaluate(snn.head("z"), call, labels=labels).test_nodes == NODES
    with pytest.raises(InputError, match="tune needs class scores"):
        Problem(Links().eval(), [(call, labels)])
    with pytest.raises(
        InputError, match=r"a file holds the potentials of one output, and this network gives 3 results"
    ):
        gcn2snn.export(snn, "npz", out=tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"works out .*\(InnerProduct\).* of its potentials"):
        gcn2snn.export(snn.head(("more", 0)), "npz", out=tmp_path / "a.npz")
    assert gcn2snn.export(snn.head("z"), "npz", out=tmp_path / "a.npz").files


def test_rows_of_a_product_have_to_meet() -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(4, 3)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (self.lin(a.relu()) * self.lin(b.relu())).sum(1)

    snn = gcn2snn.convert(Pairs().eval(), (torch.randn(5, 4), torch.randn(5, 4)))
    with pytest.raises(InputError, match="needs results with the same number of rows: output has 3, output_2 has 1"):
        snn(torch.randn(3, 4), torch.randn(1, 4))
