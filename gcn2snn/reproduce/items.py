"""Every figure and table of the paper by name: what makes it, and the options it understands."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.reproduce.options import ReproduceOptions, flags


@dataclass(frozen=True)
class Item:
    """What makes one figure or table.

    Args:
        function: "module:function"; it is imported when it is asked for, so that listing the names is instant.
        options: the fields of :class:`ReproduceOptions` that it takes; all others are refused.
    """

    function: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in :data:`ITEMS`."""
        return self.function.partition(":")[2]


_IMAGES = ("rows", "limit", "weights", "data_dir")
_TEXTS = ("datasets", "seeds", "modes", "keep_going", "data_dir")

ITEMS: dict[str, Item] = {
    **{f"fig{n}": Item(f"gcn2snn.reproduce.figures:fig{n}") for n in (1, 2, 4, 5, 6)},
    "fig10": Item("gcn2snn.reproduce.figures:fig10", ("limit",)),
    **{f"fig{n}": Item(f"gcn2snn.reproduce.image_figures:fig{n}", _IMAGES) for n in (3, 7, 8, 9)},
    **{
        f"table{n}": Item(f"gcn2snn.reproduce.image_tables:table{n}", (*_IMAGES, "modes"))
        for n in (1, 2, 3, 4, 6, 7, 8)
    },
    "table5": Item("gcn2snn.reproduce.table5:table5", (*_TEXTS, "trials", "max_loss")),
    "tcurve": Item("gcn2snn.reproduce.t_curve:tcurve", _TEXTS),
    "codings": Item("gcn2snn.reproduce.t_curve:codings", _TEXTS),
    "inductive": Item("gcn2snn.reproduce.inductive:inductive", ("datasets", "seeds", "data_dir")),
    "coverage": Item("gcn2snn.reproduce.coverage:coverage", ("rows",)),
    "rivals": Item("gcn2snn.reproduce.rivals:rivals", ("datasets", "seeds", "data_dir")),
    "motifs": Item("gcn2snn.reproduce.motifs:motifs", ("seeds", "modes")),
    "planetoid": Item("gcn2snn.reproduce.planetoid:planetoid", ("rows", "datasets", "seeds", "modes", "data_dir")),
}

Maker = Callable[[Path, "ReproduceOptions"], dict[str, object]]
"""function(out, options) -> JSON values: what was computed, and under "files" what was written below ``out``."""


def item_named(name: str) -> Item:
    """What is behind a name, however it is spelt.

    Raises:
        ConfigError: there is no such item; the message names the nearest ones.
    """
    key = name.lower().replace(" ", "").replace(".", "").replace("figure", "fig")
    if key in ITEMS:
        return ITEMS[key]
    near = difflib.get_close_matches(key, ITEMS, n=3, cutoff=0.5)
    hint = f"nearest are {', '.join(near)}" if near else "none is near"
    raise ConfigError(f"there is nothing called {name!r} to reproduce; {hint}. All: {', '.join(sorted(ITEMS))}")


def refuse_unused(item: Item, given: Iterable[str]) -> None:
    """Refuse options that an item has no use for, instead of dropping them.

    Raises:
        ConfigError: one was given; the message lists those that the item takes.
    """
    unused = [name for name in given if name not in item.options]
    if unused:
        taken = f"{flags(item.options)}, and like every item" if item.options else "only"
        raise ConfigError(
            f"{item.name} does not take {flags(unused)}; it takes {taken} --out and --json. "
            f"Leave {'it' if len(unused) == 1 else 'them'} out"
        )


def reproduce(name: str, out: Path, options: ReproduceOptions | None = None) -> dict[str, object]:
    """Compute one figure or table and write it below ``out``.

    Args:
        name: a key of :data:`ITEMS`, in any case ("Fig. 6" is fig6).
        out: folder for the files; made when missing.
        options: see :class:`ReproduceOptions`.

    Returns:
        JSON values; "item" names what was made.

    Raises:
        ConfigError: unknown item, or an option that it does not take.
        ArtefactError: ``out`` cannot be made.
        DataError, MissingPackageError: as the item needs data or packages that are not there.
    """
    item, options = item_named(name), options or ReproduceOptions()
    refuse_unused(item, options.given())
    make: Maker = getattr(import_module(item.function.partition(":")[0]), item.name)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(f"{out} cannot be written: {error.strerror or error}. Pass another --out") from error
    try:
        return {"item": item.name} | make(out, options)
    except BaseException:
        if new:
            with contextlib.suppress(OSError):  # something was written, so the folder stays
                out.rmdir()
        raise
