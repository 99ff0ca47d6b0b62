"""Run by test_triton.py in a process of its own: products without what reads silence have the bits of the whole product."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_problems import CODES, bound, sparse, spikes
from torch import Tensor

from gcn2snn.kernels import (
    CSR,
    Fire,
    PhaseCode,
    Spikes,
    event_blocks,
    phase_spmm,
    phase_spmm_bucketed,
    phase_spmm_fire,
    reference,
)
from gcn2snn.kernels.native import decodes_in_registers
from gcn2snn.kernels.native import phase_spmm as native_phase_spmm
from gcn2snn.kernels.triton import operands, silence
from gcn2snn.kernels.triton.segments import SEGMENT, segments_of

DEVICE = os.environ["GCN2SNN_TEST_DEVICE"]
INTERPRETED = DEVICE == "cpu"
NEVER = 1 << 62
SILENCE = ("none", "all", "one event", "rows", "channels", "tiles")


@pytest.fixture(autouse=True)
def products_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is looked for and blocks are made whatever they save; each test says how."""
    monkeypatch.setattr(operands, "LEAST_WORK", 0)
    monkeypatch.setattr(silence, "PACK_BYTES", 0)
    monkeypatch.setattr(silence, "LEAST_READERS", 0)
    monkeypatch.setattr(event_blocks, "MOST_SHARE", float("inf"))


def whole(product: Callable[[], Tensor]) -> Tensor:
    """The product without a look at the spikes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operands, "LEAST_WORK", NEVER)
        return product()


def silenced(population: Spikes, kind: str) -> Spikes:
    """The spikes without most of them."""
    code, (rows, channels) = population.code.clone(), population.code.shape
    if kind == "all":
        code[:] = 0
    elif kind == "one event":
        code[:] = 0
        code[rows // 2, channels - 1] = 1
    elif kind == "rows":
        code[torch.arange(rows) % 4 > 0] = 0
    elif kind == "channels":
        code[torch.rand(rows, channels) > torch.rand(channels) ** 4] = 0
    elif kind == "tiles":  # what speaks in one tile of channels is silent in the other
        border = 256 if channels > 256 else channels // 2
        code[torch.arange(rows) % 2 == 0, :border] = 0
        code[torch.arange(rows) % 2 == 1, border:] = 0
    return Spikes(code.to(DEVICE), population.scale.to(DEVICE), population.coding)


def matrix_of(rows: int, cols: int, density: float, hub: bool) -> CSR:
    """Some rows and columns without entries; ``hub``: a row with all, which is cut into several segments."""
    dense = sparse(rows, cols, density, 5).to_dense()
    if hub:
        dense[rows - 1] = torch.linspace(-1, 1, cols)
    return CSR.from_dense(dense).to(DEVICE)


class Problem(NamedTuple):
    """A matrix and spikes by what they look like."""

    rows: int
    cols: int
    channels: int
    density: float
    hub: bool
    kind: str
    per_channel: bool
    dtype: torch.dtype

    def matrix(self) -> CSR:
        return matrix_of(self.rows, self.cols, self.density, self.hub)

    def spikes(self, coding: PhaseCode, *, per_channel: bool = False) -> Spikes:
        return silenced(spikes(self.cols, self.channels, coding, 3, per_channel), self.kind)


PROBLEMS = st.builds(
    Problem,
    rows=st.sampled_from([1, 2, 9, 17]),
    cols=st.sampled_from([1, 7, 8, 9, 17, 33] if INTERPRETED else [1, 9, 64, 65, 1024, 1025, 3001]),
    channels=st.sampled_from([1, 15, 16, 17, 63, 64, 65, 130, 256, 257, 300]),
    density=st.sampled_from([0.0, 0.1, 0.6]),
    hub=st.booleans(),
    kind=st.sampled_from(SILENCE),
    per_channel=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)


@settings(max_examples=25 if INTERPRETED else 300, deadline=None, derandomize=True)
@given(problem=PROBLEMS, coding=st.sampled_from([CODES[0], CODES[1], CODES[6]]), fires=st.booleans())
def test_what_is_left_gives_the_bits_of_the_whole_product(problem: Problem, coding: PhaseCode, fires: bool) -> None:
    matrix, dtype, channels = problem.matrix(), problem.dtype, problem.channels
    population = problem.spikes(coding, per_channel=problem.per_channel)
    bias, add = (torch.randn(*shape, dtype=dtype, device=DEVICE) for shape in ((channels,), (problem.rows, channels)))
    horizon = torch.randint(1, 17, (1, channels), device=DEVICE)
    fire = Fire(torch.tensor(0.8, device=DEVICE), CODES[0], horizon)

    def product() -> Tensor:
        if fires:
            return phase_spmm_fire(matrix, population, fire, dtype, bias=bias, add=add).code
        return phase_spmm(matrix, population, dtype, bias=bias, add=add)

    wanted = whole(product)
    first, again, third = product(), product(), product()  # packed; in blocks, which the second meeting makes; kept
    assert torch.equal(first, wanted)
    assert torch.equal(again, wanted)
    assert torch.equal(third, wanted)
    assert f"event blocks {id(matrix)}" in population.derived._kept
    if not fires:
        expected = reference.phase_spmm(matrix, population, dtype) + bias + add
        size = reference.decode(population, dtype)
        slack = 2 * torch.finfo(dtype).eps * (bias.abs() + add.abs() + expected.abs())
        assert bool(((wanted - expected).abs() <= bound(matrix, size) + slack).all())


@pytest.mark.skipif(not INTERPRETED, reason="on a device a product and its sum are rounded together")
@pytest.mark.parametrize("kind", SILENCE)
@pytest.mark.parametrize("channels", [5, 64, 200])
def test_rows_of_one_segment_have_the_bits_of_the_reference_and_the_compiled_helper(kind: str, channels: int) -> None:
    matrix, population = sparse(9, SEGMENT, 0.7, 5), silenced(spikes(SEGMENT, channels, CODES[0], 3), kind)
    got = [phase_spmm(matrix, population) for _ in range(2)]
    wanted = reference.phase_spmm(matrix, population)
    assert all(torch.equal(product, wanted) for product in got)
    if decodes_in_registers(population):
        assert torch.equal(native_phase_spmm(matrix, population, None, None, None), wanted)


@settings(max_examples=8 if INTERPRETED else 100, deadline=None, derandomize=True)
@given(problem=PROBLEMS, wait=st.sampled_from([0, 3, 40]))
def test_neurons_that_do_not_wait_fire_alike(problem: Problem, wait: int) -> None:
    matrix, dtype = problem.matrix(), problem.dtype
    population = problem.spikes(CODES[0], per_channel=problem.per_channel)
    fire = Fire(torch.tensor(0.8, device=DEVICE), PhaseCode(1.4, 9, signed=True))

    def product() -> Tensor:
        return phase_spmm_bucketed(matrix, population, fire, wait, dtype).code

    wanted = whole(product)
    assert torch.equal(product(), wanted)
    assert torch.equal(product(), wanted)


def small_problem(kind: str, channels: int = 300) -> tuple[CSR, Spikes]:
    return matrix_of(9, 33, 0.6, True), silenced(spikes(33, channels, CODES[0], 3), kind)


@pytest.mark.parametrize("kind", ["rows", "tiles", "all"])
def test_entries_that_read_silence_are_left_out(kind: str) -> None:
    matrix, population = small_problem(kind)
    segments, code, block = segments_of(matrix), operands.aligned(population.code), 256
    found = silence.packed_entries(matrix, matrix.value, code, segments, block)
    for tile, part in enumerate(code.split(block, dim=1)):
        kept = (part != 0).any(1)[matrix.col.long()]
        assert int(found.silent[tile]) == int((~kept).sum())
        for segment in range(segments.row.numel()):
            start, end, last = int(segments.start[segment]), int(segments.end[segment]), int(found.end[tile, segment])
            left = kept[start:end].nonzero().flatten() + start
            assert found.col[tile, start:last].tolist() == matrix.col[left].tolist()
            assert found.value[tile, start:last].tolist() == matrix.value[left].tolist()


def test_the_kernel_reads_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubled values in what was packed double the product, and only where packing pays."""
    matrix, population = small_problem("rows", 200)
    made = silence.packed_entries

    def doubled(*args: object) -> silence.Packed:
        found = made(*args)  # type: ignore[arg-type]
        found.value.mul_(2)
        return found

    monkeypatch.setattr(silence, "packed_entries", doubled)
    wanted = whole(lambda: phase_spmm(matrix, population))
    assert torch.equal(phase_spmm(matrix, population.with_code(population.code)), 2 * wanted)
    monkeypatch.setattr(silence, "PACK_BYTES", 199)  # less than a row has, and more than what silence saves
    assert torch.equal(phase_spmm(matrix, population.with_code(population.code)), wanted)


