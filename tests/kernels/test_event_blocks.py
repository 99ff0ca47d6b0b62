from __future__ import annotations

import copy

import pytest
import torch
from kernel_problems import CODES, sparse, spikes

from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes, event_blocks, phase_spmm, phase_spmm_fire, reference


@pytest.fixture(autouse=True)
def every_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks for products of any size, wherever the spikes are few."""
    monkeypatch.setattr(event_blocks, "LEAST_WORK", 0)


def few(rows: int, channels: int, coding: PhaseCode, per_channel: bool = False) -> Spikes:
    """Spikes of which most are silent: quiet rows, quiet channels, and some of the rest."""
    population = spikes(rows, channels, coding, 3, per_channel)
    generator = torch.Generator().manual_seed(4)
    share = torch.rand(channels, generator=generator) ** 6
    keep = torch.rand(rows, channels, generator=generator) < share
    keep[::3] = False
    return population.with_code(torch.where(keep, population.code, 0))


def blocks_of(matrix: CSR, population: Spikes) -> event_blocks.EventBlocks | None:
    event_blocks.event_blocks(matrix, population)
    return event_blocks.event_blocks(matrix, population)


@pytest.mark.parametrize("channels", [8, 64, 65, 70, 128, 200, 300])
@pytest.mark.parametrize("coding", [CODES[0], CODES[1], CODES[4]], ids=str)
@pytest.mark.parametrize("per_channel", [False, True])
def test_blocks_give_the_bits_of_the_whole_product(
    native: None, channels: int, coding: PhaseCode, per_channel: bool
) -> None:
    matrix, population = sparse(41, 60, 0.4, 7), few(60, channels, coding, per_channel)
    fire = Fire(torch.tensor(0.8), coding)
    bias, add = torch.randn(channels), torch.randn(41, channels)
    first = phase_spmm(matrix, population, bias=bias, add=add)
    assert event_blocks.event_blocks(matrix, population) is not None
    assert torch.equal(phase_spmm(matrix, population, bias=bias, add=add), first)
    again = phase_spmm_fire(matrix, population.with_code(population.code), fire, bias=bias, add=add)
    assert torch.equal(phase_spmm_fire(matrix, population, fire, bias=bias, add=add).code, again.code)
    if not per_channel:
        assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))


def test_entries_that_read_silence_are_left_out() -> None:
    matrix, population = sparse(41, 60, 0.4, 7), few(60, 200, CODES[0])
    made = blocks_of(matrix, population)
    assert made is not None
    fired = population.code[:, made.place.argsort()] != 0
    for number, part in enumerate(fired.split(made.start.diff().tolist(), dim=1)):
        kept = part.any(1)[matrix.col.long()]
        assert int(made.rowptr[number, -1]) == int(kept.sum())
    assert int(made.rowptr[:, -1].sum()) == made.value.numel()


def test_blocks_are_made_when_spikes_meet_a_matrix_again() -> None:
    matrix, population = sparse(41, 60, 0.4, 7), few(60, 200, CODES[0])
    assert event_blocks.event_blocks(matrix, population) is None
    made = event_blocks.event_blocks(matrix, population)
    assert made is not None
    assert event_blocks.event_blocks(matrix, population) is made
    other = population.with_code(population.code)
    assert event_blocks.event_blocks(matrix, other) is None  # new spikes are met for the first time
    assert event_blocks.event_blocks(sparse(41, 60, 0.4, 7), population) is None  # and so is another matrix
    assert copy.deepcopy(population).met == {}


def test_a_write_to_matrix_or_codes_is_seen(native: None) -> None:
    matrix, population = sparse(41, 60, 0.4, 7), few(60, 200, CODES[0])
    for _ in range(2):
        phase_spmm(matrix, population)
    matrix.value.numpy()[:] *= 2
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))
    population.code.numpy()[5] = 1
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))


def test_no_blocks_where_they_do_not_pay(native: None, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, population = sparse(41, 60, 0.4, 7), spikes(60, 200, CODES[0], 3)
    assert blocks_of(matrix, population) is None
    monkeypatch.setattr(event_blocks, "either", lambda *_: pytest.fail("reads all operands to find no blocks again"))
    population.code.numpy()[5] = 1  # a write that no counter sees
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))


@pytest.mark.parametrize("channels", [32, 41, 72, 200, 300])
@pytest.mark.parametrize("rows", [29, 400])
def test_silent_rows_are_left_out_of_one_product(native: None, channels: int, rows: int) -> None:
    matrix, population = sparse(rows, 60, 0.3, 9), spikes(60, channels, CODES[0], 3)
    population.code[torch.rand(60) < 0.8] = 0
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))
    fire = Fire(torch.tensor(0.8), CODES[0])
    wanted = reference.encode(reference.phase_spmm(matrix, population), fire.scale, fire.coding)
    assert torch.equal(phase_spmm_fire(matrix, population, fire).code, wanted.code)


def test_blocks_read_by_the_same_entries_are_one(native: None) -> None:
    matrix, population = sparse(41, 60, 0.4, 7), spikes(60, 300, CODES[0], 3)
    population.code[torch.arange(60) % 4 > 0] = 0  # the same rows speak in every channel
    made = blocks_of(matrix, population)
    assert made is not None
    assert made.start.tolist() == [0, 256, 300]
    assert torch.equal(phase_spmm(matrix, population), reference.phase_spmm(matrix, population))
    population.code[:, 64:] *= (torch.arange(60) % 16 == 0).to(torch.int8)[:, None]  # most channels need far fewer
    made = blocks_of(matrix, population.with_code(population.code))
    assert made is not None
    assert made.start.tolist() == [0, 64, 300]
