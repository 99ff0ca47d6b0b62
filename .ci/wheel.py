"""Builds the wheel that holds compiled CPU kernels: the pure wheel, one library a variant, and the tag that these allow.

    .venv/bin/python .ci/wheel.py dist

The same sources, compiler and Python give the same bytes, wherever and whenever they are built: nothing of the place is
in the libraries, entries of the archive are sorted, and their time is that of the commit (or SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gcn2snn.kernels.native import build
from gcn2snn.kernels.native.library_file import checksum, checksum_file
from gcn2snn.kernels.native.variants import PACKAGED

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "gcn2snn", "cnn", "datasets", "kernels")
INSIDE = Path("gcn2snn", "kernels", "native", "libraries")
BIN = Path(sys.executable).parent


def main(out: Path) -> Path:
    """Build the wheel in the folder ``out``, which is made; returns its path."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise SystemExit(
            f"kernels are packaged on Linux with an x86-64 processor; this is {sys.platform} on {platform.machine()}. "
            "Elsewhere `pip install .` compiles them at first use"
        )
    for name in ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"):  # the wheel is the same for everybody
        os.environ.pop(name, None)
    os.environ["SOURCE_DATE_EPOCH"] = os.environ.get("SOURCE_DATE_EPOCH") or commit_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = unpacked(pure_wheel(folder / "pure"), folder / "tree")
        add_libraries(tree / INSIDE, folder)
        retag(tree, "linux_x86_64")
        retag(tree, allowed_tag(packed(tree, folder / "plain")))
        return packed(tree, out)


def commit_time() -> str:
    """Seconds of the last commit; outside a repository the first second that an archive can hold."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "315532800"


def run(*command: str | Path) -> str:
    """Output of a command; what it said on both streams ends this program when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def pure_wheel(folder: Path) -> Path:
    """The wheel without libraries, built from a copy, so that nothing is left in the checkout or taken from it by chance."""
    copy = folder / "source"
    copy.mkdir(parents=True)
    for name in SOURCES:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "libraries"))
        else:
            shutil.copy(place, copy / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, copy)
    return next(folder.glob("*.whl"))


def unpacked(wheel: Path, folder: Path) -> Path:
    """The one folder in which ``wheel unpack`` puts the content."""
    run(sys.executable, "-m", "wheel", "unpack", "--dest", folder, wheel)
    return next(folder.iterdir())


def add_libraries(place: Path, folder: Path) -> None:
    """Compile every variant, as many at once as there are processors, and put each beside its checksum."""
    place.mkdir()

    def compiled(variant: str) -> Path:
        (folder / variant).mkdir()
        return build.compile_library(folder / variant, variant)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for variant, library in zip(PACKAGED, pool.map(compiled, PACKAGED), strict=True):
            path = Path(shutil.copy(library, place / f"gcn2snn-{variant}.so"))
            checksum_file(path).write_text(f"{checksum(path)}\n", encoding="ascii")


def retag(tree: Path, system: str) -> None:
    """Say in the file WHEEL for which system this is; ``wheel pack`` takes the name from there."""
    file = next(tree.glob("*.dist-info")) / "WHEEL"
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith(("Wheel-", "Generator:"))]
    file.write_text("\n".join([*kept, "Root-Is-Purelib: false", f"Tag: py3-none-{system}", ""]), encoding="utf-8")


def packed(tree: Path, folder: Path) -> Path:
    """The archive, with the same permissions whatever the mask of who builds it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
    said = run(sys.executable, "-m", "wheel", "pack", "--dest-dir", folder, tree)
    return max(folder.glob("*.whl"), key=lambda path: path.name in said)


def allowed_tag(wheel: Path) -> str:
    """The oldest systems on which the symbols that the libraries need are there, by auditwheel."""
    found = json.loads(run(BIN / "auditwheel", "show", "--json", wheel))
    print(json.dumps(found))
    return str(found["overall_tag"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python .ci/wheel.py FOLDER")
    print(main(Path(sys.argv[1])))
