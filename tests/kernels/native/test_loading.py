"""Which CPU helper is loaded: one of the package, one that was compiled before, or one compiled now; and which never is."""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from kernel_problems import CODES, sparse, spikes

from gcn2snn.errors import BackendError, ConfigError
from gcn2snn.kernels import backend, decode, encode, phase_spmm, reference, spmm
from gcn2snn.kernels.native import build, library_file, loading, variants

pytestmark = pytest.mark.skipif(bool(backend.why_not("native", "cpu")), reason="no compiled helper on this machine")


def instruction_sets() -> list[object]:
    """Lesser instruction sets that this processor can run too."""
    # Where the package holds none, each is compiled for about a quarter of a minute, once.
    fitting = {"v1": pytest.param("v1", marks=pytest.mark.slow), "v3": "v3"}
    return [parameter for name, parameter in fitting.items() if name in variants.runnable()]


@pytest.mark.parametrize("variant", instruction_sets())
def test_every_instruction_set_gives_the_same_bits(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = loading.load(variant)
    if "compiler failed or is missing" in helper.reason:
        pytest.skip(helper.reason)
    assert not helper.reason
    assert helper.register_bits == {"v1": 0, "v3": 256}[variant]
    monkeypatch.setattr(loading, "load", lambda: helper)
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
    library = loading.load("compile").library
    if library is None:
        pytest.skip("no compiler on this machine")
    monkeypatch.setenv(
        "GCN2SNN_CACHE", str(Path(library._name).parents[1])
    )  # wherever the first load of this run put it
    monkeypatch.setattr(build, "compile_library", lambda *_: pytest.fail("built twice"))
    loading.load.cache_clear()
    assert isinstance(loading.load("compile").library, ctypes.CDLL)


def test_one_openmp_runtime_is_loaded() -> None:
    """The helper uses torch's pool of threads and does not load a second OpenMP runtime."""
    loading.load()
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc/self/maps to read")
    runtimes = {line.split()[-1] for line in maps.read_text().splitlines() if "libgomp" in line or "libomp" in line}
    assert len([name for name in runtimes if "torch" in name]) == 1
    needed = Path(loading.load().library._name).read_bytes()  # type: ignore[union-attr]
    assert b"libgomp.so" not in needed


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own with the library in it, and a compiler that copies that one instead of compiling."""
    library = loading.load().library
    assert library is not None
    source = Path(library._name)
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))

    def compiled(folder: Path, variant: str) -> Path:
        return Path(shutil.copy(source, folder / "gcn2snn_native.so"))

    monkeypatch.setattr(build, "compile_library", compiled)
    path = build.library_path("compile")
    path.parent.mkdir()
    build.build(path, "compile")  # not loaded yet: the loader keeps libraries by their paths
    return path


def whole(path: Path) -> bool:
    loading.load.cache_clear()
    loaded = loading.load("compile")
    loading.load.cache_clear()
    return loaded.library is not None and library_file.fault_of(path) == ""


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
        library_file.checksum_file(built).unlink()
    else:
        (built if damage == "writable by others" else built.parent).chmod(0o777)
    assert whole(built)
    assert built.read_bytes() == content
    assert not built.stat().st_mode & 0o022
    assert not built.parent.stat().st_mode & 0o022
    assert sorted(file.name for file in built.parent.iterdir()) == [built.name, f"{built.name}.sha256"]


def test_a_library_of_another_user_is_not_run(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_file, "trusted", lambda: (123456, 123456))
    assert library_file.fault_of(built) == "somebody else may have written it"
    loading.load.cache_clear()
    assert "belongs to another user; set GCN2SNN_CACHE" in loading.load("compile").reason
    loading.load.cache_clear()


def test_a_library_without_a_function_is_built_again(built: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is called cc or gcc")
    (tmp_path / "other.c").write_text("int other(void) { return 0; }")
    built.unlink()
    subprocess.run([compiler, "-shared", "-fPIC", str(tmp_path / "other.c"), "-o", str(built)], check=True)
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    library_file.checksum_file(built).write_text(digest)
    assert whole(built)
    assert hashlib.sha256(built.read_bytes()).hexdigest() != digest


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with the helper of this machine in the place of the best variant that the processor runs."""
    name = next((name for name in variants.PACKAGED if name in variants.runnable()), "")
    library = loading.load().library
    if not name or library is None:
        pytest.skip("no variant is packaged for this processor")
    monkeypatch.setattr(loading, "LIBRARIES", tmp_path / "libraries")
    loading.LIBRARIES.mkdir()
    path = Path(shutil.copy(library._name, loading.library_of(name)))
    library_file.checksum_file(path).write_text(library_file.checksum(path))
    monkeypatch.delenv(variants.SWITCH, raising=False)
    loading.load.cache_clear()
    yield path
    loading.load.cache_clear()


def test_a_packaged_library_is_taken_and_nothing_is_compiled(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "compile_library", lambda *_: pytest.fail("compiled"))
    loaded = loading.load()
    assert loaded.library is not None
    assert loaded.library._name == str(packaged)
    assert loaded.origin == f"{packaged.stem.removeprefix('gcn2snn-')} of the package"


def test_the_best_variant_that_the_processor_runs_is_taken(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variants.PACKAGED:
        loading.library_of(name).touch()
    for most in ("v3", "v4", "v4-vbmi"):
        flags = variants.VARIANTS[most].needs
        monkeypatch.setattr(variants, "processor_flags", lambda flags=flags: flags)
        assert loading.packaged_for("auto") == most
        assert loading.packaged_for("v3") == "v3"
        assert loading.packaged_for("compile") == ""
    monkeypatch.setattr(variants, "processor_flags", frozenset)
    assert loading.packaged_for("auto") == ""


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("flipped", "its checksum differs"),
        ("without a checksum", "No such file"),
        ("for another system", "invalid ELF header|file too short"),
        ("writable by others", "somebody else may have written it"),
    ],
)
def test_a_packaged_library_that_does_not_load_is_compiled_instead(
    packaged: Path, damage: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    good = Path(shutil.copy(packaged, tmp_path / "good.so"))
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "compile_library", lambda folder, _: Path(shutil.copy(good, folder / "made.so")))
    if damage == "flipped":
        packaged.write_bytes(packaged.read_bytes()[:-1] + b"?")
    elif damage == "without a checksum":
        library_file.checksum_file(packaged).unlink()
    elif damage == "writable by others":
        packaged.chmod(0o777)
    else:  # whole, but the loader of this system does not take it, as with another C library
        packaged.write_bytes(b"\x7fELX" + bytes(100))
        library_file.checksum_file(packaged).write_text(library_file.checksum(packaged))
    loaded = loading.load()
    assert loaded.library is not None
    assert loaded.origin.startswith("compiled here for this processor")
    said, *_ = (record.getMessage() for record in caplog.records)
    assert said.startswith("the packaged CPU kernels (v")
    assert "are compiled instead" in said
    assert re.search(reason, said)


