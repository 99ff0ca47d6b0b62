"""Compiles the CPU helper at first use with the machine's C++ compiler and loads it (decision note 0020)."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gcn2snn.errors import Gcn2SnnError
from gcn2snn.files import CACHE_VARIABLE, cache_folder, save_bytes, save_text
from gcn2snn.kernels.native.signatures import declare
from gcn2snn.leftovers import temporary_folder
from gcn2snn.owner_lock import owned

FOLDER = Path(__file__).parent
LONGEST_BUILD = 600.0
"""Seconds that a process waits for another one that builds the same library."""

OTHERS_MAY_WRITE = 0o022
# No contraction to fused multiply-add: sums round as in the reference. OpenMP is compiled for but not linked: its
# symbols are those of the runtime torch has loaded, so there is one pool of threads.
# -O2 with the two parts of -O3 that the kernels need compiles in half the time of -O3 and runs as fast; without
# unswitched loops a product step by step takes three times as long, without this cost model encoding twice.
FLAGS = (
    *("-std=c++17", "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-funswitch-loops", "-g0", "-w"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
)


@dataclass(frozen=True)
class Native:
    """The loaded helper, or the reason why there is none."""

    library: ctypes.CDLL | None
    reason: str = ""

    @property
    def register_bits(self) -> int:
        """Width of the registers that decode phases, 0 when phases are decoded through memory."""
        return int(self.library.gcn2snn_register_bits()) if self.library is not None else 0

    @property
    def register_phases(self) -> int:
        """Longest code T that is decoded in registers; see ``decode_width.h``."""
        return int(self.library.gcn2snn_register_phases()) if self.library is not None else 0


@lru_cache(maxsize=4)
def load(machine: str = "native") -> Native:
    """Build (once per machine, source and flags) and load the helper; never raises, the reason says what is missing.

    Args:
        machine: value of the compiler's ``-march``; ``native`` is this processor.
    """
    if platform.system() == "Windows":
        return Native(None, "the compiled helper is not built on Windows")
    try:
        path = _library_path(machine)
        _own_folder(path.parent)
        with contextlib.nullcontext() if _fault_of(path) == "" else owned(path, wait=LONGEST_BUILD):
            if _fault_of(
                path
            ):  # not there, damaged, or of somebody else; looked at again, for another process may have built it
                _build(path, machine)
        library, fault = _open(path)
        if fault:  # whole, but of another build
            with owned(path, wait=LONGEST_BUILD):
                _build(path, machine)
            library, fault = _open(path)
        if fault:
            return Native(None, f"the compiled helper was built again and still cannot be used: {fault}")
        return Native(library)
    except (OSError, _BuildError, Gcn2SnnError) as error:
        return Native(None, f"the compiled helper could not be built or loaded: {error}")


def _own_folder(folder: Path) -> None:
    """Make the folder of compiled helpers, or see that nobody else can put a library there that this process would run.

    Raises:
        _BuildError: it is somebody else's.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid not in _trusted():
        raise _BuildError(f"{folder} belongs to another user; set {CACHE_VARIABLE} to a folder of your own")
    if found.st_mode & OTHERS_MAY_WRITE:
        try:
            folder.chmod(found.st_mode & 0o7777 & ~OTHERS_MAY_WRITE)
        except OSError as error:
            raise _BuildError(f"others may write into {folder}; take that from them with chmod go-w") from error


def _trusted() -> tuple[int, int]:
    """Users whose libraries are run: this one and root."""
    return os.geteuid(), 0


def _checksum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _fault_of(path: Path) -> str:
    """Why a compiled file must not be run, "" if it may: the loader would map a truncated one and die of it."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid not in _trusted() or found.st_mode & OTHERS_MAY_WRITE or not stat.S_ISREG(found.st_mode):
                return "somebody else may have written it"
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return "" if _checksum_file(path).read_text(encoding="ascii").strip() == digest else "its checksum differs"
    except (OSError, ValueError) as error:
        return str(error)


def _open(path: Path) -> tuple[ctypes.CDLL | None, str]:
    """A library with its functions declared, or what is wrong with it."""
    import torch  # noqa: F401 - its OpenMP runtime must be in the process before the helper is

    if fault := _fault_of(path):
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


class _BuildError(Exception):
    pass


def sources() -> list[Path]:
    """Every C++ file of this folder, in the order of their names: all of them enter the name of the library."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".cpp", ".h"))


def _library_path(machine: str) -> Path:
    digest = hashlib.sha256(" ".join((machine, *FLAGS, platform.machine(), _processor())).encode())
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return cache_folder() / "native" / f"gcn2snn-{digest.hexdigest()[:20]}.so"


def _processor() -> str:
    """Text that differs between processors of different instruction sets (a cache folder may be shared by machines)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _build(path: Path, machine: str) -> None:
    """Compile, and put the library and its checksum in their places; the caller holds the lock."""
    with temporary_folder(path.parent, "build") as folder:
        built = _compile(folder, machine)
        digest = hashlib.sha256(built.read_bytes()).hexdigest()
        # A library without its checksum, or with the old one, is built again; so the order of the two does not matter.
        save_bytes(path, built.read_bytes())
        save_text(_checksum_file(path), f"{digest}\n")
        path.chmod(0o755)  # whatever the user's mask is: a file that others may write is not run


# Run by a Python of its own: setuptools replaces distutils for the whole process, and the compiler prints on its streams.
_BUILD = """
import sys
from setuptools import Distribution, Extension

source, folder, *arguments = sys.argv[1:]
extension = Extension("gcn2snn_native", [source], extra_compile_args=arguments, language="c++")
command = Distribution({"name": "gcn2snn-native", "ext_modules": [extension]}).get_command_obj("build_ext")
command.build_lib = command.build_temp = folder
command.ensure_finalized()
command.run()
"""


def _compile(folder: Path, machine: str) -> Path:
    """Run setuptools' own extension build, which finds the compiler of this Python (or ``CC`` and ``CXX``)."""
    target = f"-mcpu={machine}" if platform.machine() in ("aarch64", "arm64") else f"-march={machine}"
    arguments = [*FLAGS, target, *(["-fopenmp"] if platform.system() == "Linux" else [])]
    command = [sys.executable, "-c", _BUILD, str(FOLDER / "native.cpp"), str(folder), *arguments]
    code, errors = _run(command, folder)
    if code:
        said = (errors.strip().splitlines() or ["nothing was printed"])[-1]
        if "No module named 'setuptools'" in said:
            raise _BuildError("setuptools is not installed; pip install setuptools")
        raise _BuildError(f"the C++ compiler failed or is missing ({said[:200]})")
    return next(folder.glob("gcn2snn_native*.so"))


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and messages of a command that ends with this process's wish to: Ctrl-C stops the compiler it started too."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=pipe, text=True, cwd=folder,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _, errors = process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, errors
