"""The command line for tests: run in this process, refused in one line, or read as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any

from gcn2snn.cli import main


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


def gcn2snn(*words: object) -> Result:
    """The command in this process: importing torch for each call would be most of the suite's time."""
    out, err = io.StringIO(), io.StringIO()
    argv = sys.argv
    sys.argv = ["gcn2snn", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.argv = argv
    return Result(code, out.getvalue(), err.getvalue())


def failed(*words: object) -> str:
    """The one line that a refused command prints."""
    result = gcn2snn(*words)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("gcn2snn: error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def parsed(*words: object) -> dict[str, Any]:
    result = gcn2snn(*words, "--json")
    assert result.returncode == 0, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content
