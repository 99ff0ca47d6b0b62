"""Triton kernels without a GPU: interpreted on tiny shapes, and compiled for Ampere and Hopper; with one (-m gpu): run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from gcn2snn import kernels

FOLDER = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install 'gcn2snn[triton]'"
)

CASES = {"triton_cases.py": 10, "silence_cases.py": 10}  # files of cases, and how many must have run
FLAGS = ("PER_CHANNEL", "HAS_BIAS", "HAS_ADD", "SIGNED", "HAS_HORIZON")
COMMON = {
    "code_ptr": "*i8",
    "table_ptr": "*fp32",
    "scale_ptr": "*fp32",
    "threshold_ptr": "*fp32",
    "horizon_ptr": "*i16",
}
PACKED = {**dict.fromkeys(("packed_end_ptr", "packed_col_ptr"), "*i32"), "silent_ptr": "*i64"}
SEGMENT = {
    **dict.fromkeys(("segment_row_ptr", "partial_ptr_of", "segment_start_ptr", "segment_end_ptr"), "*i32"),
    **dict.fromkeys(("col_ptr", "channel_ptr"), "*i32"),
    **PACKED,
}
# kernel: pointers that are neither COMMON nor fp32, compile-time numbers, and whether out_ptr takes codes
KERNELS: dict[str, tuple[dict[str, str], dict[str, Any], bool]] = {
    "encode.encode_fwd_kernel": ({}, {"BLOCK": 1024}, True),
    "encode.decode_fwd_kernel": ({}, {"BLOCK": 1024}, False),
    "input_words.binary_fwd_kernel": ({}, {"BLOCK": 1024}, False),
    "counts.count_fwd_kernel": ({"count_ptr": "*i64"}, {"BLOCK": 256}, False),
    "phase_spmm.phase_spmm_fwd_kernel": (
        SEGMENT,
        {"ROWS": 1, "BLOCK_E": 16, "BLOCK_C": 256},
        True,
    ),
    "phase_spmm.phase_spmm_reduce_kernel": (
        {"long_row_ptr": "*i32", "long_start_ptr": "*i32"},
        {"BLOCK_C": 256},
        True,
    ),
    "silence.speaking_fwd_kernel": (
        {"fan_out_ptr": "*i64", "speaks_ptr": "*i8", "silent_ptr": "*i64"},
        {"ROWS": 32, "BLOCK_C": 256},
        False,
    ),
    "silence.pack_fwd_kernel": (
        {**SEGMENT, "speaks_ptr": "*i8"},
        {"BLOCK_C": 256, "ENTRIES": 64},
        False,
    ),
    "phase_gemm.phase_gemm_fwd_kernel": (
        {"limit_ptr": "*i32"},
        {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32},
        True,
    ),
    "phase_conv2d.phase_conv2d_fwd_kernel": (
        {"limit_ptr": "*i32"},
        {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32},
        True,
    ),
    "bucketed.bucketed_spmm_fwd_kernel": (
        {**SEGMENT, "limit_ptr": "*i32", "moment_ptr": "*i32"},
        {"MOMENTS": 8, "BLOCK_E": 4, "BLOCK_C": 128},
        True,
    ),
    "bucketed.bucketed_spmm_reduce_kernel": (
        dict.fromkeys(("long_row_ptr", "long_start_ptr", "moment_ptr"), "*i32"),
        {"MOMENTS": 8, "BLOCK_C": 128},
        True,
    ),
}


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "GCN2SNN_BACKEND": "triton", **changes}


def run_cases(name: str, **changes: str) -> int:
    """Run a file of cases in a process of its own; the number that passed."""
    command = [str(Path(sys.executable).parent / "pytest"), "-q", str(FOLDER / name)]
    run = subprocess.run(command, env=environment(**changes), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    return int(re.findall(r"(\d+) passed", run.stdout)[0])


@pytest.mark.parametrize(("name", "least"), CASES.items())
def test_interpreted_kernels_equal_the_reference(name: str, least: int) -> None:
    assert run_cases(name, TRITON_INTERPRET="1", GCN2SNN_TEST_DEVICE="cpu") >= least


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_kernels_on_the_device_equal_the_reference(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    run_cases(name, GCN2SNN_TEST_DEVICE="cuda")


def compiled(name: str, capability: int, everything: bool, aligned: tuple[str, ...] = (), **options: Any) -> Any:
    """A kernel with every optional input or without any; ``aligned``: arguments that are multiples of 16.

    ``options``: of the compiler, and blocks that replace those of the table.
    """
    import importlib

    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module, function = name.split(".")
    kernel = getattr(importlib.import_module(f"gcn2snn.kernels.triton.{module}"), function)
    pointers, numbers, codes = KERNELS[name]
    numbers = {**numbers, **{block: options.pop(block) for block in numbers if block in options}}
    constants = {**numbers}
    signature: dict[str, str] = {}
    for argument in kernel.arg_names:
        fixed = argument in numbers or argument.isupper()
        if argument.isupper() and argument not in numbers:
            constants[argument] = everything
        default = "*fp32" if argument.endswith("_ptr") else "i32"
        kind = {**COMMON, **pointers}.get(argument, default)
        if argument == "out_ptr" and codes and constants.get("FIRES", True) and everything:
            kind = "*i8"
        signature[argument] = "constexpr" if fixed else kind
    divisible = {(i,): [["tt.divisibility", 16]] for i, argument in enumerate(kernel.arg_names) if argument in aligned}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=divisible)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


@pytest.mark.parametrize("name", sorted(KERNELS))
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_without_a_gpu(
    name: str, capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every optional input, and without any, to machine code."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for everything in (True, False):
        result = compiled(name, capability, everything)
        assert f".target sm_{capability}" in result.asm["ptx"]
        assert len(result.asm["cubin"]) > 1000


@pytest.mark.parametrize("name", ["phase_spmm.phase_spmm_fwd_kernel", "bucketed.bucketed_spmm_fwd_kernel"])
def test_gathered_codes_are_read_several_at_a_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte a load would cost as many instructions as floats; a stride of 16 (epilogue.aligned) is what vectors need."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    assert "ld.global.b8" in compiled(name, 90, True, ("code_ptr",), num_warps=1).asm["ptx"]
    assert "ld.global.b8" not in compiled(name, 90, True, ("code_ptr", "stride"), num_warps=1).asm["ptx"]


def spilled(compiled_kernel: Any, folder: Path, architecture: str = "sm_90a") -> bool:
    """Whether the assembler finds too few registers."""
    from triton import knobs

    (folder / "kernel.ptx").write_text(compiled_kernel.asm["ptx"])
    command = [knobs.nvidia.ptxas.path, "-v", f"-arch={architecture}", "kernel.ptx", "-o", "kernel.cubin"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return " 0 bytes spill stores" not in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phase_gemm.phase_gemm_fwd_kernel", "phase_conv2d.phase_conv2d_fwd_kernel"])
def test_no_tile_spills_registers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gcn2snn.kernels.triton.tuning import STAGES, TERMS, TILES

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    sizes = ("inputs", "outputs", "channels", "code_ptr", "weight_ptr", "out_ptr")
    for m, n, warps in TILES:
        for stages in STAGES:
            blocks = {"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": TERMS}
            result = compiled(name, 90, False, sizes, num_warps=warps, num_stages=stages, **blocks)
            assert not spilled(result, tmp_path), (m, n, warps, stages)


SPARSE = {
    "phase_spmm.phase_spmm_fwd_kernel": [{"ROWS": 256 // tile, "BLOCK_C": tile} for tile in (16, 64, 256)],
    "bucketed.bucketed_spmm_fwd_kernel": [{"MOMENTS": 1024 // tile, "BLOCK_C": tile} for tile in (16, 128, 1024)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize(("capability", "architecture"), [(80, "sm_80"), (90, "sm_90a")])
def test_sums_of_sparse_products_stay_in_the_registers_of_their_threads(
    name: str, capability: int, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No spills, and no value that changes its thread between the first entry and the last."""
    import importlib

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    sizes = importlib.import_module(f"gcn2snn.kernels.triton.{name.split('.')[0]}").SIZES
    for blocks in SPARSE[name]:
        for entries, warps in sizes:
            aligned = ("code_ptr", "stride", "width", "channels")
            result = compiled(name, capability, True, aligned, BLOCK_E=entries, num_warps=warps, **blocks)
            assert not spilled(result, tmp_path, architecture), (blocks, entries, warps)
            loop = result.asm["ttgir"].split("scf.for", 1)[1].split("scf.yield", 1)[0]
            assert "ttg.convert_layout" not in loop, (blocks, entries, warps)


