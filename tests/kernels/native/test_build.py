from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest
import torch
from kernel_problems import CODES, sparse, spikes

from gcn2snn.kernels import backend, decode, encode, phase_spmm, reference, spmm
from gcn2snn.kernels.native import build

pytestmark = pytest.mark.skipif(bool(backend.why_not("native", "cpu")), reason="no compiled helper on this machine")


def instruction_sets() -> list[object]:
    """Lesser instruction sets that this processor can run too."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if platform.machine() != "x86_64":
        return []
    baseline = pytest.param("x86-64", marks=pytest.mark.slow)  # each compiles for about a quarter of a minute, once
    return [baseline, *(["x86-64-v3"] if " avx2 " in flags else [])]


@pytest.mark.parametrize("machine", instruction_sets())
def test_every_instruction_set_gives_the_same_bits(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = build.load(machine)
    assert not helper.reason
    assert helper.register_bits == (256 if machine == "x86-64-v3" else 0)
    monkeypatch.setattr(build, "load", lambda: helper)
    monkeypatch.setenv(backend.SWITCH, "native")
    for coding in CODES:
        for channels in (1, 5, 8, 9, 30, 32, 40, 60, 64, 65, 88, 89, 200, 300):
            code = spikes(37, channels, coding, 5)
            for rows in (29, 13):  # entries use a row of codes often, which may then become floats first, and seldom
                matrix = sparse(rows, 37, 0.4, 5)
                assert torch.equal(phase_spmm(matrix, code), reference.phase_spmm(matrix, code))
            x = reference.phase_spmm(matrix, code)
            assert torch.equal(encode(x, x.abs().max(), coding).code, reference.encode(x, x.abs().max(), coding).code)
            assert torch.equal(decode(code), reference.decode(code))
            half = torch.rand(37) < 0.5
            dense = reference.decode(code)
            assert torch.equal(spmm(matrix, dense, columns=half), reference.spmm(matrix, dense * half[:, None]))


def test_a_second_load_does_not_build(monkeypatch: pytest.MonkeyPatch) -> None:
    library = build.load().library
    assert library is not None
    monkeypatch.setenv(
        "GCN2SNN_CACHE", str(Path(library._name).parents[1])
    )  # wherever the first load of this run put it
    monkeypatch.setattr(build, "_compile", lambda *_: pytest.fail("built twice"))
    build.load.cache_clear()
    assert isinstance(build.load().library, ctypes.CDLL)


@pytest.mark.parametrize("change", ["another header", "an edited header", "a renamed header"])
def test_every_header_enters_the_name_of_the_library(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build._library_path("native").name
    for path in build.sources():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    assert build._library_path("native").name == before
    header = max(tmp_path.glob("*.h"))
    if change == "another header":
        (tmp_path / "a.h").write_text("")
    elif change == "an edited header":
        header.write_text(header.read_text() + " ")
    else:
        header.rename(tmp_path / "zz.h")
    assert build._library_path("native").name != before


def test_one_openmp_runtime_is_loaded() -> None:
    """The helper uses torch's pool of threads and does not load a second OpenMP runtime."""
    build.load()
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc/self/maps to read")
    runtimes = {line.split()[-1] for line in maps.read_text().splitlines() if "libgomp" in line or "libomp" in line}
    assert len([name for name in runtimes if "torch" in name]) == 1
    needed = Path(build.load().library._name).read_bytes()  # type: ignore[union-attr]
    assert b"libgomp.so" not in needed