@pytest.mark.parametrize(
    "product",
    [
        lambda matrix, population: phase_spmm(matrix, population),
        lambda matrix, population: (
            phase_spmm_bucketed(matrix, population, Fire(torch.tensor(0.8, device=DEVICE), CODES[0]), 3).code
        ),
    ],
    ids=["phase_spmm", "phase_spmm_bucketed"],
)
def test_nothing_is_looked_for_where_it_cannot_pay(
    product: Callable[[CSR, Spikes], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, population = small_problem("rows", 40)
    looked = []
    monkeypatch.setattr(silence, "packed_entries", lambda *args: looked.append(args))
    monkeypatch.setattr(silence, "PACK_BYTES", 48)
    product(matrix, population)  # a row of 48 bytes costs no more than packing an entry
    monkeypatch.setattr(silence, "PACK_BYTES", 0)
    monkeypatch.setattr(silence, "LEAST_READERS", 100)
    product(matrix, population.with_code(population.code))
    monkeypatch.setattr(silence, "LEAST_READERS", 0)
    monkeypatch.setattr(operands, "LEAST_WORK", matrix.nnz * 40 + 1)
    product(matrix, population.with_code(population.code))
    assert not looked
    monkeypatch.setattr(operands, "LEAST_WORK", matrix.nnz * 40)
    product(matrix, population.with_code(population.code))
    assert len(looked) == 1


def test_blocks_are_kept_with_the_spikes_and_read_less() -> None:
    matrix, population = small_problem("channels")
    segments = segments_of(matrix)
    find = lambda: operands.operands_of(matrix, population, torch.float32, segments)  # noqa: E731
    (first,) = find()
    assert first.channel is None
    blocks = find()
    assert sorted(torch.cat([block.channel for block in blocks if block.channel is not None]).tolist()) == list(
        range(300)
    )
    assert sum(block.col.numel() * block.width for block in blocks) < 0.9 * matrix.nnz * 300
    for block in blocks:
        assert block.channel is not None
        speaking = (population.code[:, block.channel.long()] != 0).any(1)
        assert block.col.numel() == int(speaking[matrix.col.long()].sum())
    assert find() is blocks
    population.code.add_(0)  # a write that PyTorch counts
    assert (find() is blocks) == INTERPRETED  # on a CPU the contents decide
    population.code[0] = 1
    assert find() is not blocks
    assert torch.equal(phase_spmm(matrix, population), whole(lambda: phase_spmm(matrix, population)))
