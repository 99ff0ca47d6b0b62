"""Which processor gave a number: its name and the widest instructions that the kernels use on it."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path

import torch

WIDEST = (("avx512vbmi", "AVX-512 VBMI"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))
"""Flag of Linux -> instruction set, the widest first."""


@lru_cache(maxsize=2)
def processor(device: str = "cpu", info: Path = Path("/proc/cpuinfo")) -> str:
    """``AMD EPYC, AVX-512 VBMI``; of a CUDA device its name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    words: dict[str, str] = {}
    try:
        for line in info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            words.setdefault(key.strip(), value.strip())
    except OSError:  # not Linux
        pass
    name = words.get("model name") or platform.processor() or platform.machine()
    flags = (words.get("flags") or words.get("Features") or "").split()
    wide = next((told for flag, told in WIDEST if flag in flags), "")
    return f"{name}, {wide}" if wide else name
