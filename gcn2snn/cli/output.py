"""Output of all verbs: JSON or tables on standard output, progress and notes on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

LEAST_FIRST = 12
"""Columns that the first, which names the row, keeps on a narrow terminal; its words go on in the next line."""

GAP = 2
"""Columns between two columns of a table."""


def console(as_json: bool) -> Console:
    """Where human output goes: standard error when standard output carries JSON."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(stderr=as_json, highlight=False, width=None if known else 120)


def emit(content: dict[str, object]) -> None:
    """One JSON object on standard output."""
    json.dump(content, sys.stdout, indent=1, ensure_ascii=False)
    print()


@dataclass(frozen=True)
class FittedTable:
    """A table that fits the terminal without losing a digit: columns leave by importance, and the table says which.

    Args:
        title: above it.
        columns: names; the first column is text, the others are numbers.
        rows: cells.
        leave: columns in the order in which they leave a terminal that is too narrow; then the last ones do.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    leave: tuple[str, ...]

    def shown(self, width: int) -> list[int]:
        """Numbers of the columns that fit into so many characters; the first and one more always stay."""
        kept = list(range(len(self.columns)))
        order = [self.columns.index(name) for name in self.leave]
        order += [index for index in reversed(kept) if index not in order]
        for index in order:
            if self._least(kept) <= width or len(kept) <= 2:
                break
            if index:
                kept.remove(index)
        return kept

    def _least(self, kept: Sequence[int]) -> int:
        numbers = [self._numbers_width(index) for index in kept if index]
        return min(self._width(0), LEAST_FIRST) + sum(width + GAP for width in numbers)

    def _width(self, index: int) -> int:
        return max(len(self.columns[index]), *(len(row[index]) for row in self.rows), 1)

    def _numbers_width(self, index: int) -> int:
        """The widest number, or the widest word of the column's name, which may go on in the next line."""
        words = self.columns[index].split() or [""]
        return max(1, *(len(word) for word in words), *(len(row[index]) for row in self.rows))

    def _drawn(self, width: int) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        kept = self.shown(width)
        whole = sum(self._width(index) + GAP for index in kept) - GAP <= width
        narrow = {index: self._width(index) if whole else self._numbers_width(index) for index in kept if index}
        left = width - sum(size + GAP for size in narrow.values())
        result = Table(title=Text(self.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        result.show_edge, result.pad_edge, result.padding = False, False, (0, 1, 0, 0)
        for index in kept:
            size = narrow.get(index, max(LEAST_FIRST, min(self._width(0), left)))
            side = "right" if index else "left"
            result.add_column(Text(self.columns[index]), justify=side, width=size, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            result.add_row(*(Text(row[index]) for index in kept))
        gone = [name for index, name in enumerate(self.columns) if index not in kept]
        if gone:
            result.caption = Text(f"left out at this width: {', '.join(gone)}; --json has all")
            result.caption_justify = "left"
        return result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._drawn(options.max_width)


def table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], leave: Sequence[str] = ()
) -> FittedTable:
    """The one kind of table that verbs print: the first column is text, the others are numbers.

    Args:
        title: above it.
        columns: their names.
        rows: one cell for each column.
        leave: columns that leave first on a narrow terminal, the least important one first.
    """
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    return FittedTable(title, tuple(columns), cells, tuple(leave))


def megabytes(size: int) -> str:
    """Bytes in a readable unit."""
    return f"{size / 2**20:,.0f} MiB"


JOULES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def joules(energy: float) -> str:
    """Joules with four digits in the unit that suits them.

    >>> joules(5.147e-8), joules(0.0021), joules(0.0)
    ('51.47 nJ', '2.1 mJ', '0 J')
    """
    size, unit = next(((size, unit) for size, unit in JOULES if abs(energy) >= size), JOULES[-1])
    return f"{energy / size:.4g} {unit}" if energy else "0 J"
