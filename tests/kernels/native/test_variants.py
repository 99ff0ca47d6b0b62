"""The instruction sets that this processor runs, as its system tells them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gcn2snn.kernels.native import variants


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file in the place of /proc/cpuinfo, on an x86-64 processor."""
    monkeypatch.setattr(variants, "PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    variants.processor_flags.cache_clear()
    yield variants.PROCESSORS
    variants.processor_flags.cache_clear()


HASWELL = "fpu cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
CASCADE_LAKE = f"{HASWELL} avx512f avx512bw avx512cd avx512dq avx512vl avx512_vnni"


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ("fpu sse sse2", ["v1"]),
        (HASWELL, ["v1", "v3"]),
        (HASWELL.replace("bmi2 ", ""), ["v1"]),
        (CASCADE_LAKE, ["v1", "v3", "v4"]),
        (f"{CASCADE_LAKE} avx512vbmi", ["v1", "v3", "v4", "v4-vbmi"]),
        (f"{HASWELL} avx512f avx512cd avx512er avx512pf", ["v1", "v3"]),  # Xeon Phi has no byte instructions
    ],
)
def test_runnable_follows_the_flags(cpuinfo: Path, flags: str, runs: list[str]) -> None:
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n\nprocessor\t: 1\nflags\t\t: none\n")
    assert variants.runnable() == runs


def test_where_the_system_does_not_tell_only_the_least_runs(cpuinfo: Path) -> None:
    assert variants.flags_line() == ""
    assert variants.runnable() == ["v1"]


def test_other_processors_run_none(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    cpuinfo.write_text("Features\t: fp asimd\n")
    assert variants.flags_line().startswith("Features")
    assert variants.runnable() == []


def test_the_packaged_variants_stand_the_best_first() -> None:
    needs = [variants.VARIANTS[name].needs for name in variants.PACKAGED]
    assert all(more > less for more, less in pairwise(needs))
