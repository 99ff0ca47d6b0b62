"""Every figure and table of the paper by name: what makes it, and the options it understands."""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from gcn2snn.errors import ArtefactError, ConfigError

ITEMS: dict[str, str] = {
    **{f"fig{n}": f"gcn2snn.figures:fig{n}" for n in (1, 2, 4, 5, 6, 10)},
    **{f"fig{n}": f"gcn2snn.cnn.figures:fig{n}" for n in (3, 7, 8, 9)},
    **{f"table{n}": f"gcn2snn.cnn.tables:table{n}" for n in (1, 2, 3, 4, 6, 7, 8)},
    "table5": "gcn2snn.table5:table5",
    "tcurve": "gcn2snn.curves:tcurve",
    "codings": "gcn2snn.curves:codings",
    "motifs": "gcn2snn.reproduce_motifs:motifs",
    "planetoid": "gcn2snn.reproduce_planetoid:planetoid",
}
"""Name -> "module:function"; the function is imported when it is asked for, so that listing the names is instant."""

Item = Callable[[Path, "ReproduceOptions"], dict[str, Any]]
"""function(out, options) -> JSON values: what was computed, and under "files" what was written below ``out``."""


@dataclass(frozen=True)
class ReproduceOptions:
    """What narrows or feeds a run; an item ignores what it has no use for.

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
        if self.max_loss is not None and not 0 <= self.max_loss < math.inf:
            raise ConfigError(
                f"max_loss (--max-loss) is {self.max_loss:g}; allowed are 0 and more points, or leave it out"
            )


def item_named(name: str) -> str:
    """The "module:function" behind an item.

    Raises:
        ConfigError: there is no such item; the message names the nearest ones.
    """
    key = name.lower().replace(" ", "").replace(".", "").replace("figure", "fig")
    if key in ITEMS:
        return ITEMS[key]
    near = difflib.get_close_matches(key, ITEMS, n=3, cutoff=0.5)
    hint = f"nearest are {', '.join(near)}" if near else "none is near"
    raise ConfigError(f"there is nothing called {name!r} to reproduce; {hint}. All: {', '.join(sorted(ITEMS))}")


def reproduce(name: str, out: Path, options: ReproduceOptions | None = None) -> dict[str, Any]:
    """Compute one figure or table and write it below ``out``.

    Args:
        name: a key of :data:`ITEMS`, in any case ("Fig. 6" is fig6).
        out: folder for the files; made when missing.
        options: see :class:`ReproduceOptions`.

    Returns:
        JSON values; "item" names what was made.

    Raises:
        ConfigError: unknown item or option.
        ArtefactError: ``out`` cannot be made.
        DataError, MissingPackageError: as the item needs data or packages that are not there.
    """
    module, _, function = item_named(name).partition(":")
    item: Item = getattr(import_module(module), function)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(f"{out} cannot be written: {error.strerror or error}. Pass another --out") from error
    try:
        return {"item": function} | item(out, options or ReproduceOptions())
    except BaseException:
        if new:
            with contextlib.suppress(OSError):  # something was written: that stays
                out.rmdir()
        raise
