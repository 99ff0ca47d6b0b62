"""Output of all verbs: JSON or tables on standard output, progress and notes on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

LEAST_TEXT = 12
"""Characters that a column of text keeps on a narrow terminal; its words go on in the next line."""

LEAST_WIDTH = 20
"""Columns that output takes at least, whatever the terminal says."""

GAP = 2
"""Columns between two columns of a table."""


def console(as_json: bool) -> Console:
    """Where human output goes: standard error when standard output carries JSON."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    found = Console(stderr=as_json, highlight=False, width=None if known else 120)
    # Some terminals say that they have no columns, and then nothing at all would be shown.
    return found if found.width >= LEAST_WIDTH else Console(stderr=as_json, highlight=False, width=LEAST_WIDTH)


def emit(content: dict[str, object], indent: int | None = 1) -> None:
    """One JSON object on standard output, on one line without ``indent``; with escapes where the stream lacks a character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(json.dumps(content, indent=indent, ensure_ascii=not encoding.lower().startswith("utf")), flush=True)


def plural(number: int, thing: str) -> str:
    """The word for so many: ``plural(1, "spike")`` is ``spike``, and ``spikes`` for any other number."""
    return thing if number == 1 else f"{thing}s"


def counted(number: int, thing: str) -> str:
    """A number and what it counts: ``1 spike``, ``2,000 spikes``."""
    return f"{number:,} {plural(number, thing)}"


@dataclass(frozen=True)
class FittedTable:
    """A table that fits the terminal without losing a digit: columns leave by importance, and the table says which.

    Args:
        title: above it.
        columns: names; the first column is text, the others are numbers.
        rows: cells.
        leave: columns in the order in which they leave a terminal that is too narrow; then the last ones do.
        texts: columns that are text too; their words go on in the next line.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    leave: tuple[str, ...]
    texts: tuple[str, ...] = ()

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

    def _is_text(self, index: int) -> bool:
        return index == 0 or self.columns[index] in self.texts

    def _least(self, kept: Sequence[int]) -> int:
        """Characters that these columns need."""
        return sum(self._narrow(index) + GAP for index in kept) - GAP

    def _natural(self, index: int) -> int:
        return max(1, len(self.columns[index]), *(len(row[index]) for row in self.rows))

    def _narrow(self, index: int) -> int:
        """The widest number, or the widest word of the column's name, which may go on in the next line."""
        if self._is_text(index):
            return min(self._natural(index), LEAST_TEXT)
        words = self.columns[index].split() or [""]
        return max(1, *(len(word) for word in words), *(len(row[index]) for row in self.rows))

    def _widths(self, kept: Sequence[int], width: int) -> dict[int, int]:
        """Characters of each column: names of numbers are broken first, then texts, the widest first."""
        found = {index: self._natural(index) for index in kept}
        too_wide = sum(size + GAP for size in found.values()) - GAP - width
        if too_wide > 0:
            found |= {index: self._narrow(index) for index in kept if not self._is_text(index)}
        too_wide = sum(size + GAP for size in found.values()) - GAP - width
        while too_wide > 0:
            widest = max(found, key=lambda index: (self._is_text(index) and found[index] > LEAST_TEXT, found[index]))
            if found[widest] <= 1:
                break
            found[widest], too_wide = found[widest] - 1, too_wide - 1
        return found

    def _drawn(self, width: int) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        kept = self.shown(width)
        widths = self._widths(kept, width)
        result = Table(title=Text(self.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        result.show_edge, result.pad_edge, result.padding = False, False, (0, 1, 0, 0)
        for index in kept:
            side: Literal["left", "right"] = "left" if self._is_text(index) else "right"
            result.add_column(Text(self.columns[index]), justify=side, width=widths[index], overflow="fold")
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
    title: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[object]],
    leave: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> FittedTable:
    """The one kind of table that verbs print: the first column is text, the others are numbers.

    Args:
        title: above it.
        columns: their names.
        rows: one cell for each column.
        leave: columns that leave first on a narrow terminal, the least important one first.
        texts: further columns that are text.
    """
    cells = tuple(tuple(str(cell) for cell in row) for row in rows)
    return FittedTable(title, tuple(columns), cells, tuple(leave), tuple(texts))


def megabytes(size: int) -> str:
    """Bytes in a readable unit."""
    return f"{size / 2**20:,.0f} MiB"


JOULES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def joules(energy: float, beside: float = 0.0) -> str:
    """Joules with four digits in the unit that suits them.

    Args:
        energy: J.
        beside: J, another number of the same row; both have the unit of the larger one, so that they compare at a glance.

    >>> joules(5.147e-8), joules(0.0021), joules(0.0), joules(0.000627, 0.00348)
    ('51.47 nJ', '2.1 mJ', '0 J', '0.627 mJ')
    """
    largest = max(abs(energy), abs(beside))
    size, unit = next(((size, unit) for size, unit in JOULES if largest >= size), JOULES[-1])
    return f"{energy / size:.4g} {unit}" if energy else "0 J"
