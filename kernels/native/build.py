"""Compiles the CPU helper with the machine's C++ compiler, and keeps what it compiled (decision note 0020)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gcn2snn.errors import BackendError
from gcn2snn.files import cache_folder, save_bytes, save_text
from gcn2snn.kernels.native import variants
from gcn2snn.kernels.native.library_file import checksum, checksum_file
from gcn2snn.leftovers import temporary_folder

FOLDER = Path(__file__).parent
# No contraction to fused multiply-add where it is not asked for: sums round as in the reference. OpenMP is compiled for but
# not linked: its symbols are those of the runtime torch has loaded, so there is one pool of threads.
# -O2 with the two parts of -O3 that the kernels need compiles in half the time of -O3 and runs as fast; without
# unswitched loops a product step by step takes three times as long, without this cost model encoding twice.
FLAGS = (
    *("-std=c++17", "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-funswitch-loops", "-g0", "-w"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *(["-fopenmp"] if platform.system() == "Linux" else []),
)
# Nothing of where and when it was linked stays in the file: the same sources and compiler give the same bytes.
LINK_FLAGS = ("-s", "-Wl,--build-id=none") if platform.system() == "Linux" else ()

_log = logging.getLogger(__name__)


def target_of(variant: str) -> tuple[str, ...]:
    """Options of the compiler for a variant; for "compile" those of this very processor."""
    if variant != "compile":
        return variants.VARIANTS[variant].target
    return ("-mcpu=native",) if platform.machine() in ("aarch64", "arm64") else ("-march=native",)


def sources() -> list[Path]:
    """Every C++ file of this folder, in the order of their names: all of them enter the name of the library."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".cpp", ".h"))


def library_path(variant: str) -> Path:
    """Where the library of a variant is kept: named after sources, options and processor (machines may share a cache)."""
    processor = variants.flags_line() or platform.processor()
    options = (*target_of(variant), *FLAGS, *LINK_FLAGS, platform.machine(), processor)
    digest = hashlib.sha256(" ".join(options).encode())
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return cache_folder() / "native" / f"gcn2snn-{digest.hexdigest()[:20]}.so"


def build(path: Path, variant: str) -> None:
    """Compile, and put the library and its checksum in their places; the caller holds the lock.

    It says before and after on standard error, and on a terminal meanwhile, that it compiles: the first product waits.

    Raises:
        BackendError: the compiler is missing or failed.
    """
    _log.warning("compiling the CPU kernels for this machine, once; on an idle processor it takes about 15 seconds")
    began = time.monotonic()
    with temporary_folder(path.parent, "build") as folder:
        built = compile_library(folder, variant)
        digest = checksum(built)
        # A library without its checksum, or with the old one, is built again; so the order of the two does not matter.
        save_bytes(path, built.read_bytes())
        save_text(checksum_file(path), f"{digest}\n")
        path.chmod(0o755)  # whatever the user's mask is: a file that others may write is not run
    _log.warning(
        "the CPU kernels are compiled, in %.0f seconds; they load at once from now on", time.monotonic() - began
    )


# Standard input of the process that builds leads to the one that began it, which writes nothing there: it ends when that one
# ends, however it ended. Nobody could stop the compiler after a SIGKILL otherwise, and it takes all of a processor for long.
_END_WITH_PARENT = """
import os, signal, threading

def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end_with_parent, daemon=True).start()
"""

# Run by a Python of its own: setuptools replaces distutils for the whole process, and the compiler prints on its streams.
_BUILD = """
import json, sys
from setuptools import Distribution, Extension

source, folder, options = sys.argv[1:]
extension = Extension("gcn2snn_native", [source], language="c++", **json.loads(options))
command = Distribution({"name": "gcn2snn-native", "ext_modules": [extension]}).get_command_obj("build_ext")
command.build_lib = command.build_temp = folder
command.ensure_finalized()
command.run()
"""


def compile_library(folder: Path, variant: str) -> Path:
    """Run setuptools' own extension build, which finds the compiler of this Python (or ``CC`` and ``CXX``).

    Raises:
        BackendError: the compiler is missing or failed.
    """
    options = {"extra_compile_args": [*FLAGS, *target_of(variant)], "extra_link_args": list(LINK_FLAGS)}
    source = str(FOLDER / "native.cpp")
    program = _END_WITH_PARENT + _BUILD
    code, errors = _run([sys.executable, "-c", program, source, str(folder), json.dumps(options)], folder)
    if code:
        said = (errors.strip().splitlines() or ["nothing was printed"])[-1]
        if "No module named 'setuptools'" in said:
            raise BackendError("setuptools is not installed; pip install setuptools")
        raise BackendError(f"the C++ compiler failed or is missing ({said[:200]})")
    return next(folder.glob("gcn2snn_native*.so"))


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and messages of a command that ends with this process: Ctrl-C stops the compiler it started too."""
    began = time.monotonic()
    # Temporary files of the compiler go with the folder, also where it is killed.
    environment = {**os.environ, "TMPDIR": str(folder)}
    with _told_of_our_end() as end, subprocess.Popen(
        command, stdin=end, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=environment, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, errors = process.communicate(timeout=1.0)
                    break
                _show_seconds(time.monotonic() - began)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            _show_seconds(None)
    return process.returncode, errors


@contextlib.contextmanager
def _told_of_our_end() -> Iterator[int]:
    """The reading end of a pipe that nothing is written to: who reads there is woken when this process has ended."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _show_seconds(seconds: float | None) -> None:
    """A clock on a terminal while the compiler runs; None takes it away. Nothing on files, pipes, or with --quiet."""
    if sys.stderr is not None and sys.stderr.isatty() and _log.isEnabledFor(logging.WARNING):
        text = "" if seconds is None else f"compiling: {seconds:.0f} s"
        print(f"\r{text:<20}\r{text}", end="", file=sys.stderr, flush=True)
