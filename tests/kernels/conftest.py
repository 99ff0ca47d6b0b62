"""Every test runs with poisoned memory: torch fills what it leaves uninitialised with NaN (or the largest integer)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gcn2snn.kernels import backend as backends

sys.path.insert(0, str(Path(__file__).parent / "operands"))  # tests import their operands from kernel_problems.py


@pytest.fixture(autouse=True)
def poisoned_memory() -> Iterator[None]:
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(1).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=["torch", "native"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both CPU implementations, one after the other."""
    _use(request.param, monkeypatch)
    return str(request.param)


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled helper: the one that sums in the order of the entries, as the reference does."""
    _use("native", monkeypatch)


def _use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "" if name == "torch" else backends.why_not(name, "cpu")
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv(backends.SWITCH, name)
