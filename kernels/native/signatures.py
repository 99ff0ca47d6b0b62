"""What the compiled helper exports: the arguments of every C function, declared once and checked when it is loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels.backend import is_plain
from gcn2snn.kernels.native.structures import Blocks, Conv, Epilogue, Fire, Steps, address_of

PREFIX = "gcn2snn_"
SUFFIX = {torch.float32: "f32", torch.float64: "f64", torch.int8: "i8", torch.int16: "i16"}
STRUCTURES = (Fire, Epilogue, Steps, Conv)  # in the order of gcn2snn_structure_bytes
SIZE = ctypes.c_int64


class Parameter(Protocol):
    """What ctypes asks of an entry of ``argtypes``."""

    def from_param(self, value: object, /) -> object: ...


class Array:
    """A pointer to the elements of a contiguous CPU tensor of one dtype.

    Args:
        dtype: of the tensor.
        optional: None is allowed, a null pointer.
    """

    def __init__(self, dtype: torch.dtype, *, optional: bool = False):
        self.dtype, self.optional = dtype, optional

    def from_param(self, value: object) -> ctypes.c_void_p:
        """The address of a tensor; ctypes calls this for each argument and keeps what it raises as the cause.

        Raises:
            TypeError: the value is no such tensor.
        """
        if isinstance(value, Tensor) and value.dtype == self.dtype and is_plain(value) and value.is_contiguous():
            return ctypes.c_void_p(address_of(value))
        if value is None and self.optional:
            return ctypes.c_void_p(None)
        got = f"a {type(value).__name__}"
        if isinstance(value, Tensor) and value.layout is torch.strided and value.is_neg():
            got = "a negated view, which resolve_neg() writes out"
        elif isinstance(value, Tensor) and value.layout is torch.strided and not value.is_nested:
            got = f"a {'contiguous' if value.is_contiguous() else 'strided'} one of {value.dtype} on {value.device}"
        raise TypeError(f"a contiguous CPU tensor of {self.dtype} is needed, not {got}")


def _signatures() -> dict[str, tuple[Parameter, ...]]:
    """Name without prefix -> arguments, without the number of threads that ends each list.

    Each function returns 0, or 1 where it was refused memory.
    """
    int32, mask, count = Array(torch.int32), Array(torch.bool, optional=True), Array(torch.int64)
    single, double = Array(torch.float32), Array(torch.float64)
    sparse = (int32, int32, SIZE)  # rowptr, col, rows
    table: dict[str, tuple[Parameter, ...]] = {}
    for real in (torch.float32, torch.float64):
        x, s = Array(real), SUFFIX[real]
        table[f"spmm_{s}"] = (*sparse, x, x, SIZE, SIZE, mask, mask, x)
        table[f"spmm_sparse_{s}"] = (*sparse, x, *sparse, x, SIZE, x)
        table[f"sort_entries_{s}"] = (count, count, x, SIZE, SIZE, SIZE, int32, int32, x, count)
        table[f"degrees_{s}"] = (*sparse, x, double)
        table[f"normalise_rows_{s}"] = (*sparse, x, SIZE, double, double, int32, int32, single)
        table[f"mirror_sum_{s}"] = (*sparse, x, count)
        table[f"code_words_{s}"] = (x, SIZE, SIZE, x, SIZE, SIZE, SIZE, x, count)
        table[f"code_entries_{s}"] = (x, SIZE, SIZE, x, SIZE, SIZE, SIZE, int32, int32, x, count)
        for stored in (torch.int8, torch.int16):
            code, maybe, name = Array(stored), Array(real, optional=True), f"{s}_{SUFFIX[stored]}"
            table[f"encode_{name}"] = (x, SIZE, SIZE, SIZE, maybe, maybe, ctypes.POINTER(Fire))
            table[f"decode_{name}"] = (code, SIZE, SIZE, x, SIZE, maybe, SIZE, x)
            table[f"spmm_steps_{name}"] = (*sparse, x, code, x, SIZE, ctypes.POINTER(Steps))
            table[f"gemm_steps_{name}"] = (code, SIZE, SIZE, x, x, SIZE, int32, ctypes.POINTER(Steps))
            table[f"fire_step_{name}"] = (x, maybe, SIZE, SIZE, SIZE, ctypes.POINTER(Fire), SIZE, SIZE)
            table[f"conv_{name}"] = (ctypes.POINTER(Conv),)
    for stored in (torch.int8, torch.int16):
        code = Array(stored)
        table[f"emit_step_{SUFFIX[stored]}"] = (code, SIZE, SIZE, SIZE, code, count)
    return table


def _register_signatures() -> dict[str, tuple[Parameter, ...]]:
    """The functions that only a helper with register look-ups has."""
    int32, real, code = Array(torch.int32), Array(torch.float32), Array(torch.int8)
    operands = (int32, int32, SIZE, real, code, SIZE, SIZE, real, SIZE, SIZE)
    return {
        "block_spmm": (ctypes.POINTER(Blocks), SIZE, SIZE, real, SIZE, SIZE, ctypes.POINTER(Epilogue)),
        "pack_codes": (code, SIZE, SIZE, code),
        "phase_spmm": (*operands, ctypes.POINTER(Epilogue)),
        "phase_steps": (*operands, ctypes.POINTER(Steps)),
    }


FUNCTIONS = _signatures()
REGISTER_FUNCTIONS = _register_signatures()
# What describes the helper itself: arguments, and a number that it returns.
ABOUT: dict[str, tuple[Parameter, ...]] = {"register_bits": (), "register_phases": (), "structure_bytes": (SIZE,)}


def declare(library: ctypes.CDLL) -> str:
    """Give every function its argument types; what is wrong with the library, or nothing.

    A library is wrong when it lacks a function of the table, or when its structures are of another size than ours.
    """
    missing = [name for name in (*ABOUT, *FUNCTIONS) if not hasattr(library, PREFIX + name)]
    if missing:
        return f"it has no function {PREFIX}{missing[0]}"
    for name, arguments in ABOUT.items():
        _declare(library, name, arguments)
    for number, structure in enumerate(STRUCTURES):
        size = int(library.gcn2snn_structure_bytes(number))
        if size != ctypes.sizeof(structure):
            return f"its {structure.__name__} has {size} bytes and ours has {ctypes.sizeof(structure)}"
    functions = FUNCTIONS
    if library.gcn2snn_register_bits():
        functions = {**FUNCTIONS, **REGISTER_FUNCTIONS}
        missing = [name for name in REGISTER_FUNCTIONS if not hasattr(library, PREFIX + name)]
        if missing:
            return f"it has no function {PREFIX}{missing[0]}"
    for name, arguments in functions.items():
        _declare(library, name, (*arguments, SIZE))
        getattr(library, PREFIX + name).errcheck = _finished(name)
    return ""


def _finished(name: str) -> Callable[[int, object, tuple[object, ...]], int]:
    """What looks at the result of every call of a function, whoever calls it: what it should have written is not there."""

    def look(refused: int, function: object, arguments: tuple[object, ...]) -> int:
        if refused:
            raise InputError(
                f"the kernel {name} needs more memory than there is. Give fewer or smaller inputs, or raise the limit of "
                f"this process (ulimit -v)"
            )
        return refused

    return look


def _declare(library: ctypes.CDLL, name: str, arguments: Sequence[Parameter]) -> None:
    function = getattr(library, PREFIX + name)
    function.argtypes, function.restype = arguments, SIZE
