"""Finds the CPU helper for this processor: the one that came with the package, or one compiled here at first use."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gcn2snn.errors import Gcn2SnnError, reason_of
from gcn2snn.files import cache_folder
from gcn2snn.kernels.native import build, variants
from gcn2snn.kernels.native.library_file import fault_of, own_folder
from gcn2snn.kernels.native.signatures import declare
from gcn2snn.owner_lock import owned

LIBRARIES = Path(__file__).parent / "libraries"
"""Where a wheel that holds kernels has one library a variant, and its checksum; a checkout has no such folder."""

LONGEST_BUILD = 600.0
"""Seconds that a process waits for another one that builds the same library."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Native:
    """The loaded helper, or the reason why there is none.

    Args:
        library: the helper.
        reason: why there is none.
        origin: where it came from, for people.
    """

    library: ctypes.CDLL | None
    reason: str = ""
    origin: str = ""

    @property
    def register_bits(self) -> int:
        """Width of the registers that decode phases, 0 when phases are decoded through memory."""
        return int(self.library.gcn2snn_register_bits()) if self.library is not None else 0

    @property
    def register_phases(self) -> int:
        """Longest code T that is decoded in registers; see ``decode_width.h``."""
        return int(self.library.gcn2snn_register_phases()) if self.library is not None else 0


@lru_cache(maxsize=8)
def load(variant: str = "") -> Native:
    """Load the helper; where none came with the package it is compiled, once a machine. The reason says what is missing.

    Args:
        variant: "auto", "compile" or a name of ``VARIANTS``; by default what ``GCN2SNN_KERNELS`` says.

    Raises:
        ConfigError: ``GCN2SNN_KERNELS`` names no variant.
        BackendError: ``GCN2SNN_KERNELS`` names a variant that this processor does not run.
    """
    variant = variant or variants.requested()
    if platform.system() == "Windows":
        return Native(None, "the compiled helper is not built on Windows")
    name = packaged_for(variant)
    if name:
        library, fault = _open(library_of(name), Path(__file__))
        if library is not None:
            return Native(library, origin=f"{name} of the package")
        _log.warning("the packaged CPU kernels (%s) cannot be used and are compiled instead: %s", name, fault)
    try:
        return _compiled("compile" if variant == "auto" else variant)
    except (OSError, Gcn2SnnError) as error:
        return Native(None, f"the compiled helper could not be built or loaded: {reason_of(error, with_file=True)}")


def library_of(name: str) -> Path:
    """The library of a variant in an installation that holds kernels."""
    return LIBRARIES / f"gcn2snn-{name}.so"


def packaged_for(variant: str) -> str:
    """The variant of the package to load, "" where there is none for this processor or it is not wanted."""
    wanted = variants.PACKAGED if variant == "auto" else (variant,)
    fitting = variants.runnable()
    return next((name for name in wanted if name in fitting and library_of(name).is_file()), "")


def _compiled(variant: str) -> Native:
    """The helper that was compiled here, now or before."""
    path = build.library_path(variant)
    own_folder(path.parent)
    with contextlib.nullcontext() if fault_of(path) == "" else owned(path, wait=LONGEST_BUILD):
        # Not there, damaged, or of somebody else; looked at again, for another process may have built it meanwhile.
        if fault_of(path):
            build.build(path, variant)
    library, fault = _open(path)
    if fault:  # whole, but of another build
        with owned(path, wait=LONGEST_BUILD):
            build.build(path, variant)
        library, fault = _open(path)
    if fault:
        return Native(None, f"the compiled helper was built again and still cannot be used: {fault}")
    processor = "this processor" if variant == "compile" else variant
    return Native(library, origin=f"compiled here for {processor}, in {cache_folder() / 'native'}")


def _open(path: Path, beside: Path | None = None) -> tuple[ctypes.CDLL | None, str]:
    """A library with its functions declared, or what is wrong with it."""
    import torch  # noqa: F401 - its OpenMP runtime must be in the process before the helper is

    if fault := fault_of(path, beside):
        return None, fault
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, str(error)
    fault = declare(library)
    if not fault:
        return library, ""
    # The loader caches libraries by their paths: it would return this one again after the file has been replaced.
    close = ctypes.CDLL(None).dlclose
    close.argtypes, close.restype = (ctypes.c_void_p,), ctypes.c_int
    close(library._handle)
    return None, fault
