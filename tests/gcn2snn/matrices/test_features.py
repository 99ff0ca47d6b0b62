from __future__ import annotations

import pytest
import torch

from gcn2snn.errors import InputError
from gcn2snn.kernels import reference
from gcn2snn.matrices import coded_features, features, sparse_features

ONE = torch.tensor(1.0)


@pytest.mark.filterwarnings("ignore:Sparse")  # of PyTorch, about layouts that are in beta
@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr"])
def test_sparse_tensors_of_every_layout(layout: str) -> None:
    x = torch.zeros(6, 4)
    x[0, 1], x[5, 3] = 0.5, 2.0
    given = {
        "coo": lambda: x.to_sparse_coo(),
        "csr": lambda: x.to_sparse_csr(),
        "csc": lambda: x.to_sparse_csc(),
        "bsr": lambda: x.to_sparse_bsr((2, 2)),
    }
    found = sparse_features(given[layout](), torch.float64)
    assert torch.equal(found.to_dense(), x.double())


def test_entries_at_one_place_are_added_up() -> None:
    x = torch.sparse_coo_tensor(
        torch.tensor([[0, 0], [1, 1]]), torch.tensor([0.25, 0.5]), (2, 3), check_invariants=True
    )
    found = sparse_features(x, torch.float32)
    assert found.nnz == 1
    assert torch.equal(found.to_dense(), x.to_dense())


def test_codes_are_kept_until_the_memory_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = features.binary_entries
    monkeypatch.setattr(features, "binary_entries", lambda *args: made.append(1) or make(*args))
    x = torch.zeros(40, 30)
    x[3, 4] = 0.5
    first = coded_features(x, ONE, 8, "code")
    assert coded_features(x, ONE, 8, "code") is first
    assert len(made) == 1
    x.numpy()[3, 4] = 0.25  # a write that PyTorch does not count
    second = coded_features(x, ONE, 8, "code")
    assert second is not None
    assert torch.equal(second.to_dense(), reference.binary_values(x, ONE, 8))
    coded_features(x, ONE * 2, 8, "code")
    assert len(made) == 3  # another scale is another code


def test_dense_features_are_not_coded_sparsely(monkeypatch: pytest.MonkeyPatch) -> None:
    assert coded_features(torch.ones(40, 30), ONE, 8, "code") is None
    monkeypatch.setattr(features, "looks_sparse", lambda x, share: True)  # the numbers looked at may mislead
    assert coded_features(torch.ones(40, 30), ONE, 8, "code") is None


def test_numbers_that_are_not_finite_are_refused() -> None:
    x = torch.zeros(40, 30)
    x[1, 1] = torch.nan
    with pytest.raises(InputError, match="code holds 1 values that are NaN or infinite"):
        coded_features(x, ONE, 8, "code")
    with pytest.raises(InputError, match="code holds 1 values"):
        coded_features(sparse_features(x.to_sparse_coo(), torch.float32), ONE, 8, "code")
