"""The examples in docstrings run as printed."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name", ["", ".checks", ".columns", ".corpus", ".karate", ".loading", ".options", ".split", ".tokenisers", ".words"]
)
def test_examples(name: str) -> None:
    module = import_module(f"gcn2snn.datasets{name}")
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
