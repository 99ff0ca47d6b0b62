"""The reference: every public name stands on a page, and has a docstring with an example that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import warnings
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "gcn2snn": ROOT / "docs" / "reference" / "gcn2snn.md",
    "gcn2snn.datasets": ROOT / "docs" / "reference" / "datasets.md",
    "gcn2snn.cnn": ROOT / "docs" / "reference" / "cnn.md",
    "gcn2snn.kernels": ROOT / "docs" / "reference" / "kernels.md",
}
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
OPTIONAL = {"TextGraphDataset": "torch_geometric", "TextGraphDGLDataset": "dgl"}
"""Names that need a package of their own, and stand outside ``__all__`` for that reason."""


def public(door: str) -> list[str]:
    return [*importlib.import_module(door).__all__, *(OPTIONAL if door == "gcn2snn.datasets" else ())]


@pytest.mark.parametrize("door", PAGES)
def test_every_public_name_stands_on_the_page_once(door: str) -> None:
    shown = re.findall(rf"^::: {re.escape(door)}\.(\w+)$", PAGES[door].read_text(encoding="utf-8"), re.M)
    assert sorted(shown) == sorted(public(door))


def names_with_docstrings() -> list[tuple[str, str]]:
    return [(door, name) for door in PAGES for name in public(door) if name not in OPTIONAL]


@pytest.mark.parametrize(("door", "name"), names_with_docstrings(), ids=lambda value: value)
def test_a_public_name_has_a_docstring_with_an_example_that_runs(
    door: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(door)
    value = getattr(module, name)
    if isinstance(value, ModuleType):
        assert value.__doc__
        return
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        assert has_words_below(ROOT / home_of(module, name), name)
        return
    home = importlib.import_module(value.__module__)
    assert value.__doc__
    example = doctest.DocTestParser().get_doctest(value.__doc__, dict(vars(home)), name, None, 0)
    assert example.examples
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other packages while they are imported
        assert doctest.DocTestRunner(optionflags=FLAGS).run(example).failed == 0


def home_of(module: ModuleType, name: str) -> str:
    """File of the module that a constant is written in."""
    tree = ast.parse(inspect.getsource(module))
    origin = next(
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names)
    )
    return origin.removeprefix("gcn2snn.").replace(".", "/") + ".py"


def has_words_below(file: Path, name: str) -> bool:
    """Whether a string follows the assignment of a constant."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for statement, following in pairwise(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    return False
