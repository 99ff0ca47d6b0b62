"""The rules of the tree: imports point one way, every public name exists, folders install under long names only."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

import gcn2snn

ROOT = Path(__file__).resolve().parents[1]

# folder -> prefixes of this package that it may import
ALLOWED = {
    "kernels": ("gcn2snn.kernels", "gcn2snn.errors"),
    "datasets": ("gcn2snn.datasets", "gcn2snn.graph", "gcn2snn.errors", "gcn2snn.kernels", "gcn2snn.checkpoint"),
    "gcn2snn": ("gcn2snn",),
    "cnn": ("gcn2snn",),
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "gcn2snn"}
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    for path in files(folder):
        for name in imports(path) - {"gcn2snn"}:
            own = name.startswith("gcn2snn")
            assert not own or name.startswith(ALLOWED[folder]), f"{path.relative_to(ROOT)} imports {name}"


def test_the_core_knows_nothing_of_images_or_the_command_line() -> None:
    on_top = {"cli", "lowering.py", "support_table.py", "reproduce.py", "bench.py", "bench"}
    for path in files("gcn2snn"):
        if path.relative_to(ROOT / "gcn2snn").parts[0] in on_top:
            continue
        for name in imports(path):
            assert not name.startswith(("gcn2snn.cnn", "gcn2snn.cli")), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", [*ALLOWED, "tests"])
def test_long_names_only(folder: str) -> None:
    for path in files(folder):
        assert not imports(path) & {"kernels", "datasets", "cnn"}, f"{path.relative_to(ROOT)} imports a bare folder"


def test_every_public_name_exists() -> None:
    assert sorted(gcn2snn.__all__) == list(gcn2snn.__all__)
    assert set(gcn2snn._HOME) == set(gcn2snn.__all__)
    assert gcn2snn.__version__ == version("gcn2snn")
    for name in gcn2snn.__all__:
        assert getattr(gcn2snn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gcn2snn.nothing  # noqa: B018


def test_every_package_is_listed_and_typed() -> None:
    listed = (ROOT / "pyproject.toml").read_text()
    for folder, name in (
        ("gcn2snn", "gcn2snn"),
        ("cnn", "gcn2snn.cnn"),
        ("datasets", "gcn2snn.datasets"),
        ("kernels", "gcn2snn.kernels"),
    ):
        assert (ROOT / folder / "py.typed").exists()
        for init in (ROOT / folder).rglob("__init__.py"):
            package = ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
            assert f'"{package}"' in listed, f"{package} is missing from [tool.setuptools] packages"