def test_a_library_may_be_written_by_whoever_may_write_the_package(packaged: Path, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.touch(mode=0o664)
    packaged.chmod(0o775)
    assert library_file.fault_of(packaged) == "somebody else may have written it"
    module.chmod(0o664)
    assert library_file.fault_of(packaged, module) == ""
    packaged.chmod(0o777)
    assert library_file.fault_of(packaged, module) == "somebody else may have written it"


def test_a_variant_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variants.SWITCH, "v9")
    loading.load.cache_clear()
    with pytest.raises(ConfigError, match="GCN2SNN_KERNELS is 'v9'; allowed are auto, compile, v1, v3, v4, v4-vbmi"):
        loading.load()
    monkeypatch.setenv(variants.SWITCH, "v4")
    monkeypatch.setattr(variants, "processor_flags", lambda: variants.VARIANTS["v3"].needs)
    monkeypatch.setattr(variants.platform, "machine", lambda: "x86_64")
    with pytest.raises(BackendError, match=r"GCN2SNN_KERNELS=v4 needs .* avx512bw .* It runs v1, v3; unset"):
        loading.load()
    monkeypatch.setattr(variants.platform, "machine", lambda: "aarch64")
    with pytest.raises(BackendError, match="is for x86-64 processors and this one is aarch64"):
        loading.load()
