"""The compilation of the CPU helper: what enters the name of a library, what is said meanwhile, how it is interrupted."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gcn2snn.errors import BackendError
from gcn2snn.kernels.native import build


@pytest.mark.parametrize("change", ["another header", "an edited header", "a renamed header"])
def test_every_header_enters_the_name_of_the_library(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build.library_path("compile").name
    for path in build.sources():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    assert build.library_path("compile").name == before
    header = max(tmp_path.glob("*.h"))
    if change == "another header":
        (tmp_path / "a.h").write_text("")
    elif change == "an edited header":
        header.write_text(header.read_text() + " ")
    else:
        header.rename(tmp_path / "zz.h")
    assert build.library_path("compile").name != before


def test_each_variant_has_a_library_of_its_own() -> None:
    names = [build.library_path(variant) for variant in ("compile", "v1", "v3", "v4", "v4-vbmi")]
    assert len(set(names)) == len(names)
    assert {path.parent for path in names} == {names[0].parent}


def stub(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a few lines in the place of the compilation by setuptools."""
    monkeypatch.setattr(build, "_BUILD", f"import json, pathlib, sys\nsource, folder, options = sys.argv[1:]\n{body}\n")


def test_a_compilation_says_that_it_runs_and_has_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stub("pathlib.Path(folder, 'gcn2snn_native.cpython.so').write_text(options)", monkeypatch)
    library = tmp_path / "library.so"
    build.build(library, "v4-vbmi")
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith("compiling the CPU kernels for this machine, once")
    assert last.startswith("the CPU kernels are compiled, in ")
    arguments = json.loads(library.read_text())["extra_compile_args"]
    assert arguments[-2:] == ["-march=x86-64-v4", "-mavx512vbmi"]
    assert "-ffp-contract=off" in arguments


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub("sys.exit('first line\\nno such instruction')", monkeypatch)
    with pytest.raises(BackendError, match=r"compiler failed or is missing \(no such instruction\)"):
        build.compile_library(tmp_path, "v3")
    stub("raise ModuleNotFoundError(\"No module named 'setuptools'\")", monkeypatch)
    with pytest.raises(BackendError, match="setuptools is not installed; pip install setuptools"):
        build.compile_library(tmp_path, "v3")


def test_a_terminal_shows_the_seconds_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build._show_seconds(3.2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    build._show_seconds(3.2)
    build._show_seconds(None)
    shown = capsys.readouterr().err
    assert "compiling: 3 s" in shown
    assert shown.endswith(" " * 20 + "\r")
    logging.getLogger("gcn2snn").setLevel(logging.ERROR)  # --quiet
    try:
        build._show_seconds(4.0)
    finally:
        logging.getLogger("gcn2snn").setLevel(logging.NOTSET)
    assert capsys.readouterr().err == ""


def test_a_command_that_is_interrupted_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float | None) -> None:
        if seconds is not None:
            raise KeyboardInterrupt

    ended = []
    end = os.killpg
    monkeypatch.setattr(build, "_show_seconds", interrupt)
    monkeypatch.setattr(os, "killpg", lambda group, code: (ended.append(code), end(group, code)))
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(KeyboardInterrupt):
        build._run([sys.executable, "-c", child], tmp_path)
    assert ended == [signal.SIGKILL]


KILLED = """
import pathlib, sys
from gcn2snn.kernels.native import build

build._BUILD = "import pathlib, subprocess, sys\\nfolder = pathlib.Path(sys.argv[2])\\n"
build._BUILD += "compiler = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\\n"
build._BUILD += "import tempfile; assert tempfile.gettempdir() == str(folder)\\n"
build._BUILD += "(folder / 'pids').write_text(f'{compiler.pid} built')\\ncompiler.wait()\\n"
build.compile_library(pathlib.Path(sys.argv[1]), "compile")
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the states of processes in /proc")
def test_a_killed_process_leaves_no_compiler_behind(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    pids = tmp_path / "pids"
    until = time.monotonic() + 60
    while not (pids.exists() and pids.read_text().endswith("built")) and time.monotonic() < until:
        time.sleep(0.05)
    compiler = int(pids.read_text().split()[0])
    process.kill()
    process.wait()
    until = time.monotonic() + 10
    while runs(compiler) and time.monotonic() < until:
        time.sleep(0.05)
    left = runs(compiler)
    if left:
        os.kill(compiler, signal.SIGKILL)
    assert not left


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended; one that has ended may wait for its parent to be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
