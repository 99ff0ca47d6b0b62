"""Packages whose names load on first use, so that what is not needed is not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def names_on_demand(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose public names live in other modules.

    Args:
        package: its ``__name__``.
        homes: public name -> full name of the module that holds it.

    Returns:
        The two functions (PEP 562). Asking for any other name raises AttributeError, as an ordinary module does.
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return load, lambda: sorted(homes)
