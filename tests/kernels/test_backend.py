from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import torch

from gcn2snn.errors import BackendError, ConfigError
from gcn2snn.kernels import backend, encode
from gcn2snn.kernels.native import loading, variants
from gcn2snn.kernels.phase import PhaseCode

CPU = torch.device("cpu")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """A machine without a compiler and without a helper built earlier."""
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))
    monkeypatch.setenv(variants.SWITCH, "compile")  # nor one in the package
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("CXX", "no-such-compiler")
    loading.load.cache_clear()
    backend._best.cache_clear()
    yield
    loading.load.cache_clear()
    backend._best.cache_clear()


def test_unknown_backend_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.SWITCH, "cuda")
    with pytest.raises(ConfigError, match="GCN2SNN_BACKEND is 'cuda'; allowed are auto, torch, native, triton"):
        backend.choose(CPU)


def test_the_torch_backend_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.SWITCH, "torch")
    assert backend.choose(CPU) == "torch"
    assert backend.describe()["decode"] == "table"


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_auto_says_so_and_uses_torch(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(backend.SWITCH, "auto")
    with caplog.at_level(logging.WARNING):
        assert backend.choose(CPU) == "torch"
    assert "plain torch kernels are used (slower): the compiled helper could not be built" in caplog.text
    assert encode(torch.ones(1, 1), torch.ones(()), PhaseCode(2.0, 4)).code.item() == 1


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_native_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.SWITCH, "native")
    with pytest.raises(BackendError, match="GCN2SNN_BACKEND=native, but the compiled helper could not be built"):
        encode(torch.ones(1, 1), torch.ones(()), PhaseCode(2.0, 4))


def test_native_does_not_run_on_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.SWITCH, "native")
    with pytest.raises(BackendError, match="works on CPU tensors and these are on cuda"):
        backend.choose(torch.device("cuda"))


def test_triton_on_the_cpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(backend.SWITCH, "triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(BackendError, match=r"GCN2SNN_BACKEND=triton, but (Triton needs CUDA|Triton is not installed)"):
        backend.choose(CPU)


def test_importing_kernels_compiles_nothing_and_loads_no_triton() -> None:
    script = (
        "import sys, gcn2snn.kernels\n"
        "loaded = {'triton', 'setuptools', 'gcn2snn.kernels.native', 'gcn2snn.kernels.triton'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
