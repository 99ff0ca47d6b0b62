"""Large models: the work of a conversion grows with the depth and no faster, and a check holds one layer at a time.

The measurements at full size are slow and print: ``pytest -m slow -s tests/gcn2snn/test_large_models.py``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from large_models import densenet
from torch import nn

import gcn2snn
from gcn2snn import ir
from gcn2snn.engines import interpreter
from gcn2snn.verify import walk


def chain(depth: int) -> nn.Module:
    """Linear layers with batch norm and ReLU, one behind the other."""
    parts = [part for _ in range(depth) for part in (nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())]
    return nn.Sequential(*parts, nn.Linear(4, 2)).eval()


def small_densenet(blocks: int) -> nn.Module:
    """Dense blocks of three layers each, one behind the other, on images of one size."""
    return densenet((3,) * blocks, growth=2, channels=4, classes=3, halve=False)


def calls_in_the_package(work: Callable[[], object]) -> int:
    """How many functions of the package are called meanwhile: work that no clock measures."""
    root, count = str(Path(gcn2snn.__file__).parent), 0

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(root)

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(("make", "size"), [(chain, (3, 4)), (small_densenet, (1, 3, 8, 8))], ids=["chain", "densenet"])
@pytest.mark.parametrize("verb", ["convert", "verify"])
def test_work_is_linear_in_the_depth(make: Callable[[int], nn.Module], size: tuple[int, ...], verb: str) -> None:
    torch.manual_seed(0)
    x = torch.rand(size)
    gcn2snn.convert(make(1), x)  # loads what is loaded once
    counts = []
    for depth in (2, 4, 8):
        model = make(depth)
        snn = gcn2snn.convert(model, x)
        work: Callable[[], Any] = (
            (lambda m=model: gcn2snn.convert(m, x)) if verb == "convert" else (lambda s=snn: s.verify(x))
        )
        counts.append(calls_in_the_package(work))
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    assert 1.9 * first < second < 2.1 * first  # twice the layers more, twice the work more


def test_every_node_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the maxima, the comparison with the model, and how well the codes fit; no setting is open."""
    seen: dict[str, int] = {}
    evaluate = interpreter.evaluate_node

    def counted(node: ir.Node, *args: Any) -> Any:
        seen[node.name] = seen.get(node.name, 0) + 1
        return evaluate(node, *args)

    monkeypatch.setattr(interpreter, "evaluate_node", counted)
    snn = gcn2snn.convert(small_densenet(3), torch.rand(1, 3, 8, 8), gcn2snn.ConvertConfig.paper())
    assert {seen[node.name] for node in snn.network if not isinstance(node, ir.Input)} == {1}


def test_a_diagonal_convolution_is_a_product() -> None:
    """What is left of a batch norm behind a concatenation: the same numbers as torch's convolution of single channels."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 5, 3, 4, dtype=torch.float64), torch.randn(5, 1, 1, 1), torch.randn(5)
    node = ir.Conv(name="c", inputs=("x",), weight=weight.double(), bias=bias.double(), groups=5)
    assert node.is_diagonal
    expected = torch.nn.functional.conv2d(x, node.weight, node.bias, groups=5)
    torch.testing.assert_close(interpreter.apply(node, x), expected)
    torch.testing.assert_close(interpreter.apply(node, x, bias=False), expected - node.bias.view(1, -1, 1, 1))
    assert not ir.Conv(name="c", inputs=("x",), weight=weight, groups=5, padding=(1, 1, 1, 1)).is_diagonal
    assert not ir.Conv(name="c", inputs=("x",), weight=torch.randn(10, 1, 1, 1), groups=5).is_diagonal


def test_a_check_holds_a_layer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    judge = walk._Judge.__call__

    def counted(self: Any, *args: Any) -> None:
        judge(self, *args)
        held.append(max(len(self.truth), len(self.exact), len(self.sizes)))

    monkeypatch.setattr(walk._Judge, "__call__", counted)
    most = []
    for depth in (5, 20):
        held.clear()
        x = torch.rand(3, 4)
        gcn2snn.convert(chain(depth), x).verify(x)
        most.append(max(held))
    assert most[0] == most[1] <= 4


def test_parts_of_the_data_and_blocks_of_the_weights_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.rand(7, 3, 8, 8)
    snn = gcn2snn.convert(small_densenet(1), x)
    whole = snn.verify(x)
    monkeypatch.setattr(walk, "PART", 1)
    monkeypatch.setattr(walk, "BLOCK", 40)
    parts = snn.verify(x)
    assert parts.bugs == ()
    for a, b in zip(whole.layers, parts.layers, strict=True):
        assert (a.name, a.neurons, a.verdict) == (b.name, b.neurons, b.verdict)
        assert a.error == pytest.approx(b.error, rel=1e-3, abs=1e-6)
        assert a.own == pytest.approx(b.own, rel=1e-6)
    assert whole.same_class == parts.same_class


@pytest.mark.slow
@pytest.mark.parametrize(("size", "rows"), [(64, 2), (224, 2), (64, 32)])
def test_densenet_169_takes_few_forward_passes(size: int, rows: int) -> None:
    """Processor time of a conversion in forward passes of the source, of which the aim is at most 15 for two images; only printed.

    From 32 rows on, the default compares settings with scales of channels and corrected means.
    """
    torch.manual_seed(0)
    model, x = densenet(), torch.rand(rows, 3, size, size)
    gcn2snn.convert(small_densenet(1), torch.rand(rows, 3, 8, 8))
    with torch.no_grad():
        model(x)
        start = time.process_time()
        for _ in range(3):
            model(x)
        forward = (time.process_time() - start) / 3
    for what, config in (("paper", gcn2snn.ConvertConfig.paper()), ("default", gcn2snn.ConvertConfig())):
        start = time.process_time()
        snn = gcn2snn.convert(model, x, config)
        spent = time.process_time() - start
        print(
            f"\nDenseNet-169, {size} x {size}, batch {rows}, {what}: forward {forward:.3f} s, convert {spent:.2f} s = "
            f"{spent / forward:.1f} forward passes; {len(snn.report)} populations"
        )


VGG = """
import sys; sys.path.insert(0, sys.argv[1])
import torch, gcn2snn
from large_models import vgg11
from gcn2snn.machine import peak_memory
torch.manual_seed(0)
model, x = vgg11(), torch.rand(int(sys.argv[2]), 3, 224, 224)
snn = gcn2snn.convert(model, x)
converted = peak_memory()
assert snn.verify(x).bugs == ()
print(converted, peak_memory())
"""


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4])
def test_verify_of_vgg_11_needs_little_more_memory_than_conversion(batch: int) -> None:
    words = [sys.executable, "-W", "ignore", "-c", VGG, str(Path(__file__).parent), str(batch)]
    converted, verified = map(int, subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())
    mib = 2**20
    print(
        f"\nVGG-11, 224 x 224, batch {batch}: peak of convert {converted / mib:,.0f} MiB, with verify "
        f"{verified / mib:,.0f} MiB = {verified / converted:.2f} x"
    )
    assert verified < 1.5 * converted
