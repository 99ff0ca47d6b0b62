"""The README does what it says: its Python blocks run, its karate commands run, its tables are current."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import warnings
from pathlib import Path

import pytest

from gcn2snn.cli import main

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.S | re.M)
    assert found
    return found


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("dgl", "torch_geometric"):
        if package in code:
            pytest.importorskip(package, reason=f"the block needs {package}", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # those of other packages while they are imported
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_karate_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(code for code in blocks("bash") if "train karate" in code)
    monkeypatch.chdir(tmp_path)
    lines = block.splitlines()
    assert len(lines) == 3
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            with pytest.raises(SystemExit) as stop:
                main()
            assert stop.value.code in (0, None)
    assert "same prediction %" in out.getvalue()


def test_links_lead_somewhere() -> None:
    root = Path(__file__).resolve().parents[1]
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert (root / target).exists(), target
