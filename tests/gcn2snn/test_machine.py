"""Device choice, peak memory and versions."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from gcn2snn.errors import BackendError
from gcn2snn.machine import device_named, environment, peak_memory


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_device_named_refuses_absent_cuda() -> None:
    with pytest.raises(BackendError, match="no CUDA device"):
        device_named("cuda")
    assert device_named("auto") == torch.device("cpu")


def _system(monkeypatch: pytest.MonkeyPatch, platform: str, largest: int) -> None:
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=largest))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(sys, "platform", platform)


@pytest.mark.parametrize(("platform", "factor"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_bytes_on_every_system(monkeypatch: pytest.MonkeyPatch, platform: str, factor: int) -> None:
    _system(monkeypatch, platform, 5000)
    assert peak_memory() == 5000 * factor


def test_peak_memory_is_zero_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # importing it fails, as on Windows
    assert peak_memory() == 0


def test_environment_names_versions() -> None:
    assert torch.__version__.startswith(environment()["torch"].partition("+")[0])
    assert "python" in environment()
