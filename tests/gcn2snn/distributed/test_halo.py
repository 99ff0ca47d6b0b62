from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_processes import on_ranks
from torch import Tensor

from gcn2snn.distributed import Communicator, Job, Partition, with_halo
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, spmm


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 30))
def test_partition_balanced_covers_all_rows_with_at_least_one_each(entries: list[int], ranks: int) -> None:
    rowptr = torch.tensor([0, *entries]).cumsum(0)
    if ranks > len(entries):
        with pytest.raises(ConfigError, match=f"{ranks} ranks for a graph of {len(entries)} rows"):
            Partition.balanced(rowptr, ranks)
        return
    bounds = Partition.balanced(rowptr, ranks).bounds
    assert (bounds[0], bounds[-1], len(bounds)) == (0, len(entries), ranks + 1)
    assert all(a < b for a, b in pairwise(bounds))


def test_partition_balanced_is_as_equal_as_rows_allow() -> None:
    rowptr = torch.arange(1001) * 7
    sizes = [b - a for a, b in pairwise(Partition.balanced(rowptr, 3).bounds)]
    assert sorted(sizes) == [333, 333, 334]


def _matrix() -> CSR:
    dense = torch.rand(23, 23).masked_fill_(torch.rand(23, 23) < 0.7, 0.0)
    dense[5] = 0.0  # a row that reads nothing
    dense[:, 7] = 0.0  # a node that nobody reads
    return CSR.from_dense(dense)


def _product(job: Job, matrix: CSR, x: Tensor) -> tuple[Tensor, Tensor, int]:
    partition = Partition.balanced(matrix.rowptr, job.ranks.size)
    own = partition.of(job.ranks.rank)
    local, halo = with_halo(matrix.rows(torch.arange(own.start, own.stop)), partition, job.ranks)
    part = x[own].clone().requires_grad_()
    result = spmm(local, halo.gather_differentiable(part))
    (result * torch.arange(own.start, own.stop)[:, None]).sum().backward()  # type: ignore[no-untyped-call]
    assert part.grad is not None
    assert halo.needed.tolist() == (matrix.column_counts > 0)[own].tolist()
    return result.detach(), part.grad, job.ranks.sent["floats"]


@pytest.mark.parametrize("size", [2, 3])
def test_halo_brings_what_a_product_and_its_gradient_need(size: int) -> None:
    matrix, x = _matrix(), torch.rand(23, 4)
    found = on_ranks(size, _product, matrix, x)
    assert torch.equal(torch.cat([part for part, _, _ in found]), spmm(matrix, x))
    whole = x.clone().requires_grad_()
    (spmm(matrix, whole) * torch.arange(23)[:, None]).sum().backward()  # type: ignore[no-untyped-call]
    assert whole.grad is not None
    # the gradient adds the parts of each rank up in another order
    torch.testing.assert_close(torch.cat([part for _, part, _ in found]), whole.grad)


def test_only_rows_that_are_read_travel() -> None:
    matrix, x = _matrix(), torch.rand(23, 4)
    sent = sum(count for _, _, count in on_ranks(2, _product, matrix, x))
    bounds = Partition.balanced(matrix.rowptr, 2).bounds
    dense = matrix.to_dense() != 0
    there = int(dense[: bounds[1], bounds[1] :].any(0).sum()) + int(dense[bounds[1] :, : bounds[1]].any(0).sum())
    assert sent == 2 * there * 4 * 4  # forward and backward, four channels of four bytes


def test_a_process_alone_has_everything() -> None:
    matrix, x = _matrix(), torch.rand(23, 4)
    local, halo = with_halo(matrix, Partition((0, 23)), Communicator.alone())
    assert torch.equal(spmm(local, halo.gather(x)), spmm(matrix, x))
