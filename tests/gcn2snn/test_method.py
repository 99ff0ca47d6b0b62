"""docs/method.md says what the package does: its examples run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

METHOD = Path(__file__).parents[2] / "docs" / "method.md"


def test_worked_examples_of_the_method_page():
    if not METHOD.is_file():
        pytest.skip("the documentation is not part of an installed package")
    result = doctest.testfile(str(METHOD), module_relative=False)
    assert result.attempted >= 12
    assert result.failed == 0


@pytest.mark.parametrize("name", ["gcn2snn.encoding", "gcn2snn.passes.choose_base"])
def test_docstring_examples(name):
    import importlib

    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert result.failed == 0
