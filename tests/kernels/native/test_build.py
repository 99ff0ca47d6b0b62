from __future__ import annotations

import ctypes
import hashlib
import platform
import shutil
import signal
import subprocess
import sys
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


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own with the library in it, and a compiler that copies that one instead of compiling."""
    library = build.load().library
    assert library is not None
    source = Path(library._name)
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))

    def compiled(folder: Path, machine: str) -> Path:
        return Path(shutil.copy(source, folder / "gcn2snn_native.so"))

    monkeypatch.setattr(build, "_compile", compiled)
    path = build._library_path("native")
    path.parent.mkdir()
    build._build(path, "native")  # not loaded yet: the loader keeps libraries by their paths
    return path


def whole(path: Path) -> bool:
    build.load.cache_clear()
    loaded = build.load()
    build.load.cache_clear()
    return loaded.library is not None and build._fault_of(path) == ""


@pytest.mark.parametrize(
    "damage", ["truncated", "flipped", "empty", "unchecked", "writable by others", "a folder's mode"]
)
def test_a_library_that_was_changed_is_built_again(built: Path, damage: str) -> None:
    content = built.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "flipped": bytes([content[0] ^ 1]) + content[1:],
        "empty": b"",
    }
    if damage in changed:
        built.write_bytes(changed[damage])
    elif damage == "unchecked":
        build._checksum_file(built).unlink()
    else:
        (built if damage == "writable by others" else built.parent).chmod(0o777)
    assert whole(built)
    assert built.read_bytes() == content
    assert not built.stat().st_mode & 0o022
    assert not built.parent.stat().st_mode & 0o022
    assert sorted(file.name for file in built.parent.iterdir()) == [built.name, f"{built.name}.sha256"]


def test_a_library_of_another_user_is_not_run(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_trusted", lambda: (123456, 123456))
    assert build._fault_of(built) == "somebody else may have written it"
    build.load.cache_clear()
    assert "belongs to another user; set GCN2SNN_CACHE" in build.load().reason
    build.load.cache_clear()


def test_a_library_without_a_function_is_built_again(built: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is called cc or gcc")
    (tmp_path / "other.c").write_text("int other(void) { return 0; }")
    built.unlink()
    subprocess.run([compiler, "-shared", "-fPIC", str(tmp_path / "other.c"), "-o", str(built)], check=True)
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    build._checksum_file(built).write_text(digest)
    assert whole(built)
    assert hashlib.sha256(built.read_bytes()).hexdigest() != digest


def test_a_command_that_is_interrupted_ends_with_all_that_it_started(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            build._run([sys.executable, "-c", child], tmp_path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
