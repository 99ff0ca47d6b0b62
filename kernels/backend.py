"""Which implementation runs: one environment switch (``GCN2SNN_BACKEND``); an absent backend is an error."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

from gcn2snn.errors import BackendError, ConfigError

SWITCH = "GCN2SNN_BACKEND"
BACKENDS = ("auto", "torch", "native", "triton")


def requested() -> str:
    """The value of ``GCN2SNN_BACKEND``, ``auto`` when it is not set.

    Raises:
        ConfigError: it names no backend.
    """
    name = os.environ.get(SWITCH, "auto") or "auto"
    if name not in BACKENDS:
        raise ConfigError(f"{SWITCH} is {name!r}; allowed are {', '.join(BACKENDS)}")
    return name


def choose(device: torch.device) -> str:
    """``torch``, ``native`` (compiled, CPU) or ``triton`` (CUDA) for operands on ``device``.

    ``auto`` takes the compiled helper on a CPU and Triton on a GPU where they are there, else plain torch.

    Raises:
        BackendError: the switch asks for a backend that is not available for this device.
        ConfigError: the switch names no backend.
    """
    name = requested()
    if name == "auto":
        return _best(device.type)
    reason = "" if name == "torch" else why_not(name, device.type)
    if reason:
        raise BackendError(f"{SWITCH}={name}, but {reason}. Unset {SWITCH} or set it to auto or torch")
    return name


def why_not(name: str, device_type: str) -> str:
    """Why a backend cannot run on a device type; empty when it can."""
    if name == "native":
        if device_type != "cpu":
            return f"the compiled helper works on CPU tensors and these are on {device_type}"
        from gcn2snn.kernels import native

        return native.load().reason
    if name == "triton":
        if find_spec("triton") is None:
            return "Triton is not installed; pip install 'gcn2snn[triton]'"
        if device_type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            return (
                f"Triton needs CUDA tensors and these are on {device_type} (TRITON_INTERPRET=1 interprets it, slowly)"
            )
    return ""


def is_plain(tensor: Tensor) -> bool:
    """Whether the elements of a tensor lie in memory of the CPU as they are: not nested, not sparse, no negated view."""
    return tensor.is_cpu and tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_neg())


def is_compiled(*tensors: Tensor) -> bool:
    """Whether the compiled helper works on these tensors: it is there and wanted, can read them, and nobody asks for gradients."""
    fit = all(is_plain(part) and not part.requires_grad for part in tensors)
    fit = fit and all(part.dtype in (torch.float32, torch.float64) for part in tensors if part.is_floating_point())
    return fit and requested() in ("auto", "native") and not why_not("native", "cpu")


def describe(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """What a report should say about the backend: its name, how it decodes, the threads it uses.

    >>> sorted(describe("cpu"))
    ['backend', 'decode', 'device', 'threads']
    """
    device = torch.device(device)
    name = choose(device)
    decode = "table"
    if name == "native":
        from gcn2snn.kernels import native

        bits = native.load().register_bits
        decode = f"{bits}-bit registers" if bits else "table"
    return {"backend": name, "decode": decode, "device": device.type, "threads": torch.get_num_threads()}


@lru_cache(maxsize=8)
def _best(device_type: str) -> str:
    name = {"cpu": "native", "cuda": "triton"}.get(device_type, "torch")
    reason = "" if name == "torch" else why_not(name, device_type)
    if reason:
        logging.getLogger(__name__).warning("plain torch kernels are used (slower): %s", reason)
        return "torch"
    return name
