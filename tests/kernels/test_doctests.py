from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["backend", "counts", "csr", "encode", "fingerprint", "phase", "phase_gemm", "phase_spmm", "spmm", "step"]
)
def test_examples_in_docstrings_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"gcn2snn.kernels.{name}"))
    assert found.attempted
    assert not found.failed
