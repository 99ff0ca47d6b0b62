"""Writes the lists of packages with hashes in .ci/locked again, from pyproject.toml and constraints.txt (``make lock``).

One list serves every Python from 3.11 on and every system: uv resolves for all of them and notes the hashes of all files.
PyTorch stands apart, since its builds need different packages: the CPU build none of NVIDIA's, the one of the package
index all of them on Linux. The hash of the CPU build is that of the wheel that pip finds here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKED = ROOT / ".ci" / "locked"
BUILD = "wheel\nsetuptools\n"
"""What `pip install --no-build-isolation` needs beside the dependencies."""

Entries = dict[str, str]
"""Name -> its lines: the pinned version, markers, and hashes."""


def main() -> None:
    """Resolve, sort into the five lists, write."""
    base, everything = resolved(), resolved("--extra", "dev")
    torch = {"torch": everything["torch"]}
    cuda = {name: lines for name, lines in base.items() if of_cuda(name) or name == "triton"}
    demo = {name: lines for name, lines in base.items() if name not in {*torch, *cuda}}
    # Triton is among them as well: kernels are compiled for GPUs without one.
    test = {name: lines for name, lines in everything.items() if name not in {*torch, *demo} and not of_cuda(name)}
    cpu = {"torch": cpu_build(torch["torch"].split()[0])}
    LOCKED.mkdir(exist_ok=True)
    write("torch-cpu", "PyTorch's CPU build for Python 3.11 on Linux with an x86-64 processor, for LOCKED=cpu", cpu)
    write("torch-index", "PyTorch as it is on the package index, for LOCKED=index", torch)
    write("cuda", "What the PyTorch of the package index needs on Linux", cuda)
    write("demo", "What make demo needs beside PyTorch", demo)
    write("test", "What make test needs beside PyTorch and demo.txt", test)


def of_cuda(name: str) -> bool:
    """Whether only PyTorch's CUDA build wants this package."""
    return name.startswith(("nvidia-", "cuda-"))


def resolved(*options: str) -> Entries:
    """What uv pins for pyproject.toml, for every system and Python, within constraints.txt."""
    with tempfile.TemporaryDirectory() as name:
        build = Path(name) / "build.in"
        build.write_text(BUILD)
        command = [
            *(Path(sys.executable).with_name("uv"), "pip", "compile", "pyproject.toml", build, *options),
            *("--universal", "--python-version", "3.11", "--constraint", "constraints.txt", "--generate-hashes"),
            *("--no-header", "--no-annotate", "--quiet"),
        ]
        environment = dict(os.environ)
        if "PIP_CERT" in environment:  # uv reads none of pip's variables
            environment.setdefault("SSL_CERT_FILE", environment["PIP_CERT"])
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the lists were not written, because uv could not resolve them:\n{done.stderr}")
    found: Entries = {}
    for line in done.stdout.splitlines():
        if line and not line.startswith(" "):
            name = line.partition("==")[0]
            found[name] = ""
        found[name] += f"{line}\n"
    return found


def cpu_build(version: str) -> str:
    """The line of the CPU build that pip finds here; pip would always prefer the index's, if one list had both."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    done = subprocess.run([*command, "--report", "-", f"{version}+cpu"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"the lists were not written, because pip finds no {version}+cpu here, whose hash is needed. "
            f"PIP_FIND_LINKS=FOLDER names a folder with its wheel.\n{done.stderr}"
        )
    found = json.loads(done.stdout)["install"][0]
    return f"{version}+cpu \\\n    --hash=sha256:{found['download_info']['archive_info']['hashes']['sha256']}\n"


def write(name: str, what: str, entries: Entries) -> None:
    """One list, with its purpose on the first line."""
    text = f"# {what}. Written by `make lock`; not by hand.\n" + "".join(entries[key] for key in sorted(entries))
    (LOCKED / f"{name}.txt").write_text(text, encoding="utf-8")
    print(f".ci/locked/{name}.txt: {len(entries)} packages")


if __name__ == "__main__":
    main()
