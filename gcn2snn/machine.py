"""What this machine is and gives: the device a configuration asks for, memory used, versions of what results depend on."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from gcn2snn.errors import BackendError

if TYPE_CHECKING:
    import torch


def device_named(name: str) -> torch.device:
    """The device of a configuration: "cpu", "cuda", or "auto" for CUDA where there is a device.

    Raises:
        BackendError: CUDA is asked for and there is none.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise BackendError("device is 'cuda', but torch finds no CUDA device here. Use --device cpu or auto")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 numbers are faster than those of float32 there: on CUDA, and on processors with AMX."""
    import torch

    return device.type == "cuda" or torch.cpu._is_amx_tile_supported()


def peak_memory() -> int:
    """Largest resident memory of this process so far, bytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # macOS counts bytes, other systems kilobytes


def memory_of(device: torch.device) -> int:
    """Bytes of memory that a device has; for "cpu" the machine's own.

    Raises:
        BackendError: the system does not tell.
    """
    import torch

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        raise BackendError("this system does not say how much memory it has; give it with --memory") from None


def resident_memory() -> int:
    """Memory of this process that is in use now, bytes; the largest so far where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return peak_memory()
    return pages * os.sysconf("SC_PAGE_SIZE")


def git_state() -> dict[str, str]:
    """Commit of the source tree this package runs from, with "+changes" if it was edited; nothing if installed."""
    here = Path(__file__).resolve().parent
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--dirty=+changes", "--abbrev=12"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git": found.stdout.strip()}


def environment() -> dict[str, str]:
    """Versions that a result depends on, stored with every artefact."""
    packages = ("gcn2snn", "torch", "numpy", "scipy", "scikit-learn", "torch-geometric", "dgl")
    versions = {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
