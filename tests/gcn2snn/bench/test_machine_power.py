"""Counters of the processor, read from a folder that looks like Linux's."""

from __future__ import annotations

from pathlib import Path

from gcn2snn.bench.machine_power import PowerCounter
from gcn2snn.bench.processor import processor


def zone(folder: Path, name: str, used: int) -> Path:
    path = folder / name
    path.mkdir()
    (path / "energy_uj").write_text(f"{used}\n")
    (path / "max_energy_range_uj").write_text("999\n")
    return path


def test_packages_add_up_and_parts_of_them_do_not(tmp_path: Path) -> None:
    first, second = (zone(tmp_path, f"intel-rapl:{number}", 100) for number in (0, 1))
    zone(tmp_path, "intel-rapl:0:0", 5)  # cores, which are part of the package
    counter = PowerCounter(tmp_path)
    before = counter.read()
    (first / "energy_uj").write_text("400\n")
    (second / "energy_uj").write_text("50\n")  # began anew at 999
    assert counter.readable
    assert counter.joules(before, counter.read()) == (300 + 950) / 1e6


def test_why_there_are_none(tmp_path: Path) -> None:
    assert PowerCounter(tmp_path).missing == f"{tmp_path} has no energy counter (a virtual machine or another system)"
    (zone(tmp_path, "intel-rapl:0", 1) / "energy_uj").write_text("no number")
    counter = PowerCounter(tmp_path)
    assert not counter.readable
    assert "energy_uj cannot be read (ValueError)" in counter.missing


def test_processor_has_a_name_and_its_widest_instructions(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: Fast 9000\nflags\t\t: sse avx2 avx512f\nmodel name\t: Slow\n")
    assert processor(info=info) == "Fast 9000, AVX-512"
    assert processor(info=tmp_path / "none")
