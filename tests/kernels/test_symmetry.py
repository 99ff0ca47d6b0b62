from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import CSR, symmetry
from gcn2snn.kernels.symmetry import check_symmetric


def mirrored(seed: int, nodes: int = 7, entries: int = 30, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Entries (row, col, value) of a symmetric matrix with a diagonal, shuffled."""
    draw = torch.Generator().manual_seed(seed)
    row, col = (torch.randint(nodes, (entries,), generator=draw) for _ in range(2))
    value = torch.randn(entries, generator=draw, dtype=dtype)
    loop = torch.arange(nodes)
    order = torch.randperm(2 * entries + nodes, generator=draw)
    parts = ([row, col, loop], [col, row, loop], [value, value, torch.ones(nodes, dtype=dtype)])
    return [torch.cat(part)[order] for part in parts]


@settings(max_examples=50, deadline=None)
@example(seed=174, index=0, what="value", dtype=torch.float32)  # entries at one place nearly cancel
@given(
    st.integers(0, 999), st.integers(0, 66), st.sampled_from(["row", "col", "value"]), st.sampled_from([torch.float32, torch.float64])
)  # fmt: skip
def test_one_changed_entry_is_found(seed: int, index: int, what: str, dtype: torch.dtype) -> None:
    row, col, value = mirrored(seed, dtype=dtype)
    check_symmetric(row, col, value, (7, 7))
    before = value.clone()
    part = {"row": row, "col": col, "value": value}[what]
    part[index] = part[index] * 2 if what == "value" else (part[index] + 1) % 7
    # In float64: entries at one place that nearly cancel differ in float32 by the order in which they are added.
    dense = torch.zeros(7, 7, dtype=torch.float64).index_put_((row, col), value.double(), accumulate=True)
    kept = value.clone()
    if torch.allclose(dense, dense.t(), rtol=1e-5, atol=0):
        check_symmetric(row, col, value, (7, 7))
    else:
        with pytest.raises(InputError, match=r"symmetric=True, but element \(\d, \d\) is .* and element \(\d, \d\) is"):
            check_symmetric(row, col, value, (7, 7))
    assert torch.equal(value, kept)  # nothing is written to what is checked
    assert before.numel() == value.numel()


def test_the_message_names_the_element() -> None:
    with pytest.raises(InputError, match=r"element \(0, 2\) is 5 and element \(2, 0\) is 0; gradients would be wrong"):
        check_symmetric(torch.tensor([0, 1]), torch.tensor([2, 1]), torch.tensor([5.0, 1.0]), (3, 3))
    with pytest.raises(InputError, match=r"the matrix is 2 x 3\. Leave symmetric out"):
        check_symmetric(torch.tensor([0]), torch.tensor([0]), torch.ones(1), (2, 3))


@pytest.mark.parametrize("case", ["duplicates", "stored zero", "negative zero", "rounding"])
def test_what_differs_as_entries_and_not_as_a_matrix_is_accepted(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row, col, value = torch.tensor([0, 0, 1]), torch.tensor([1, 1, 0]), torch.tensor([1.0, 2.0, 3.0])
    if case == "stored zero":
        row, col, value = torch.tensor([0]), torch.tensor([1]), torch.zeros(1)
    elif case == "negative zero":
        row, col, value = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.0, -0.0])
    elif case == "rounding":
        row, col, value = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([1.0, 1.0 + 2**-23])
    compared = []
    element_by_element = symmetry._compare_elements
    monkeypatch.setattr(symmetry, "_compare_elements", lambda *a: (compared.append(1), element_by_element(*a)))
    check_symmetric(row, col, value, (2, 2))
    assert compared  # the sums differ, but that alone does not show that the matrix is not symmetric


def test_equal_entries_are_not_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symmetry, "_compare_elements", lambda *_: pytest.fail("sorted for nothing"))
    monkeypatch.setattr(symmetry, "ENTRIES_AT_A_TIME", {"cpu": 16})
    check_symmetric(*mirrored(3), (7, 7))
    check_symmetric(*(torch.zeros(0, dtype=d) for d in (torch.int32, torch.int32, torch.float64)), (7, 7))


def test_a_matrix_that_is_said_to_be_symmetric_is_checked() -> None:
    dense = torch.tensor([[1.0, 2.0], [2.0, 0.0]])
    CSR.from_dense(dense, symmetric=True).validate()
    dense[0, 1] = 3
    with pytest.raises(InputError, match=r"element \(0, 1\) is 3 and element \(1, 0\) is 2"):
        CSR.from_dense(dense, symmetric=True).validate()
