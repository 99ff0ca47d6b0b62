"""Refuses to load torch into a process where its libraries would end it: too little memory, or no current folder.

Where memory is refused to the loader of libraries or to what runs in them first, the program is aborted ("terminate called
after throwing an instance of 'std::bad_alloc'") or fails in a module that nobody has asked for. Python cannot catch the one
and cannot explain the other, so a limit that is too small is found before. In a folder that was removed, MKL says that it
"cannot load libtorch_cpu.so" and ends the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from gcn2snn.errors import ConfigError

ROOM = 320 * 2**20
"""Bytes that a small verb takes beside the libraries of torch: 300 MB were enough for every verb on the karate club."""


class TorchNeedsRoom:
    """Looks at the process when torch is about to be imported; what needs no torch goes on working."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing: other finders do. An import of torch is refused where there is no room for it.

        Raises:
            ConfigError: a limit of the process is too small, or its current folder was removed.
        """
        if name == "torch":
            if _is_nowhere():
                raise ConfigError(
                    "the current folder was removed while this shell was in it. Change to a folder that exists (cd), and give "
                    "the command again"
                )
            spec = PathFinder.find_spec(name, path, target)
            _refuse_small_limits(Path(spec.origin).parent / "lib" if spec is not None and spec.origin else None)
        return None


def watch_for_torch() -> None:
    """Have the process looked at when torch is imported; nothing where it has a folder and no limits."""
    watched = any(isinstance(finder, TorchNeedsRoom) for finder in sys.meta_path)
    limited = any(limit is not None for limit in (_limit("RLIMIT_AS"), _limit("RLIMIT_DATA")))
    if not watched and (limited or _is_nowhere()):
        sys.meta_path.insert(0, TorchNeedsRoom())  # type: ignore[arg-type]


def _refuse_small_limits(libraries: Path | None) -> None:
    """``libraries``: the folder of torch's shared libraries, which are mapped as a whole."""
    mapped = sum(file.stat().st_size for file in libraries.glob("*.so*")) if libraries is not None else 0
    for name, option, what, needed in (
        ("RLIMIT_AS", "-v", "address space", mapped + ROOM),
        ("RLIMIT_DATA", "-d", "data", ROOM),
    ):
        limit = _limit(name)
        if limit is not None and limit < needed:
            raise ConfigError(
                f"this process may have {limit / 2**20:.0f} MiB of {what} (ulimit {option} {limit // 1024}), and PyTorch "
                f"alone needs {needed / 2**20:.0f} MiB to load and to run. Raise the limit (ulimit {option} "
                f"{-(-needed // 1024)} or more, or unlimited)"
            )


def _is_nowhere() -> bool:
    """Whether the current folder was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _limit(name: str) -> int | None:
    """A limit of this process in bytes; None where there is none, or the system knows no such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    number = getattr(resource, name, None)
    allowed = resource.RLIM_INFINITY if number is None else resource.getrlimit(number)[0]
    return None if allowed == resource.RLIM_INFINITY else allowed
