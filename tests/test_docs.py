"""The documents match the tree: links, paths, the index of decisions, the picture of imports, and the width of prose."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 140
"""Columns that a line of prose may have; code is limited by ruff."""

DECISIONS = ROOT / "docs" / "decisions"
PLACEHOLDER = re.compile(r"[A-Z]{2,}|\*|<|^runs/")


def tracked(*suffixes: str) -> list[Path]:
    """Files with one of the endings in the checkout's root and in the folders of the project."""
    found = sorted(
        path
        for folder in (ROOT, *(ROOT / name for name in ("gcn2snn", "cnn", "datasets", "kernels", "tests", "docs")))
        for path in (folder.glob("*") if folder == ROOT else folder.rglob("*"))
        if path.suffix in suffixes
    )
    assert found
    return found


def markdown_prose(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines of a Markdown text that are prose: no code, table, generated part or lone link."""
    fenced = generated = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        if line.startswith("<!-- support-table"):
            generated = "begin" in line
        code = fenced or generated or line.startswith(("```", "    ", "|", "<!--"))
        if not code and not re.fullmatch(r"\s*(?:[*-] )?!?\[[^\]]*\]\([^)]*\)\.?", line):
            yield number, line


def python_prose(source: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines of a Python file that are a comment of their own or part of a docstring."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                assert statement.end_lineno is not None
                for number in range(statement.lineno, statement.end_lineno + 1):
                    yield number, lines[number - 1]


def cpp_prose(source: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines of a C++ file that are a comment and nothing else."""
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("//"):
            yield number, line


PROSE = {".md": markdown_prose, ".py": python_prose, ".cpp": cpp_prose, ".h": cpp_prose}


def too_wide(path: Path) -> list[str]:
    prose = PROSE[path.suffix](path.read_text(encoding="utf-8"))
    return [f"{path.name}:{number} has {len(line)} columns: {line[:60]}" for number, line in prose if len(line) > WIDTH]


@pytest.mark.parametrize("suffix", PROSE)
def test_prose_is_at_most_140_columns_wide(suffix: str) -> None:
    assert [line for path in tracked(suffix) for line in too_wide(path)] == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", f"{'word ' * 30}\n", 1),
        ("a.md", f"```\n{'word ' * 30}\n```\n| {'cell ' * 30}|\n[page]({'x' * 150})\n", 0),
        ("a.py", f'def f():\n    """{"word " * 30}"""\n    # {"word " * 30}\n', 2),
        ("a.py", f"x = '{'word ' * 30}'\n", 0),
        ("a.h", f"// {'word ' * 30}\nint x = 0;  {' ' * 150}\n", 1),
    ],
)
def test_a_wide_line_of_prose_is_found(tmp_path: Path, name: str, text: str, found: int) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(too_wide(tmp_path / name)) == found


@pytest.mark.parametrize("path", tracked(".md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_of_documents_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = [
        target
        for target in re.findall(r"\]\((?!http)([^)#\s]+)[^)]*\)", text)
        if not (path.parent / target).exists() and not (ROOT / target).exists()
    ]
    for name in re.findall(r"`([\w./*<>-]+/[\w./*<>-]*\w)(?:::\w+)?`", text):
        is_file = re.search(r"\.(?:py|cpp|h|md|toml|html|css|svg)$", name)
        if is_file and not PLACEHOLDER.search(name):
            missing += [] if any((place / name).exists() for place in (ROOT, ROOT / "gcn2snn")) else [name]
    assert missing == []


def test_the_index_lists_every_decision_with_its_title() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \| (.+?) \|$", index, flags=re.M)
    notes = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
    assert [name for _, name, _, _ in rows] == [path.name for path in notes]
    for (number, _, title, sentence), path in zip(rows, notes, strict=True):
        assert path.read_text(encoding="utf-8").splitlines()[0] == f"# {number} {title}"
        assert path.name.startswith(number)
        assert sentence.endswith(".")


def rules_of_the_tree() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rules_of_the_tree", ROOT / "tests" / "test_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_detours(allowed: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows from which all others follow: those for which there is no longer way from room to room."""
    reached: dict[str, set[str]] = {}
    for room, below in allowed.items():  # written from the ground up
        reached[room] = below.union(*(reached[other] for other in below))
    return {
        (room, other)
        for room, below in allowed.items()
        for other in below
        if not any(other in reached[third] for third in below - {other})
    }


def test_the_picture_shows_the_rooms_and_which_imports_are_allowed() -> None:
    rules = rules_of_the_tree()
    ground = set(rules.GROUND)
    rooms = {room: set(below) for room, below in rules.ALLOWED.items()}
    inside = {room: below for room, below in rooms.items() if room in ground}
    above = {"ground": set()} | {
        room: (below - ground - {room}) | ({"ground"} if below & ground else set())
        for room, below in rooms.items()
        if room not in ground
    }
    picture = re.search(r"```mermaid\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.S)
    assert picture is not None
    drawn: set[tuple[str, str]] = set()
    for line in picture[1].splitlines():
        steps = [part.strip().split(" & ") for part in line.split("-->")]
        drawn |= {(start, end) for starts, ends in pairwise(steps) for start in starts for end in ends}
    assert drawn == without_detours(inside) | without_detours(above)


def test_the_table_of_rooms_has_every_room_and_only_names_of_its_door() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| .+? \| (.+?) \|$", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.M
    )
    assert [room for room, _ in rows] == list(rules_of_the_tree().ALLOWED)
    for room, names in rows:
        door = importlib.import_module(f"gcn2snn.{room}")
        unknown = [name for name in re.findall(r"`(\w+)`", names) if not hasattr(door, name)]
        assert not unknown, f"gcn2snn.{room} has no {unknown}"
