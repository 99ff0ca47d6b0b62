"""The page about texts in Python does what it says: its blocks run one after the other."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "text-in-python.md"


def test_blocks_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PAGE.is_file():
        pytest.skip("the documentation is not part of an installed package")
    pytest.importorskip("torch_geometric", reason="a block needs PyTorch Geometric")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.S | re.M)
    assert len(blocks) == 6
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    lines = shown.getvalue().splitlines()
    assert lines[0] == "1.0"
    assert "['fruit']" in lines[1]
    assert lines[-1] == "tensor(1.)"
    assert (tmp_path / "topics-snn" / "README.md").is_file()
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 24
