from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gcn2snn.errors import BackendError
from gcn2snn.kernels import backend
from gcn2snn.kernels.native import build, loading, signatures
from gcn2snn.kernels.native.call import call
from gcn2snn.kernels.native.signatures import Array

needs_helper = pytest.mark.skipif(bool(backend.why_not("native", "cpu")), reason="no compiled helper on this machine")
TYPES = {"real": ("f32", "f64"), "code_t": ("i8", "i16")}


def declared_in_c() -> dict[str, str]:
    """Name -> parameters of every function that native.cpp exports, macros written out."""
    text = (build.FOLDER / "native.cpp").read_text().replace("\\\n", "\n")
    text = text[text.index('extern "C" {') :]
    plain = text[
        text.index("#define GCN2SNN_FLOAT(") : text.index("GCN2SNN_FLOAT(f32")
    ]  # of floats alone, without codes
    found = {}
    for name, suffix, parameters in re.findall(r"\bgcn2snn_(\w+?)(##suffix)?\(([^)]*)\)\s*\{", text):
        if not suffix:
            found[name] = parameters
            continue
        for real in TYPES["real"]:
            endings = [real] if f"gcn2snn_{name}##suffix" in plain else [f"{real}_{code}" for code in TYPES["code_t"]]
            found |= {name + ending: parameters for ending in endings}
    return found


def test_the_table_is_what_the_sources_export() -> None:
    found = declared_in_c()
    table = {**signatures.ABOUT, **signatures.FUNCTIONS, **signatures.REGISTER_FUNCTIONS}
    assert set(found) == set(table)
    for name, parameters in found.items():
        kinds = [part.strip() for part in parameters.split(",") if part.strip()]
        if name not in signatures.ABOUT:
            assert kinds.pop() == "int64_t threads"
        assert len(kinds) == len(table[name]), name
        for kind, ours in zip(kinds, table[name], strict=True):
            is_pointer = isinstance(ours, Array) or issubclass(ours, ctypes._Pointer)  # type: ignore[arg-type]
            assert ("*" in kind) == is_pointer, (name, kind)


@needs_helper
def test_every_function_is_declared() -> None:
    library = loading.load().library
    assert library is not None
    for name, arguments in signatures.FUNCTIONS.items():
        function = getattr(library, signatures.PREFIX + name)
        assert function.argtypes == (*arguments, ctypes.c_int64)
        assert function.restype is ctypes.c_int64  # 0, or 1 where it was refused memory


