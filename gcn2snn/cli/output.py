"""Output of all verbs: JSON or tables on standard output, progress and notes on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console(as_json: bool) -> Console:
    """Where human output goes: standard error when standard output carries JSON."""
    from rich.console import Console

    return Console(stderr=as_json, highlight=False, width=None if sys.stdout.isatty() else 120)


def emit(content: dict[str, object]) -> None:
    """One JSON object on standard output."""
    json.dump(content, sys.stdout, indent=1, ensure_ascii=False)
    print()


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A rich table: the first column is text, the others are numbers."""
    from rich.table import Table

    result = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        result.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in rows:
        result.add_row(*(str(cell) for cell in row))
    return result


def megabytes(size: int) -> str:
    """Bytes in a readable unit."""
    return f"{size / 2**20:,.0f} MiB"