def test_one_choice_holds_for_every_variant_of_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """One configuration for both: a dense product and the spikes of its neurons could be summed in two orders otherwise."""
    from gcn2snn.kernels.triton import tuning

    launches: list[tuple[str, dict[str, Any]]] = []

    class Kernel:
        def __init__(self, name: str):
            self.name = name

        def __getitem__(self, grid: Any) -> Any:
            return lambda *args, **kwargs: launches.append((self.name, kwargs))

    class Timed(Kernel):
        class best_config:  # noqa: N801 - Triton's name
            all_kwargs = staticmethod(lambda: {"BLOCK_E": 8, "num_warps": 2})

    monkeypatch.setattr(tuning, "INTERPRETED", False)
    monkeypatch.setattr(tuning.triton, "autotune", lambda configs, key: lambda kernel: Timed("timed"))
    tuner = tuning.Tuner(Kernel("chosen"), [], {})
    tuner.launch((200,), 1000, (1,), FIRES=False)
    tuner.launch((200,), 600, (1,), FIRES=True)
    tuner.launch((200,), 5000, (1,), FIRES=True)  # another size is timed anew
    chosen = {"FIRES": True, "BLOCK_E": 8, "num_warps": 2}
    assert launches == [("timed", {"FIRES": False}), ("chosen", chosen), ("timed", {"FIRES": True})]


def test_every_kernel_is_in_the_table() -> None:
    found = set()
    for path in (Path(kernels.__file__).parent / "triton").glob("*.py"):
        found |= {f"{path.stem}.{name}" for name in re.findall(r"^def (\w+_kernel)\(", path.read_text(), re.MULTILINE)}
    assert found
    assert found == set(KERNELS)
