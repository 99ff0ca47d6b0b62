from __future__ import annotations

import pytest
import torch
from kernel_problems import CODES, sparse, spikes

from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode, Spikes, event_count, reference, spike_count


def test_counts_by_hand(backend: str) -> None:
    code = torch.tensor([[3, 0, -1], [0, 0, 0], [1, 2, 0]], dtype=torch.int8)
    population = Spikes(code, torch.tensor(1.0), PhaseCode(2.0, 4, signed=True))
    assert int(spike_count(population)) == 4
    assert int(event_count(population, torch.tensor([5, 7, 11]))) == 2 * 5 + 2 * 11


@pytest.mark.parametrize("channels", [0, 1, 33])
def test_events_are_the_additions_of_the_product(backend: str, channels: int) -> None:
    matrix, population = sparse(19, 23, 0.3, 1), spikes(23, channels, CODES[0], 1)
    additions = ((matrix.to_dense() != 0).long() @ (population.code != 0).long()).sum()
    assert int(event_count(population, matrix.column_counts)) == int(additions)
    assert reference.event_count(population, matrix.column_counts) == int(additions)


def test_images_count_per_map(backend: str) -> None:
    code = torch.ones(2, 3, 4, 5, dtype=torch.int8)
    population = Spikes(code, torch.tensor(1.0), CODES[0])
    assert int(spike_count(population)) == 120
    assert int(event_count(population, torch.tensor([1, 10]))) == 60 * 11


def test_event_count_refuses(backend: str) -> None:
    with pytest.raises(InputError, match=r"fan_out is torch.float32 \[2\]; one integer per node is needed, \[5\]"):
        event_count(spikes(5, 3, CODES[0], 0), torch.ones(2))
