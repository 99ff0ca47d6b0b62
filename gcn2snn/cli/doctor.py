"""``gcn2snn doctor``: whether everything is here that the package needs, with what to do where it is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.options import AsJson, DataDir
from gcn2snn.cli.output import console, emit, megabytes, table
from gcn2snn.errors import Gcn2SnnError

LEAST_FREE = 2**30
"""Bytes below which the disk of the cache is called full: the graphs of the five corpora and the helper need a fifth."""

OPTIONAL = {
    "torch_geometric": "pyg", "dgl": "dgl", "nltk": "nltk", "matplotlib": "plot", "optuna": "tune", "onnx": "export",
    "nir": "export", "fastapi": "serve", "huggingface_hub": "hub", "triton": "triton",
}  # fmt: skip
"""Module of an optional library -> the extra that installs it."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: its name.
        found: what was found, for people.
        state: "ok"; "note" for what is missing and can be done without; "bad" for what has to be put right.
    """

    what: str
    found: str
    state: Literal["ok", "note", "bad"] = "ok"


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check this installation: versions, backend, kernels, compiler, caches, data, disk. Exit code 1 if something is wrong.

    Examples:

      gcn2snn doctor

      gcn2snn doctor --json
    """
    found = list(findings(data_dir))
    bad = [finding.what for finding in found if finding.state == "bad"]
    if as_json:
        rows = [{"what": each.what, "found": each.found, "state": each.state} for each in found]
        emit({"findings": rows, "bad": bad})
    else:
        lines = [(each.what, each.state, each.found) for each in found]
        console(as_json).print(
            table("gcn2snn doctor", ("what", "state", "found"), lines, ("state",), ("state", "found"))
        )
        hint(as_json, "put right what is bad, then gcn2snn doctor again" if bad else "gcn2snn train r8")
    if bad:
        raise typer.Exit(1)


def findings(data_dir: Path | None = None) -> Iterator[Finding]:
    """Everything that is looked at, one after the other.

    Raises:
        DataError: ``data_dir`` is no folder.
    """
    from gcn2snn.machine import environment

    for name, version in environment().items():
        yield Finding(name, version)
    yield from _or_bad("backend", _backends())
    yield from _or_bad("C++ compiler", _compiler())
    yield from _libraries()
    yield from _or_bad("cache", _caches())
    yield from _data(data_dir)


def _or_bad(what: str, looked_at: Iterator[Finding]) -> Iterator[Finding]:
    """What was found; an error of ours, such as a variable that names no backend, is a finding too and ends only these."""
    try:
        yield from looked_at
    except Gcn2SnnError as error:
        yield Finding(what, str(error), "bad")


def _backends() -> Iterator[Finding]:
    """The kernels that would be used, and whether they give what the reference gives."""
    import torch

    from gcn2snn.kernels import PhaseCode, backend, encode, native, reference

    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        about = backend.describe(device)
        threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
        told = f"{about['backend']}, {threads}, decodes by {about['decode']}"
        if about["backend"] == "native":
            told += f"; {native.load().origin}"
        slow = about["backend"] == "torch"
        why = f"; slower: {backend.why_not('native' if device == 'cpu' else 'triton', device)}" if slow else ""
        yield Finding(f"backend on {device}", told + why, "note" if slow else "ok")
        values, one = torch.linspace(0, 1.5, 4097, device=device)[:, None], torch.tensor(1.0, device=device)
        coding = PhaseCode(1.3, 16)
        same = torch.equal(encode(values, one, coding).code, reference.encode(values, one, coding).code)
        said = "4,097 values are encoded as by the reference" if same else "the codes differ from the reference's"
        yield Finding(f"kernels on {device}", said, "ok" if same else "bad")
    if not torch.cuda.is_available():
        yield Finding("CUDA", "no device; everything runs on the processor", "note")


def _compiler() -> Iterator[Finding]:
    """The C++ compiler that builds the kernels at first use, where none came with the package."""
    import shlex
    import sysconfig

    from gcn2snn.kernels import native

    command = os.environ.get("CXX") or str(sysconfig.get_config_var("CXX") or "c++")
    try:
        names = [word for word in shlex.split(command) if not word.startswith("-")]
    except ValueError:  # a quote without its end
        names = []
    if not names:
        yield Finding("C++ compiler", f"CXX is {command!r}, which names no program; unset it, or set it to one", "bad")
        return
    place = next((found for name in (*names[:1], "c++", "g++", "clang++") if (found := shutil.which(name))), None)
    if place is None:
        if native.load().library is not None:
            yield Finding("C++ compiler", f"{command} is not there, and the kernels do not need it")
        else:
            slower = f"{command} is not there; without it kernels run in plain torch, slower"
            yield Finding("C++ compiler", slower, "note")
    else:
        yield Finding("C++ compiler", place)


def _libraries() -> Iterator[Finding]:
    from importlib.util import find_spec

    from gcn2snn.machine import environment

    for module, extra in OPTIONAL.items():
        if module.replace("_", "-") in environment():
            continue  # its version was told already
        if find_spec(module) is None:
            yield Finding(module, f"not installed: pip install 'gcn2snn[{extra}]'", "note")
        else:
            yield Finding(module, "installed")


def _caches() -> Iterator[Finding]:
    """The cache folder, whether it can be written, and the space that is left."""
    from gcn2snn.files import CACHE_VARIABLE, cache_folder

    cache = cache_folder()
    existing = next(place for place in (cache, *cache.absolute().parents) if os.path.lexists(place))
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    sizes = {part: _size(cache / part) for part in ("graphs", "native", "data")}
    told = ", ".join(f"{part} {megabytes(size)}" for part, size in sizes.items())
    refused = f"{cache} cannot be written; set {CACHE_VARIABLE} to a folder that can"
    yield Finding("cache", f"{cache}: {told}" if writable else refused, "ok" if writable else "bad")
    if not existing.exists():  # a link that leads nowhere is on no disk
        return
    free = shutil.disk_usage(existing).free
    yield Finding("disk of the cache", f"{megabytes(free)} free", "ok" if free >= LEAST_FREE else "bad")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _data(data_dir: Path | None) -> Iterator[Finding]:
    from gcn2snn.datasets import DATASETS, located, search_roots

    try:
        search_roots()
    except Gcn2SnnError as error:  # what the environment variables name; a wrong --data-dir is an error
        yield Finding("data", str(error), "bad")
        return
    for row in DATASETS.values():
        place = located(row, data_dir)
        if not row.files:
            yield Finding(f"data {row.name}", "part of this package")
        elif place is None:
            yield Finding(f"data {row.name}", f"not here; gcn2snn datasets fetch {row.name}", "note")
        else:
            yield Finding(f"data {row.name}", str(place))
