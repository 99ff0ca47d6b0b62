"""What passes join over processes: alone nothing, in a block what the block says, afterwards nothing again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gcn2snn.passes.over_ranks import (
    Joined,
    Place,
    joined_over,
    largest_over_ranks,
    place_over_ranks,
    rows_over_ranks,
    total_over_ranks,
)

VALUES = torch.tensor([1.0, 2.0])


def joined() -> list[list[float]]:
    return [join(VALUES).tolist() for join in (total_over_ranks, largest_over_ranks, rows_over_ranks)]


def ranks(factor: float) -> Joined:
    """As if other processes held as much: each join is another one."""

    def rows(values: Tensor) -> Tensor:
        return torch.cat([values, factor * values])

    return Joined(
        total=lambda values: values * (1 + factor), largest=lambda values: values.clamp(min=factor), rows=rows
    )


def test_the_innermost_block_joins_and_ends_with_it() -> None:
    alone = [VALUES.tolist()] * 3
    assert joined() == alone
    with joined_over(ranks(2.0)):
        assert joined() == [[3.0, 6.0], [2.0, 2.0], [1.0, 2.0, 2.0, 4.0]]
        with joined_over(ranks(3.0)):
            assert joined() == [[4.0, 8.0], [3.0, 3.0], [1.0, 2.0, 3.0, 6.0]]
        assert joined()[0] == [3.0, 6.0]
    assert joined() == alone
    with pytest.raises(RuntimeError), joined_over(ranks(2.0)):
        raise RuntimeError("stopped")
    assert joined() == alone


def test_rows_lie_behind_those_of_the_processes_before() -> None:
    def same(values: Tensor) -> Tensor:
        return values

    assert place_over_ranks(3, 5) == Place(3, 5)
    with joined_over(Joined(same, same, same, before=100, every=1000)):
        with joined_over(Joined(same, same, same, before=10, every=50)):
            assert place_over_ranks(3, 5) == Place(13, 50)
        assert place_over_ranks(3, 5) == Place(103, 1000)
    with joined_over(Joined(same, same, same, every=50)):
        assert place_over_ranks(3, 5) == Place(3, 50)
    with joined_over(Joined(same, same, same)):  # the rows of one process are counted as if they were all
        assert place_over_ranks(3, 5) == Place(3, 5)
