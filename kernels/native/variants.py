"""Instruction sets that the CPU kernels are compiled for, and which of them this processor runs (decision note 0118)."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gcn2snn.errors import BackendError, ConfigError

SWITCH = "GCN2SNN_KERNELS"
"""Environment variable that chooses: "auto", "compile", or the name of a variant. It is read at the first product."""

PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Variant:
    """One instruction set of x86-64.

    Args:
        target: options of the compiler that choose it.
        needs: names in the ``flags`` of /proc/cpuinfo, which are those of CPUID as far as the system supports them.
    """

    target: tuple[str, ...]
    needs: frozenset[str]


# In the order of the levels of x86-64: version 2, then 3 (abm is lzcnt), then 4.
_V3 = frozenset(
    {
        *("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"),
        *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    }
)
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
VARIANTS = {
    "v1": Variant(("-march=x86-64",), frozenset()),
    "v3": Variant(("-march=x86-64-v3",), _V3),
    "v4": Variant(("-march=x86-64-v4",), _V4),
    "v4-vbmi": Variant(("-march=x86-64-v4", "-mavx512vbmi"), _V4 | {"avx512vbmi"}),
}
"""Name -> instruction set, from the least to the most. "v1" decodes through memory and is there to be compared with."""

PACKAGED = ("v4-vbmi", "v4", "v3")
"""The variants that a wheel holds, the best first."""

OTHERS = ("auto", "compile")


def requested() -> str:
    """The value of ``GCN2SNN_KERNELS``, "auto" when it is not set.

    Raises:
        ConfigError: it names no variant.
        BackendError: it names a variant that this processor does not run.
    """
    name = os.environ.get(SWITCH, "") or "auto"
    if name in OTHERS:
        return name
    if name not in VARIANTS:
        raise ConfigError(f"{SWITCH} is {name!r}; allowed are {', '.join((*OTHERS, *VARIANTS))}")
    if platform.machine() != "x86_64":
        raise BackendError(
            f"{SWITCH}={name} is for x86-64 processors and this one is {platform.machine()}. Unset {SWITCH}"
        )
    missing = VARIANTS[name].needs - processor_flags()
    if missing:
        raise BackendError(
            f"{SWITCH}={name} needs a processor with {' '.join(sorted(missing))}, which this one does not report. "
            f"It runs {', '.join(runnable())}; unset {SWITCH} to have the best of them chosen"
        )
    return name


def runnable() -> list[str]:
    """Names of the variants that this processor runs, the best last; none where it is no x86-64 processor."""
    if platform.machine() != "x86_64":
        return []
    return [name for name, variant in VARIANTS.items() if variant.needs <= processor_flags()]


@lru_cache(maxsize=1)
def processor_flags() -> frozenset[str]:
    """What the processor and the system offer together, in Linux' words; empty where the system does not say."""
    return frozenset(flags_line().partition(":")[2].split())


def flags_line() -> str:
    """The line of /proc/cpuinfo that lists the instruction sets of the first processor, "" where there is none."""
    try:
        lines = PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
