from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from gcn2snn.cli.loudness import hint, set_level
from gcn2snn.file_names import shell_word

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["runs/r8", "my runs/r8", "it's", 'a "quoted" name', "$HOME", "~", "two\nlines", "*", "a;b", "back\\slash", "ü"]


@pytest.mark.parametrize("name", [*NAMES, "-dash", "--out", "- x"])
def test_a_shell_reads_a_hint_back_as_it_was_meant(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_level("usual")
    hint(False, "printf '%s|' {} --text TEXT {}", Path(name), name)
    pasted = capsys.readouterr().err.removeprefix("next: ")
    done = subprocess.run(["sh", "-c", pasted], capture_output=True, check=True)
    kept = f"./{name}" if name.startswith("-") else name
    assert done.stdout.decode() == f"{kept}|--text|TEXT|{kept}|"


def test_a_name_that_needs_no_quotes_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    hint(False, "gcn2snn convert {}", Path("runs/r8-seed0"))
    assert capsys.readouterr().err == "next: gcn2snn convert runs/r8-seed0\n"
    assert shell_word("DATA") == "DATA"


def test_no_command_in_a_message_holds_a_name_that_is_not_quoted() -> None:
    """Names of datasets are words of ours; names of files are the user's."""
    begins = re.compile(
        r"gcn2snn (train|convert|evaluate|predict|report|tune|serve|info|explain|export)\b[^`.:;]*$|--out $"
    )
    seen = 0
    for file in sorted((ROOT / "gcn2snn").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hint":
                seen += 1
                assert not any(isinstance(part, ast.JoinedStr) for part in ast.walk(node)), (
                    f"{file}, line {node.lineno}"
                )
            if not isinstance(node, ast.JoinedStr):
                continue
            for before, part in zip(node.values, node.values[1:], strict=False):
                text = before.value if isinstance(before, ast.Constant) else ""
                if isinstance(part, ast.FormattedValue) and begins.search(str(text)):
                    seen += 1
                    value = ast.unparse(part.value)
                    assert value.startswith("shell_word(") or value == "word", f"{file}, line {node.lineno}: {value}"
    assert seen > 30
