"""The README does what it says: its Python blocks run, its extras exist, its links lead somewhere, and it stays short."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.S | re.M)
    assert found
    return found


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "torch_geometric" in code:
        pytest.importorskip("torch_geometric", reason="the block needs PyTorch Geometric")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # those of other packages while they are imported
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_lines_that_install_name_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = next(code for code in blocks("bash") if "pip install" in code).splitlines()
    named = [name for line in lines for names in re.findall(r"\[(.*?)\]", line) for name in names.split(",")]
    assert named
    assert set(named) <= set(project["optional-dependencies"])
    assert all(re.match(r'pip install (\.|"\.\[)', line) for line in lines)  # there is no published package yet


def test_the_demo_installs_no_extra() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^(\S+): .*\n((?:\t.+\n)+)", makefile, flags=re.M))
    assert "--editable .\n" in rules["$(DEMO_STAMP)"]
    assert '".[dev]"' in rules["$(STAMP)"]
    assert re.search(r"^demo: \$\(DEMO_STAMP\) ", makefile, flags=re.M)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_it_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 140


def test_the_counts_of_converted_classes_are_those_that_coverage_printed() -> None:
    page = (ROOT / "docs" / "graph-networks.md").read_text(encoding="utf-8")
    printed = re.findall(r"^\| (?:pyg|dgl|torchvision) \| (.*) \|$", page, flags=re.M)
    shown = re.findall(
        r"^\| (?:`torch_geometric.nn`|`dgl.nn`|torchvision's classifiers) \| (.*) \|$", README, flags=re.M
    )
    assert len(printed) == len(shown) == 3
    for there, here in zip(printed, shown, strict=True):
        converted, impossible, unknown, nothing, not_run, foreign, total = map(int, there.split(" | "))
        assert [int(x) for x in here.split(" | ")] == [
            total,
            converted,
            impossible,
            unknown,
            nothing + not_run,
            foreign,
        ]
