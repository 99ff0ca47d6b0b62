"""Writes the lists of packages with hashes in .ci/locked again, from pyproject.toml and constraints.txt (``make lock``).

One list serves every Python from 3.11 on and every system: uv resolves for all of them and notes the hashes of all files.
PyTorch stands apart, since its builds need different packages: the CPU build none of NVIDIA's, the one of the package
index all of them on Linux. The CPU build's hash is that of the build which pip finds here, if it finds one.
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
    """Resolve, sort into the four lists, write."""
    base, all_of_them = resolved(), resolved("--extra", "dev")
    torch = {"torch": with_cpu_build(all_of_them["torch"])}
    cuda = {name: lines for name, lines in base.items() if of_cuda(name) or name == "triton"}
    demo = {name: lines for name, lines in base.items() if name not in {*torch, *cuda}}
    test = {
        name: lines for name, lines in all_of_them.items() if name not in {*torch, *demo} and not of_cuda(name)
    }  # triton too: kernels are compiled without a GPU
    LOCKED.mkdir(exist_ok=True)
    write("torch", "PyTorch: every build of the package index, and the CPU build", torch)
    write("cuda", "What PyTorch's build of the package index needs on Linux; the CPU build does not", cuda)
    write("demo", "make demo LOCKED=1, beside torch.txt", demo)
    write("test", "make test LOCKED=1, beside torch.txt and demo.txt", test)


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


def with_cpu_build(lines: str) -> str:
    """The lines of torch with the hash of the CPU build that pip would take here, or the one that stood there before."""
    version = lines.split()[0]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    done = subprocess.run([*command, "--report", "-", version], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the lists were not written, because pip does not find {version}:\n{done.stderr}")
    found = json.loads(done.stdout)["install"][0]
    if "+cpu" not in found["metadata"]["version"]:
        raise SystemExit(
            f"the lists were not written: pip finds no CPU build of {version} here, so its hash is not known"
        )
    return f"{lines.rstrip()} \\\n    --hash=sha256:{found['download_info']['archive_info']['hashes']['sha256']}\n"


def write(name: str, what: str, entries: Entries) -> None:
    """One list, with its purpose on the first line."""
    text = f"# {what}. Written by `make lock`; not by hand.\n" + "".join(entries[key] for key in sorted(entries))
    (LOCKED / f"{name}.txt").write_text(text, encoding="utf-8")
    print(f".ci/locked/{name}.txt: {len(entries)} packages")


if __name__ == "__main__":
    main()
