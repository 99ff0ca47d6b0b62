"""Every figure and table of the paper by name: what makes it, and the options it understands."""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from gcn2snn.errors import ArtefactError, ConfigError, DataError


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
    **{f"fig{n}": Item(f"gcn2snn.figures:fig{n}") for n in (1, 2, 4, 5, 6)},
    "fig10": Item("gcn2snn.figures:fig10", ("limit",)),
    **{f"fig{n}": Item(f"gcn2snn.cnn.figures:fig{n}", _IMAGES) for n in (3, 7, 8, 9)},
    **{f"table{n}": Item(f"gcn2snn.cnn.tables:table{n}", (*_IMAGES, "modes")) for n in (1, 2, 3, 4, 6, 7, 8)},
    "table5": Item("gcn2snn.table5:table5", (*_TEXTS, "trials", "max_loss")),
    "tcurve": Item("gcn2snn.curves:tcurve", _TEXTS),
    "codings": Item("gcn2snn.curves:codings", _TEXTS),
    "motifs": Item("gcn2snn.reproduce_motifs:motifs", ("seeds", "modes")),
    "planetoid": Item("gcn2snn.reproduce_planetoid:planetoid", ("rows", "datasets", "seeds", "modes", "data_dir")),
}

Maker = Callable[[Path, "ReproduceOptions"], dict[str, Any]]
"""function(out, options) -> JSON values: what was computed, and under "files" what was written below ``out``."""


@dataclass(frozen=True)
class ReproduceOptions:
    """What narrows or feeds a run; an item refuses what it has no use for.

    Args:
        data_dir: where datasets are found and kept; None is the default place.
        rows: rows of a table to compute, all when empty.
        datasets: datasets to use, all of the item's when empty.
        seeds: how many training seeds; None is the item's own number.
        modes: variants of the conversion to compare, the item's own when empty.
        limit: at most so many test inputs.
        weights: trained weights by model name, as safetensors files.
        keep_going: leave broken run folders out instead of stopping at the first.
        trials: configurations of a search; None is the item's own number.
        max_loss: points of validation accuracy that what a search picks may lose; None is the item's own rule.

    Raises:
        ConfigError: seeds, limit or trials is not positive, or max_loss is negative or no number.
        DataError: data_dir is no folder.
    """

    data_dir: Path | None = None
    rows: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: int | None = None
    modes: tuple[str, ...] = ()
    limit: int | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    keep_going: bool = False
    trials: int | None = None
    max_loss: float | None = None

    def __post_init__(self) -> None:
        for name in ("seeds", "limit", "trials"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} (--{name}) is {value}; allowed are 1 and more, or leave it out")
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise DataError(
                f"data_dir (--data-dir) is {self.data_dir}, which is no folder; give the folder that holds the data"
            )
        if self.max_loss is not None and not 0 <= self.max_loss < math.inf:
            raise ConfigError(
                f"max_loss (--max-loss) is {self.max_loss:g}; allowed are 0 and more points, or leave it out"
            )

    def given(self) -> list[str]:
        """Names of the fields that are not at their default."""
        default = ReproduceOptions()
        return [item.name for item in fields(self) if getattr(self, item.name) != getattr(default, item.name)]


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


def flags(options: Iterable[str]) -> str:
    """Options as they are typed: data_dir is --data-dir."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in options)


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


def reproduce(name: str, out: Path, options: ReproduceOptions | None = None) -> dict[str, Any]:
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
            with contextlib.suppress(OSError):  # something was written: that stays
                out.rmdir()
        raise