@needs_helper
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ((0, 3.0), "item 1|argument 1"),
        ((0, torch.zeros(2, dtype=torch.int16)), "contiguous CPU tensor of torch.int8 is needed, not a contiguous one of torch.int16"),
        ((0, torch.zeros(4, dtype=torch.int8)[::2]), "not a strided one of torch.int8"),
        ((0, torch.zeros(2, dtype=torch.int8, device="meta")), "on meta"),
        ((0, None), "not a NoneType"),
        ((1, 2.0), "argument 2"),
        ((1, torch.zeros(2)), "argument 2"),
        ((5, None), "argument 6"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise(change: tuple[int, object], match: str) -> None:
    code = torch.tensor([1, 2], dtype=torch.int8)
    arguments: list[object] = [code, 2, 1, 1, torch.empty_like(code), torch.zeros(1, dtype=torch.int64)]
    call("emit_step_i8", *arguments)  # type: ignore[arg-type]
    assert arguments[4].tolist() == [1, 0]  # type: ignore[attr-defined]
    arguments[change[0]] = change[1]
    with pytest.raises(ctypes.ArgumentError, match=match):
        call("emit_step_i8", *arguments)  # type: ignore[arg-type]


@needs_helper
@pytest.mark.parametrize("count", [0, 5, 7])
def test_a_wrong_number_of_arguments_raises(count: int) -> None:
    code = torch.tensor([1, 2], dtype=torch.int8)
    arguments = [code, 2, 1, 1, torch.empty_like(code), torch.zeros(1, dtype=torch.int64), 1]
    with pytest.raises(TypeError, match=f"gcn2snn_emit_step_i8 takes 6 arguments and got {count}"):
        call("emit_step_i8", *arguments[:count])  # type: ignore[arg-type]


@needs_helper
def test_a_structure_of_another_kind_raises() -> None:
    with pytest.raises(ctypes.ArgumentError):
        call("conv_f32_i8", signatures.Fire())


STARVED = """
import torch
from gcn2snn.errors import InputError
from gcn2snn.kernels.native import load, signatures
from gcn2snn.kernels.native.call import call

HUGE = 1 << 46  # values for which no process has addresses: each allocation of so many fails at once
torch.set_num_threads(2)
rowptr, empty = torch.zeros(3, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
one, code = torch.zeros(1), torch.zeros(1, dtype=torch.int8)
count = torch.zeros(2, dtype=torch.int64)
fire = signatures.Fire()
steps = signatures.Steps()
steps.moments = HUGE
calls = {
    "spmm_steps_f32_i8": (rowptr, empty, 2, one, code, one, 1, steps),  # room of each thread
    "sort_entries_f32": (count, count, one, HUGE, 1, HUGE, empty, empty, one, count),  # room of the one that calls
    "code_entries_f32": (one, 2, HUGE, one, 1, 4, 0, rowptr, empty, one, count),
}
for name, arguments in calls.items():
    function = getattr(load().library, signatures.PREFIX + name)  # as prepared kernels call it
    for run in (lambda: call(name, *arguments), lambda: function(*arguments, 2)):
        try:
            run()
            print(name, "was done")
        except InputError as error:
            print(error)
"""


@needs_helper
def test_memory_that_is_refused_ends_the_call_and_not_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = [name for name in ("spmm_steps_f32_i8", "sort_entries_f32", "code_entries_f32") for _ in range(2)]
    for line, name in zip(lines, names, strict=True):
        assert line.startswith(f"the kernel {name} needs more memory than there is")


@needs_helper
def test_an_unknown_function_is_named() -> None:
    with pytest.raises(BackendError, match="has no function gcn2snn_nothing on this machine"):
        call("nothing")


class Incomplete:
    """A library that lacks what ``without`` names, or whose structures have other sizes."""

    def __init__(self, without: str = "", size: int = 0):
        for name in {**signatures.ABOUT, **signatures.FUNCTIONS, **signatures.REGISTER_FUNCTIONS}:
            if name != without:
                setattr(self, signatures.PREFIX + name, type("function", (), {"__call__": lambda _, *a: size})())
        sizes = [ctypes.sizeof(structure) for structure in signatures.STRUCTURES]
        if not size:
            self.gcn2snn_structure_bytes.__class__.__call__ = lambda _, n: sizes[n]
        if without != "register_bits":
            self.gcn2snn_register_bits.__class__.__call__ = lambda _: 256


@pytest.mark.parametrize("name", ["register_bits", "spmm_f64", "conv_f32_i16", "phase_steps"])
def test_a_library_that_lacks_a_function_is_refused(name: str) -> None:
    assert signatures.declare(Incomplete()) == ""  # type: ignore[arg-type]
    assert signatures.declare(Incomplete(name)) == f"it has no function gcn2snn_{name}"  # type: ignore[arg-type]


def test_a_library_with_other_structures_is_refused() -> None:
    assert signatures.declare(Incomplete(size=8)) == "its Fire has 8 bytes and ours has 80"  # type: ignore[arg-type]


@needs_helper
@pytest.mark.parametrize("found", ["damaged", "incomplete"])
def test_a_library_that_cannot_be_used_is_built_again(
    found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Path(loading.load().library._name).read_bytes()  # type: ignore[union-attr]
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))
    built = []

    def compile_again(folder: Path, variant: str) -> Path:
        built.append(variant)
        (folder / "gcn2snn_native.so").write_bytes(good)
        return folder / "gcn2snn_native.so"

    monkeypatch.setattr(build, "compile_library", compile_again)
    path = build.library_path("compile")
    path.parent.mkdir(parents=True)
    renamed = good.replace(b"gcn2snn_emit_step_i8\0", b"gcn2snn_omit_step_i8\0")
    assert renamed != good
    path.write_bytes(b"nothing" if found == "damaged" else renamed)
    loading.load.cache_clear()
    try:
        assert loading.load("compile").reason == ""
        assert built == ["compile"]
        built.clear()
        good = renamed
        monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path / "another"))  # the first is loaded under its path
        loading.load.cache_clear()
        assert (
            "built again and still cannot be used: it has no function gcn2snn_emit_step_i8"
            in loading.load("compile").reason
        )
        assert built == ["compile", "compile"]
    finally:
        loading.load.cache_clear()


def test_a_nested_tensor_is_no_array() -> None:
    nested = torch.nested.nested_tensor([torch.ones(3), torch.ones(2)], layout=torch.jagged)
    with pytest.raises(TypeError, match=r"a contiguous CPU tensor of torch.float32 is needed, not a"):
        Array(torch.float32).from_param(nested)


def test_a_negated_view_is_no_array() -> None:
    with pytest.raises(TypeError, match=r"is needed, not a negated view, which resolve_neg\(\) writes out"):
        Array(torch.float32).from_param(torch._neg_view(torch.ones(3)))
